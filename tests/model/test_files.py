import dataclasses
import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from lesionflow.datasets.split import Split
from lesionflow.errors import BundleError, TrainingError
from lesionflow.model import card as card_module
from lesionflow.model.card import Calibration, Card, read_card, write_card
from lesionflow.model.files import read_arrays, read_bundle, write_arrays
from lesionflow.training.export import onnx as export_module
from lesionflow.training.export.onnx import write_bundle
from lesionflow.training.fit import Examples
from lesionflow.training.networks import build_network

CARD = Card("cnn", 16, 16, "made up", "digest", True, "split", 0, (0.7, 0.15, 0.15))
SAMPLES = np.random.default_rng(0).integers(0, 256, (21, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(21) % 7
SPLIT = Split(np.arange(14), np.arange(14, 18), np.arange(18, 21), 0, (0.7, 0.15, 0.15), "")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    network = build_network("cnn", 16, 16)
    written = write_bundle(tmp_path / "bundle", network, CARD, Examples(SAMPLES, LABELS, SPLIT))
    card, graph = read_bundle(tmp_path / "bundle")
    assert card == written and len(card.digest) == 64
    assert graph == (tmp_path / "bundle" / "model.onnx").read_bytes()
    assert 0 <= card.training["export_difference"] < 1e-4
    assert len(graph) < 0.52 * (tmp_path / "bundle" / "model.keras").stat().st_size  # weights as float16
    restored = keras.models.load_model(tmp_path / "bundle" / "model.keras")  # in safe mode, the default
    np.testing.assert_allclose(
        restored(SAMPLES.astype(np.float32)), network(SAMPLES.astype(np.float32)), rtol=1e-4, atol=1e-5
    )


def test_an_export_that_differs_from_keras_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(  # another network's graph, as a wrong export would be
        export_module,
        "_export",
        lambda network, folder: export_module.export_onnx(build_network("vgg", 16, 16), folder),
    )
    network = build_network("vgg", 16, 16)
    network.get_layer("logits").kernel.assign(3 * network.get_layer("logits").kernel)
    with pytest.raises(TrainingError, match="differs from Keras"):
        write_bundle(tmp_path / "bundle", network, CARD, Examples(SAMPLES, LABELS, SPLIT))
    assert not (tmp_path / "bundle" / "card.json").exists()


@pytest.mark.parametrize("name", ["model.onnx", "model.keras", "card.json"])
def test_any_changed_byte_is_noticed(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    position = content.index(b'"height"') + 1 if name == "card.json" else len(content) // 2
    content[position] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        read_bundle(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name):
        read_bundle(bundle)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        read_card(tmp_path / "missing")
    (tmp_path / "card.json").write_text("[1, 2]")
    with pytest.raises(BundleError, match="not the card"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["nv", "mel"]}, {"pixels_version": 0}, {"height": 0}, {"width": "64"}, {"prior": [0.5, 0.5]},
        {"prior": [0] * 7}, {"calibrations": {}},
        {"calibrations": {"single": {"temperature": 0, "logit_offsets": [0] * 7}}},
        {"metrics": {"test": {"accuracy": [0.5]}}}, {"digests": {}}, {"format": 1}, {"unknown": 1},
        {"digests": {"model.onnx": "0", "../../etc/passwd": "0"}},
    ],
)  # fmt: skip
def test_a_card_that_makes_no_sense_is_refused_even_with_a_digest_of_its_own(
    bundle: Path, change: dict[str, object]
) -> None:
    values = json.loads((bundle / "card.json").read_text()) | change
    values["digest"] = card_module._card_digest(values)
    (bundle / "card.json").write_text(json.dumps(values))
    with pytest.raises(BundleError):
        read_bundle(bundle)


def test_the_digest_is_of_every_field(bundle: Path) -> None:
    before = read_card(bundle)
    after = write_card(bundle, dataclasses.replace(before, calibrations={"single": Calibration(temperature=1.5)}))
    assert before.digest != after.digest and read_card(bundle) == after


def test_arrays_belong_to_the_bundle(bundle: Path) -> None:
    card = read_card(bundle)
    arrays = {"numbers": np.arange(5), "names": np.array(["a", "bc"])}
    after = write_arrays(bundle, card, "validation.npz", arrays)
    assert read_card(bundle) == after and after.digest != card.digest
    found = read_arrays(bundle, after, "validation.npz")
    assert found is not None and found["names"].tolist() == ["a", "bc"]
    assert found["numbers"].tolist() == [0, 1, 2, 3, 4]
    content = (bundle / "validation.npz").read_bytes()
    (bundle / "validation.npz").write_bytes(content[:-1] + b"x")
    with pytest.raises(BundleError, match=r"validation\.npz: altered"):
        read_arrays(bundle, after, "validation.npz")
    (bundle / "validation.npz").unlink()
    assert read_arrays(bundle, after, "validation.npz") is None
    assert read_bundle(bundle)[0] == after  # scoring needs none of it


def test_arrays_that_hold_code_are_refused(bundle: Path) -> None:
    np.savez(bundle / "validation.npz", allow_pickle=True, numbers=np.array([{"a": 1}], dtype=object))
    digest = hashlib.sha256((bundle / "validation.npz").read_bytes()).hexdigest()
    before = read_card(bundle)
    card = write_card(bundle, dataclasses.replace(before, digests=before.digests | {"validation.npz": digest}))
    with pytest.raises(BundleError, match="not a file of arrays"):
        read_arrays(bundle, card, "validation.npz")
