"""Models of other diagnoses than the seven: reports, parts, pages, predictions, and what does not fit together."""

import csv
import dataclasses
import io
import json
import pickle
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lesionflow
from lesionflow.api.merge import merge
from lesionflow.api.score import score
from lesionflow.diagnoses import BINARY, HAM10000, ISIC2019, LabelSet, read_label_set
from lesionflow.errors import BundleError, ReportError, UsageError
from lesionflow.model.card import SINGLE, Calibration, read_card, write_card
from lesionflow.model.columns import report_columns
from lesionflow.model.prediction import LabelledPredictions, read_labelled, with_labels
from lesionflow.model.predictor import load_predictor
from lesionflow.scoring.shards import job_folder
from tests.scoring.conftest import interrupt_before_batch, write_small_bundle
from tests.scoring.read_report import read_report
from tests.scoring.test_page import data_of

OWN = LabelSet(
    "clinic", ("mel", "scar", "nevus", "wart", "scc"),
    {"mel": "melanoma", "scar": "scar", "nevus": "melanocytic nevus", "wart": "common wart", "scc": "carcinoma"},
    ("scc", "mel"), "mel", {"nevus": ("mole",)}, ("tattoo",), "our clinic",
)  # fmt: skip
SETS = {labels.name: labels for labels in (ISIC2019, BINARY, OWN)}
OPTIONS: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "quiet": True}


def share(labels: LabelSet) -> tuple[float, ...]:
    return tuple((np.arange(1, len(labels) + 1) / np.arange(1, len(labels) + 1).sum()).tolist())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a bundle of each set, and one of the seven."""
    folder = tmp_path_factory.mktemp("sets")
    return {
        name: write_small_bundle(folder / name, labels=labels, prior=share(labels))
        for name, labels in {**SETS, "ham10000": HAM10000}.items()
    }


@pytest.fixture(params=SETS)
def labels(request: pytest.FixtureRequest) -> LabelSet:
    return SETS[request.param]


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


def test_the_report_has_the_diagnoses_of_the_model(
    labels: LabelSet, bundles: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    model = lesionflow.load(bundles[labels.name])
    assert model.card.labels == labels and model.card.classes == labels.names
    summary = score(
        images, tmp_path / "a.csv", str(bundles[labels.name]), html=tmp_path / "a.html", top_k=2,
        summary=tmp_path / "a.json", **OPTIONS,
    )  # fmt: skip
    rows, said = rows_of(tmp_path / "a.csv"), model.predict(sorted(images.iterdir()))
    assert list(rows[0]) == [*report_columns(labels), "top1_diagnosis", "top1_probability", "top2_diagnosis",
                             "top2_probability"]  # fmt: skip
    assert list(summary.counts.diagnoses) == list(labels.names) and summary.scored == 60
    for row, predicted in zip(rows, said, strict=True):
        chances = predicted.probabilities
        assert list(chances) == list(labels.names) and sum(chances.values()) == pytest.approx(1)
        assert {name: f"{chance:.6f}" for name, chance in chances.items()} == {
            name: row[f"p_{name}"] for name in labels.names
        }
        malignant = sum(chances[name] for name in labels.malignant)
        assert float(row["p_malignant"]) == pytest.approx(malignant, abs=1e-6) and row["diagnosis"] in labels.names
        assert predicted.p_malignant == pytest.approx(malignant) and row["diagnosis"] == predicted.diagnosis
        assert row["top1_diagnosis"] == max(chances, key=lambda name: chances[name])
    page = data_of((tmp_path / "a.html").read_text())
    assert page["diagnoses"] == list(labels.names) and page["counts"] == list(summary.counts.diagnoses.values())
    assert page["full_names"] == [labels.full_names[name] for name in labels.names]
    assert {labels.names[index] for index in page["malignant"]} == set(labels.malignant)
    assert page["prior"] == list(share(labels)) and len(page["rows"][0][1]) == len(labels)
    told = json.loads((tmp_path / "a.json").read_text())
    assert list(told["provenance"]["prior"]) == list(told["diagnoses"]) == list(labels.names)


def test_predictions_are_a_table_and_can_be_sent_to_other_processes(
    labels: LabelSet, bundles: dict[str, Path], images: Path
) -> None:
    good, bad = lesionflow.load(bundles[labels.name]).predict([images / "image0000.jpg", b""])
    table = pd.DataFrame([good, bad])
    assert set(table.columns) == {*report_columns(labels), "error"} - {"path", "status", "model"}
    assert bad.error is not None and bad.probabilities == {} and table.drop(columns="error").loc[1].isna().all()
    assert pickle.loads(pickle.dumps([good, bad])) == [good, bad]
    assert good == dataclasses.replace(good) and "p_malignant=" in repr(good)
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.diagnosis = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_parts_an_interrupted_run_and_one_run_give_the_same_report(
    name: str, labels: LabelSet, bundles: dict[str, Path], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, once, parts, resumed = str(bundles[labels.name]), *(tmp_path / f"{index}{name}" for index in range(3))
    score(images, once, bundle, **OPTIONS)
    for shard in ("1/2", "2/2"):
        score(images, parts, bundle, shard=shard, **OPTIONS)
    merge(parts, quiet=True)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        interrupt_before_batch(5, patch)
        score(images, resumed, bundle, **OPTIONS)
    score(images, resumed, bundle, resume=True, **OPTIONS)
    found = list(read_report(once, labels))
    assert [row.prediction is not None for row in found] == [True] * 60
    for other in (parts, resumed):
        assert list(read_report(other, labels)) == found
        if name != "a.parquet":  # which has the time of the job
            assert other.read_bytes() == once.read_bytes()
    if labels is not OWN:
        assert list(read_report(once)) == found  # a built-in set is known by its columns


def test_the_isic_format_is_that_of_the_challenge_with_these_diagnoses(
    bundles: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    for name in ("isic2019", "binary"):
        score(images, tmp_path / f"{name}.csv", str(bundles[name]), format="isic", **OPTIONS)
        score(images, tmp_path / f"{name}.jsonl", str(bundles[name]), **OPTIONS)
    rows = rows_of(tmp_path / "isic2019.csv")
    assert list(rows[0]) == ["image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    reported = [json.loads(line) for line in (tmp_path / "isic2019.jsonl").read_text().splitlines()]
    for row, other in zip(rows, reported, strict=True):
        shares = {column.lower(): float(text) for column, text in row.items() if column != "image"}
        assert shares.pop("unk") == 0 and sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert shares[other["diagnosis"]] == max(shares.values())
    rows = rows_of(tmp_path / "binary.csv")
    reported = [json.loads(line) for line in (tmp_path / "binary.jsonl").read_text().splitlines()]
    assert [(row["isic_id"], float(row["target"])) for row in rows] == [
        (Path(other["path"]).stem, other["p_malignant"]) for other in reported
    ]
    with pytest.raises(UsageError, match=r"no ISIC challenge had the diagnoses of clinic .*; choose csv"):
        score(images, tmp_path / "clinic.csv", str(bundles["clinic"]), format="isic", **OPTIONS)
    assert not (tmp_path / "clinic.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 3}, "--top-k 3: there are 2 diagnoses; give 1 to 2"),
        ({"columns": "path,p_mel"}, "no column 'p_mel'"),
        ({"columns": "path,p_malignan"}, r"no column 'p_malignan' \(did you mean 'p_malignant'"),
    ],
)
def test_columns_of_other_diagnoses_are_refused_before_the_work(
    options: dict[str, Any], message: str, bundles: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        score(images, tmp_path / "a.csv", str(bundles["binary"]), **OPTIONS | options)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_other_diagnoses_than_the_cards_is_refused(
    bundles: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    for name, labels in (("ham10000", BINARY), ("binary", ISIC2019)):
        bundle = Path(shutil.copytree(bundles[name], tmp_path / name))
        card = dataclasses.replace(read_card(bundle), labels=labels, prior=(), calibrations={SINGLE: Calibration()})
        write_card(bundle, card)
        with pytest.raises(BundleError, match=rf"graph gives .* names {len(labels)} diagnoses \({labels.names[0]}"):
            load_predictor(bundle)
        with pytest.raises(BundleError, match="restore the bundle, or train it again"):
            score(images, tmp_path / "a.csv", str(bundle), **OPTIONS)
        assert not (tmp_path / "a.csv").exists()


def test_parts_of_models_with_other_diagnoses_are_not_merged(
    bundles: dict[str, Path], images: Path, tmp_path: Path
) -> None:
    out, elsewhere = tmp_path / "a.csv", tmp_path / "elsewhere" / "a.csv"
    elsewhere.parent.mkdir()
    score(images, out, str(bundles["isic2019"]), shard="1/2", **OPTIONS)
    with pytest.raises(ReportError, match=r"belongs to another job .*diagnoses \(isic2019 then, binary now\)"):
        score(images, out, str(bundles["binary"]), shard="2/2", **OPTIONS)
    score(images, elsewhere, str(bundles["binary"]), shard="2/2", **OPTIONS)
    for file in job_folder(elsewhere).iterdir():
        if not (job_folder(out) / file.name).exists():
            shutil.copy(file, job_folder(out))
    before = {file.name: file.read_bytes() for file in job_folder(out).iterdir()}
    with pytest.raises(ReportError, match=r"part 2/2 is of another job: .*isic2019 then, binary now.*; score it like"):
        merge(out)
    assert {file.name: file.read_bytes() for file in job_folder(out).iterdir()} == before and not out.exists()


def test_a_run_is_not_resumed_by_a_model_of_other_diagnoses(
    bundles: dict[str, Path], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        interrupt_before_batch(5, patch)
        score(images, tmp_path / "a.csv", str(bundles["ham10000"]), **OPTIONS)
    with pytest.raises(ReportError, match=r"diagnoses \(ham10000 then, binary now\)"):
        score(images, tmp_path / "a.csv", str(bundles["binary"]), resume=True, **OPTIONS)
    assert score(images, tmp_path / "a.csv", str(bundles["ham10000"]), resume=True, **OPTIONS).resumed == 16


def test_a_report_put_together_of_two_sets_is_no_report(bundles: dict[str, Path], images: Path, tmp_path: Path) -> None:
    for name in ("ham10000", "binary"):
        score(images, tmp_path / f"{name}.jsonl", str(bundles[name]), **OPTIONS)
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text("".join((tmp_path / f"{name}.jsonl").read_text() for name in ("binary", "ham10000")))
    with pytest.raises(ReportError, match=r"no column p_benign; .* of other diagnoses than binary"):
        list(read_report(mixed))
    with pytest.raises(ReportError, match="no column p_mel, p_scar"):
        list(read_report(tmp_path / "binary.jsonl", OWN))


def test_labelled_predictions_keep_their_set(labels: LabelSet, bundles: dict[str, Path], images: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 24, 24, 3), np.uint8)
    ids = np.array([f"image{index}" for index in range(9)])
    said = with_labels(load_predictor(bundles[labels.name]).predict(pixels), ids, ids, np.arange(9) % len(labels))
    assert said.is_malignant.tolist() == [labels.names[index % len(labels)] in labels.malignant for index in range(9)]
    again = read_labelled(said.arrays(), labels)
    assert isinstance(again, LabelledPredictions) and again.take(said.is_malignant).label_set == labels
    np.testing.assert_array_equal(again.malignant_probability, said.malignant_probability)
    with pytest.raises(BundleError, match="train the model again"):
        read_labelled(said.arrays(), HAM10000)


def test_a_set_of_ones_own_comes_back_from_the_card(tmp_path: Path) -> None:
    file = tmp_path / "clinic.yaml"
    file.write_text("names: {mel: melanoma, nv: nevus}\nmalignant: [mel]\naliases: {nv: [mole]}\nothers: [tattoo]\n")
    labels = read_label_set(str(file))
    assert read_card(write_small_bundle(tmp_path / "bundle", labels=labels)).labels == labels
