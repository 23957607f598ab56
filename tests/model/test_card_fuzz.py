"""Whatever a bundle's card holds, reading it gives a card or the documented error."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesionflow.diagnoses import BUILT_IN, HAM10000, LabelSet
from lesionflow.errors import BundleError
from lesionflow.model.card import (
    CARD_FILE,
    KERAS_FILE,
    ONNX_FILE,
    TRAINED_ON_FILE,
    VALIDATION_FILE,
    Calibration,
    Card,
    read_card,
    write_card,
)
from lesionflow.model.decision import decide
from lesionflow.model.files import check_whole
from lesionflow.scoring.summary import provenance
from tests.scoring.conftest import write_small_bundle

CARD = Card("cnn", 48, 64, "demo", "d" * 64, True, "s" * 64, 0, (0.7, 0.15, 0.15), digests={ONNX_FILE: "0" * 64})
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, content: bytes) -> Card | None:
    (folder / CARD_FILE).write_bytes(content)
    try:
        return read_card(folder)
    except BundleError:
        return None


@many
@given(data=st.data())
def test_a_mutated_card_is_never_taken_for_the_original(tmp_path: Path, data: st.DataObject) -> None:
    written = write_card(tmp_path, CARD)
    content = bytearray((tmp_path / CARD_FILE).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    found = read(tmp_path, bytes(content))
    assert found is None or found == written  # the same values, at most written otherwise


@many
@given(
    values=st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Card)]), ANY_JSON, max_size=2)
)
def test_a_card_that_somebody_signed_himself_is_sound_or_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    card: dict[str, Any] = dataclasses.asdict(CARD) | values
    found = read(tmp_path, signed(card))
    if not values:
        assert found is not None
    if found is None:
        return
    assert 1 <= found.height <= 4096 and 1 <= found.width <= 4096 and ONNX_FILE in found.digests
    for calibration in found.calibrations.values():
        said = decide(np.zeros((1, len(found.labels))), np.zeros(1), calibration, found.prior, found.labels)
        assert said.malignant_probability.shape == (1,) and not np.isnan(said.probabilities).any()
    texts = (found.label, found.network, found.data_name, found.data_digest, *found.versions.values())
    assert isinstance(found.demo, bool) and all(isinstance(text, str) for text in texts)
    assert provenance("m", found, {})["bundle_digest"] == found.digest


def signed(card: dict[str, Any]) -> bytes:
    unsigned = {name: value for name, value in card.items() if name != "digest"}
    content = json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps(unsigned | {"digest": hashlib.sha256(content).hexdigest()}).encode()


def calibrated(**fields: Any) -> dict[str, Any]:
    return {"calibrations": {"single": dataclasses.asdict(CARD.calibrations["single"]) | fields}}


def labelled(**fields: Any) -> dict[str, Any]:
    return {"labels": dataclasses.asdict(HAM10000) | fields}


@pytest.mark.parametrize(
    "values",
    [{"demo": "x"}, {"network": 5}, {"network": [1]}, {"data_name": None}, {"height": True}, {"height": 0},
     {"height": 48.0},
     calibrated(temperature=0), calibrated(temperature=True), calibrated(temperature=10**400),
     calibrated(temperature=float("nan")), calibrated(logit_offsets=[0] * 6), calibrated(logit_offsets=["0"] * 7),
     calibrated(malignant_threshold="x"), calibrated(unfamiliar_above=float("inf")), calibrated(figures={"ece": "x"}),
     {"calibrations": {}}, {"calibrations": 3}, {"prior": [0.5] * 6}, {"prior": [-1] * 7},
     {"metrics": 3}, {"metrics": {"test": 3}}, {"metrics": {"test": {"accuracy": [0, 1]}}},
     {"versions": []}, {"licence": 4},
     {"digests": {}}, {"digests": {ONNX_FILE: 3}}, {"digests": {ONNX_FILE: "0", "..": "0"}},
     {"classes": list(HAM10000.names)}, {"labels": None}, {"labels": list(HAM10000.names)}, {"prior": []},
     labelled(names=["nv", "mel"]), labelled(names=["nv", "nv"]), labelled(malignant=["nv", 3]), labelled(name=None),
     labelled(full_names={}), labelled(aliases={"mel": "word"}), labelled(more=1), labelled(not_to_miss="nv"),
     calibrated(logit_offsets=[]),
     {"pixels_version": 3}, {"format": 1}, {"unknown": 1}, {"split_fractions": [1, 2]}],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused_whatever_the_digest(tmp_path: Path, values: dict[str, Any]) -> None:
    assert read(tmp_path, signed(dataclasses.asdict(CARD))) is not None
    assert read(tmp_path, signed(dataclasses.asdict(CARD) | values)) is None


@pytest.mark.parametrize(("format", "newer"), [(2, ["licence", "labels"]), (3, ["labels"])])
def test_cards_of_the_formats_before_are_read(tmp_path: Path, format: int, newer: list[str]) -> None:
    values = dataclasses.asdict(CARD) | {"format": format, "classes": list(HAM10000.names)}
    for name in newer:
        del values[name]
    found = read(tmp_path, signed(values))
    assert found is not None and found.licence == "" and found.labels == HAM10000
    assert write_card(tmp_path, found).format == 4 and read_card(tmp_path).labels == HAM10000
    assert read(tmp_path, signed(values | {"classes": list("abcdefg")})) is None


def test_what_shipped_early_is_whole_without_what_it_says_of_lesions(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "bundle")
    absent = dict.fromkeys((KERAS_FILE, VALIDATION_FILE, TRAINED_ON_FILE), "0" * 64)
    early = dataclasses.asdict(read_card(bundle)) | {"format": 3, "classes": list(HAM10000.names)}
    early["digests"] |= absent
    del early["labels"]
    assert read(bundle, signed(early)) == check_whole(bundle)
    write_card(bundle, read_card(bundle))  # in today's format, of which none ships so
    with pytest.raises(BundleError, match=TRAINED_ON_FILE):
        check_whole(bundle)


@pytest.mark.parametrize("labels", BUILT_IN.values(), ids=lambda labels: str(labels.name))
def test_a_card_keeps_its_label_set(tmp_path: Path, labels: LabelSet) -> None:
    written = write_card(tmp_path, dataclasses.replace(CARD, labels=labels, prior=(), calibrations=neutral()))
    found = read_card(tmp_path)
    assert found == written and found.labels == labels and found.classes == labels.names
    assert len(found.prior) == len(found.calibrations["single"].logit_offsets) == len(labels)


def neutral() -> dict[str, Calibration]:
    return {"single": Calibration()}


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"1e999", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"9" * 10_000]
)
def test_what_is_no_card_is_refused(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) is None


@many
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) is None
