"""A report joined with truth that came later: the join, the weights, and truth that cannot be believed."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesionflow.api.later_truth import evaluate_report
from lesionflow.datasets.label_words import read_label_words
from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.diagnoses import BINARY, HAM10000, ISIC2019
from lesionflow.errors import DataError
from lesionflow.evaluation.evaluate import write_evaluation
from lesionflow.evaluation.join_truth import JOINED_COLUMNS, join_truth
from lesionflow.evaluation.later_truth import LaterTruth
from lesionflow.evaluation.measure import effective_size, measure
from lesionflow.evaluation.pictures import numeric_pictures
from lesionflow.model.columns import report_columns
from lesionflow.model.prediction import TRUSTED, LabelledPredictions, Row
from lesionflow.model.report_table import read_report_table
from lesionflow.scoring.report import ReportLayout
from tests.conftest import error_line, invoke
from tests.evaluation.evaluations import made_evaluation
from tests.evaluation.made_up import by_hand, made_up
from tests.scoring.write_report import write_report

WORDS = read_label_words(None)


@pytest.fixture(scope="module")
def said() -> LabelledPredictions:
    return made_up(lesions=60)


@pytest.fixture
def report(said: LabelledPredictions, tmp_path: Path) -> Path:
    """A report of the images, as `score` writes it, and of one that could not be read."""
    rows = [
        Row(f"night/{name}.jpg", prediction, carried=(lesion,))
        for name, lesion, prediction in zip(said.image_ids, said.lesion_ids, said.one_by_one(), strict=True)
    ]
    rows.append(Row("night/broken.jpg", None, "empty", "no bytes", carried=("broken",)))
    options = ReportLayout("lesions/3", carried_columns=("lesion_id",))
    write_report(rows, tmp_path / "report.csv", options, overwrite=False)
    return tmp_path / "report.csv"


def write(file: Path, header: str, rows: Sequence[tuple[object, ...]]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([header.split(","), *rows])
    return file


def notes_of(report: Path, truth: Path) -> tuple[str, ...]:
    return join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS).notes


def labels_of(said: LabelledPredictions, pattern: str = "night/{}.jpg") -> list[tuple[object, ...]]:
    names = [HAM10000.names[index] for index in said.labels]
    return [(pattern.format(image), name) for image, name in zip(said.image_ids, names, strict=True)]


def test_lesions_that_nobody_knows_are_a_warning_as_in_an_evaluation(
    report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    labels = labels_of(said)
    truth = write(tmp_path / "labels.csv", "path,diagnosis", labels)
    without = tmp_path / "without.csv"
    pd.read_csv(report).drop(columns="lesion_id").to_csv(without, index=False)
    assert not [note for note in notes_of(report, truth) if "lesion" in note]
    assert NO_LESIONS in notes_of(without, truth)
    pairs = zip(labels, said.lesion_ids, strict=True)
    named = [(*row, lesion if number else "") for number, (row, lesion) in enumerate(pairs)]
    some = write(tmp_path / "some.csv", "path,diagnosis,lesion_id", named)
    (note,) = [note for note in notes_of(without, some) if "lesion" in note]
    assert note.startswith(f"1 of {len(said)} images has no lesion_id: each counts as a lesion of its own")


def test_a_table_of_truth_with_other_names_is_told_how_to_name_them(report: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "labels.csv", "Bilddatei,Diagnose", [("a.jpg", "nv")])
    with pytest.raises(
        DataError, match=r"the columns are bilddatei, diagnose; needed are .*--labels FILE with 'columns"
    ):
        join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)


@pytest.mark.parametrize("pattern", ["night/{}.jpg", "{}", "elsewhere/{}.png"])
def test_all_truth_gives_the_metrics_of_an_evaluation(
    report: Path, said: LabelledPredictions, tmp_path: Path, pattern: str
) -> None:
    truth = write(tmp_path / "labels.csv", "path,diagnosis", labels_of(said, pattern))
    found = join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)
    assert (found.share, found.failed, found.weights) == (1.0, 1, None)
    assert any("joined by the names" in note for note in found.notes) == (pattern != "night/{}.jpg")
    expected = measure(said, resamples=200)
    metrics = measure(found.predictions, resamples=200)
    assert metrics.keys() == expected.keys()
    for name, estimate in metrics.items():  # the report has six decimals
        assert [*estimate] == pytest.approx([*expected[name]], abs=2e-3, nan_ok=True), name


def test_the_chance_of_being_asked_takes_the_bias_away() -> None:
    """Of 40 samples chosen by uncertainty, the weighted mean is the night's accuracy, the plain one is not."""
    night = made_up(lesions=1500, seed=5)
    truth = float((night.called == night.labels).mean())
    chance = np.clip(1.1 - night.confidence, 0.05, 1.0)
    weighted, plain = [], []
    for seed in range(40):
        asked = np.random.default_rng(seed).random(len(night)) < chance
        found = LaterTruth(night.take(asked), len(night), 0, 1 / chance[asked], int(asked.sum()), ())
        weighted.append(measure(found.predictions, weights=found.weights, resamples=2)["accuracy"].value)
        alone = dataclasses.replace(found, weights=None)
        plain.append(measure(found.predictions, resamples=2)["accuracy"].value)
        assert found.effective < len(found.predictions) == alone.effective
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - truth) < 4 * error < 0.02
    assert truth - np.mean(plain) > 0.05


def test_an_image_that_stands_for_most_others_makes_no_certainty() -> None:
    """Exact intervals are of the effective number of lesions, which equal weights leave alone."""
    names = ["nv"] * 60 + ["mel"] * 60
    said = by_hand(names, names, lesions=[f"L{index // 2}" for index in range(120)])  # two images a lesion
    weights = np.ones(120)
    weights[[0, 1, 60, 61]] = 1000.0  # of a lesion of each kind
    found = measure(said, weights=weights, resamples=100)
    of_each, of_all = (1000.0 + 29) ** 2 / (1000.0**2 + 29), (2000.0 + 58) ** 2 / (2 * 1000.0**2 + 58)
    assert [*found["sensitivity_mel"]] == pytest.approx([1, 0.025 ** (1 / of_each), 1])
    assert [*found["malignant_auc"]] == pytest.approx([1, 0.025 ** (1 / of_each), 1])
    assert [*found["accuracy"]] == pytest.approx([1, 0.025 ** (1 / of_all), 1])
    equal, plain = (measure(said, weights=each, resamples=100) for each in (np.full(120, 7.0), None))
    assert plain["accuracy"].low == 0.025 ** (1 / 60)
    for name, estimate in plain.items():
        assert [*equal[name]] == pytest.approx([*estimate], nan_ok=True), name


def test_the_most_frequent_diagnosis_is_that_of_the_night_and_not_of_the_sample() -> None:
    """Of a night of 5 malignant images and 200 benign ones, all malignant ones and a few of the others were asked."""
    names = ["malignant"] * 5 + ["benign"] * 2
    labels = np.array([BINARY.index_of(name) for name in names])
    ids = np.array([f"I{index}" for index in range(7)])
    trusted = np.full(7, TRUSTED)
    said = LabelledPredictions(np.full((7, 2), 0.5), labels, labels == 1, trusted, ids, ids, labels, label_set=BINARY)
    found = measure(said, weights=np.array([1.0] * 5 + [100.0] * 2), resamples=100)
    assert found["accuracy_of_always_commonest"].value == pytest.approx(200 / 205)
    assert measure(said, resamples=100)["accuracy_of_always_commonest"].value == pytest.approx(5 / 7)


def test_a_tiny_chance_leaves_all_metrics_finite() -> None:
    """One image in place of 1e200: every metric is that of it alone."""
    said = by_hand(["nv", "mel", "nv", "bcc"], ["nv", "mel", "mel", "nv"])
    weights = np.array([1e200, 1.0, 1.0, 1.0])
    found = measure(said, weights=weights, resamples=100)
    assert effective_size(weights) == pytest.approx(1) and found["accuracy"].value == pytest.approx(1)
    assert found["log_loss"].value == pytest.approx(-np.log(0.94)) and found["ece"].value == pytest.approx(0.06)


def test_who_was_asked_is_said(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    table = read_report_table(report, JOINED_COLUMNS)
    suspicious = said.malignant_probability > 0.4
    rows = labels_of(said.take(suspicious))
    found = join_truth(table, write(tmp_path / "labels.csv", "path,diagnosis", rows), WORDS)
    assert len(found.predictions) == suspicious.sum() and found.share == suspicious.mean()
    note, few = found.notes
    assert few.startswith("fewer than 10 images of ")
    assert "metrics are biased" in note and "differs from the night" in note
    sampled = write(tmp_path / "sampled.csv", "path,chance", [(path, 0.5) for path, _ in rows])
    some = write(tmp_path / "some.csv", "path,diagnosis", rows[:-4])
    found = join_truth(table, some, WORDS, sampled)
    assert found.sampled == len(rows) and found.weights is not None and set(found.weights) == {2.0}
    assert found.notes[:-1] == (
        f"4 of {len(rows)} sampled images have no truth yet; if those are the hard ones, the metrics are too good",
    )
    outside = write(tmp_path / "more.csv", "path,diagnosis", labels_of(said))
    found = join_truth(table, outside, WORDS, sampled)
    assert len(found.predictions) == len(rows) and "their chance is unknown" in found.notes[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("night/I00000.jpg", "mel"), ("night/I00000.jpg", "nv")],
            "itself about 1 image: night/I00000.jpg (mel and nv)",
        ),
        ([("other/nobody.jpg", "mel")], "none of its images is in"),
        ([("night/broken.jpg", "mel")], "none of its images has a prediction"),
        ([("night/I00000.jpg", "melanomma")], "did you mean 'mel'"),
        ([("night/I00000.jpg", ""), ("night/I00001.jpg", "NA")], "none is filled in"),
        ([("night/I00000.jpg", "scc"), ("night/I00001.jpg", "scc")], "all are of other ones: scc"),
    ],
)  # fmt: skip
def test_truth_that_cannot_be_used_is_one_clear_line(
    report: Path, tmp_path: Path, rows: list[tuple[object, ...]], message: str
) -> None:
    truth = write(tmp_path / "labels.csv", "path,diagnosis", rows)
    result = invoke("evaluate", "--report", str(report), "--truth", str(truth))
    assert result.exit_code == 1 and message in error_line(result)
    assert "labels.csv" in error_line(result)


def test_a_report_of_which_nothing_was_scored_is_said_to_be_so(report: Path, tmp_path: Path) -> None:
    header, *rows = report.read_text().splitlines()
    broken = [row for row in rows if "broken.jpg" in row]
    (tmp_path / "failed.csv").write_text("\n".join([header, *broken]) + "\n")
    truth = write(tmp_path / "labels.csv", "path,diagnosis", [("night/broken.jpg", "mel")])
    with pytest.raises(DataError, match="no row of that report was scored: see its errors"):
        evaluate_report(tmp_path / "failed.csv", truth)


def test_a_report_is_no_truth(report: Path) -> None:
    result = invoke("evaluate", "--report", str(report), "--truth", str(report))
    assert result.exit_code == 1 and "is what a model called" in error_line(result)


def test_truth_of_images_that_were_not_scored_is_left_out_and_said(
    report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    doubled = labels_of(said)[:1]  # twice the same is no contradiction
    rows = [
        *labels_of(said),
        *doubled,
        ("night/stranger.jpg", "mel"),
        ("night/broken.jpg", "nv"),
        ("night/later.jpg", ""),
        ("night/later.jpg", "unknown"),
        ("night/I00000.jpg", "scc"),
    ]
    truth = write(tmp_path / "labels.csv", "path,diagnosis", rows)
    out = tmp_path / "evaluation"
    result = invoke("evaluate", "--report", str(report), "--truth", str(truth), "--out", str(out), "--resamples", "100")
    assert result.exit_code == 0, result.output
    assert f"lesions/3 in {report}: {len(said)} of {len(said)} scored images have truth (100.0%)" in result.stdout
    assert "1 image of" in result.stderr and "stranger.jpg" in result.stderr
    assert "1 image with truth could not be read" in result.stderr
    assert "1 row of" in result.stderr and "does not know, left out: scc" in result.stderr
    values = json.loads((out / "metrics.json").read_text())
    assert values["with_truth"] == len(said) and values["metrics"]["accuracy"]["value"] == pytest.approx(
        (said.called == said.labels).mean()
    )
    page = (out / "report.html").read_text()
    assert "stranger.jpg" in page and "balanced accuracy" in page


def test_frames_are_joined_by_the_names_that_reports_give_them(said: LabelledPredictions, tmp_path: Path) -> None:
    first, second, third = said.one_by_one()[:3]
    rows = [Row("a.dcm", first), Row("a.dcm", second, frame=1), Row("b.dcm#1", third)]
    write_report(rows, tmp_path / "report.csv", ReportLayout("lesions/3"), overwrite=False)
    apart = ReportLayout("lesions/3", columns=("frame", *report_columns()))
    write_report(rows, tmp_path / "apart.csv", apart, overwrite=False)
    truth = write(tmp_path / "labels.csv", "path,diagnosis", [("a.dcm#1", "nv"), ("a.dcm#2", "mel"), ("b.dcm", "bcc")])
    for name in ("report.csv", "apart.csv"):
        found = join_truth(read_report_table(tmp_path / name, JOINED_COLUMNS), truth, WORDS)
        labels = [HAM10000.names[index] for index in found.predictions.labels]
        assert dict(zip(found.predictions.image_ids.tolist(), labels, strict=True)) == {
            "a.dcm": "nv", "a.dcm#2": "mel", "b.dcm#1": "bcc",
        }  # fmt: skip


def test_columns_of_the_truth_have_to_agree(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    rows = [(*row, row[1]) for row in labels_of(said)]
    truth = write(tmp_path / "labels.csv", "path,diagnosis,dx", [*rows[1:], (*rows[0][:2], "")])
    assert len(join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS).predictions) == len(said)
    write(truth, "path,diagnosis,dx", [*rows[1:], (rows[0][0], "nv", "mel")])
    with pytest.raises(DataError, match="the columns dx and diagnosis differ in 1 row: mel and nv"):
        join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)


def test_a_running_number_beside_the_names_of_files_is_no_name(
    report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    numbered = [(number, f"{image}.jpg", name) for number, (image, name) in enumerate(labels_of(said, "{}"))]
    truth = write(tmp_path / "labels.csv", "image_id,filename,diagnosis", numbered)
    found = join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)
    assert found.share == 1.0 and found.predictions.labels.tolist() == said.labels.tolist()
    last = said.image_ids[-1]
    write(truth, "image_id,filename,diagnosis", [(last, *numbered[0][1:]), *numbered[1:-1]])
    with pytest.raises(DataError, match=rf"1 row names two images in two columns: {said.image_ids[0]}.jpg and {last};"):
        join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)


def test_sheets_that_hold_no_truth_are_named(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "labels.xlsx") as book:
        pd.DataFrame({"patient": [1], "age": [2]}).to_excel(book, sheet_name="clinic", index=False)
        rows = pd.DataFrame(labels_of(said), columns=["image", "label"])
        rows.to_excel(book, sheet_name="finding", index=False)
    found = join_truth(read_report_table(report, JOINED_COLUMNS), tmp_path / "labels.xlsx", WORDS)
    assert f"{tmp_path / 'labels.xlsx'}: the sheet finding is read, clinic left out" in found.notes


def test_a_chance_has_to_be_one(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    rows = [(*row, 0 if index == 3 else 0.5) for index, row in enumerate(labels_of(said))]
    truth = write(tmp_path / "labels.csv", "path,diagnosis,chance", rows)
    with pytest.raises(DataError, match="numbers above 0, at most 1"):
        join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)


def test_an_evaluation_in_place_of_another_leaves_none_of_its_files(
    report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    """Old figures and predictions beside new metrics would be taken for theirs."""
    drawn, out = made_evaluation(), tmp_path / "evaluation"
    out.mkdir()
    drawn = dataclasses.replace(drawn, pictures=numeric_pictures(drawn))
    write_evaluation(drawn, out)
    (out / "notes.txt").write_text("mine")
    fewer = dataclasses.replace(drawn, pictures=drawn.pictures[:2])
    write_evaluation(fewer, out, overwrite=True)
    assert {file.stem for file in out.glob("*.png")} == {picture.name for picture in fewer.pictures}
    truth = write(tmp_path / "labels.csv", "path,diagnosis", labels_of(said))
    evaluate_report(report, truth, out, resamples=100, overwrite=True)
    assert {file.name for file in out.iterdir()} == {"report.html", "metrics.json", "notes.txt"}


def test_options_that_do_not_go_together_are_refused(report: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "labels.csv", "path,diagnosis", [("night/I00000.jpg", "mel")])
    both = ("--report", str(report), "--truth", str(truth))
    for arguments, message in (
        (("evaluate", "--report", str(report)), "give --report and --truth"),
        (("evaluate", "pretrained", "demo", *both), "without MODEL and DATA"),
        (("evaluate", *both, "--tta"), "--tta is about scoring"),
        (("evaluate", *both, "--cache", str(tmp_path)), "--cache is about scoring"),
        (("evaluate", "pretrained"), "give MODEL and DATA"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2 and message in error_line(result)


def test_diagnoses_are_those_of_the_report(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    """A report of eight diagnoses, the eighth of which no image has."""
    header, *lines = report.read_text().splitlines()
    place = header.split(",").index("p_vasc")
    rows = [header.replace("p_akiec", "p_ak").split(",")]
    rows += [["ak" if cell == "akiec" else cell for cell in line.split(",")] for line in lines]
    for row in rows:
        row.insert(place, "p_scc" if row is rows[0] else "" if row[2] == "error" else "0.000000")
    file = tmp_path / "eight.csv"
    file.write_text("\n".join(map(",".join, rows)) + "\n")
    labels = [(path, "ak" if name == "akiec" else name) for path, name in labels_of(said)]
    found = evaluate_report(file, write(tmp_path / "labels.csv", "path,diagnosis", labels), resamples=100)
    assert found.truth.diagnoses == ISIC2019.names and found.truth.predictions.label_set is ISIC2019
    expected = measure(said, resamples=100)
    for name, its_name in (("malignant_sensitivity",) * 2, ("sensitivity_ak", "sensitivity_akiec")):
        assert found.metrics[name].value == pytest.approx(expected[its_name].value)


@pytest.fixture(params=[(), ("grouped_by",)], ids=["older report", "report"])
def by_lesion(request: pytest.FixtureRequest, said: LabelledPredictions, tmp_path: Path) -> Path:
    """A report with a row for each lesion, as `score --group-by lesion_id` writes it, and as it did before it said so.

    The path is that of a lesion's first image.
    """
    return write_by_lesion(tmp_path / "lesions.csv", said, "lesion_id", request.param)


def write_by_lesion(file: Path, said: LabelledPredictions, column: str, further: tuple[str, ...]) -> Path:
    _, firsts = np.unique(said.lesion_ids, return_index=True)
    rows = [
        Row(f"night/{image}.jpg", prediction, carried=(lesion, "2", column)[: 2 + len(further)])
        for image, lesion, prediction in zip(
            said.image_ids[firsts], said.lesion_ids[firsts], said.take(firsts).one_by_one(), strict=True
        )
    ]
    rows.append(Row("night/alone.jpg", rows[0].prediction, carried=("", "1", column)[: 2 + len(further)]))
    options = ReportLayout("lesions/3", format=file.suffix[1:], carried_columns=(column, "images", *further))
    write_report(rows, file, options, overwrite=False)
    return file


def test_a_row_is_joined_by_whatever_column_it_was_grouped_by(said: LabelledPredictions, tmp_path: Path) -> None:
    lesions = of_lesions(said)
    for ending in (".csv", ".parquet", ".jsonl"):
        report = write_by_lesion(tmp_path / f"moles{ending}", said, "Mole", ("grouped_by",))
        table = read_report_table(report, JOINED_COLUMNS)
        found = join_truth(table, write(tmp_path / "labels.csv", "mole,diagnosis", lesions), WORDS)
        assert table.grouped_by == "Mole" and found.unit == "groups by Mole"
        assert len(found.predictions) == len(lesions) and found.scored == len(lesions) + 1


def of_lesions(said: LabelledPredictions) -> list[tuple[str, str]]:
    """The lesions and their diagnoses, in their order."""
    lesions, firsts = np.unique(said.lesion_ids, return_index=True)
    return [(str(lesion), HAM10000.names[said.labels[first]]) for lesion, first in zip(lesions, firsts, strict=True)]


def test_a_row_a_lesion_is_joined_by_the_lesion(by_lesion: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    table, lesions = read_report_table(by_lesion, JOINED_COLUMNS), of_lesions(said)
    diagnosis_of = dict(lesions)
    # By the lesion alone; by any image of a lesion, also one that the report does not name; and one without a lesion.
    last_of = {str(lesion): str(image) for image, lesion in zip(said.image_ids, said.lesion_ids, strict=True)}
    truths: dict[str, Sequence[tuple[object, ...]]] = {
        "lesion_id,diagnosis": lesions,
        "path,lesion_id,diagnosis": [
            *((f"night/{last_of[lesion]}.jpg", lesion, name) for lesion, name in lesions),
            ("night/alone.jpg", "", "mel"),
        ],
    }
    for header, rows in truths.items():
        found = join_truth(table, write(tmp_path / "labels.csv", header, rows), WORDS)
        assert found.unit == "lesions" and len(found.predictions) == len(rows) and found.scored == len(lesions) + 1
        known = dict(zip(found.predictions.lesion_ids.tolist(), found.predictions.labels.tolist(), strict=True))
        alone = known.pop("night/alone.jpg", None)
        assert known == {lesion: HAM10000.names.index(name) for lesion, name in diagnosis_of.items()}
        assert alone == (HAM10000.names.index("mel") if header.startswith("path") else None)
        assert any("is grouped by lesion_id, and" in note for note in found.notes)


def test_images_that_are_not_the_first_of_a_lesion_need_its_id(
    by_lesion: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    truth = write(tmp_path / "labels.csv", "path,diagnosis", labels_of(said))
    found = join_truth(read_report_table(by_lesion, JOINED_COLUMNS), truth, WORDS)
    lesions = len(of_lesions(said))
    assert len(found.predictions) == lesions
    note = f"{len(said) - lesions} images of {truth} are not the first of a lesion_id"
    assert any(note in each and "a column lesion_id" in each for each in found.notes)


def test_truth_that_contradicts_itself_about_a_lesion_is_named(
    by_lesion: Path, report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    (lesion, name), (other, _), *_ = of_lesions(said)
    wrong = "mel" if name != "mel" else "nv"
    first = str(said.image_ids[said.lesion_ids == lesion][0])
    for header, rows, message in (
        ("lesion_id,diagnosis", [(lesion, name), (lesion, wrong)], f"itself about 1 lesion: {lesion} ("),
        ("path,lesion_id,diagnosis", [("x.jpg", lesion, name), ("y.jpg", lesion, wrong)], f"1 lesion: {lesion} ("),
        ("path,lesion_id,diagnosis", [(f"night/{first}.jpg", other, name)], f"has the lesion_id {other} there, and"),
        ("path,lesion_id,diagnosis", [(f"night/{first}.jpg", "x", name)], "has the lesion_id x there, and"),
        ("lesion_id,diagnosis", [("nobody", name)], "none of its lesions is in"),
    ):
        truth = write(tmp_path / "labels.csv", header, rows)
        result = invoke("evaluate", "--report", str(by_lesion), "--truth", str(truth))
        assert result.exit_code == 1 and message in error_line(result), header
    truth = write(tmp_path / "labels.csv", "lesion_id,diagnosis", [(lesion, name), (lesion, wrong)])
    result = invoke("evaluate", "--report", str(report), "--truth", str(truth))  # a row for each image
    assert result.exit_code == 1 and f"itself about 1 lesion: {lesion} (" in error_line(result)


def test_lesions_that_a_missing_one_made_numbers_with_a_fraction_are_joined_and_columns_may_have_other_names(
    said: LabelledPredictions, tmp_path: Path
) -> None:
    numbers = np.unique(said.lesion_ids, return_inverse=True)[1]
    numbered = dataclasses.replace(said, lesion_ids=numbers.astype(str))
    report = write_by_lesion(tmp_path / "lesions.csv", numbered, "lesion_id", ("grouped_by",))
    rows = [(f"{lesion}.0", name) for lesion, name in of_lesions(numbered)]
    truth = write(tmp_path / "labels.csv", "mole,finding", rows)
    words = dataclasses.replace(WORDS, columns={"lesion_id": "Mole", "diagnosis": "finding"}, file="labels.yaml")
    found = join_truth(read_report_table(report, JOINED_COLUMNS), truth, words)
    assert set(found.predictions.lesion_ids) == set(numbered.lesion_ids)
    wrong = dataclasses.replace(words, columns={**words.columns, "age": "years"})
    with pytest.raises(DataError, match=r"no column years, which labels.yaml names"):
        join_truth(read_report_table(report, JOINED_COLUMNS), truth, wrong)


def test_columns_of_truth_may_be_spelled_otherwise(report: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    table = read_report_table(report, JOINED_COLUMNS)
    rows = [(*label, f"truth{lesion}") for label, lesion in zip(labels_of(said), said.lesion_ids, strict=True)]
    found = join_truth(table, write(tmp_path / "labels.csv", "Image Name,Diagnosis,Lesion.ID", rows), WORDS)
    assert sorted(found.predictions.lesion_ids) == sorted(f"truth{lesion}" for lesion in said.lesion_ids)
    for column in ("Lesion ID", "lesion_id"):
        grouped = write_by_lesion(tmp_path / "grouped.csv", said, column, ("grouped_by",))
        truth = write(tmp_path / "labels.csv", f"{column.upper()},dx", of_lesions(said))
        found = join_truth(read_report_table(grouped, JOINED_COLUMNS), truth, WORDS)
        assert len(found.predictions) == len(of_lesions(said))
        grouped.unlink()


def test_what_is_known_of_a_lesion_is_known_of_its_images(
    report: Path, said: LabelledPredictions, tmp_path: Path
) -> None:
    truth = write(tmp_path / "labels.csv", "lesion_id,diagnosis", of_lesions(said))
    found = join_truth(read_report_table(report, JOINED_COLUMNS), truth, WORDS)
    assert found.unit == "images" and sorted(found.predictions.image_ids) == sorted(
        f"night/{image}.jpg" for image in said.image_ids
    )
    assert found.predictions.lesion_ids.tolist() == sorted(said.lesion_ids.tolist())


def test_what_lesions_say_is_called_lesions(by_lesion: Path, said: LabelledPredictions, tmp_path: Path) -> None:
    truth, out = write(tmp_path / "labels.csv", "lesion_id,dx", of_lesions(said)), tmp_path / "evaluation"
    result = invoke("evaluate", "--report", str(by_lesion), "--truth", str(truth), "--out", str(out))
    lesions = len(of_lesions(said))
    assert result.exit_code == 0 and f"{lesions} of {lesions + 1} scored lesions have truth" in result.stdout
    values = json.loads((out / "metrics.json").read_text())
    assert (values["unit"], values["grouped_by"], values["with_truth"]) == ("lesions", "lesion_id", lesions)
    assert "Lesions by true diagnosis and call" in (out / "report.html").read_text()
