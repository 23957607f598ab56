import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesionflow.errors import ReportError
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring.report import ReportLayout, report_format
from tests.scoring.read_report import read_report
from tests.scoring.write_report import write_report

KINDS = ("out.csv", "out.jsonl", "out.parquet")
ROWS = [
    Row("images/a.jpg", IndexedPrediction((0.01, 0.02, 0.03, 0.04, 0.2, 0.6, 0.1), 4, True, "uncertain")),
    Row("=cmd(),\"'\n\r.jpg", None, "damaged", "broken: data, stream"),
    Row("images/ü.jpg", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 4, True, "unfamiliar")),
    Row("b.jpg", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0), 5, False, "no")),
    Row("c.jpg", None, "empty", "the file has no bytes"),
]
by_kind = pytest.mark.parametrize("name", KINDS)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for name in KINDS:
        write_report(ROWS, folder / name, ReportLayout("m", report_format(folder / name, None)), overwrite=False)
    return folder


@by_kind
def test_what_was_written_is_read(reports: Path, name: str) -> None:
    assert list(read_report(reports / name)) == ROWS


@by_kind
def test_no_rows_are_no_error(tmp_path: Path, name: str) -> None:
    write_report([], tmp_path / name, ReportLayout("m", report_format(tmp_path / name, None)), overwrite=False)
    assert list(read_report(tmp_path / name)) == []


@by_kind
def test_a_report_cut_off_anywhere_is_never_taken_for_other_rows(reports: Path, tmp_path: Path, name: str) -> None:
    whole = (reports / name).read_bytes()
    file = tmp_path / name
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        try:
            rows = list(read_report(file))
        except ReportError:
            continue
        assert name != "out.parquet" and rows == ROWS[: len(rows)]  # cut just between two rows


@by_kind
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_report_gives_rows_or_the_documented_error(
    reports: Path, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray((reports / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    file = tmp_path / name
    file.write_bytes(content)
    try:
        rows = list(read_report(file))
    except ReportError:
        return
    for row in rows:
        if row.prediction is not None:
            assert len(row.prediction.probabilities) == 7 and row.prediction.called in range(7)
            assert row.prediction.refer in ("no", "uncertain", "unfamiliar")


def test_what_is_no_report_says_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    for content, word in (
        ("", "no column path"),
        ("path,status\n", "no column error"),
        ("path," * 40 + "\n", "no column status"),
        ("x" * 3_000_000, "characters"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "breaks off"),
    ):
        file.write_text(content)
        with pytest.raises(ReportError, match=word):
            list(read_report(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ReportError, match="UnicodeDecodeError"):
        list(read_report(file))
    for missing in (tmp_path / "none.csv", tmp_path / "none.parquet", tmp_path / "none.txt", tmp_path):
        with pytest.raises(ReportError):
            list(read_report(missing))


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [("p_mel", "nan", "probability"), ("p_mel", "1.5", "probability"), ("p_mel", "-0.1", "probability"),
     ("diagnosis", "naevus", "'naevus' is none of akiec"), ("diagnosis", "", "none of akiec"),
     ("malignant", "True", "none of yes, no"), ("refer", "", "none of no, uncertain, unfamiliar"),
     ("p_mel", "", "could not convert"), ("p_mel", "0.9", "add up"), ("status", "fine", "status"),
     ("status", "error", "documented")],
)  # fmt: skip
def test_rows_that_no_report_has_are_refused(reports: Path, tmp_path: Path, column: str, value: str, word: str) -> None:
    with (reports / "out.csv").open(newline="") as lines:
        first = next(csv.DictReader(lines))
    file = tmp_path / "a.csv"
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(first), lineterminator="\n")
        writer.writeheader()
        writer.writerow(first | {column: value})
    with pytest.raises(ReportError, match=word):
        list(read_report(file))
