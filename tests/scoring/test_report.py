import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lesionflow.atomic import check_writable
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError, ReportError, UsageError
from lesionflow.model.card import Calibration
from lesionflow.model.columns import report_columns
from lesionflow.model.decision import decide
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring import report
from lesionflow.scoring.report import ReportLayout, check_diagnoses, check_isic_names, check_report, report_format
from tests.scoring.write_report import write_report

ROOT = Path(__file__).parents[2]
PRIOR = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)
PROBABILITIES = (0.01, 0.02, 0.03, 0.04, 0.2, 0.6, 0.1)  # nv, then mel, then vasc; vasc by the largest factor
DECISION = IndexedPrediction(PROBABILITIES, HAM10000.names.index("vasc"), True, "uncertain")
SCORED = Row("images/a.jpg", DECISION)
FAILED = Row("images/b.jpg", None, "damaged", "broken, data stream")


def written(tmp_path: Path, rows: list[Row], name: str = "out.csv", **options: object) -> Path:
    out = tmp_path / name
    write_report(rows, out, ReportLayout("m v1", report_format(out, None), **options), overwrite=True)  # type: ignore[arg-type]
    return out


def records(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, strict=True))


def test_the_csv_is_this_to_the_byte(tmp_path: Path) -> None:
    assert written(tmp_path, [SCORED, FAILED]).read_bytes() == (
        b"path,status,error,diagnosis,probability,p_akiec,p_bcc,p_bkl,p_df,p_mel,p_nv,p_vasc,p_malignant,"
        b"malignant,refer,model\n"
        b"images/a.jpg,ok,,vasc,0.100000,0.010000,0.020000,0.030000,0.040000,0.200000,0.600000,0.100000,0.230000,"
        b"yes,uncertain,m v1\n"
        b'images/b.jpg,error,"damaged: broken, data stream",,,,,,,,,,,,,m v1\n'
    )


def test_nothing_found_still_makes_a_report_with_its_header(tmp_path: Path) -> None:
    assert written(tmp_path, []).read_text().splitlines() == [",".join(report_columns())]
    assert written(tmp_path, [], "out.jsonl").read_bytes() == b""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(written(tmp_path, [], "out.parquet")).column_names == list(report_columns())


def test_cells_are_text_to_a_spreadsheet_and_utf8_to_everything(tmp_path: Path) -> None:
    names = [
        "=cmd()",
        "+1",
        "-1",
        "@x",
        "\ttab",
        "\rreturn",
        "\nline",
        "a,b",
        'quo"te',
        "two\nlines",
        "é",
        os.fsdecode(b"\xff.jpg"),
    ]
    out = written(tmp_path, [Row(name, None, "damaged", "=HYPERLINK(1)", carried=("=1+1",)) for name in names],
                  carried_columns=("=note",))  # fmt: skip
    found = records(out)
    assert [row["path"] for row in found] == [
        "'=cmd()", "'+1", "'-1", "'@x", "'\ttab", "'\rreturn", "'\nline", "a,b", 'quo"te', "two\nlines", "é",
        "\\udcff.jpg",
    ]  # fmt: skip
    assert {row["'=note"] for row in found} == {"'=1+1"}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in found for cell in row.values())


@given(st.lists(st.tuples(st.text(), st.text(), st.text())))
@example([("\udcff", "\udc80", "\r"), ("\x00", "'", '"')])
def test_any_text_comes_back_from_csv_and_jsonl(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [Row(path, None, "damaged", detail, carried=(note,)) for path, detail, note in texts]
    expected = [
        tuple(text.encode("utf-8", "backslashreplace").decode() for text in (path, f"damaged: {detail}", note))
        for path, detail, note in texts
    ]
    from_jsonl = [json.loads(line) for line in written(folder, rows, "o.jsonl", carried_columns=("note",)).open("rb")]
    assert [(row["path"], row["error"], row["note"]) for row in from_jsonl] == expected
    from_csv = records(written(folder, rows, carried_columns=("note",)))
    formulas = ("=", "+", "-", "@", "\t", "\r", "\n")
    for row, texts_of_row in zip(from_csv, expected, strict=True):
        for cell, text in zip((row["path"], row["error"], row["note"]), texts_of_row, strict=True):
            assert cell == ("'" + text if text.startswith(formulas) else text)


def test_jsonl_has_numbers_as_numbers_and_null_for_what_is_missing(tmp_path: Path) -> None:
    scored, failed = map(json.loads, written(tmp_path, [SCORED, FAILED], "out.jsonl").read_text().splitlines())
    assert list(scored) == list(failed) == list(report_columns())
    assert scored["p_mel"] == 0.2 and scored["p_malignant"] == 0.23 and scored["error"] is None
    assert (scored["diagnosis"], scored["malignant"], scored["refer"]) == ("vasc", "yes", "uncertain")
    assert failed["p_mel"] is None and failed["diagnosis"] is None and failed["status"] == "error"
    assert failed["malignant"] is None and failed["refer"] is None


def test_parquet_is_typed_has_groups_and_knows_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(report, "ROWS_IN_GROUP", 10)
    rows = [Row(f"{number}.jpg", DECISION, carried=("x",)) for number in range(24)] + [FAILED_WITH_NOTE]
    out = written(tmp_path, rows, "out.parquet", carried_columns=("p_note",), top_k=1, provenance={"model": "m v1"})
    table = parquet.read_table(out)
    assert table.num_rows == 25 and parquet.ParquetFile(out).num_row_groups == 3
    types = {field.name: str(field.type) for field in table.schema}
    assert types["p_mel"] == types["probability"] == types["top1_probability"] == types["p_malignant"] == "double"
    assert types["path"] == types["p_note"] == types["top1_diagnosis"] == "string"
    assert types["malignant"] == types["refer"] == "string"
    assert table.column("malignant").to_pylist() == ["yes"] * 24 + [None]
    assert table.column("refer").to_pylist() == ["uncertain"] * 24 + [None]
    assert table.schema.metadata[b"lesionflow.model"] == b"m v1"
    assert table.column("p_mel").to_pylist() == [0.2] * 24 + [None]
    assert table.column("path")[0].as_py() == "0.jpg" and table.column("path")[24].as_py() == "images/b.jpg"


FAILED_WITH_NOTE = Row(FAILED.path, None, FAILED.reason, FAILED.detail, carried=("y",))


def test_columns_select_and_order(tmp_path: Path) -> None:
    out = written(
        tmp_path,
        [Row("a.jpg", DECISION, carried=("7",))],
        columns=("id", "p_mel", "path"),
        carried_columns=("id",),
    )
    assert out.read_text() == "id,p_mel,path\n7,0.200000,a.jpg\n"


def test_top_k_ranks_the_diagnoses_by_probability_whichever_is_called(tmp_path: Path) -> None:
    (row,) = records(written(tmp_path, [SCORED], top_k=3))
    assert row["diagnosis"] == "vasc" and row["probability"] == "0.100000"
    assert [row[f"top{rank}_diagnosis"] for rank in (1, 2, 3)] == ["nv", "mel", "vasc"]
    assert [row[f"top{rank}_probability"] for rank in (1, 2, 3)] == ["0.600000", "0.200000", "0.100000"]
    (row,) = records(written(tmp_path, [Row("a", IndexedPrediction((1 / 7,) * 7, 0, False, "no"))], top_k=7))
    assert tuple(row[f"top{rank}_diagnosis"] for rank in range(1, 8)) == HAM10000.names


def test_carried_columns_follow_the_path(tmp_path: Path) -> None:
    out = written(tmp_path, [Row("a.jpg", DECISION, carried=("7", "left arm"))], carried_columns=("id", "site"))
    assert out.read_text().splitlines()[0].startswith("path,id,site,status,")
    assert out.read_text().splitlines()[1].startswith("a.jpg,7,left arm,ok,")


def test_frames_are_told_apart(tmp_path: Path) -> None:
    rows = [Row("a.dcm", DECISION, frame=frame) for frame in range(3)]
    assert [row["path"] for row in records(written(tmp_path, rows))] == ["a.dcm", "a.dcm#2", "a.dcm#3"]
    assert written(tmp_path, rows, columns=("path", "frame")).read_text() == "path,frame\na.dcm,1\na.dcm,2\na.dcm,3\n"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"columns": ("path", "p_naevus")}, "p_naevus"),
        ({"columns": ("path", "top1_diagnosis")}, "--top-k"),
        (
            {"columns": ("path", "diagnosis"), "top_k": 2},
            "top-k 2: --columns has none of its columns; add top1_diagnosis",
        ),
        ({"columns": ("path", "path")}, "twice"),
        ({"columns": ()}, "empty"),
        ({"top_k": 0}, "--top-k 0"),
        ({"top_k": 8}, "--top-k 8"),
        ({"carried_columns": ("diagnosis",)}, "diagnosis"),
        ({"carried_columns": ("a", "a")}, "twice"),
        ({"format": "isic", "top_k": 2}, "isic"),
        ({"format": "isic", "columns": ("path",)}, "isic"),
    ],
)
def test_bad_options_are_refused_before_the_work(tmp_path: Path, options: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        check_report("out.csv", ReportLayout("m", **options))  # type: ignore[arg-type]
        check_diagnoses(ReportLayout("m", **options))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [("a.csv", None, "csv"), ("a.PARQUET", None, "parquet"), ("a.jsonl", None, "jsonl"), ("a.csv", "isic", "isic"),
     ("a.txt", "csv", "csv"), ("a.txt", None, None), ("a", None, None), ("a.csv", "parquet", None),
     ("a.parquet", "isic", None), ("a.csv", "excel", None)],
)  # fmt: skip
def test_the_format_is_that_of_the_ending_or_the_one_asked_for(
    name: str, format: str | None, expected: str | None
) -> None:
    if expected:
        assert report_format(Path(name), format) == expected
    else:
        with pytest.raises(UsageError):
            report_format(Path(name), format)


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    taken, pipe = tmp_path / "taken.csv", tmp_path / "pipe.csv"
    taken.write_text("old")
    os.mkfifo(pipe)
    for out, overwrite, word in (
        (tmp_path, False, "folder"),
        (taken, False, "--overwrite"),
        (tmp_path / "none" / "out.csv", False, "no such folder"),
        (tmp_path / ("n" * 300 + ".csv"), False, "cannot be written"),
        (pipe, True, "ordinary"),
        (Path("/proc/out.csv"), True, "cannot be written"),
    ):
        with pytest.raises(ReportError, match=word):
            check_writable(out, overwrite)
    check_writable(taken, overwrite=True)
    assert taken.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe.csv", "taken.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_run_that_breaks_off_leaves_the_old_report_and_nothing_else(tmp_path: Path, name: str) -> None:
    def breaking_off() -> Iterator[Row]:
        yield SCORED
        raise DataError("gone")

    out = tmp_path / name
    options = ReportLayout("m", report_format(out, None))
    with pytest.raises(DataError):
        write_report(breaking_off(), out, options, overwrite=False)
    assert list(tmp_path.iterdir()) == []
    out.write_text("old")
    with pytest.raises(DataError):
        write_report(breaking_off(), out, options, overwrite=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_file_that_comes_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def slow() -> Iterator[Row]:
        yield SCORED
        out.write_text("somebody else's")

    with pytest.raises(ReportError, match="was created"):
        write_report(slow(), out, ReportLayout("m"), overwrite=False)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["somebody else's"]


def test_without_hard_links_a_report_is_still_written_and_never_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    out = tmp_path / "out.csv"
    write_report([SCORED], out, ReportLayout("m"), overwrite=False)
    assert len(records(out)) == 1 and len(list(tmp_path.iterdir())) == 1

    def slow() -> Iterator[Row]:
        (tmp_path / "two.csv").write_text("somebody else's")
        yield SCORED

    with pytest.raises(ReportError, match="was created"):
        write_report(slow(), tmp_path / "two.csv", ReportLayout("m"), overwrite=False)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_full_disk_is_a_message_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    # A limit on the size of files, in a process of its own, fails as a full disk does: in the middle of a write.
    code = """
import random, resource, signal, sys
from pathlib import Path
from lesionflow.errors import ReportError
from lesionflow.scoring.report import ReportLayout, report_format
from tests.scoring.write_report import write_report
from lesionflow.model.prediction import IndexedPrediction, Row
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
out = Path(sys.argv[1])
options = ReportLayout("m", report_format(out, None))
draw = random.Random(0)
numbers = (tuple(draw.random() for _ in range(7)) for _ in range(20_000))
rows = (Row(str(draw.random()), IndexedPrediction(seven, 3, True, "no")) for seven in numbers)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    write_report(rows, out, options, overwrite=False)
except ReportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / name)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "cannot be written (File too large); choose another place" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_memory_is_flat(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from lesionflow.scoring.report import ReportLayout, report_format
from tests.scoring.write_report import write_report
from lesionflow.model.prediction import IndexedPrediction, Row
out, count = Path(sys.argv[1]), int(sys.argv[2])
rows = (Row(f"images/{n}.jpg", IndexedPrediction((0.1,) * 5 + (0.4, 0.1), 5, False, "no")) for n in range(count))
write_report(rows, out, ReportLayout("m", report_format(out, None)), overwrite=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

    def peak(name: str, count: int) -> int:
        command = [sys.executable, "-c", code, str(tmp_path / name), str(count)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout)

    assert peak("a.csv", 60_000) < 1.15 * peak("b.csv", 1_000)


def isic(tmp_path: Path, rows: list[Row], **options: Any) -> Path:
    out = tmp_path / "isic.csv"
    write_report(rows, out, ReportLayout("m", "isic", **options), overwrite=True)
    return out


def test_isic_is_this_to_the_byte(tmp_path: Path) -> None:
    rows = [
        Row("images/ISIC_0034524.jpg", DECISION),
        FAILED,
        Row("deep/er/ISIC_0034525.JPG", DECISION),
    ]
    assert isic(tmp_path, rows, failed_as="omit").read_text() == (
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
        "ISIC_0034524,0.200000,0.600000,0.020000,0.010000,0.030000,0.040000,0.100000\n"
        "ISIC_0034525,0.200000,0.600000,0.020000,0.010000,0.030000,0.040000,0.100000\n"
    )


@given(st.lists(st.tuples(*[st.floats(-8, 8)] * 7), min_size=1, max_size=20))
def test_the_greatest_of_the_isic_format_is_the_diagnosis_called(
    tmp_path_factory: pytest.TempPathFactory, logits: list[tuple[float, ...]]
) -> None:
    said = decide(np.array(logits), np.full(len(logits), np.nan), Calibration(), PRIOR)
    rows = [Row(f"{number}.jpg", decision) for number, decision in enumerate(said.one_by_one())]
    found = records(isic(tmp_path_factory.mktemp("isic"), rows, prior=PRIOR))
    for line, row in zip(found, rows, strict=True):
        shares = {name.lower(): float(share) for name, share in line.items() if name != "image"}
        assert row.prediction is not None
        called = shares[HAM10000.names[row.prediction.called]]
        assert called == max(shares.values())  # among equals at six decimals it is one of the greatest
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_isic_takes_the_prior_out(tmp_path: Path) -> None:
    (found,) = records(isic(tmp_path, [SCORED], prior=PRIOR))
    factors = {dx: share / prior for dx, share, prior in zip(HAM10000.names, PROBABILITIES, PRIOR, strict=True)}
    for dx, factor in factors.items():
        assert float(found[dx.upper()]) == pytest.approx(factor / sum(factors.values()), abs=1e-6)
    assert max(factors, key=lambda dx: factors[dx]) == "vasc"


def test_isic_keeps_the_published_rules(tmp_path: Path) -> None:
    """The rules of the challenge's checker: these columns, floats in [0, 1], none missing, each image once, UTF-8."""
    rows = [Row(f"x/ISIC_{number}.v2.jpg", DECISION) for number in range(5)] + [
        Row("ISIC_9", IndexedPrediction((0.0,) * 6 + (1.0,), 6, False, "no"))
    ]
    text = isic(tmp_path, rows).read_bytes().decode("utf-8")
    header, *lines = csv.reader(text.splitlines())
    assert set(header) == {"image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"} and len(header) == 8
    assert [line[0] for line in lines] == [f"ISIC_{number}.v2" for number in range(5)] + ["ISIC_9"]
    for line in lines:
        assert all("." in cell and 0.0 <= float(cell) <= 1.0 for cell in line[1:]) and len(line) == 8


def test_isic_refuses_images_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="both"):
        isic(tmp_path, [Row("a/1.jpg", DECISION), Row("b/1.png", DECISION)])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReportError, match="both"):
        check_isic_names(["a/1.jpg", "b/1.png"])
    check_isic_names(["a/1.jpg", "b/2.jpg"])


def test_the_challenges_own_checker_accepts_it(tmp_path: Path) -> None:
    scoring = pytest.importorskip("isic_challenge_scoring.classification")
    if not hasattr(pytest.importorskip("pandas").DataFrame, "applymap"):
        pytest.skip("isic-challenge-scoring 5.6 needs pandas < 3")
    names = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    truth = tmp_path / "truth.csv"
    lines = [
        f"ISIC_{place},{','.join('1.0' if place == other else '0.0' for other in range(7))}\n" for place in range(7)
    ]
    truth.write_text(f"image,{','.join(names)}\n{''.join(lines)}")
    right = {
        name: IndexedPrediction(
            tuple(float(dx == name.lower()) for dx in HAM10000.names), HAM10000.names.index(name.lower()), False, "no"
        )
        for name in names
    }
    out = isic(tmp_path, [Row(f"i/ISIC_{place}.jpg", right[name]) for place, name in enumerate(names)])
    metric = scoring.ClassificationMetric.BALANCED_ACCURACY
    with truth.open() as expected, out.open() as given_file:
        assert scoring.ClassificationScore.from_stream(expected, given_file, metric).overall == 1.0
