"""Reports read as tables: the diagnoses are those of the columns, and a wrong value is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionflow.diagnoses import HAM10000, ISIC2019, LabelSet, read_label_set
from lesionflow.errors import ReportError
from lesionflow.model import report_table
from lesionflow.model.report_table import label_set_of, read_both_tables, read_report_table

HEADER = "path,p_id,status,error,diagnosis,probability,{},p_malignant,malignant,refer,model"


def written(file: Path, names: tuple[str, ...], malignant: tuple[str, ...], images: int = 40) -> str:
    """The text of a report of made-up images, of which the first failed; a carried column is called `p_id`."""
    lines = [
        HEADER.format(",".join(f"p_{name}" for name in names)),
        f"'-a.jpg,7,error,empty: no bytes,{',' * len(names)},,,,,m/1",
    ]
    for index, shares in enumerate(np.random.default_rng(0).dirichlet(np.ones(len(names)), images)):
        shares = np.round(shares, 6)
        total = sum(share for name, share in zip(names, shares, strict=True) if name in malignant)
        called = names[int(shares.argmax())]
        values = ",".join(f"{share:.6f}" for share in shares)
        lines.append(f"NA{index}.jpg,x{index},ok,,{called},{shares.max():.6f},{values},{total:.6f},no,no,m/1")
    text = "\n".join(lines) + "\n"
    file.write_text(text)
    return text


@pytest.mark.parametrize("labels", [HAM10000, ISIC2019])
def test_diagnoses_and_malignant_ones_are_those_of_the_columns(tmp_path: Path, labels: LabelSet) -> None:
    written(tmp_path / "report.csv", labels.names, labels.malignant)
    found = read_report_table(tmp_path / "report.csv", ("path", "p_id"))
    assert label_set_of(found) is labels
    assert found.model == "m/1" and found.scored.tolist() == [False] + [True] * 40
    paths = found.texts("path")
    assert paths is not None and paths[0] == "NA0.jpg"
    ids = found.texts("p_id")
    assert ids is not None and ids[0] == "x0"
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_some_diagnoses_of_a_built_in_set_mean_what_they_mean_there(tmp_path: Path) -> None:
    part = read_label_set("bkl,mel,nv")
    written(tmp_path / "few.csv", part.names, part.malignant, images=1)  # too few to tell which are malignant
    assert label_set_of(read_report_table(tmp_path / "few.csv")) == part
    written(tmp_path / "other.csv", ("nv", "mel", "bkl"), ("bkl",))
    other = label_set_of(read_report_table(tmp_path / "other.csv"))
    assert (other.name, other.malignant) == ("report", ("bkl",))


def test_a_set_of_ones_own_is_read_from_the_report(tmp_path: Path) -> None:
    written(tmp_path / "report.csv", ("a", "b", "c"), ("b",))
    found = label_set_of(read_report_table(tmp_path / "report.csv"))
    assert (found.names, found.malignant) == (("a", "b", "c"), ("b",))
    written(tmp_path / "few.csv", ("a", "b", "c"), ("b",), images=2)
    with pytest.raises(ReportError, match="too few rows to tell which diagnoses are malignant"):
        label_set_of(read_report_table(tmp_path / "few.csv"))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",ok,", ",fine,", "status 'fine' is neither"),
        (",no,no,m/1\n", ",perhaps,no,m/1\n", "malignant 'perhaps' is none of"),
        ("NA1.jpg,x1,ok,,", "NA1.jpg,x1,ok,,wart", "is none of"),
        ("m/1\nNA3", "m/2\nNA3", "several models: m/1, m/2"),
        (",refer,", ",other,", "no column refer"),
    ],
)
def test_what_no_report_has_is_one_clear_line(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = written(tmp_path / "report.csv", ("a", "b", "c"), ("b",))
    (tmp_path / "report.csv").write_text(text.replace(before, after, 1))
    with pytest.raises(ReportError, match=message) as raised:
        read_report_table(tmp_path / "report.csv")
    assert str(raised.value).count("\n") == 0 and "report.csv" in str(raised.value)


@pytest.mark.parametrize("missing", range(2, 60, 3))
def test_a_report_that_is_cut_off_says_so_wherever_it_was_cut(tmp_path: Path, missing: int) -> None:
    text = written(tmp_path / "report.csv", ("a", "b"), ("b",), images=4)
    (tmp_path / "report.csv").write_text(text[:-missing])
    with pytest.raises(ReportError, match=r"report\.csv: its last line is cut off"):
        read_report_table(tmp_path / "report.csv")


def test_a_report_without_its_last_line_end_is_read(tmp_path: Path) -> None:
    text = written(tmp_path / "report.csv", ("a", "b"), ("b",), images=4)
    (tmp_path / "report.csv").write_text(text.rstrip("\n"))
    assert len(read_report_table(tmp_path / "report.csv").called) == 4
    (tmp_path / "labels.csv").write_text("path,diagnosis\na.jpg,mel")
    with pytest.raises(ReportError, match=r"no column status.*; give a report as 'lesionflow score' writes it"):
        read_report_table(tmp_path / "labels.csv")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_report_that_a_spreadsheet_saved_is_named(separator: str, tmp_path: Path) -> None:
    text = written(tmp_path / "report.csv", ("a", "b"), ("b",), images=4)
    (tmp_path / "report.csv").write_text(text.replace(",", separator).replace(".", ","))
    with pytest.raises(ReportError, match=r"report\.csv: a spreadsheet saved it with another separator"):
        read_report_table(tmp_path / "report.csv")


def test_probabilities_have_to_add_up(tmp_path: Path) -> None:
    text = written(tmp_path / "report.csv", ("a", "b"), ("b",), images=3)
    head, last = text.rstrip("\n").rsplit("\n", 1)
    cells = last.split(",")
    for value, message in (("0.9", "add up to"), ("1.2", "not probabilities"), ("much", "not a number")):
        (tmp_path / "report.csv").write_text("\n".join([head, ",".join([*cells[:6], value, "0.9", *cells[8:]])]) + "\n")
        with pytest.raises(ReportError, match=message):
            read_report_table(tmp_path / "report.csv")


def test_both_models_of_a_report_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(tmp_path / "one.csv", ("a", "b"), ("b",), images=4)
    lines = [line.split(",") for line in text.splitlines()]
    begin = lines[0].index("diagnosis")
    second = [
        [f"also_{name}" for name in lines[0][begin:]],
        *([*line[begin:-1], "m/2"] for line in [lines[1], *reversed(lines[2:])]),
    ]
    both = [",".join(first + other) + "\n" for first, other in zip(lines, second, strict=True)]
    (tmp_path / "both.csv").write_text("".join(both))
    read, times = report_table._read_columns, []

    def counting(*given: Any, **named: Any) -> Any:
        times.append(1)
        return read(*given, **named)

    monkeypatch.setattr(report_table, "_read_columns", counting)
    one, other = read_both_tables(tmp_path / "both.csv", ("path",))
    assert len(times) == 1 and (one.model, other.model) == ("m/1", "m/2")
    assert one.texts("path").tolist() == other.texts("path").tolist()  # type: ignore[union-attr]
    assert (other.probabilities == one.probabilities[::-1]).all()
    with pytest.raises(ReportError, match="answers of one model"):
        read_both_tables(tmp_path / "one.csv")


def test_a_folder_in_place_of_a_report_is_answered_with_how_to_name_the_reports_in_it(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    with pytest.raises(
        ReportError, match=r"a folder, where a report belongs; give the reports in it, as in .*\*\.csv$"
    ):
        read_report_table(tmp_path / "reports")
