"""A row a lesion and ranks within a patient: from tables of images to reports of every kind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import error_line, invoke


@pytest.fixture(scope="module")
def table(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 12 images of 5 lesions of 2 patients; two files cannot be read, one of them alone in its lesion."""
    folder = tmp_path_factory.mktemp("lesions")
    files = sorted(images.iterdir())[:12]
    broken = [folder / "broken1.jpg", folder / "broken2.jpg"]
    for file in broken:
        file.write_text("none")
    lesions = ["a", "b", "a", "c", "", "b", "a", "unknown", "c", "c", "a", "b"]
    rows = [(files[number], lesion, "p2" if lesion in ("c", "d") else "p1") for number, lesion in enumerate(lesions)]
    rows.insert(0, (broken[0], "b", "p1"))
    rows.append((broken[1], "d", "p2"))
    with open(folder / "list.csv", "w", newline="") as listed:
        csv.writer(listed).writerows([("path", "lesion_id", "patient_id"), *rows])
    return folder / "list.csv"


def read(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def test_a_row_a_lesion_in_score_merge_and_the_isic_format(table: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    scoring = ("score", str(table), "--model", str(deciding_bundle), "--shard-size", "4")
    assert invoke(*scoring, "--out", str(tmp_path / "images.csv")).exit_code == 3
    grouped = invoke(
        *scoring, "--out", str(tmp_path / "night.csv"), "--group-by", "lesion_id",
        "--html", str(tmp_path / "page.html"), "--summary", str(tmp_path / "summary.json"),
    )  # fmt: skip
    assert grouped.exit_code == 3 and "6 groups of images by lesion_id, 5 scored" in grouped.stdout
    single, rows = read(tmp_path / "images.csv"), read(tmp_path / "night.csv")
    unread = [row["lesion_id"] for row in single if row["status"] == "error"]
    assert [int(row["images_failed"]) for row in rows] == [unread.count(row["lesion_id"]) for row in rows]
    assert [(row["lesion_id"], row["images"], row["status"]) for row in rows] == [
        ("b", "3", "ok"), ("a", "4", "ok"), ("c", "3", "ok"), ("", "1", "ok"), ("unknown", "1", "ok"),
        ("d", "0", "error"),
    ]  # fmt: skip
    assert {row["grouped_by"] for row in rows} == {"lesion_id"}
    assert rows[0]["path"] == single[2]["path"]  # the first that could be read
    names = [column for column in rows[0] if column.startswith("p_") and column != "p_malignant"]
    for row in rows[:3]:
        own = [
            [float(each[name]) for name in names]
            for each in single
            if each["lesion_id"] == row["lesion_id"] and each["p_mel"]
        ]
        mean = np.exp(np.log(own).mean(axis=0))
        assert [float(row[name]) for name in names] == pytest.approx(mean / mean.sum(), abs=5e-5)
    assert json.loads((tmp_path / "summary.json").read_text())["scored"] == 5

    for part in ("1/2", "2/2"):
        invoke(*scoring, "--out", str(tmp_path / "parts.csv"), "--shard", part)
    merged = invoke("merge", str(tmp_path / "parts.csv"), "--group-by", "lesion_id")
    assert merged.exit_code == 3, merged.output
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "night.csv").read_bytes()

    isic = ("--format", "isic", "--group-by", "lesion_id")
    refused = invoke(*scoring, "--out", str(tmp_path / "isic.csv"), *isic)
    assert refused.exit_code == 1 and "1 failed" in error_line(refused)
    resumed = invoke(*scoring, "--out", str(tmp_path / "isic.csv"), *isic, "--failed-as", "omit", "--resume")
    assert resumed.exit_code == 3, resumed.output
    names = [row["image"] for row in read(tmp_path / "isic.csv")]
    assert names[:3] == ["b", "a", "c"] and len(names) == 5

    folder = invoke(*scoring, "--out", f"{tmp_path / 'parquet'}/", "--group-by", "lesion_id", "--rank-by", "patient_id")
    assert folder.exit_code == 3, folder.output
    import pandas as pd

    ranked = pd.read_parquet(tmp_path / "parquet")
    assert len(ranked) == 6
    assert sorted(ranked[ranked["patient_id"] == "p1"]["rank"]) == ["1", "2", "3", "4"]


def test_an_image_that_failed_is_counted_though_its_lesion_has_others(
    table: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    lines = table.read_text().splitlines()
    (tmp_path / "list.csv").write_text("\n".join(lines[:-1]))  # the broken image that is left is one of lesion b
    scoring = ("score", str(tmp_path / "list.csv"), "--model", str(deciding_bundle), "--out", str(tmp_path / "a.csv"))
    beside = ("--group-by", "lesion_id", "--html", str(tmp_path / "a.html"), "--summary", str(tmp_path / "a.json"))
    invoke(*scoring, "--shard", "1/1")
    for command in (("merge", str(tmp_path / "a.csv")), (*scoring, "--overwrite")):
        result = invoke(*command, *beside, *(("--overwrite",) if command[0] == "merge" else ()))
        assert result.exit_code == 3, result.output
        assert "5 groups of images by lesion_id, 5 scored" in result.stdout and "0 failed" in result.stdout
        broken = lines[1].split(",")[0]
        assert f"WARNING: 1 image of these groups could not be read (1 not_an_image): {broken}" in result.stderr
        summary = json.loads((tmp_path / "a.json").read_text())
        assert (summary["failed"], summary["failures"]) == (0, {"not_an_image": 1})
        assert summary["images_failed"] == 1
        assert (summary["images"], summary["scored"]) == (len(lines) - 2, 5)  # of which the latter are groups
        assert Path(broken).name in (tmp_path / "a.html").read_text()
        assert {row["status"] for row in read(tmp_path / "a.csv")} == {"ok"}
        images = len(lines) - 2  # not groups
        assert summary["images_per_second"] * summary["seconds"] == pytest.approx(
            images if command[0] == "score" else 0, rel=0.1
        )
    quiet = invoke(*scoring, "--overwrite", "--group-by", "lesion_id", "--quiet")
    assert quiet.stdout == "" and quiet.stderr.startswith("WARNING: 1 image of these groups could not be read")


def test_two_models_pool_what_each_says_of_a_lesion(
    table: Path, deciding_bundle: Path, other_small_bundle: Path, tmp_path: Path
) -> None:
    scoring, grouped = ("score", str(table), "--shard-size", "4"), ("--group-by", "lesion_id")
    for name, bundle in (("first", deciding_bundle), ("second", other_small_bundle)):
        invoke(*scoring, "--model", str(bundle), "--out", str(tmp_path / f"{name}.csv"), *grouped)
    both = (*scoring, "--model", str(deciding_bundle), "--also", str(other_small_bundle))
    page = tmp_path / "both.html"
    result = invoke(*both, "--out", str(tmp_path / "both.csv"), *grouped, "--html", str(page))
    assert result.exit_code == 3 and page.is_file(), result.output
    rows = read(tmp_path / "both.csv")
    for row, first, second in zip(rows, read(tmp_path / "first.csv"), read(tmp_path / "second.csv"), strict=True):
        assert {name: row[name] for name in first} == first
        for name in ("diagnosis", "p_mel", "p_malignant", "malignant", "refer", "model"):
            assert row[f"also_{name}"] == second[name]
    for part in ("1/2", "2/2"):
        invoke(*both, "--out", str(tmp_path / "parts.csv"), "--shard", part)
    invoke("merge", str(tmp_path / "parts.csv"), *grouped)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "both.csv").read_bytes()

    names = {row["lesion_id"]: "mel" for row in rows if row["lesion_id"] in tuple("abc")} | {"b": "nv"}
    (tmp_path / "truth.csv").write_text("lesion_id,dx\n" + "".join(f"{key},{name}\n" for key, name in names.items()))
    compared = invoke("compare", "--report", str(tmp_path / "both.csv"), "--truth", str(tmp_path / "truth.csv"))
    assert compared.exit_code == 0 and "3 of 5 scored lesions have truth" in compared.stdout


def test_pools_differ_and_the_malignant_one_is_never_below_the_others(
    table: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    found = {}
    for pool in ("logits", "probabilities", "malignant"):
        out = tmp_path / f"{pool}.csv"
        arguments = ("--out", str(out), "--group-by", "lesion_id", "--pool", pool)
        invoke("score", str(table), "--model", str(deciding_bundle), *arguments)
        found[pool] = [float(row["p_malignant"]) for row in read(out) if row["p_malignant"]]
    assert all(most >= mean for most, mean in zip(found["malignant"], found["probabilities"], strict=True))
    assert found["logits"] != found["probabilities"] != found["malignant"]


def test_the_rank_is_within_the_patients_own_images(table: Path, deciding_bundle: Path, tmp_path: Path) -> None:
    invoke(
        "score",
        str(table),
        "--model",
        str(deciding_bundle),
        "--out",
        str(tmp_path / "a.csv"),
        "--rank-by",
        "patient_id",
    )
    rows = read(tmp_path / "a.csv")
    assert {row["rank"] for row in rows if row["status"] == "error"} == {""}
    for patient in ("p1", "p2"):
        own = [row for row in rows if row["patient_id"] == patient and row["rank"]]
        order = sorted(own, key=lambda row: -float(row["p_malignant"]))
        assert [row["rank"] for row in order] == [str(number + 1) for number in range(len(own))]


@pytest.mark.parametrize("lost", ["#REF!", "1.23457E+11"])
def test_lesions_that_a_spreadsheet_lost_are_no_groups(
    lost: str, table: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(table.read_text().replace(",c,", f",{lost},"))
    scoring = ("score", str(tmp_path / "list.csv"), "--model", str(deciding_bundle), "--out", str(tmp_path / "a.csv"))
    result = invoke(*scoring, "--group-by", "lesion_id")
    assert result.exit_code == 1 and f"--group-by lesion_id: {lost}: rounded numbers or errors of a" in result.stderr
    assert not (tmp_path / "a.csv").exists()
    assert invoke(*scoring, "--group-by", "patient_id", "--overwrite").exit_code == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--group-by", "lesion"), "no column of the list of images besides path; it has lesion_id, patient_id"),
        (("--shard", "3/2"), "there is no part 3 of 2"),
        (("--shard", "0/2"), "parts count from 1"),
        (("--top-k", "99"), "Error: --top-k 99: there are 7 diagnoses"),
        (("more.jpg",), "put a pattern in quotation marks, or list many files in one and write @FILE"),
        (("--format", "isic", "--also", "pretrained"), "holds one model's answers; leave out --also"),
        (("--on-error", "fail", "--max-failures", "5"), "leave one of the two out"),
        (("--rank-by", "patient"), "did you mean 'patient_id'?"),
        (("--group-by", "lesion_id", "--shard", "1/2"), "give it to 'lesionflow merge'"),
        (("--group-by", "lesion_id", "--pool", "median"), "is not one of"),
        (("--pool", "logits"), "--pool: is about --group-by; add --group-by COLUMN, or leave it out"),  # the default
    ],
)
def test_what_does_not_fit_is_one_line_before_work(
    options: tuple[str, ...], message: str, table: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    result = invoke("score", str(table), "--model", str(deciding_bundle), "--out", str(tmp_path / "a.csv"), *options)
    assert result.exit_code == 2 and message in result.stderr, result.stderr
    assert not list(tmp_path.iterdir())


def test_a_message_names_the_variable_that_an_option_is_from_and_one_that_is_misspelt(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONFLOW_SCORE_TOP_K", "2")
    monkeypatch.setenv("LESIONFLOW_SCORE_BATCHSIZE", "2")
    result = invoke("score", str(table), "--out", str(tmp_path / "a.csv"), "--format", "isic")
    assert result.exit_code == 2
    assert "--top-k; --top-k is from the environment variable LESIONFLOW_SCORE_TOP_K\n" in result.stderr
    warned = "WARNING: LESIONFLOW_SCORE_BATCHSIZE is read by no command: there is no option of that name (did you mean "
    assert warned + "'LESIONFLOW_SCORE_BATCH_SIZE'?" in result.stderr


def test_columns_of_a_folder_are_said_to_be_those_of_a_table(images: Path, tmp_path: Path) -> None:
    result = invoke("score", str(images), "--model", "pretrained", "--out", str(tmp_path / "a.csv"), "--group-by", "x")
    assert result.exit_code == 2
    assert (
        error_line(result)
        == "Error: --group-by x: what is scored has no columns besides path; give a .csv with path and x"
    )
