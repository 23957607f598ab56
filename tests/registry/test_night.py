"""Two models of a night: what the truth says of them, and a promotion that rests on it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.leaks import HASHES, trained_on
from lesionflow.images.decode import decode
from lesionflow.images.duplicates import VIEW, perceptual_hashes
from lesionflow.model.card import HASHES_FILE, TRAINED_ON_FILE
from lesionflow.model.files import write_arrays
from lesionflow.model.prediction import Row
from lesionflow.registry.champion import find_champion
from lesionflow.registry.versions import find_version, register_bundle
from lesionflow.scoring.report import ReportLayout
from lesionflow.tracking import runs as tracking
from tests.conftest import error_line, invoke
from tests.contenders import NAME, answers, write_bundle
from tests.registry.champions import set_champion
from tests.scoring.write_report import write_report

CHAMPION, CHALLENGER = f"{NAME}/1", f"{NAME}/5"  # of another split: by validation they cannot be compared


@pytest.fixture
def night(contenders: Path) -> tuple[str, ...]:
    """The champion's and the challenger's answers in one report, and the truth, as options."""
    set_champion(find_version(NAME, 1), "the first")
    first, second = answers(0.6), answers(0.95)
    pairs = zip(first.image_ids, first.one_by_one(), second.one_by_one(), strict=True)
    rows = [Row(f"{name}.jpg", said, also=other) for name, said, other in pairs]
    write_report(rows, contenders / "night.csv", ReportLayout(CHAMPION, also=CHALLENGER), False)
    write_report(rows, contenders / "one.csv", ReportLayout(CHAMPION), False)
    lines = zip(first.image_ids, first.labels, first.lesion_ids, strict=True)
    labels = "".join(f"{name}.jpg,{HAM10000.names[label]},{lesion}\n" for name, label, lesion in lines)
    (contenders / "labels.csv").write_text("path,diagnosis,lesion_id\n" + labels)
    return ("--report", "night.csv", "--truth", "labels.csv")


def test_the_truth_compares_both_models_and_promotes_what_validation_cannot_compare(night: tuple[str, ...]) -> None:
    shown = invoke("compare", *night)
    assert shown.exit_code == 0, shown.output
    assert f"{CHALLENGER} beside {CHAMPION} in night.csv: 420 of 420 scored images have truth" in shown.stdout
    values = json.loads(invoke("compare", *night, "--json").stdout)
    assert values["models"] == [CHAMPION, CHALLENGER] and values["images"] == 420
    assert values["metrics"][CHAMPION]["balanced_accuracy"]["value"] == pytest.approx(0.6, abs=0.01)
    assert values["metrics"][CHAMPION]["balanced_accuracy"].keys() == {"value", "low", "high"}
    (row,) = [line for line in shown.stdout.splitlines() if line.startswith("balanced accuracy") and "(" in line]
    assert re.fullmatch(r"balanced accuracy +(0\.\d{3} \(0\.\d{3}-[01]\.\d{3}\) *){2}", row)
    found = values["differences"]["balanced_accuracy"]
    assert found["value"] == pytest.approx(0.35, abs=0.01) and found["low"] > 0.25

    refused = invoke("promote", NAME, "5")
    assert refused.exit_code == 1 and "not comparable" in refused.stderr
    other = invoke("promote", NAME, "3", *night)
    assert other.exit_code == 1 and f"night.csv is of {CHAMPION}, {CHALLENGER}, not of {NAME}/3" in other.stderr
    assert find_champion(NAME) == find_version(NAME, 1)
    done = invoke("promote", NAME, "5", *night)
    assert done.exit_code == 0, done.output
    assert "night.csv balanced accuracy 0.95" in done.stdout and "night.csv melanoma sensitivity" in done.stdout
    assert find_champion(NAME) == find_version(NAME, 5)


def test_chances_that_count_for_nothing_are_told(night: tuple[str, ...], contenders: Path) -> None:
    first, *lines = (contenders / "labels.csv").read_text().splitlines()
    rows = [f"{first},chance", *(f"{line},0.5" for line in lines)]
    (contenders / "labels.csv").write_text("\n".join(rows) + "\n")
    for command in (("compare",), ("promote", NAME, "5")):
        result = invoke(*command, *night)
        assert result.exit_code == 0 and "WARNING: the chances of the images are not used here" in result.stderr


def test_the_truth_may_have_words_and_columns_of_ones_own(night: tuple[str, ...], contenders: Path) -> None:
    told = (contenders / "labels.csv").read_text().replace("path,diagnosis", "file,finding").replace(",mel,", ",m1,")
    (contenders / "labels.csv").write_text(told)
    (contenders / "words.yaml").write_text("columns: {path: file, diagnosis: finding}\nlabels: {m1: mel}\n")
    for command in (("compare",), ("promote", NAME, "5")):
        refused = invoke(*command, *night)
        assert refused.exit_code == 1 and "to name yours, give --labels FILE" in error_line(refused)
        done = invoke(*command, *night, "--labels", "words.yaml")
        assert done.exit_code == 0 and "balanced accuracy" in done.stdout, done.output
    assert find_champion(NAME) == find_version(NAME, 5)


def test_a_night_that_shows_nothing_promotes_nothing(night: tuple[str, ...], contenders: Path) -> None:
    lines = (contenders / "labels.csv").read_text().splitlines()
    (contenders / "labels.csv").write_text("\n".join(lines[:8]) + "\n")
    result = invoke("promote", NAME, "5", *night)
    assert result.exit_code == 1 and "night.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("compare", "--report", "one.csv", "--truth", "labels.csv"), "'lesionflow score --also' adds", 1),
        (("compare", "--report", "night.csv"), "give --report and --truth", 2),
        (("compare",), "name a model to compare", 2),
        (("promote", NAME, "5", "--truth", "labels.csv"), "give --report and --truth together", 2),
        (("promote", NAME, "5", "--labels", "words.yaml"), "--labels: is about --truth; add --truth FILE", 2),
        (("compare", NAME, "--labels", "words.yaml"), "--labels: says what words of --data or --truth mean", 2),
    ],
)
def test_what_is_missing_is_one_line(
    arguments: tuple[str, ...], message: str, code: int, night: tuple[str, ...]
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == code and message in error_line(result)


def trained_on_night(contenders: Path, seen: slice) -> str:
    """The next version, which was trained on some of the images that `answers` are of."""
    said = answers(0.95)
    table = pd.DataFrame({"image_id": said.image_ids, "lesion_id": said.lesion_ids, "content": "of other bytes"})
    card = write_bundle(contenders / "trained", said, split_digest="a third")
    card = write_arrays(contenders / "trained", card, TRAINED_ON_FILE, trained_on(table, np.arange(len(table))[seen]))
    with tracking.run("trained", "tests", system_metrics=False):
        return register_bundle(contenders / "trained", card, NAME, None).label


def test_images_that_a_model_was_trained_on_are_a_leak_and_promote_nothing(
    night: tuple[str, ...], contenders: Path
) -> None:
    label = trained_on_night(contenders, slice(0, 1))  # one image: by its name, and another of its lesion
    report = contenders / "night.csv"
    report.write_text(report.read_text().replace(CHALLENGER, label))
    leak = f"LEAK: {label} was TRAINED on lesions in 2 of these 420 images (found 2 by lesion, 1 by the image's name)"
    unknown = f"whether {CHAMPION} was trained on these images is unknown: it does not say which lesions trained it"
    shown = invoke("compare", *night)
    assert f"WARNING: {leak}" in shown.stderr and f"WARNING: {unknown}" in shown.stderr
    assert json.loads(invoke("compare", *night, "--json").stdout)["notes"][:2] == [
        unknown, f"{leak}: metrics on them are too good",
    ]  # fmt: skip
    refused = invoke("promote", NAME, label.rpartition("/")[2], *night)
    assert refused.exit_code == 1 and "FAILED  data" in refused.stdout and leak in error_line(refused)
    assert find_champion(NAME) == find_version(NAME, 1)
    others = contenders / "labels.csv"
    others.write_text("".join(line for line in others.open() if not line.rstrip().endswith("lesion000_0")))
    done = invoke("promote", NAME, label.rpartition("/")[2], *night)
    assert done.exit_code == 0 and unknown in " ".join(done.stdout.split()), done.output


def test_a_report_of_one_model_tells_a_leak_by_the_bytes_of_a_renamed_file_and_by_its_looks_too(
    contenders: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(contenders)
    said = answers(0.95).take(np.arange(14))
    (contenders / "renamed.jpg").write_bytes(b"the very image")
    digest = hashlib.sha256(b"the very image").hexdigest()
    table = pd.DataFrame({"image_id": ["before"], "lesion_id": ["then"], "content": [digest]})
    card = write_bundle(contenders / "bundle", said)
    card = write_arrays(contenders / "bundle", card, TRAINED_ON_FILE, trained_on(table, np.arange(1)))
    seen, unseen = sorted(map(str, demo_folder.rglob("*.jpg")))[:2]
    hashes = perceptual_hashes(np.stack([decode(seen, VIEW, VIEW)]))
    card = write_arrays(contenders / "bundle", card, HASHES_FILE, {HASHES: hashes})
    with Image.open(seen) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 225)).save(contenders / "mirrored.jpg")
    shutil.copy(unseen, contenders / "unseen.jpg")
    with tracking.run("bundle", "tests", system_metrics=False):
        label = register_bundle(contenders / "bundle", card, NAME, None).label
    names = ["renamed.jpg", "mirrored.jpg", "unseen.jpg", *(f"{name}.jpg" for name in said.image_ids[3:])]
    rows = [Row(name, each) for name, each in zip(names, said.one_by_one(), strict=True)]
    write_report(rows, contenders / "few.csv", ReportLayout(label), False)
    labels = zip(names, said.labels, strict=True)
    (contenders / "truth.csv").write_text(
        "path,diagnosis\n" + "".join(f"{name},{HAM10000.names[label]}\n" for name, label in labels)
    )
    result = invoke("evaluate", "--report", "few.csv", "--truth", "truth.csv", "--resamples", "100")
    assert result.exit_code == 0, result.output
    leak = f"LEAK: {label} was TRAINED on lesions in 2 of these 14 images (found 1 by the file's bytes, 1 by sight)"
    assert f"WARNING: {leak}" in result.stderr
    assert "WARNING: fewer than 10 images of akiec (2), bcc (2)" in result.stderr
    for name in ("few.csv", "truth.csv"):  # where a DICOM was, another file has taken its place
        file = contenders / name
        file.write_text(file.read_text().replace("unseen.jpg", "unseen.jpg#2"))
    result = invoke("evaluate", "--report", "few.csv", "--truth", "truth.csv", "--resamples", "100")
    assert result.exit_code == 0, result.output
    assert (
        f"whether {label} was trained on these images is unknown: 1 path names a frame that is not read"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("cnn@0123456789ab", "its report names no registered version"),
        ("pretrained cnn@0123456789ab", "pretrained"),
        (f"{NAME}/99", f"no version 99 of {NAME}"),
    ],
)
def test_a_model_that_is_not_found_is_said_to_be_unknown(night: tuple[str, ...], label: str, why: str) -> None:
    report = Path("one.csv")
    report.write_text(report.read_text().replace(CHAMPION, label))
    result = invoke("evaluate", "--report", "one.csv", *night[2:], "--resamples", "100")
    assert result.exit_code == 0, result.output
    told = result.stderr.splitlines()[0]
    assert told.startswith(f"WARNING: whether {label} was trained on these images is unknown: ") and why in told
