"""What is listed, in which order; and what a source may not be."""

import io
import os
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionflow.errors import DataError, UsageError
from lesionflow.images.discovery import walk_images
from lesionflow.model.columns import cell, csv_text, utf8
from lesionflow.scoring.sources import open_source


def listed(source: object, **options: object) -> list[tuple[str, ...]]:
    return list(open_source(source, **options).inputs)  # type: ignore[arg-type]


def paths(source: object, **options: object) -> list[str]:
    return [path for path, *_ in listed(source, **options)]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        file = os.path.join(folder, name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb"):
            pass


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    return stream


NAMES = st.text(st.sampled_from("ab.-/_é "), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(st.sets(NAMES, max_size=12))
def test_a_walk_is_in_the_order_of_the_paths_bytes(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("walk")
    for name in names:
        parts = [part for part in name.split("/") if part.strip(".")]
        if parts:
            (folder / "/".join(parts[:-1])).mkdir(parents=True, exist_ok=True)
            (folder / ("/".join(parts) + ".jpg")).touch()
    expected = []
    for path in folder.rglob("*.jpg"):
        *above, name = path.relative_to(folder).parts
        if path.is_file() and not name.startswith("._") and not any(part.startswith(".") for part in above):
            expected.append(str(path))
    expected.sort(key=os.fsencode)
    assert list(walk_images(str(folder))) == expected


def test_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a/c.PNG", "a.jpg", "notes.txt", "a-b.webp", "a/deep/d.tiff")
    names = ["a-b.webp", "a.jpg", "a/c.PNG", "a/deep/d.tiff", "b.jpg"]
    assert paths(tmp_path) == [str(tmp_path / name) for name in names]
    assert paths(tmp_path, recursive=False) == [str(tmp_path / name) for name in ("a-b.webp", "a.jpg", "b.jpg")]
    assert paths(tmp_path, pattern="*[ac].*") == [str(tmp_path / name) for name in ("a.jpg", "a/c.PNG")]
    assert paths(tmp_path, pattern="*.txt") == [str(tmp_path / "notes.txt")]


def test_a_zip_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        for name in ("b.jpg", "a/c.PNG", "notes.txt"):
            archive.writestr(name, name)
    source = open_source(tmp_path / "scans.zip")
    assert [path for path, *_ in source.inputs] == [f"{tmp_path}/scans.zip/{name}" for name in ("a/c.PNG", "b.jpg")]
    assert source.left_out == {".txt": 1}
    assert paths(tmp_path / "scans.zip", recursive=False) == [f"{tmp_path}/scans.zip/b.jpg"]


def test_a_file_within_an_archive_is_taken_by_its_name_in_reports(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/1.jpg", b"content")
    assert paths(tmp_path / "a.zip" / "b" / "1.jpg") == [f"{tmp_path}/a.zip/b/1.jpg"] == paths(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["b/2.jpg", "b", "b/", "empty/", "b/*.jpg", "b/1.jpg/2.jpg", "b/2.jpg#2"])
def test_what_an_archive_does_not_hold_is_said_of_the_archive(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/1.jpg", b"content")
        archive.writestr("empty/", b"")
    with pytest.raises(DataError, match=r": a\.zip holds no such file; give a\.zip itself, or one file in it"):
        open_source(f"{tmp_path}/a.zip/{name}")


def test_loops_pipes_and_links(tmp_path: Path) -> None:
    touch(tmp_path, "real.jpg")
    (tmp_path / "linked.jpg").symlink_to("real.jpg")
    (tmp_path / "dead.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "above").symlink_to(tmp_path)
    (tmp_path / "folder.jpg").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    found = [os.path.basename(path) for path in paths(tmp_path)]
    assert found == ["dead.jpg", "itself.jpg", "linked.jpg", "real.jpg"]


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    source = open_source(tmp_path)
    assert list(source.inputs) == []
    assert source.nothing.endswith("no image files in this folder or those below it; left out: 1 .txt")
    for name, advice in (
        ("a.tar", "left out: 1 .tar, 1 .txt; unpack the archives"),
        ("b.zip", "left out: 1 .tar, 1 .txt, 1 .zip; unpack the archives, or give one itself"),
    ):
        touch(tmp_path, name)
        source = open_source(tmp_path)
        assert list(source.inputs) == [] and source.nothing.endswith(advice)


def test_a_file_counts_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "scan")
    assert paths(tmp_path / "scan") == [str(tmp_path / "scan")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"b.jpg\na b.jpg\n", ["b.jpg", "a b.jpg"]),
        (b"b.jpg\r\n\r\na.jpg", ["b.jpg", "a.jpg"]),
        (b"b\n.jpg\0a.jpg\r\0", ["b\n.jpg", "a.jpg\r"]),
        (b"only.jpg", ["only.jpg"]),
        (b"only.jpg\0", ["only.jpg"]),
        (b"caf\xe9.jpg\na.jpg\na.jpg\n", ["caf\udce9.jpg", "a.jpg", "a.jpg"]),
        (
            b"".join(b"image%d.jpg\n" % number for number in range(20_000)),
            [f"image{n}.jpg" for n in range(20_000)],
        ),
    ],
)
def test_lists_keep_their_order(content: bytes, expected: list[str], tmp_path: Path, stdin: io.BytesIO) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    stdin.write(content)
    stdin.seek(0)
    assert paths(f"@{tmp_path / 'list.txt'}") == expected
    assert paths("-") == expected


def test_a_list_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"x" * 2_000_000)
    with pytest.raises(DataError, match="not a list of paths"):
        paths(f"@{tmp_path / 'list.txt'}")
    with pytest.raises(DataError, match="cannot be read"):
        paths("@missing.txt")
    (tmp_path / "mixed.txt").write_bytes(b"a.jpg\n" * 20_000 + b"b.jpg\0c.jpg\n")
    with pytest.raises(DataError, match="use one of them"):
        paths(f"@{tmp_path / 'mixed.txt'}")


def test_a_table_carries_its_other_columns(tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    table.write_bytes(b'\xef\xbb\xbfpatient,path,note\r\n7,b.jpg,"a, ""b""\nc"\r\n\r\n8,caf\xe9.jpg,=1+1\r\n')
    source = open_source(table)
    assert source.carried_columns == ("patient", "note")
    assert list(source.inputs) == [("b.jpg", "7", 'a, "b"\nc'), ("caf\udce9.jpg", "8", "=1+1")]


@pytest.mark.parametrize("ending", ["XLSX", "xlsm", "parquet", "pq", "jsonl", "ndjson"])
def test_a_table_of_labels_is_a_table_of_images(ending: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"lesion_id": ["007", "008"], "path": ["b.jpg", "a.jpg"], "age": ["45", ""]})
    file = tmp_path / f"images.{ending}"
    if ending in ("XLSX", "xlsm"):
        with pd.ExcelWriter(file, engine="openpyxl") as book:
            table.to_excel(book, index=False)
    elif ending in ("parquet", "pq"):
        table.to_parquet(file)
    else:
        table.to_json(file, orient="records", lines=True)
    source = open_source(file)
    assert source.carried_columns == ("lesion_id", "age")
    assert list(source.inputs) == [("b.jpg", "007", "45"), ("a.jpg", "008", "")]
    assert paths(f"file://{file}") == ["b.jpg", "a.jpg"]
    file.write_bytes(b"\xff\xd8\xff")  # an image, whatever its name
    assert paths(file) == [str(file)]


def test_a_workbook_with_a_second_table_is_not_read_in_part(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "images.xlsx", engine="openpyxl") as book:
        for name in ("March", "April"):
            pd.DataFrame({"path": ["a.jpg"], "age": ["45"]}).to_excel(book, sheet_name=name, index=False)
    with pytest.raises(DataError, match=r"the sheet March is read, April left out: .*; save the table as CSV"):
        open_source(tmp_path / "images.xlsx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,dx\na.jpg,nv\n", "needs one column 'path', this has: image, dx; rename the one that names the files"),
        ("", "the table is empty"),
        ("\n\n", "the table is empty"),
        ("path,path\na.jpg,b.jpg\n", "needs one column 'path'"),
        ("path,x,x\na.jpg,1,2\n", "name of its own"),
        ("path,dx\na.jpg,nv\nb.jpg\n", "record 3 has 1 values, the header 2"),
        ("path,dx\na.jpg,nv,1\n", "record 2 has 3 values, the header 2"),
        ('path,dx\na.jpg,"nv\n', "its last record breaks off"),
        ("path,dx\na.jpg,nv\nb.j", "record 3 has 1 values, the header 2"),
        ("path;dx\na.jpg;nv\nb.j", "record 3 has 1 values, the header 2"),
        ("path,dx\n,nv\n", "record 2 has no path"),
        ("Path, PATH\na.jpg,b.jpg\n", "needs one column 'path'"),
        ('path,dx\na.jpg,x"y"z"\n"b.jpg"c,1', "not a CSV file"),
    ],
)
def test_a_table_that_could_mix_things_up_is_refused(content: str, message: str, tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=message):
        listed(table)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"path;dx;Gr\xf6\xdfe\na.jpg;nv;1\n", 1),
        (b"path,dx\na.jpg,nv\nb.jpg,N\xe4vus\n", 3),
        (b"Bilddatei;L\xe4sion\na.jpg;1\n", 1),
    ],
)
def test_values_that_are_no_utf_8_are_refused(content: bytes, number: int, tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    table.write_bytes(content)
    with pytest.raises(DataError, match=rf"images\.csv: record {number} is not UTF-8 text; save the table as CSV in"):
        listed(table)


@pytest.mark.parametrize("name", ["=1.jpg", "-rf.jpg", "a\udcff.jpg", "'-quoted.jpg", r"a\udcfe.jpg"])
def test_names_can_be_listed_as_a_report_writes_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"")
    Path("list.txt").write_text(cell(utf8(name)) + "\n")
    Path("table.csv").write_text(f"path,age\n{csv_text(name)},40\n")
    assert paths("@list.txt") == [name] and listed("table.csv") == [(name, "40")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_texts_say_their_encoding(encoding: str, tmp_path: Path, stdin: io.BytesIO) -> None:
    def encoded(text: str) -> bytes:
        if encoding.endswith("-bom"):
            return f"\ufeff{text}".encode(encoding.removesuffix("-bom"))
        return text.encode(encoding)

    names = ["café 1.jpg", "b/2.jpg", *(f"{number}.jpg" for number in range(20_000))]
    (tmp_path / "list.txt").write_bytes(encoded("\r\n".join(names)))
    assert paths(f"@{tmp_path / 'list.txt'}") == names
    stdin.write(encoded("\0".join(names) + "\0"))
    stdin.seek(0)
    assert paths("-") == names
    (tmp_path / "table.csv").write_bytes(encoded("path,note\r\n" + "".join(f"{name},1\r\n" for name in names)))
    assert listed(tmp_path / "table.csv") == [(name, "1") for name in names]


def test_utf_16_that_does_not_say_so_or_breaks_off(tmp_path: Path) -> None:
    for name, source in (("list.txt", f"@{tmp_path / 'list.txt'}"), ("table.csv", str(tmp_path / "table.csv"))):
        for encoding in ("utf-16-le", "utf-16-be"):
            (tmp_path / name).write_bytes("path,dx\na.jpg,nv\n".encode(encoding))
            with pytest.raises(DataError, match="UTF-16 without a byte order mark; save it as UTF-8"):
                paths(source)
            (tmp_path / name).write_bytes("path,dx\nГистология/родинка.png,nv\n".encode(encoding))
            with pytest.raises(DataError, match="UTF-16 without a byte order mark; save it as UTF-8"):
                paths(source)
        (tmp_path / name).write_bytes("path,dx\na.jpg,nv\n".encode("utf-32"))
        with pytest.raises(DataError, match="is UTF-32; save it as UTF-8"):
            paths(source)
        (tmp_path / name).write_bytes("path,dx\na.jpg,nv\n".encode("utf-16")[:-1])
        with pytest.raises(DataError, match="breaks off, or is not UTF-16"):
            paths(source)


@pytest.mark.parametrize("start", ["", "sep=;\r\n", "\ufeffsep=;\n"])
def test_tables_of_spreadsheets_have_other_separators(start: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{start} Path ;note\r\na.jpg;1,5\r\n", newline="")
    table = open_source(tmp_path / "table.csv")
    assert table.carried_columns == ("note",) and list(table.inputs) == [("a.jpg", "1,5")]
    (tmp_path / "table.tsv").write_text("note\tpath\n1,5\ta b.jpg\n")
    assert listed(tmp_path / "table.tsv") == [("a b.jpg", "1,5")]


def test_spaces_and_quotation_marks_around_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are dropped where only the name without them is there: nothing that exists is renamed."""
    touch(tmp_path, "a.jpg", "b c.jpg", " odd.jpg", '"quoted".jpg')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(' a.jpg\na.jpg \n"b c.jpg"\n odd.jpg\n"quoted".jpg\n missing.jpg\n"\n')
    assert paths("@list.txt") == ["a.jpg", "a.jpg", "b c.jpg", " odd.jpg", '"quoted".jpg', " missing.jpg", '"']
    (tmp_path / "table.csv").write_text("path, note\n a.jpg, x\n")
    assert listed("table.csv") == [("a.jpg", " x")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r", "\0"])
def test_lines_without_a_path_are_no_rows(
    end: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    monkeypatch.chdir(tmp_path)
    lines = [" ", "a.jpg", "  ", "", "b.jpg", "\t", ""]
    (tmp_path / "list.txt").write_bytes((end.join(lines) + "\n" * (end == "\0")).encode(encoding))
    assert paths("@list.txt") == ["a.jpg", "b.jpg"]


def test_spaces_alone_are_a_path_only_where_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "  ")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("  \na.jpg\n \n")
    assert paths("@list.txt") == ["  ", "a.jpg"]
    (tmp_path / "table.csv").write_text("path,dx\na.jpg,nv\n \t,nv\n")
    with pytest.raises(DataError, match="record 3 has no path"):
        listed("table.csv")


def test_lists_of_old_macs(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.jpg\rb.jpg\r")
    assert paths(f"@{tmp_path / 'list.txt'}") == ["a.jpg", "b.jpg"]


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b/2.jpg", "b/1.jpg", "a/1.jpg", "a/x/3.jpg", "a/.hidden.jpg", "1.jpg", "a/1.txt")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert paths("*/*.jpg") == ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    assert paths("**/*.jpg") == ["1.jpg", "a/1.jpg", "a/x/3.jpg", "b/1.jpg", "b/2.jpg"]
    assert paths("a/**") == ["a/1.jpg", "a/1.txt", "a/x/3.jpg"]
    assert paths("?/1.*") == ["a/1.jpg", "a/1.txt", "b/1.jpg"]
    assert paths("a/.*.jpg") == ["a/.hidden.jpg"]
    assert paths(f"{tmp_path}/[b]/*") == [f"{tmp_path}/b/1.jpg", f"{tmp_path}/b/2.jpg"]
    assert "no file matches" in open_source("*/9.jpg").nothing
    touch(tmp_path, "odd[1].jpg")
    assert paths("odd[1].jpg") == ["odd[1].jpg"]  # a file of that name is meant, not the pattern


@pytest.mark.parametrize("source", ["missing", "missing/image.jpg"])
def test_what_is_not_there(source: str) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_source(source)


@pytest.mark.parametrize("options", [{"pattern": "*.jpg"}, {"recursive": False}])
def test_options_that_have_no_meaning_for_a_source(options: dict[str, object], tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match="is for folders"):
        open_source(tmp_path / "a.jpg", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["list.csv", "@list.txt"])
def test_paths_that_lie_beside_the_list_and_not_here_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "there/images/a.jpg", "here/x")
    (tmp_path / "there" / "list.csv").write_text("path\nimages/a.jpg\n")
    (tmp_path / "there" / "list.txt").write_text("images/a.jpg\n")
    monkeypatch.chdir(tmp_path / "here")
    at, file = ("@" if name[0] == "@" else ""), name.removeprefix("@")
    with pytest.raises(DataError, match=r"is beside the list: run the command in \.\./there, or list absolute paths"):
        paths(f"{at}../there/{file}")
    touch(tmp_path, "here/images/a.jpg")  # as ever where it is here
    assert paths(f"{at}../there/{file}") == ["images/a.jpg"]


@pytest.mark.parametrize("name", ["list.txt", "images.lst", "table.LIST"])
def test_a_list_that_was_given_as_an_image_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(b"a.jpg\nb.jpg\n")
    with pytest.raises(UsageError, match="not an image; write @FILE"):
        open_source(file)
    file.write_bytes(b"\xff\xd8\xff")  # an image, whatever its name
    assert paths(file) == [str(file)]
