"""What a bundle decides arrives in every report: the call, malignant yes or no, whom to refer; also with --tta."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.api.score import score
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import ReportError, UsageError
from lesionflow.images.decode import Decoded, decode
from lesionflow.model.card import AVERAGED, SINGLE, read_card, write_card
from lesionflow.model.predictor import load_predictor
from lesionflow.scoring.engines import local
from tests.conftest import error_line, invoke
from tests.scoring.conftest import SIDE, interrupt_before_batch
from tests.scoring.read_report import read_report

NUMBERS = ("probability", *(f"p_{diagnosis}" for diagnosis in HAM10000.names), "p_malignant")
WORDS = ("diagnosis", "malignant", "refer")


def rows_of(report: Path) -> list[dict[str, str]]:
    with report.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers_of(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[name]) for name in NUMBERS] for row in rows])


@pytest.mark.parametrize("averaged", [False, True])
def test_a_row_says_what_the_predictor_decides(
    averaged: bool, images: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    summary = score(images, tmp_path / "results.csv", str(deciding_bundle), tta=averaged, quiet=True)
    rows = rows_of(tmp_path / "results.csv")
    pixels = np.stack([decode(row["path"], SIDE, SIDE) for row in rows])
    said = load_predictor(deciding_bundle, averaged=averaged).predict(pixels).one_by_one()
    assert [(row["diagnosis"], row["malignant"], row["refer"]) for row in rows] == [
        (HAM10000.names[each.called], "yes" if each.malignant else "no", each.refer) for each in said
    ]
    for row, each in zip(rows, said, strict=True):
        assert float(row["probability"]) == pytest.approx(each.probabilities[each.called], abs=2e-6)
    for column, number in (("diagnosis", 4), ("malignant", 2), ("refer", 3)):
        assert len({row[column] for row in rows}) >= number  # no word is tested by its absence
    most_probable = [HAM10000.names[int(np.argmax(each.probabilities))] for each in said]
    assert most_probable != [row["diagnosis"] for row in rows]
    counts = summary.counts
    assert counts.malignant == [row["malignant"] for row in rows].count("yes")
    assert counts.referred == {why: [row["refer"] for row in rows].count(why) for why in ("uncertain", "unfamiliar")}


def test_every_format_says_the_same(images: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    found = []
    for name in ("results.csv", "results.jsonl", "results.parquet"):
        score(images, tmp_path / name, str(deciding_bundle), quiet=True)
        found.append([row.prediction for row in read_report(tmp_path / name)])
    for of_csv, of_jsonl, of_parquet in zip(*found, strict=True):
        assert of_csv is not None and of_jsonl is not None and of_parquet is not None
        assert of_csv == of_jsonl and of_csv[1:] == of_parquet[1:]
        np.testing.assert_allclose(of_csv.probabilities, of_parquet.probabilities, atol=1e-6)


def test_the_isic_report_answers_with_the_call(images: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    score(images, tmp_path / "results.csv", str(deciding_bundle), quiet=True)
    score(images, tmp_path / "isic.csv", str(deciding_bundle), format="isic", quiet=True)
    called = {Path(row["path"]).stem: row["diagnosis"] for row in rows_of(tmp_path / "results.csv")}
    for row in rows_of(tmp_path / "isic.csv"):
        name = row.pop("image")
        assert max(row, key=lambda each: float(row[each])).lower() == called.pop(name)
    assert not called


def test_a_resumed_run_averages_as_the_undisturbed_one(
    images: Path, deciding_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "workers": 1, "quiet": True}
    out = tmp_path / "results.csv"
    interrupt_before_batch(7, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="24 of 60 images are done"):
        score(images, out, str(deciding_bundle), tta=True, **options)
    monkeypatch.undo()
    with pytest.raises(ReportError, match=r"--tta \(yes then, no now\)"):
        score(images, out, str(deciding_bundle), resume=True, **options)
    assert score(images, out, str(deciding_bundle), tta=True, resume=True, **options).resumed == 24
    undisturbed = tmp_path / "undisturbed.csv"
    score(images, undisturbed, str(deciding_bundle), tta=True, **options)
    assert out.read_bytes() == undisturbed.read_bytes()
    score(images, tmp_path / "plain.csv", str(deciding_bundle), **options)
    plain, averaged = numbers_of(rows_of(tmp_path / "plain.csv")), numbers_of(rows_of(out))
    assert np.abs(plain - averaged).max() > 1e-3


def test_turning_an_image_changes_nothing_with_tta(deciding_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "turned"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        for turn in range(4):
            for flip in (1, -1):
                Image.fromarray(np.rot90(pixels, turn)[:, ::flip].copy()).save(folder / f"{number}-{turn}{flip}.png")
    spreads = {}
    for averaged in (False, True):
        out = tmp_path / f"{averaged}.csv"
        score(folder, out, str(deciding_bundle), tta=averaged, quiet=True)
        rows = rows_of(out)
        numbers = numbers_of(rows).reshape(4, 8, len(NUMBERS))  # (image, view, number)
        spreads[averaged] = np.ptp(numbers, axis=1).max()
        if averaged:
            words = [tuple(row[name] for name in WORDS) for row in rows]
            assert all(len(set(words[start : start + 8])) == 1 for start in range(0, 32, 8))
    # The same eight views, added up in another order, may differ in the last digit of a report.
    assert spreads[True] <= 1e-6 + 1e-9 and spreads[False] > 1e-3


def test_a_model_that_was_not_calibrated_for_it_refuses_tta(
    images: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("score", str(images), "--out", "results.csv", "--model", str(small_bundle), "--tta")
    assert result.exit_code == 2 and "--tta: this model was not calibrated" in error_line(result)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="--tta"):
        score(images, tmp_path / "results.csv", str(small_bundle), tta=True)


def test_the_summary_and_the_command_tell_what_was_decided(images: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "results.csv", tmp_path / "summary.json"
    command = ("score", str(images), "--out", str(out), "--model", str(deciding_bundle), "--summary", str(told))
    result = invoke(*command, "--tta")
    assert result.exit_code == 0, result.output
    rows, summary = rows_of(out), json.loads(told.read_text())
    malignant, (uncertain, unfamiliar) = (
        [row["malignant"] for row in rows].count("yes"),
        ([row["refer"] for row in rows].count(why) for why in ("uncertain", "unfamiliar")),
    )
    assert f"malignant at the operating point: {malignant} ({malignant / 60:.1%})" in result.stdout
    assert f"refer: {uncertain} uncertain, {unfamiliar} unfamiliar\n" in result.stdout
    assert (summary["malignant"], summary["malignant_share"]) == (malignant, round(malignant / 60, 6))
    assert summary["referred"] == {"uncertain": uncertain, "unfamiliar": unfamiliar}
    calibration = read_card(deciding_bundle).calibrations[AVERAGED]
    assert summary["provenance"]["calibration"]["tta"] is True
    assert summary["provenance"]["calibration"]["malignant_threshold"] == calibration.malignant_threshold
    assert summary["provenance"]["options"]["tta"] is True


def test_parquet_keeps_the_calibration(images: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    score(images, tmp_path / "results.parquet", str(deciding_bundle), quiet=True)
    metadata = parquet.read_schema(tmp_path / "results.parquet").metadata
    kept = json.loads(metadata[b"lesionflow.calibration"])
    calibration = read_card(deciding_bundle).calibrations[SINGLE]
    assert kept == {"tta": False} | json.loads(json.dumps(dataclasses.asdict(calibration)))


def test_images_unlike_any_other_are_referred_as_unfamiliar(
    trained_bundle: Path, demo_folder: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for name, colour in (
        ("black", (0, 0, 0)),
        ("white", (255, 255, 255)),
        ("green", (0, 255, 0)),
        ("blue", (0, 0, 255)),
    ):
        Image.new("RGB", (60, 45), colour).save(odd / f"{name}.png")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(odd / "noise.png")

    def referred(folder: Path, **options: Any) -> list[str]:
        score(folder, tmp_path / "results.csv", str(trained_bundle), overwrite=True, quiet=True, **options)
        return [row["refer"] for row in rows_of(tmp_path / "results.csv")]

    for averaged in (False, True):
        assert set(referred(odd, tta=averaged)) == {"unfamiliar"}
        assert referred(demo_folder, tta=averaged).count("unfamiliar") < 15  # of 150


def test_frames_of_a_file_have_decisions_of_their_own(
    deciding_bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames from the second on go through the network apart from the batch."""

    files = sorted(images.iterdir())
    stills = [(number, [Decoded(decode(file, SIDE, SIDE), "JPEG")]) for number, file in enumerate(files[:40])]
    monkeypatch.setattr(local, "decode_frames_in_sizes", lambda path, sizes: iter(stills))
    (tmp_path / "file.jpg").write_bytes(b"")
    score(tmp_path / "file.jpg", tmp_path / "frames.csv", str(deciding_bundle), quiet=True)
    monkeypatch.undo()
    score(images, tmp_path / "alone.csv", str(deciding_bundle), quiet=True)
    frames, alone = rows_of(tmp_path / "frames.csv"), rows_of(tmp_path / "alone.csv")[:40]
    assert [[row[name] for name in WORDS] for row in frames] == [[row[name] for name in WORDS] for row in alone]
    np.testing.assert_allclose(numbers_of(frames), numbers_of(alone), atol=2e-6)


def test_a_threshold_in_the_card_moves_the_rows(images: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    """The card's numbers decide, nothing that is written into the code."""
    folder = Path(shutil.copytree(deciding_bundle, tmp_path / "bundle"))
    card = read_card(folder)
    for threshold, words in ((0.0, {"yes"}), (1.1, {"no"})):
        changed = dataclasses.replace(card.calibrations[SINGLE], malignant_threshold=threshold)
        write_card(folder, dataclasses.replace(card, calibrations={SINGLE: changed}))
        score(images, tmp_path / "results.csv", str(folder), overwrite=True, quiet=True)
        assert {row["malignant"] for row in rows_of(tmp_path / "results.csv")} == words
