"""Tables as people save them: read where there is one way to read them, and otherwise refused with what to do."""

import codecs
import contextlib
import gzip
import itertools
import json
import os
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest
from PIL import Image

from lesionflow.datasets.label_table import MAXIMUM_TABLE_BYTES, read_header, read_table, workbook_notes
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.errors import DataError

TEXT = "image_id,lesion_id,dx,age\nISIC_1,L1,nv,45\nISIC_2,L2,mel,\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return file

    return write


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", "|").encode(),
        TEXT.replace(",", " , ").encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("\n", ",\n").encode(),  # an empty column at the end, as some spreadsheets write it
        b"\n\n" + TEXT.encode() + b"\n\n,,,\n",
        b"sep=;\r\n" + TEXT.replace(",", ";").encode(),  # Excel's first line
        b'"sep=,"\n\n' + TEXT.encode(),
        TEXT.encode() + b"\x1a",  # the end of a file in DOS
        b"\xef\xbb\xbf\xef\xbb\xbf" + TEXT.replace("dx", "\u200bdx").encode(),
        (TEXT[:42] + "\ufeff" + TEXT[:26] + TEXT[42:]).encode(),  # two tables, one below the other
        b'"image_id","lesion_id","dx","age"\n"ISIC_1","L1","nv","45"\n"ISIC_2","L2","mel",""\n',
    ],
)
def test_one_table_in_many_guises(write: Callable[..., Path], content: bytes) -> None:
    file = write(content)
    expected = pd.DataFrame(
        {"image_id": ["ISIC_1", "ISIC_2"], "lesion_id": ["L1", "L2"], "dx": ["nv", "mel"], "age": ["45", ""]}, dtype=str
    )
    pd.testing.assert_frame_equal(read_table(file), expected)
    assert read_header(file) == list(expected.columns)


def test_columns_that_nothing_needs_may_share_a_name(write: Callable[..., Path]) -> None:
    file = write("path,note,diagnosis,Note,\na.jpg,x,nv,y,\n")
    assert read_table(file).columns.tolist() == read_header(file) == ["path", "note (2)", "diagnosis", "Note (4)"]


def test_a_value_may_hold_separators_and_line_ends(write: Callable[..., Path]) -> None:
    table = read_table(write('path;diagnosis;note\n"a;b.jpg";nv;"two\nlines"\nc.jpg;mel;say ""\n'))
    assert table["path"].tolist() == ["a;b.jpg", "c.jpg"] and table["note"].tolist()[0] == "two\nlines"


def test_ids_keep_their_zeros_and_words_for_nothing_stay_words(write: Callable[..., Path]) -> None:
    table = read_table(write("image_id,dx\n0012,nv\nNA,mel\nnan,bcc\n1e5,df\n"))
    assert table["image_id"].tolist() == ["0012", "NA", "nan", "1e5"]


@pytest.mark.parametrize(
    ("separator", "quoted"), [(",", '"a;b;c;d;e"'), (";", "a,b,c,d,e,f"), ("\t", "a|b|c|d|e"), ("|", "a,b;c,d;e")]
)
def test_a_header_may_hold_other_separators(write: Callable[..., Path], separator: str, quoted: str) -> None:
    rows = [["path", "dx", quoted], ["1.jpg", "nv", "x"], ["2.jpg", "mel", "y"]]
    file = write("\n".join(separator.join(row) for row in rows))
    assert read_header(file) == ["path", "dx", quoted.strip('"')]
    assert read_table(file)["dx"].tolist() == ["nv", "mel"]


def test_rounded_ids_of_parquet_keep_their_exponent(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1.5e18, 4.0], "dx": ["nv", "mel"]}).to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet")["id"].tolist() == ["1.5e+18", "4"]


def test_json_lines(write: Callable[..., Path]) -> None:
    file = write('{"file_name": "a.jpg", "dx": "nv", "age": 45}\n\n{"file_name": "b.jpg", "dx": null}\n', "m.jsonl")
    table = read_table(file)
    assert table["dx"].tolist() == ["nv", ""] and table["age"].tolist() == ["45", ""]
    assert read_header(file) == ["file_name", "dx", "age"]
    numbered = read_table(write('{"lesion_id": 7}\n{"lesion_id": 7.0}\n{"lesion_id": 7.5}\n', "n.jsonl"))
    assert numbered["lesion_id"].tolist() == ["7", "7", "7.5"]
    assert read_header(write("5\n", "number.jsonl")) == []
    assert read_table(write('{"a": 1, "b": 2}\n', "other.NDJSON"))["b"].tolist() == ["2"]
    with pytest.raises(DataError, match="line 2: two values of dx; keep one of each"):
        read_table(write('{"dx": "nv", "dx": "nv"}\n{"dx": "nv", "dx": "mel"}\n', "twice.jsonl"))


@pytest.mark.parametrize(("opens", "closes"), [('{"a": ', "}"), ("[", "]")])
def test_values_within_very_many_are_refused(write: Callable[..., Path], opens: str, closes: str) -> None:
    row = '{"image_id": "1", "dx": "nv", "a": ' + opens * 100_000 + "1" + closes * 100_000 + "}\n"
    with pytest.raises(DataError, match=r"deep\.jsonl: line 1 is not JSON \(maximum recursion depth"):
        read_labelled_images(write(row, "deep.jsonl").parent)


def test_nested_values_are_columns(write: Callable[..., Path], tmp_path: Path) -> None:
    row = {"image_id": "1", "meta": {"lesion_id": "L1", "patient": {"id": 7}, "age": {"value": 40}}, "age": "old"}
    names = ["image_id", "lesion_id", "patient.id", "age.value", "age"]
    file = write(json.dumps(row) + '\n{"image_id": "2"}\n', "nested.jsonl")
    assert read_header(file) == names
    assert read_table(file).to_numpy().tolist() == [["1", "L1", "7", "40", "old"], ["2", "", "", "", ""]]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "nested.parquet")
    assert sorted(read_header(tmp_path / "nested.parquet")) == sorted(names)
    assert read_table(tmp_path / "nested.parquet")[names].to_numpy().tolist() == [["1", "L1", "7", "40", "old"]]


def test_parquet_is_the_same_table(write: Callable[..., Path], tmp_path: Path) -> None:
    expected = read_table(write(TEXT))
    whole = expected.assign(age=pd.array([45, None], dtype="Int64"), dx=expected["dx"].astype("category"))
    file = tmp_path / "labels.parquet"
    whole.to_parquet(file)
    pd.testing.assert_frame_equal(read_table(file), expected)
    assert read_header(file) == list(expected.columns)
    whole.set_index("image_id").to_parquet(file)
    pd.testing.assert_frame_equal(read_table(file)[expected.columns], expected)
    table = pyarrow.Table.from_pandas(whole.assign(mask=[b"1", b"2"], boxes=[[1], [2]]))
    for kind in (pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary(1)):  # Polars writes the second
        pyarrow.parquet.write_table(table.append_column("bytes", table["mask"].cast(kind)), file)
        pd.testing.assert_frame_equal(read_table(file), expected)
    pyarrow.parquet.write_table(table.append_column("dx", table["dx"]), file)
    with pytest.raises(DataError, match="several columns are called dx"):
        read_table(file)
    pd.DataFrame({"image": [b"1"], "label": [0]}).to_parquet(file)
    with pytest.raises(DataError, match=r"column image holds images or lists.*save the images as files.* column path$"):
        read_table(file)


def test_a_workbook_of_another_program_is_no_reason_to_install_openpyxl(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile(tmp_path / "labels.csv", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<office/>")
    with pytest.raises(DataError, match=r"a zip archive, and no Excel .* save the table as CSV"):
        read_table(tmp_path / "labels.csv")


def test_tables_without_end_are_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "labels.csv", "wb") as file:
        file.truncate(MAXIMUM_TABLE_BYTES + 1)  # takes no place on the disk
    with pytest.raises(DataError, match="1,024 MiB, and tables of labels have at most 1,024"):
        read_table(tmp_path / "labels.csv")
    with open(tmp_path / "images.tar.gz", "wb") as file:
        file.write(gzip.compress(b"an archive"))
        file.truncate(MAXIMUM_TABLE_BYTES + 1)
    with pytest.raises(DataError, match="packed with gzip; unpack it"):
        read_table(tmp_path / "images.tar.gz")
    os.mkfifo(tmp_path / "labels.tsv")
    for special in (tmp_path / "labels.tsv", Path("/dev/zero")):
        with pytest.raises(DataError, match="not an ordinary file; give the table as one"):
            read_table(special)


def test_messages_about_large_tables_are_short(write: Callable[..., Path]) -> None:
    pixels = ",".join(f"pixel{number:04}" for number in range(2352))
    for text in (f"{pixels},label\n" + "0," * 2352 + "3\n", "image_id,dx\n1," + "x" * 100_000 + "\n"):
        with pytest.raises(DataError, match=r"no column path|unknown diagnosis") as caught:
            read_labelled_images(write(text))
        assert len(str(caught.value)) < 2000


def test_a_workbook_below_a_title(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    rows = [["A title", "", ""], ["", "", ""], ["Image Name", "dx", "lesion_id"], ["0001", "nv", "L1"]]
    pd.DataFrame(rows).to_excel(tmp_path / "labels.xlsx", header=False, index=False)
    table = read_table((tmp_path / "labels.xlsx").rename(tmp_path / "labels.csv"))  # content says what it is
    assert table.to_dict("records") == [{"Image Name": "0001", "dx": "nv", "lesion_id": "L1"}]


@pytest.mark.parametrize("above", [0, 2])
def test_merged_cells_of_a_workbook_hold_for_each_row(tmp_path: Path, above: int) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [["Our images", "", "", ""]] * above + [["patient_id", "lesion_id", "dx", "filename"]]:
        sheet.append(row)
    rows = [["P1", "L1", "nv", "1"], ["", "", "nv", "2"], ["", "L2", "mel", "3"], ["P2", "L3", "nv", "4"]]
    for row in rows:
        sheet.append(row)
    first = above + 2
    for area in (f"A{first}:A{first + 2}", f"B{first}:B{first + 1}", *(("A1:D1",) if above else ())):
        sheet.merge_cells(area)
    sheet.merge_cells(f"A{first + 90}:B{first + 95}")  # below all rows
    book.save(tmp_path / "labels.xlsx")
    table = read_table(tmp_path / "labels.xlsx")
    assert table["patient_id"].tolist() == ["P1", "P1", "P1", "P2"]
    assert table["lesion_id"].tolist() == ["L1", "L1", "L2", "L3"] and table["filename"].tolist() == [
        "1",
        "2",
        "3",
        "4",
    ]


def save_workbook(file: Path, rows: Sequence[Any], edit: Callable[[Any], None]) -> Path:
    """Write rows as the only sheet of a workbook that is changed before it is saved."""
    book = pytest.importorskip("openpyxl").Workbook()
    for row in rows:
        book.active.append(row)
    edit(book)
    book.save(file)
    return file


def test_hidden_rows_are_read_and_counted(own: Callable[..., Path]) -> None:
    csv = own(lambda rows: rows)
    rows = [["A title"], *pd.read_csv(csv, dtype=str, header=None).to_numpy().tolist()]

    def hide(book: Any) -> None:
        for row in (4, 7, 300):  # the last one is empty
            book.active.row_dimensions[row].hidden = True
        book.active.column_dimensions["B"].hidden = True

    file = save_workbook(csv.with_suffix(".xlsx"), rows, hide)
    images = read_labelled_images(file)
    assert images.digest == read_labelled_images(csv).digest
    assert images.warnings == (f"{file}: 2 hidden rows of the sheet Sheet read as well",)


def test_visible_sheets_come_before_hidden_ones(tmp_path: Path) -> None:
    def hide(book: Any) -> None:
        book.active.sheet_state = "hidden"
        for row in (["path", "dx"], ["a.jpg", "mel"]):
            (book["New"] if "New" in book else book.create_sheet("New")).append(row)

    file = save_workbook(tmp_path / "labels.xlsx", [["path", "dx"], ["a.jpg", "nv"]], hide)
    assert read_table(file)["dx"].tolist() == ["mel"]
    assert workbook_notes(file) == [f"{file}: the sheet New is read, Sheet left out"]


@pytest.mark.parametrize("value", [None, 0])
def test_formulas_without_values_are_refused_where_they_are_needed(tmp_path: Path, value: int | None) -> None:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (8, 8), (len(name), ord(name[0]), 0)).save(tmp_path / name)
    rows = [["path", "dx", "lesion_id", "n"], ["a.jpg", "nv", '="L"&D2', 1], ["b.jpg", "mel", '="L"&D3', 2]]
    file = save_workbook(tmp_path / "labels.xlsx", rows, lambda book: None)
    if value is not None:  # as other programs write
        edit_sheet(
            file,
            lambda text: text.replace("</f><v></v>", f"</f><v>{value}</v>").replace("</f><v />", f"</f><v>{value}</v>"),
        )
    with pytest.raises(
        DataError, match=r'the column lesion_id has errors of a spreadsheet or formulas .*: ="L"&D2, ="L"&D3; save that'
    ):
        read_labelled_images(file)
    edit_sheet(file, lambda text: text.replace("lesion_id", "of_nobody"))
    assert read_labelled_images(file).table["dx"].tolist() == ["nv", "mel"]
    edit_sheet(file, lambda text: text.replace("of_nobody", "lesion_id"))
    numbers = iter(("7", "8"))
    edit_sheet(file, lambda text: re.sub("</f><v ?/>|</f><v>0?</v>", lambda _: f"</f><v>{next(numbers)}</v>", text))
    assert read_table(file)["lesion_id"].tolist() == ["7", "8"]  # as programs do that calculate


def edit_sheet(file: Path, edit: Callable[[str], str]) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, edit(content.decode()) if name.endswith("sheet1.xml") else content)


def test_numbers_of_a_workbook_are_ids_as_far_as_it_keeps_them(own: Callable[..., Path]) -> None:
    csv = own(lambda rows: rows)
    rows = pd.read_csv(csv, dtype=str)

    def write(*ids: object) -> Path:
        found = rows.assign(lesion_id=[*ids, *rows["lesion_id"][len(ids) :]])
        return save_workbook(
            csv.with_suffix(".xlsx"), [list(found.columns), *found.to_numpy().tolist()], lambda book: None
        )

    found = read_labelled_images(write(7, 8.0, "0012", "1234567890123456789", 9.5, "#N/A", 1700000000123457)).table
    assert {"7", "8", "0012", "1234567890123456789", "9.5", "1700000000123457"} <= set(found["lesion_id"])
    assert not {"nan", "#N/A"} & set(found["lesion_id"])
    for long in (1234567890123456789, 1.5e16):
        with pytest.raises(
            DataError, match=r"column lesion_id has rounded numbers.*: 1\.\d+e\+1\d; save that column as"
        ):
            read_labelled_images(write(long))


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["1234567890123450000", "1234567890123460000"], "rounded numbers"), (["1234567890123456789"], ""),
        (["1234567890123450"], ""), ([f"123456789012{n}0" for n in (345, 346, 347)], "rounded numbers"),
        ([f"123456789012{n}" for n in (3450, 3461)], ""),
        ([f"202001011234{n}000" for n in (56, 57, 58)], ""), (["#REF!", "L"], "errors of a spreadsheet"),
        (["#WERT!"], "errors of a spreadsheet"), (["#¿NOMBRE?"], "errors of a spreadsheet"), (["#NV"], "errors"),
        (["#12", "#REF", "#nv1"], ""),
    ],
)  # fmt: skip
def test_ids_that_a_spreadsheet_lost(own: Callable[..., Path], ids: list[str], told: str) -> None:
    table = own(lambda rows: rows.assign(lesion_id=[*ids, *rows["lesion_id"][len(ids) :]]))
    with pytest.raises(DataError, match=f"the column lesion_id has {told}") if told else contextlib.nullcontext():
        assert set(ids) <= set(read_labelled_images(table).table["lesion_id"])


def test_text_that_is_written_as_a_formula_is_that_text(write: Callable[..., Path]) -> None:
    for content in ('path,dx,="age"\n="0012",nv,="a=""b"\n', '"=""path""",dx,age\n"=""0012""",nv,"=""45"""\n'):
        table = read_table(write(content))
        assert table.columns.tolist() == read_header(write(content)) == ["path", "dx", "age"]
        assert table["path"].tolist() == ["0012"]


def test_a_header_below_groups_of_columns(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    rows = [["Image", "", "Finding", ""], ["filename", "lesion_id", "diagnosis", "age"], ["1.jpg", "L1", "nv", "40"]]
    pd.DataFrame(rows).to_excel(tmp_path / "labels.xlsx", header=False, index=False)
    assert read_table(tmp_path / "labels.xlsx").to_dict("records") == [dict(zip(rows[1], rows[2], strict=True))]
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", header=False, index=False)
    with pytest.raises(DataError, match="leave out what stands above the names of the columns"):
        read_table(tmp_path / "labels.csv")


def test_of_a_workbook_the_sheet_with_labels_is_read_and_others_are_named(own: Callable[..., Path]) -> None:
    openpyxl, charts = pytest.importorskip("openpyxl"), pytest.importorskip("openpyxl.chart")
    csv = own(lambda rows: rows)
    notes = pd.DataFrame({"Notes": ["read me"]})
    patients, labels = pd.DataFrame({"patient": ["1", "2"], "age": ["40", "50"]}), pd.read_csv(csv, dtype=str)
    file = csv.with_suffix(".xlsx")
    with pd.ExcelWriter(file) as book:
        for name, table in {"About": notes, "Patients": patients, "Images": labels, "Old": labels[:3]}.items():
            table.to_excel(book, sheet_name=name, index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    book = openpyxl.load_workbook(file)
    chart = charts.BarChart()
    chart.add_data(charts.Reference(book["Patients"], min_col=2, min_row=1, max_row=3))
    book.create_chartsheet("Chart", 0).add_chart(chart)
    book.save(file)
    images = read_labelled_images(file)
    assert images.digest == read_labelled_images(csv).digest
    assert images.warnings[0] == f"{file}: the sheet Images is read, Patients, Old left out"
    with pd.ExcelWriter(file) as book:
        patients.to_excel(book, sheet_name="Patients", index=False)
        notes.to_excel(book, sheet_name="Notes", index=False)
    assert read_header(file) == ["patient", "age"]
    notes.to_excel(file, index=False)
    with pytest.raises(DataError, match="no sheet has two columns with a header"):
        read_table(file)


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.xlsm", "labels.tsv", "labels.PQ"])
def test_the_one_table_of_a_folder_is_read(own: Callable[..., Path], name: str) -> None:
    csv = own(lambda rows: rows)
    expected, table = read_labelled_images(csv).digest, pd.read_csv(csv, dtype=str)
    csv.unlink()
    if ".xls" in name:
        pytest.importorskip("openpyxl")
        table.to_excel(csv.with_name(name), index=False)
    elif name.endswith(".PQ"):
        table.to_parquet(csv.with_name(name))
    else:
        table.to_csv(csv.with_name(name), sep="\t", index=False)
    (csv.parent / "notes.txt").write_text("read me\n")
    assert read_labelled_images(csv.parent).digest == expected


def test_a_header_that_stands_twice_in_a_sheet_is_no_row(tmp_path: Path) -> None:
    rows = [["path", "dx"], ["a.jpg", "nv"], [None, None], ["path", "dx"], ["b.jpg", "mel"]]
    assert read_table(save_workbook(tmp_path / "labels.xlsx", rows, lambda book: None))["dx"].tolist() == ["nv", "mel"]


def test_a_workbook_that_breaks_off_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    file = tmp_path / "labels.xlsx"
    pd.DataFrame({"image_id": ["0001"] * 500, "dx": "nv"}).to_excel(file, index=False)
    whole = file.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="no Excel workbook that can be read") as caught:
            read_table(file)
        assert "\n" not in str(caught.value) and read_header(file) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "no rows"),
        (b"\0\0\0\0", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"image_id,dx\n", "no rows"),
        (b"image_id,lesion_id,dx\nISIC_1,L1,nv\nISIC_2,L", "row 3 has 2 columns .* the header has 3; .*cut off"),
        (b"image_id,dx\nISIC_1,nv,45\n", "row 2 has 3 columns .* quotation marks"),
        (b'image_id,dx\n"ISIC_1,nv\nISIC_2,mel\n', "quotation mark missing"),
        (b"image_id,dx,dx\nISIC_1,nv,mel\n", "several columns are called dx"),
        (b"image_id,Lesion_ID,lesion_id\nISIC_1,1,2\n", "several columns are called lesion_id"),
        ("image_id,dx\nISIC_1,nv\nStraße,mel\n".encode("latin-1"), "line 3 is not UTF-8 .* 'CSV UTF-8'"),
        (b"image_id,dx\nISIC_1,nv" + b"\0" * 40, "ends in null characters.*full disk"),
        (b"image_id,dx\nISIC_1;nv\n", "separate it as the header, not with semicolons"),
        (b"My images\n\nimage_id,dx\nISIC_1,nv\n", "leave out what stands above the names"),
        (b'"image_id,dx"\n"ISIC_1,nv"\n', "each line as a whole is in quotation marks"),
        (b"7z\xbc\xaf\x27\x1c\0\0", "is a 7z archive; unpack it"),
        (gzip.compress(b"image_id,dx\nISIC_1,nv\n", mtime=0), "packed with gzip; unpack it"),
        (b"0.jpg" + bytes(252) + b"ustar\x0000", "is a tar archive; unpack it"),
        (b'[{"image_id": "ISIC_1", "dx": "nv"}]', "is a JSON array, not a table"),
        (b"SQLite format 3\0" + bytes(84), "is a database of SQLite; save the table of labels in it as CSV"),
        (b"PAR1" + b"\0" * 40, "cannot be read as Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "with a password or of the old kind; save it as .xlsx"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>", "web page"),
        (b"image_id,note,dx\nISIC_1,a|b,nv\nISIC_2,a|b\n", "row 3 has 2 columns.*cut off"),
        (
            b"image_id,note,dx\nISIC_1,a,nv\n# of 2026\n",
            "row 3 has 1 column.*the header has 3; it is a comment: leave it",
        ),
    ],
)
def test_what_has_no_one_reading_is_refused(write: Callable[..., Path], content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(write(content))
    assert "labels.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_text_is_named_by_what_it_is(write: Callable[..., Path], tmp_path: Path) -> None:
    Image.effect_noise((32, 32), 90).save(tmp_path / "mole.jpg")
    with pytest.raises(DataError, match=r"mole.jpg: is an image \(JPEG\), no table"):
        read_table(tmp_path / "mole.jpg")
    with pytest.raises(
        DataError, match=r"labels.xlsx: no Excel workbook, and line 1 is not UTF-8 text; save the table as"
    ):
        read_table(write(b"\x89\x12\xff\x00abc", "labels.xlsx"))


def test_other_kinds_of_tables_are_named(write: Callable[..., Path], tmp_path: Path) -> None:
    for name, content in {
        "json": b"[]",
        "feather": b"ARROW1",
        "xls": b"\xd0\xcf\x11\xe0",
        "ods": b"PK\x03\x04",
        "rds": gzip.compress(b"X"),
    }.items():
        with pytest.raises(DataError, match="not a supported kind of table; save it as CSV"):
            read_table(write(content, f"labels.{name}"))
    for name in ("dermamnist.npz", "train00.tfrec"):
        with pytest.raises(
            DataError, match=f"{name}: holds arrays, which are not read; save the images in it as files"
        ):
            read_labelled_images(write(b"PK\x03\x04", f"arrays/{name}").parent)
        (tmp_path / "arrays" / name).unlink()
    with pytest.raises(DataError, match="packed with gzip; unpack it"):
        read_labelled_images(write(gzip.compress(TEXT.encode()), "new/labels.csv.gz").parent)


def test_a_table_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not an ordinary file"):
        read_table(tmp_path)
    assert read_header(tmp_path) == []


Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def ham(fifty_images: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """Change the metadata of a HAM10000 folder."""

    def change(edit: Edit) -> Path:
        folder = Path(shutil.copytree(fifty_images, tmp_path / "set"))
        file = folder / "HAM10000_metadata.csv"
        edit(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False)
        return folder

    return change


@pytest.fixture
def own(fifty_images: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """Write a table of one's own of fifty images."""

    def write(edit: Edit) -> Path:
        images = read_labelled_images(fifty_images).table
        rows = images.rename(columns={"dx": "diagnosis"})[["path", "diagnosis", "lesion_id", "image_id"]]
        edit(rows.astype(object)).to_csv(tmp_path / "labels.csv", index=False)
        return tmp_path / "labels.csv"

    return write


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: rows.assign(image_id=rows["image_id"] + ".jpg"),
        lambda rows: rows.assign(image_id=" " + rows["image_id"] + " "),
        lambda rows: rows.assign(image_id="images/" + rows["image_id"]),
        lambda rows: rows.assign(image_id="a\\b\\" + rows["image_id"] + ".JPG"),
        lambda rows: rows.assign(dx=rows["dx"].str.upper()),
        lambda rows: rows.assign(dx=rows["dx"].replace({"mel": "Melanoma", "nv": "Melanocytic Nevi"})),
        lambda rows: rows.rename(columns=str.upper),
    ],
)
def test_ids_and_words_in_other_guises_are_the_same_data(
    ham: Callable[[Edit], Path], fifty_images: Path, edit: Edit
) -> None:
    found = read_labelled_images(ham(edit))
    assert found.digest == read_labelled_images(fifty_images).digest and not found.warnings


def test_of_files_of_one_name_the_one_that_the_table_names_with_its_ending_counts(
    ham: Callable[[Edit], Path], fifty_images: Path
) -> None:
    expected = read_labelled_images(fifty_images)
    folder = ham(lambda rows: rows.assign(image_id=rows["image_id"] + ".jpg"))
    (folder / "masks").mkdir()
    names = sorted(file.stem for file in folder.rglob("*.jpg"))
    for name in names:
        Image.new("L", (8, 8)).save(folder / "masks" / f"{name}.png")
    found = read_labelled_images(folder)
    assert found.digest == expected.digest
    told = (
        f"50 images have no metadata row and are left out: {names[0]}.png, {names[1]}.png, {names[2]}.png and 47 more"
    )
    assert found.warnings == (told,)
    shutil.rmtree(folder)
    ids = read_labelled_images(fifty_images).table["image_id"]
    folder = ham(lambda rows: rows.assign(image_id=rows["image_id"].replace({ids[0]: f"{ids[1]}.png"}) + ".jpg"))
    file = folder / "HAM10000_metadata.csv"
    file.write_text(file.read_text().replace(".png.jpg", ".png"))
    with pytest.raises(DataError, match=rf"1 of 50 metadata rows has no image file: {ids[1]}.png"):
        read_labelled_images(folder)
    next(folder.rglob(f"{ids[0]}.jpg")).rename(folder / f"{ids[1]}.png")
    assert sorted(read_labelled_images(folder).table["content"]) == sorted(expected.table["content"])


def test_images_by_folder_and_name_have_to_be_called_paths(ham: Callable[[Edit], Path]) -> None:
    folder = ham(lambda rows: rows.assign(image_id=["a/1", "b/1", *rows["image_id"][2:]]))
    with pytest.raises(DataError, match=r"2 of 50 metadata rows have no image file: a/1, b/1; .* call the column path"):
        read_labelled_images(folder)


def test_names_with_endings_in_several_folders_are_not_one_file(ham: Callable[[Edit], Path]) -> None:
    def edit(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(image_id=["a/1.jpg", "b/1.jpg", *rows["image_id"][2:]])

    folder = ham(edit)
    next(folder.rglob("*.jpg")).rename(folder / "1.jpg")
    with pytest.raises(DataError, match="metadata rows have no image file: a/1, b/1"):
        read_labelled_images(folder)


def test_ids_that_lost_their_zeros_are_named(ham: Callable[[Edit], Path]) -> None:
    folder = ham(lambda rows: rows.assign(image_id=[str(number) for number in range(1, 51)]))
    for number, file in enumerate(sorted(folder.rglob("*.jpg")), start=1):
        file.rename(file.with_name(f"{number:07}.jpg"))
    with pytest.raises(DataError, match=r"50 of 50 metadata rows .* there is 0000001: .* which changed them"):
        read_labelled_images(folder)


def test_ages_are_numbers_of_years_and_others_are_counted(own: Callable[[Edit], Path]) -> None:
    written = ["45,0", "7,5", "46 years", "047Y", "48 J.", "49 años", "0y", "", *["50.0"] * 42]
    found = read_labelled_images(own(lambda rows: rows.assign(age=written)))
    assert sorted(set(found.table["age"])) == ["", "0", "45.0", "46", "47", "48", "49", "50.0", "7.5"]
    assert found.warnings == ()
    others = ["85+", ">85", "40-45", "40-45", "1980", "6 months"]
    told = read_labelled_images(own(lambda rows: rows.assign(age=[*others, *["50"] * 44]))).warnings
    assert told == (
        "6 images have an age that is not a number of years from 0 to 110, and are in no metrics by age: 40-45 (2), "
        "85+ (1), >85 (1) and 2 more",
    )


def test_ids_that_a_missing_one_made_numbers_with_a_fraction_are_whole(own: Callable[..., Path]) -> None:
    def numbered(rows: pd.DataFrame, form: str) -> pd.DataFrame:
        numbers = {lesion: number for number, lesion in enumerate(rows["lesion_id"].unique())}
        ids = [form.format(numbers[lesion]) for lesion in rows["lesion_id"]]
        return rows.assign(lesion_id=["", *ids[1:]], patient_id=ids)

    whole = read_labelled_images(own(lambda rows: numbered(rows, "{}")))
    for form in ("{}.0", "{},0"):
        fractions = read_labelled_images(own(lambda rows, form=form: numbered(rows, form)))
        assert fractions.digest == whole.digest and fractions.table["patient_id"].equals(whole.table["patient_id"])
    others = own(lambda rows: rows.assign(lesion_id=[f"{n}.{n % 2}" for n in range(len(rows))]))
    assert "4.0" in set(read_labelled_images(others).table["lesion_id"])


def test_ids_that_were_saved_in_scientific_notation_are_named(ham: Callable[[Edit], Path]) -> None:
    folder = ham(lambda rows: rows.assign(image_id=[f"{1000 + number:.3E}" for number in range(50)]))
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        file.rename(file.with_name(f"{1000 + number}.jpg"))
    with pytest.raises(DataError, match=r"50 of 50 metadata rows .* there is 1000: .* which changed them"):
        read_labelled_images(folder)


@pytest.mark.parametrize("column", ["lesion_id", "patient_id"])
@pytest.mark.parametrize(
    "rounded", ["1.23457E+11", "1.23457e+11", "1,23457E+11", "1.2345678901234568e+16", "1.23457E11", "1E+11", "inf"]
)
def test_ids_that_a_program_rounded_are_refused(own: Callable[[Edit], Path], rounded: str, column: str) -> None:
    table = own(lambda rows: rows.assign(**{column: [rounded, *rows["lesion_id"][1:]]}))
    with pytest.raises(
        DataError, match=rf"column {column} has rounded numbers.*: {re.escape(rounded)}; save that column as text$"
    ):
        read_labelled_images(table)


@pytest.mark.parametrize("column", ["lesion_id", "patient_id"])
@pytest.mark.parametrize("date", ["03-Jan", "3-Jan", "Mar-12", "03. Mrz", "2026-01-03 00:00:00"])
def test_ids_that_a_spreadsheet_made_dates_are_refused(own: Callable[[Edit], Path], date: str, column: str) -> None:
    table = own(lambda rows: rows.assign(**{column: [date, *rows["lesion_id"][1:]]}))
    advice = "" if date.startswith("2026") else "; if they are the ids, write them in capitals"
    message = rf"column {column} has dates.*: {date}; save that column as text{advice}$"
    with pytest.raises(DataError, match=message):
        read_labelled_images(table)


def test_ids_like_dates_are_ids(own: Callable[[Edit], Path]) -> None:
    ids = ["2026-01-03", "3-1", "03-jam", "Marie-12", "03-Jan-2", "12/3", "MAR-01", "3-DEC"]
    table = own(lambda rows: rows.assign(lesion_id=[*ids, *rows["lesion_id"][len(ids) :]]))
    assert set(ids) <= set(read_labelled_images(table).table["lesion_id"])


@pytest.mark.parametrize(
    "ids", [["03-mar", "45-mar"], ["3-jan", "12-abc"], ["mar-12", "abc-13"], ["03-Mar", "03-Mas"], ["1. mai", "1. moi"]]
)
def test_ids_like_dates_are_ids_where_others_of_their_form_are_no_dates(
    own: Callable[[Edit], Path], ids: list[str]
) -> None:
    table = own(lambda rows: rows.assign(lesion_id=[*ids, *rows["lesion_id"][len(ids) :]]))
    assert set(ids) <= set(read_labelled_images(table).table["lesion_id"])
    table = own(lambda rows: rows.assign(lesion_id=[ids[0], ids[1].upper(), *rows["lesion_id"][len(ids) :]]))
    with pytest.raises(DataError, match=rf"has dates.*: {ids[0]};"):
        read_labelled_images(table)


def test_images_whose_ids_became_dates_are_named(ham: Callable[[Edit], Path]) -> None:
    folder = ham(lambda rows: rows.assign(image_id=["03-Jan", *rows["image_id"][1:]]))
    with pytest.raises(DataError, match=r"1 of 50 metadata rows .*: 03-Jan; 03-Jan is a date: a spreadsheet has"):
        read_labelled_images(folder)


def test_hexadecimal_lesions_are_no_rounded_numbers(own: Callable[[Edit], Path]) -> None:
    ids = ["12e4", "1e10", "12345678e9", "a1e+2", "1.2.3e4"]
    table = own(lambda rows: rows.assign(lesion_id=[*ids, *rows["lesion_id"][len(ids) :]]))
    assert set(ids) <= set(read_labelled_images(table).table["lesion_id"])


@pytest.mark.parametrize("word", ["", "NA", "nan", "None", "unknown", "N/A", "#N/A", "-", "n.a.", ".", "Keine Angabe"])
def test_a_word_for_nothing_is_no_lesion(own: Callable[[Edit], Path], word: str) -> None:
    found = read_labelled_images(own(lambda rows: rows.assign(lesion_id=[word] * 3 + rows["lesion_id"].tolist()[3:])))
    assert found.table["lesion_id"].tolist().count(word) == 0
    assert found.warnings[0].startswith("3 of 50 images have no lesion_id")


def test_a_lesion_of_very_many_images_is_named(tmp_path: Path) -> None:
    rows = [(f"{number}.jpg", "nv", "0" if number < 101 else "1") for number in range(201)]
    for name, *_ in rows:
        (tmp_path / name).write_text(name)
    pd.DataFrame(rows, columns=["path", "dx", "lesion_id"]).to_csv(tmp_path / "labels.csv", index=False)
    assert read_labelled_images(tmp_path / "labels.csv").warnings == (
        "1 lesion has more than 100 images: 0 (101); leave the lesion_id empty where it is not known",
    )


def test_two_columns_of_diagnoses_have_to_agree(own: Callable[[Edit], Path]) -> None:
    agreeing = own(lambda rows: rows.assign(dx=rows["diagnosis"].replace({"mel": "melanoma"})))
    assert len(read_labelled_images(agreeing).table) == 50
    with pytest.raises(DataError, match=r"dx and diagnosis differ in \d+ rows: bcc and \w+"):
        read_labelled_images(own(lambda rows: rows.assign(dx="bcc")))
    one_missing = own(lambda rows: rows.assign(dx=["", *rows["diagnosis"].tolist()[1:]]))
    assert len(read_labelled_images(one_missing).table) == 50


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: rows.assign(diagnosis=["", *rows["diagnosis"][1:]]), "1 row without a diagnosis: "),
        (
            lambda rows: rows.assign(diagnosis=["", *rows["diagnosis"][1:]], image_id=["", *rows["image_id"][1:]]),
            "1 row without a diagnosis: row 2",
        ),
        (lambda rows: rows.assign(image_id=["", *rows["image_id"][1:]]), "1 row with an empty image_id"),
        (
            lambda rows: rows.drop(columns=["path", "image_id"]),
            "no column path; the columns are diagnosis, lesion_id.*--labels",
        ),
        (
            lambda rows: rows[["image_id", "diagnosis"]].set_axis(["ISIC_0000000.jpg", "benign"], axis=1),
            "isic_0000000.jpg, benign: is that a row of data",
        ),
        (lambda rows: rows.rename(columns={"path": "Bild", "diagnosis": "Befund"}), "are bild, befund.*--labels FILE"),
    ],
)
def test_a_table_of_ones_own_says_what_it_lacks(own: Callable[[Edit], Path], edit: Edit, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelled_images(own(edit))


def test_images_are_found_by_their_ids_below_the_table(fifty_images: Path, tmp_path: Path) -> None:
    expected = read_labelled_images(fifty_images)
    assert read_labelled_images(fifty_images / "HAM10000_metadata.csv").digest == expected.digest
    folder = Path(shutil.copytree(fifty_images, tmp_path / "set"))
    rows = pd.read_csv(folder / "HAM10000_metadata.csv", dtype=str).rename(columns={"dx": "label"})
    (folder / "HAM10000_metadata.csv").unlink()
    for source, column in itertools.product((folder, folder / "labels.csv"), ("image_id", "image", "filename")):
        rows.drop(columns="lesion_id").rename(columns={"image_id": column}).to_csv(folder / "labels.csv", index=False)
        found = read_labelled_images(source)
        assert found.warnings == (NO_LESIONS,) and found.table["dx"].tolist() == expected.table["dx"].tolist()


def test_ids_find_the_images_where_no_path_does(fifty_images: Path, tmp_path: Path) -> None:
    expected = read_labelled_images(fifty_images)
    folder = Path(shutil.copytree(fifty_images, tmp_path / "set"))
    rows = pd.read_csv(folder / "HAM10000_metadata.csv", dtype=str)
    (folder / "HAM10000_metadata.csv").unlink()
    for column in ("image_id", "image"):
        for paths in ("/elsewhere/" + rows["image_id"] + ".png", ""):
            rows.rename(columns={"image_id": column}).assign(path=paths).to_csv(folder / "metadata.csv", index=False)
            found = read_labelled_images(folder)
            assert found.digest == expected.digest and "no path leads to a file" in found.warnings[0]
    # One that is there shows that paths are meant; without a file of their name, ids are no help.
    file = next(folder.rglob("*.jpg"))
    rows.assign(path=[str(file), *("gone" + rows["image_id"][1:])]).to_csv(folder / "metadata.csv", index=False)
    with pytest.raises(DataError, match="49 of 50 images are not there"):
        read_labelled_images(folder)
    numbered = rows.assign(image_id=[f"n{i}" for i in range(50)], path=[f"p{i}" for i in range(50)])
    numbered.to_csv(folder / "metadata.csv", index=False)
    with pytest.raises(DataError, match="50 of 50 images are not there"):
        read_labelled_images(folder)


def test_paths_written_on_windows(own: Callable[[Edit], Path], fifty_images: Path, tmp_path: Path) -> None:
    shutil.copytree(fifty_images, tmp_path / "there")
    found = read_labelled_images(
        own(
            lambda rows: rows.assign(
                path=["there\\" + "\\".join(Path(path).parts[-2:]) for path in rows["path"]],
            )
        )
    )
    assert found.digest == read_labelled_images(fifty_images).digest


def test_paths_as_addresses_and_in_other_capitals(own: Callable[[Edit], Path], fifty_images: Path) -> None:
    found = read_labelled_images(own(lambda rows: rows.assign(path="file://" + rows["path"])))
    assert found.digest == read_labelled_images(fifty_images).digest
    with pytest.raises(DataError, match=r"50 of 50 images are not there: .*; there is .*\.jpg: write the paths as"):
        read_labelled_images(own(lambda rows: rows.assign(path=rows["path"].str.replace(".jpg", ".JPG"))))


def test_umlauts_are_the_same_however_a_system_writes_them(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / unicodedata.normalize("NFD", "Mädchen.jpg"))
    for table in ("image_id,diagnosis\nMädchen,nv\n", "path,diagnosis\nMädchen.jpg,nv\n"):
        (tmp_path / "labels.csv").write_text(unicodedata.normalize("NFC", table))
        assert len(read_labelled_images(tmp_path).table) == 1


def test_lines_end_where_files_end_them(write: Callable[..., Path]) -> None:
    file = write('{"file_name": "1.jpg", "label": "nv", "lesion_id": "a\u2028b\x85"}\n', "metadata.jsonl")
    assert read_table(file)["lesion_id"].tolist() == ["a\u2028b"] and len(read_header(file)) == 3


def test_a_broken_table_in_a_folder_is_named(write: Callable[..., Path], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "1.jpg")
    write('{"file_name": "1.jpg", "label": "nv"}\n' + "\0" * 20, "metadata.jsonl")
    with pytest.raises(DataError, match=r"no data set .*metadata.jsonl: ends in null characters"):
        read_labelled_images(tmp_path)


def test_images_that_no_path_names_are_counted(own: Callable[[Edit], Path], fifty_images: Path) -> None:
    table = own(lambda rows: rows.assign(path=[f"a/{Path(path).name}" for path in rows["path"]])[1:])
    (table.parent / "a").mkdir()
    for file in fifty_images.rglob("*.jpg"):
        shutil.copy(file, table.parent / "a")
    assert read_labelled_images(table.parent).warnings[-1].startswith("1 image without a label, left out: ")
    assert not any("without a label" in warning for warning in read_labelled_images(table).warnings)


@pytest.mark.parametrize("paths", [["{data}/1.tif"], ["1.tif#1"], ["../linked/1.tif"]])
def test_an_image_that_is_named_otherwise_is_not_left_out(paths: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    Image.new("L", (8, 8), 9).save(data / "1.tif")
    (tmp_path / "linked").symlink_to(data, target_is_directory=True)
    (data / "labels.csv").write_text("\n".join(["path,diagnosis", *(f"{path.format(data=data)},nv" for path in paths)]))
    with contextlib.chdir(tmp_path):
        assert not any("without a label" in warning for warning in read_labelled_images("data").warnings)
