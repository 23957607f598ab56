"""Reads and checks tables of labels, whatever their encoding and separator."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionflow.datasets.class_names import names_in_schema, with_class_names
from lesionflow.datasets.ids import without_folders
from lesionflow.datasets.label_columns import (
    ID_COLUMNS,
    IMAGE_COLUMNS,
    ONCE,
    TEXT_FORMULA,
    as_text,
    has_labels,
    image_column,
    is_missing,
)
from lesionflow.datasets.workbook import read_sheet
from lesionflow.errors import DataError, counted, first_few, os_errors_as
from lesionflow.images.containers import (
    PARQUET_SUFFIXES,
    columns_of_images,
    holds_bytes,
    images_in,
    is_encrypted,
    is_packed_image,
    parquet_file,
)
from lesionflow.images.signatures import HEAD, sniff

if TYPE_CHECKING:
    import pandas as pd
    from pyarrow import Field
    from pyarrow.parquet import ParquetFile

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
JSON_LINES = (".jsonl", ".ndjson")
WHOLE_SUFFIXES = (*JSON_LINES, ".xlsx", ".xlsm", *PARQUET_SUFFIXES)  # of tables that are not read line by line
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", *WHOLE_SUFFIXES)
MAXIMUM_TABLE_BYTES = 2**30  # of a table; the largest published one, of ISIC 2024, has a quarter
# Names within a nested value that mean nothing without those above.
_OF_ANYTHING = {"id", "uid", "uuid", "name", "number", "key", "code", "value", "hash"}
_WORKBOOK = b"PK\x03\x04"  # how files begin; a workbook is a zip archive
# How files begin that were given the ending of a table, and what to do.
_NO_TEXT = {
    b"\x1f\x8b": "is packed with gzip; unpack it",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"Rar!": "is a RAR archive; unpack it",
    b"\xfd7zXZ": "is packed with xz; unpack it",
    b"BZh": "is packed with bzip2; unpack it",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook with a password or of the old kind; save it as .xlsx without one, or as "
    "CSV in UTF-8",
    b"version https://git-lfs": "is a pointer of Git LFS, not the table; fetch it with 'git lfs pull'",
    b"<": "is a web page or XML, not a table; download it again, or save it as .xlsx or CSV where it opens as a table",
    b"SQLite format 3": "is a database of SQLite; save the table of labels in it as CSV",
    b"[": "is a JSON array, not a table; save it as JSON lines (.jsonl) or CSV",
}
# The ground truth of ISIC 2016 has no header: `ISIC_0000000,benign`, of the test part `ISIC_0000003,0.0`.
_ISIC_2016 = re.compile(r"ISIC_\d{7},(benign|malignant|[01](\.0)?)\s*$", re.MULTILINE)
ISIC_2016_CLASS = "isic 2016 class"
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"  # marks of byte order and blanks without width
OTHER_TABLES = (
    ".json", ".feather", ".arrow", ".xls", ".xlsb", ".ods", ".numbers", ".pkl", ".sav", ".rds", ".dta",
    ".db", ".sqlite", ".sqlite3", ".mdb", ".accdb",
)  # fmt: skip
ARRAYS = (".npz", ".npy", ".mat", ".tfrec", ".tfrecord", ".tfrecords")  # such as MedMNIST's and Kaggle's


def read_table(file: Path, columns: Collection[str] | None = None) -> pd.DataFrame:
    """Read a table of labels, all of it as text, so that ids keep their zeros.

    Parameters
    ----------
    file : Path
        CSV with commas, semicolons, tabs or bars between the columns, in UTF-8 or UTF-16; JSON lines (`.jsonl`);
        Parquet; or a sheet of an Excel workbook (`.xlsx`, extra `tables`): the first one with columns of images and
        diagnoses, or else with two columns or more.
    columns : collection of str, optional
        Names in small letters of the columns of a CSV to keep; the others take no memory.

    Returns
    -------
    DataFrame
        (rows, columns) of str, without blanks around column names and values; no value is missing.

    Raises
    ------
    DataError
        For a file without rows, of another encoding, with rows that are longer or shorter than the header, or with
        two columns of diagnoses, say, whatever their capitals; it says which and what to do.
    """
    if file.exists() and not file.is_file():  # looking at the first bytes of a pipe or device would use them up
        raise DataError(f"{file}: not an ordinary file; give the table as one")
    if file.suffix.lower() in OTHER_TABLES:
        raise DataError(f"{file}: not a supported kind of table; save it as CSV, JSON lines (.jsonl) or Excel (.xlsx)")
    if file.suffix.lower() in ARRAYS:
        raise DataError(
            f"{file}: holds arrays, which are not read; save the images in it as files, and their labels as a table"
        )
    if _begins_with(file, _WORKBOOK):
        table = read_sheet(file).table.copy()
    elif _is_parquet(file):
        table = _read_parquet(file)
    else:
        text = read_text(file)
        is_json = file.suffix.lower() in JSON_LINES
        table = _read_json_lines(text, file) if is_json else _read_csv(text, file, columns)
    table.columns = _told_apart(table.columns)
    if twice := sorted(name for name, count in Counter(map(str.lower, table.columns)).items() if count > 1 and name):
        raise DataError(f"{file}: several columns are called {first_few(twice)}; keep one of each")
    if table.empty:
        raise DataError(f"{file}: no rows below the header; give a table that has some")
    return table


def _told_apart(columns: Iterable[object]) -> list[str]:
    """The names of columns, without blanks around; where several have a name that means nothing, with their numbers."""
    names = [unicodedata.normalize("NFC", str(name).strip()) for name in columns]
    twice = {name for name, count in Counter(map(str.lower, names)).items() if count > 1} - ONCE - {""}
    return [f"{name} ({at})" if name.lower() in twice else name for at, name in enumerate(names, start=1)]


def read_header(file: Path) -> list[str]:
    """The column names of a table; empty if the file is not a readable table."""
    try:
        if _begins_with(file, _WORKBOOK):
            return _told_apart(read_sheet(file).table.columns)
        if _is_parquet(file):
            with _open_parquet(file) as (_, plain, _):
                names = _names_of_paths(plain)
                return _told_apart([*names, "path"] if images_in(file) else names)
        with open(file, "rb") as stream:
            text = _decode(stream.read(65_536), file, cut=True)
        if file.suffix.lower() in JSON_LINES:
            return _told_apart(_names_of_paths(_flat(json.loads(_lines(text).readline()))))
        return _told_apart(_first_row(text)[0])
    except (OSError, ValueError, TypeError, AttributeError, DataError, csv.Error, IndexError, RecursionError):
        return []


def _begins_with(file: Path, start: bytes) -> bool:
    """Whether content says that a file is of some kind, whatever its ending."""
    try:
        with open(file, "rb") as stream:
            return stream.read(len(start)) == start
    except OSError:
        return False  # reading it reports why


def _is_parquet(file: Path) -> bool:
    """Whether content says that a file is Parquet: it has the same mark at both ends, another where it is encrypted."""
    try:
        with open(file, "rb") as stream:
            mark = stream.read(4)
            stream.seek(-4, os.SEEK_END)
            return mark == b"PAR1" or mark == stream.read() == b"PARE"
    except OSError:
        return False  # reading it reports why


def read_text(file: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, without a byte order mark. Raises `DataError`."""
    with os_errors_as(DataError, f"{file}: cannot be read"), open(file, "rb") as stream:
        if (size := file.stat().st_size) > MAXIMUM_TABLE_BYTES:
            _check_text(stream.read(512), file)  # an archive is to be unpacked, not to lose columns
            raise DataError(
                f"{file}: {size // 2**20:,} MiB, and tables of labels have at most "
                f"{MAXIMUM_TABLE_BYTES // 2**20:,}; leave out columns that are not needed"
            )
        return _decode(stream.read(), file)


def _check_text(content: bytes, file: Path) -> None:
    """Raise `DataError` for a file that begins like something else than a table."""
    if content[257:262] == b"ustar":
        raise DataError(f"{file}: is a tar archive; unpack it")
    for start, told in _NO_TEXT.items():
        if content[:64].lstrip().startswith(start):
            raise DataError(f"{file}: {told}")


def _decode(content: bytes, file: Path, cut: bool = False) -> str:
    if not content.strip(b"\0 \t\r\n"):
        raise DataError(f"{file}: the file is empty; no rows")
    _check_text(content, file)
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif content[1:4:2] == b"\0\0" or content[0:3:2] == b"\0\0":  # without a mark: Latin letters with zeros between
        encoding = "utf-16-le" if content[0] else "utf-16-be"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content, final=not cut)
    except UnicodeError as error:
        if kind := sniff(content[:HEAD]):
            raise DataError(f"{file}: is an image ({kind}), no table; give a table, or a folder of them") from error
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        named = "no Excel workbook, and " if file.suffix.lower() == ".xlsx" else ""
        raise DataError(
            f"{file}: {named}line {line} is not UTF-8 text; save the table as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
        ) from error
    if text.endswith("\0" * 8):
        raise DataError(f"{file}: ends in null characters, as on a full disk; restore it from a copy")
    if "\0" in text:
        raise DataError(f"{file}: cannot be read as CSV (there are null characters); save the table as CSV in UTF-8")
    text = text.lstrip(_INVISIBLE + "\r\n").rstrip("\x1a")  # the end of a file in DOS
    if _ISIC_2016.match(text):
        return f"image_id,{ISIC_2016_CLASS}\n{text}"
    # Excel's way to name the separator, which is seen without it.
    return text.partition("\n")[2].lstrip("\r\n") if text.lstrip('"')[:4].lower() == "sep=" else text


def _first_row(text: str) -> tuple[list[str], str]:
    """The header, and the separator that gives it the most columns, and the row below it as many."""
    readings = []
    for separator in SEPARATORS:
        header = next(_rows(text, separator), [])
        try:
            widths = [len(row) for row in itertools.islice(_rows(text, separator, strict=True), 2)]
        except csv.Error:  # a quotation mark that this separator leaves in a value
            widths = []
        readings.append((len(header) > 1 and widths == [len(header)] * 2, len(header), header, separator))
    *_, row, separator = max(readings, key=lambda reading: reading[:2])  # of equal ones the first
    while row and not row[-1].strip():  # rows that end with the separator
        row.pop()
    return [TEXT_FORMULA.sub(r"\1", name.strip(_INVISIBLE)) for name in row], separator


def _rows(text: str, separator: str, strict: bool = False) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=strict, skipinitialspace=True)


def _read_csv(text: str, file: Path, columns: Collection[str] | None) -> pd.DataFrame:
    import pandas as pd

    table: list[list[str]] = []
    try:
        header, separator = _first_row(text)
        if len(header) == 1 and any(mark in header[0] for mark in SEPARATORS):
            raise DataError(f"{file}: each line as a whole is in quotation marks; remove these")
        has_formulas = '="' in text
        wanted = [i for i, name in enumerate(header) if columns is None or name.strip().lower() in columns]
        for number, row in enumerate(_rows(text, separator, strict=True), start=1):
            if not any(cell.strip() for cell in row):
                continue
            while len(row) > len(header) and not row[-1].strip():
                row.pop()
            if len(row) != len(header):
                other = [word for mark, word in SEPARATORS.items() if mark != separator and mark in "".join(row)]
                if len(row) < len(header):
                    cut = "the file seems to be cut off: restore it from a copy, or complete the row"
                    why = f"separate it as the header, not with {other[0]}" if other and len(row) == 1 else cut
                    why = "it is a comment: leave it out" if row[0].startswith("#") else why
                elif len(header) < 2 or has_labels(row):
                    why = "leave out what stands above the names of the columns"
                else:
                    why = "put a value that holds the separator in quotation marks"
                raise DataError(
                    f"{file}: row {number} has {counted(len(row), 'column')} (separated by {SEPARATORS[separator]}), "
                    f"the header has {len(header)}; {why}"
                )
            row[0] = row[0].lstrip(_INVISIBLE)
            chosen = [row[i].strip() for i in wanted]
            if has_formulas:
                chosen = [TEXT_FORMULA.sub(r"\1", cell) for cell in chosen]
            if chosen not in table[:1]:  # the header again, where tables were joined
                table.append(chosen)
    except csv.Error as error:
        raise DataError(f"{file}: cannot be read as CSV ({error}); is a quotation mark missing?") from error
    return pd.DataFrame(table[1:], columns=[header[i] for i in wanted], dtype=str)


def _read_json_lines(text: str, file: Path) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_with_single_keys)
            values = _flat(row) if isinstance(row, dict) else None
        except (ValueError, RecursionError) as error:  # the latter of values within values
            raise DataError(f"{file}: line {number} is not JSON ({error}); is the file cut off?") from error
        except DataError as error:
            raise DataError(f"{file}: line {number}: {error}; keep one of each") from error
        if values is None:
            raise DataError(f"{file}: line {number} is not an object; write one with the columns as keys")
        rows.append({path: as_text(value) for path, value in values.items()})
    paths = list(dict.fromkeys(itertools.chain(*rows)))
    columns = {at: [row.get(path, "") for row in rows] for at, path in enumerate(paths)}
    return pd.DataFrame(columns, dtype=str).set_axis(_names_of_paths(paths), axis=1)


def _with_single_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON. Raises `DataError` for a key with two values, of which Python takes the last."""
    found = dict(pairs)
    if twice := sorted({key for key, value in pairs if value != found[key] and value == value}):
        raise DataError(f"two values of {first_few(twice)}")
    return found


def _flat(row: Mapping[str, object], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """The values of an object and of those within it, by the names that lead to each."""
    found: dict[tuple[str, ...], object] = {}
    for name, value in row.items():
        found |= _flat(value, (*above, name)) if isinstance(value, dict) else {(*above, name): value}
    return found


def _names_of_paths(paths: Iterable[tuple[str, ...]]) -> list[str]:
    """A name for each nested value: its own, or where that means nothing or stands twice, with one or all above it."""
    forms = [[".".join(path[-depth:]) for depth in (1, 2, len(path))] for path in paths]
    count = Counter(form.lower() for each in forms for form in {*each})
    return [
        next((f for f in each if count[f.lower()] == 1 and f.lower() not in _OF_ANYTHING), each[-1]) for each in forms
    ]


def _read_parquet(file: Path) -> pd.DataFrame:
    import pandas as pd

    with _open_parquet(file) as (parquet, plain, others):
        names, images, packed = _names_of_paths(plain), images_in(file), columns_of_images(file)
        if len(packed) > 1 and not images:
            raise DataError(f"{file}: the columns {first_few(packed)} hold images; call the one that counts image")
        if others and not images and not image_column(name.lower() for name in names):
            raise DataError(
                f"{file}: the column {first_few(others)} holds images or lists, not names of files; save the images "
                "as files, and their paths in a column path"
            )
        columns = _unnested(parquet.read([".".join(path) for path in plain]))
        values = {at: [as_text(value) for value in columns[path].to_pylist()] for at, path in enumerate(plain)}
        table = pd.DataFrame(values, dtype=str, index=range(parquet.metadata.num_rows)).set_axis(names, axis=1)
        classes = names_in_schema(parquet.schema_arrow.metadata)
        if images:
            table = _with_rows_as_paths(table, parquet, file, images)
    return with_class_names(table, classes, file)


def holds_images(file: Path) -> bool:
    """Whether a table is a Parquet file with the images in it."""
    return bool(_columns_of_images(file))


def images_left_out(file: Path) -> list[str]:
    """The columns of a Parquet file with other images than those that count."""
    return _columns_of_images(file)[1:]


def holds_more_than_text(file: Path) -> bool:
    """Whether a table is a Parquet file in which there may be images, in whatever form."""
    try:
        with _open_parquet(file) as (_, _, others):
            return bool(others)
    except DataError:
        return False


def _columns_of_images(file: Path) -> list[str]:
    """The columns of a Parquet file that hold images, the one that counts first; none of other files."""
    if not _is_parquet(file):
        return []
    try:
        with _open_parquet(file):
            counts = images_in(file)
            return sorted(columns_of_images(file), key=lambda name: name != counts)
    except DataError:
        return []  # reading it says why


def _with_rows_as_paths(table: pd.DataFrame, parquet: ParquetFile, file: Path, images: str) -> pd.DataFrame:
    """The table of a Parquet file that holds the images, each by the number of its row: `train.parquet/17`.

    images: the column that holds them. Without an image_id, the first other column of ids or names that tells images
    apart is one, or else the names beside the images.
    """
    import pandas as pd

    own = {re.sub(r"[\W_]+", "", name.lower()): table[name] for name in table.columns}
    table = table.assign(path=[f"{file.name}/{row}" for row in range(len(table))])
    if "imageid" not in own:
        known = [own[bare] for name in (*ID_COLUMNS, *IMAGE_COLUMNS) if (bare := name.replace("_", "")) in own]
        beside = _unnested(parquet.read([f"{images}.path"])).get((images, "path"))
        known += [] if beside is None else [pd.Series(map(as_text, beside.to_pylist()), table.index, dtype=str)]
        names = map(without_folders, known)
        if (ids := next((each for each in names if each.is_unique and not is_missing(each).any()), None)) is not None:
            table = table.assign(image_id=ids)
    return table.drop(columns=[name for name in table.columns if name != "path" and name.lower() in IMAGE_COLUMNS])


def _unnested(table: Any) -> dict[tuple[str, ...], Any]:
    """The columns of a table of pyarrow, those of a nested one in its place, by the names that lead to each."""
    from pyarrow import types

    found: dict[tuple[str, ...], Any] = {}
    pairs: list[tuple[tuple[str, ...], Any]]
    pairs = [((name,), column) for name, column in zip(table.schema.names, table.columns, strict=True)]
    while pairs:
        path, column = pairs.pop()
        if types.is_struct(column.type):
            pairs += [((*path, each.name), of) for each, of in zip(column.type, column.flatten(), strict=True)]
        else:
            found[path] = column
    return found


@contextlib.contextmanager
def _open_parquet(file: Path) -> Iterator[tuple[ParquetFile, list[tuple[str, ...]], list[str]]]:
    """A Parquet file, the names that lead to its values that text can stand for, and columns with others in them."""
    from pyarrow import ArrowException

    try:
        with parquet_file(file) as parquet:
            paths = [path for each in parquet.schema_arrow for path in _leaves(each)]
            others = dict.fromkeys(path[0] for path, is_text in paths if not is_text)
            yield parquet, [path for path, is_text in paths if is_text], list(others)
    except (OSError, ValueError, OverflowError, ArrowException) as error:
        said = f"{file}: cannot be read as Parquet ({' '.join(str(error).split())})"
        advice = "write it again without encryption" if is_encrypted(error) else "restore it from a copy"
        raise DataError(f"{said}; {advice}") from error


def _leaves(column: Field) -> list[tuple[tuple[str, ...], bool]]:
    """The names that lead to each value of a column of pyarrow, and whether text can stand for it.

    It cannot for lists and bytes. The path in the record of an image is none of a file that is there.
    """
    from pyarrow import types

    kind = column.type
    if types.is_struct(kind) and not is_packed_image(kind):
        return [((column.name, *path), is_text) for each in kind for path, is_text in _leaves(each)]
    is_list = types.is_nested(getattr(kind, "storage_type", kind))  # such as an array of numbers
    return [((column.name,), not is_list and not holds_bytes(kind) and not types.is_fixed_size_binary(kind))]


def _lines(text: str) -> io.StringIO:
    """The lines of a text as files have them; `str.splitlines` ends some at signs that a value may hold."""
    return io.StringIO(text, newline=None)


def workbook_notes(file: Path) -> list[str]:
    """Notes about tables on other sheets of a workbook, and about its hidden rows; none for other files."""
    if not _begins_with(file, _WORKBOOK):
        return []
    sheet = read_sheet(file)
    notes = [f"the sheet {sheet.name} is read, {first_few(sheet.others)} left out"] if sheet.others else []
    if sheet.hidden_rows:
        notes.append(f"{counted(sheet.hidden_rows, 'hidden row')} of the sheet {sheet.name} read as well")
    return [f"{file}: {note}" for note in notes]
