"""Finds the image files of a table's rows, by their names or by paths, also in zip archives that are not unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.ids import DATED, NUMBER, check_once, check_one_image, composed
from lesionflow.datasets.label_table import holds_images, holds_more_than_text, read_table
from lesionflow.errors import DataError, ImageError, counted, enumerated, first_few
from lesionflow.images.containers import (
    PARQUET_SUFFIXES,
    ZIP_SUFFIX,
    holder_of,
    is_archive,
    is_member,
    read_member,
    row_order,
)
from lesionflow.images.decode import SEVERAL_FRAMES, count_frames
from lesionflow.images.discovery import LeftOut, no_image_files, walk_images
from lesionflow.images.read_bytes import digest_of_frame, file_and_frame, read_image_bytes
from lesionflow.images.signatures import HEAD, sniff

if TYPE_CHECKING:
    import pandas as pd

# What is made of an image, as the end of a file's name or as a folder, without the plural's letter.
_MADE = {
    "mask",
    "seg",
    "segmentation",
    "superpixel",
    "annotation",
    "groundtruth",
    "gt",
    "thumb",
    "thumbnail",
    "preview",
}
_PACKED = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
MASKS = "masks or thumbnails of another image"
_DECODING_TELLS = ("empty", "too_large")  # of files that a folder may hold as well as an archive


def find_files(
    table: pd.DataFrame, images: Path, source: Path, strict: bool, warnings: list[str]
) -> tuple[dict[str, str], pd.DataFrame]:
    """The image files in a folder, with their names, and the table with the names by which they are found.

    If rows lack one, the zip archives in the folder are looked into, and then its Parquet files: of them count the
    images that are not unpacked. source: the table's file; strict: whether it is a user's own. Raises `DataError` for a
    folder without images, and an archive that cannot be read if rows lack an image after all.
    """
    left_out = LeftOut()
    folder = str(images)
    files = {file: os.path.basename(file) for file in walk_images(folder, left_out=left_out)}
    names = _names_of(files.values())
    columns = table[[name for name in ("image_id", "other_name") if name in table.columns]]
    if not columns.isin(names).any(axis=1).all():
        broken: list[str] = []
        for archive in walk_images(folder, pattern="*.[zZ][iI][pP]"):
            packed = {file: os.path.basename(file) for file in _images_in(archive, broken)}
            files |= {file: name for file, name in packed.items() if stem(name) not in names}
        names = _names_of(files.values())
        if not columns.isin(names).any(axis=1).all():
            files |= {file: name for file, name in _images_in_parquet(images).items() if stem(name) not in names}
            names = _names_of(files.values())
        missing = table["image_id"][~columns.isin(names).any(axis=1)].tolist()
        if broken and missing:
            told = f"{_without_file(missing, len(table))}: {first_few(missing)}"
            raise DataError(f"{source}: {told}; they may lie in {enumerated(broken)}")
        warnings += [f"{told}; no image of the table is missing without it" for told in broken]
    if not files:
        told = f"{no_image_files(folder, left_out)}; give the folder that holds both {source.name} and images"
        raise DataError(f"{told}{_may_lie_in(images)}")
    if "other_name" in table.columns:
        both = columns.isin(names).all(axis=1) & (columns["other_name"] != columns["image_id"])
        if strict:
            check_one_image(columns[both].itertuples(index=False), source)
        is_other = columns["other_name"].isin(names) & ~columns["image_id"].isin(names)
        table = table.assign(image_id=columns["other_name"].where(is_other, columns["image_id"]))
        table["file"] = table["file"].where(~is_other, table["image_id"])
        if strict:
            check_once(table["image_id"], table["dx"], source)
    return files, table


def made_of_others(files: Sequence[str], folder: Path) -> set[str]:
    """Those of the files in a folder that were made of another one there, as their name or folder says.

    Examples are masks: `ISIC_0000001_segmentation.png` beside `ISIC_0000001.jpg`, `masks/1.png` beside `images/1.jpg`.
    """
    start = len(str(folder)) + 1
    folders = {each: _is_of_made(each[start:]) for each in {os.path.dirname(file) for file in files}}
    told = [(file, stem(file), folders[os.path.dirname(file)]) for file in files]
    originals = {name for _, name, is_made in told if not is_made}
    return {file for file, name, is_made in told if (is_made and name in originals) or _original(name) in originals}


def _is_of_made(path: str) -> bool:
    """Whether a folder is one of masks or the like."""
    return not _MADE.isdisjoint(part.lower().removesuffix("s") for part in path.split(os.sep))


def _original(name: str) -> str:
    """The name of the image that a file was made of; empty if its name does not say so."""
    before, _, end = name.replace("-", "_").replace(" ", "_").rpartition("_")
    if end.lower().removesuffix("s") in _MADE:
        return name[: len(before)]
    before, attribute, _ = name.partition("_attribute_")  # of the ISIC challenges
    return before if attribute else ""


def names_of_images(table: pd.DataFrame) -> set[str]:
    """The names by which the images of a table may lie in a folder."""
    return set().union(*(table[name] for name in ("image_id", "other_name") if name in table.columns))


def is_any_there(image_ids: Iterable[str], folder: Path) -> bool:
    """Whether a folder, or one below it, has a file that is called like one of these."""
    names = _names_of(list(walk_images(str(folder))))
    return any(composed(os.path.basename(image_id)) in names for image_id in image_ids)


def lie_in_archives(paths: Iterable[str], base: Path) -> bool:
    """Whether a file of these paths would be there if a zip archive were unpacked."""
    return bool(_packed([os.path.join(base, path) for path in paths], base, [], []))


def _names_of(files: Iterable[str]) -> set[str]:
    """The names of files, with and without their endings."""
    return {name for file in files for name in (composed(os.path.basename(file)), stem(file))}


def _images_in(archive: str | os.PathLike[str], broken: list[str]) -> list[str]:
    """The images in a zip archive. What is wrong with one that cannot be read is added to `broken`."""
    try:
        return list(walk_images(os.fspath(archive)))
    except DataError as error:
        broken.append(str(error))
        return []


def _images_in_parquet(folder: Path) -> dict[str, str]:
    """The images in the Parquet files in a folder or below it, and their ids or names, without endings."""
    found: dict[str, str] = {}
    for file in sorted(
        Path(file) for kind in PARQUET_SUFFIXES for file in walk_images(str(folder), pattern=f"*{kind}")
    ):
        if holds_images(file):
            table = read_table(file)
            ids = [name for name in table.columns if re.sub(r"[\W_]+", "", name.lower()) == "imageid"]
            for row, name in zip(table["path"], table[ids[0]] if ids else (), strict=False):
                found[str(file.parent / row)] = stem(name)
    return found


def _without_file(image_ids: Sequence[str], of: int) -> str:
    return f"{counted(len(image_ids), 'metadata row', 'has', 'have', of=of)} no image file"


def with_files(table: pd.DataFrame, source: Path, incomplete: bool, warnings: list[str]) -> pd.DataFrame:
    """The rows whose `path` is there, as it can be opened. Raises `DataError` for others, unless `incomplete`."""
    named = table["path"].map(file_and_frame)
    there = table["path"].map(is_there)
    broken: list[str] = []
    base = source if source.is_dir() else source.parent
    if not there.all():
        packed = _packed([file for file, _ in named[~there]], base, broken, warnings)
        packed |= _rows_of_parquet([file for file, _ in named[~there] if file not in packed], base)
        packed_paths = [
            packed.get(file, file) + path[len(file) :] for path, (file, _) in zip(table["path"], named, strict=True)
        ]
        table["path"], there = packed_paths, there | named.map(lambda each: each[0] in packed)
        named = table["path"].map(file_and_frame)
    if missing := table["path"][~there].tolist():
        told = f"{counted(len(missing), 'image', 'is', 'are', of=len(table))} not there"
        if broken:
            raise DataError(f"{source}: {told}: {first_few(missing)}; they may lie in {enumerated(broken)}")
        if not incomplete or len(missing) == len(table):
            raise DataError(f"{source}: {told}: {first_few(missing)}{_why_not_there(missing[0], base)}")
        warnings.append(f"{told} and left out: {first_few(missing)}")
    warnings += [f"{told}; no image of the table is missing without it" for told in broken]
    once = ~table["path"].duplicated()  # the first frame has two names
    check_once(named[once].map(lambda each: f"{each[0]}#{each[1] + 1}"), table["dx"][once], source)
    return table[there].reset_index(drop=True)


def is_there(path: str) -> bool:
    """Whether there is the file that a path names, or a frame of which it names, also in an archive."""
    file, _ = file_and_frame(path)
    return os.path.isfile(file) or is_member(file)


def _packed(files: Sequence[str], base: Path, broken: list[str], warnings: list[str]) -> dict[str, str]:
    """Where files lie in zip archives that would be there if these were unpacked, into a folder of their name or not.

    base: the folder from which paths count; archives above it are not looked into. broken: as `_images_in` takes it.

    Raises `DataError` as `_check_same` does.
    """
    wanted = {composed(os.path.normpath(file)): file for file in files}
    base = Path(os.path.normpath(base))
    folders = {folder for file in wanted for folder in Path(file).parents if folder not in base.parents}
    archives = {Path(f"{folder}{ZIP_SUFFIX}") for folder in folders}
    archives.update(file for folder in folders for file in folder.glob("*.[zZ][iI][pP]"))
    found: dict[str, list[str]] = {}
    for archive in sorted(filter(is_archive, archives)):
        for image in _images_in(archive, broken):
            for folder in (archive.parent, archive.with_suffix("")):
                file = composed(os.path.normpath(folder / image[len(str(archive)) + 1 :]))
                if file in wanted:
                    found.setdefault(wanted[file], []).append(image)
    warnings += _check_same(found)
    return {file: images[0] for file, images in found.items()}


def _rows_of_parquet(files: Sequence[str], base: Path) -> dict[str, str]:
    """Where files lie in the Parquet files in a folder or below it, by their names.

    Where there is the folder that a file would lie in, only there: elsewhere, another image may be called so.
    """
    rows: dict[str, list[str]] = {}
    for row, name in _images_in_parquet(base).items() if files else ():
        rows.setdefault(name, []).append(row)
    folders = {os.path.dirname(file) for file in files}
    start = {folder: os.path.join(os.path.normpath(folder), "") if os.path.isdir(folder) else "" for folder in folders}
    found = {
        file: [row for row in rows.get(stem(file), ()) if row.startswith(start[os.path.dirname(file)])]
        for file in files
    }
    return {file: of_file[0] for file, of_file in found.items() if len(of_file) == 1}


def _why_not_there(path: str, base: Path) -> str:
    """The end of a message about a path without an image."""
    if holder_of(path):
        try:
            read_member(path)
        except ImageError as error:
            damaged = "; download it again" if error.reason in ("damaged", "unreadable") else ""
            return f" ({error.detail}{damaged})"
    folder, name = os.path.split(path)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if found := next((each for each in names if each.lower() == name.lower()), ""):
        return f"; there is {found}: write the paths as the files are called"
    if found := next((each for each in names if os.path.splitext(each)[0] in (name, os.path.splitext(name)[0])), ""):
        return f"; there is {found}: write the paths with the endings of the files"
    return _may_lie_in(base) or "; paths count from the folder of the table"


def match_images(
    table: pd.DataFrame, files: Mapping[str, str], folder: Path, source: Path, incomplete: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Give each row the one file that is called like its `image_id`, whatever the ending unless the row names it.

    table: with the column `file`, too, the same with the ending of a file where the table has it; files: the names of
    the image files in the folder, by their paths; source: the table's file, for messages; incomplete: whether rows
    without a file are left out. Returns the rows with the column `path`, and warnings, about files that no row names
    among others. Raises `DataError` for rows without a file, and several files of one name that differ.
    """
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for file, called in files.items():
        by_stem.setdefault(stem(called), []).append(file)
        by_name.setdefault(composed(called), []).append(file)
    names = zip(table["image_id"], table["file"], strict=True)
    files_of = {image_id: by_name.get(name) or by_stem.get(image_id, []) for image_id, name in names}
    image_ids, warnings = table["image_id"].tolist(), []
    if several := [image_id for image_id in image_ids if len(files_of[image_id]) > 1]:
        made = made_of_others(list(files), folder)
        for image_id in several:  # such as masks of the same name
            files_of[image_id] = [file for file in files_of[image_id] if file not in made] or files_of[image_id]
    if missing := [image_id for image_id in image_ids if not files_of[image_id]]:
        told = _without_file(missing, len(image_ids))
        if not incomplete or len(missing) == len(image_ids):
            raise DataError(f"{source}: {told}: {first_few(missing)}{_what_to_do(missing, by_stem, folder)}")
        warnings.append(f"{told}, left out: {first_few(missing)}")
        table = table[~table["image_id"].isin(missing)].reset_index(drop=True)
        image_ids = table["image_id"].tolist()
    warnings += _check_same({image_id: files_of[image_id] for image_id in image_ids})
    taken = {file for image_id in image_ids for file in files_of[image_id]}
    left = [(stem, file) for stem, of in by_stem.items() for file in of if file not in taken]
    if extra := sorted({stem if taken.isdisjoint(by_stem[stem]) else files[file] for stem, file in left}):
        images = counted(len(extra), "image", "has no metadata row and is", "have no metadata row and are")
        warnings.append(f"{images} left out: {first_few(extra)}")
    return table.assign(path=[files_of[image_id][0] for image_id in image_ids]), warnings


def _check_same(files_of: Mapping[str, list[str]]) -> list[str]:
    """A warning about images of which there are several files. Raises `DataError` where these differ."""
    several = [image for image, files in files_of.items() if len(files) > 1]
    # Some archives unpack each image twice; the same bytes twice do no harm, other bytes under one name do.
    if different := [image for image in several if len(set(contents_of_files(files_of[image])[0])) > 1]:
        raise DataError(
            f"{counted(len(different), 'image id', 'has', 'have')} several files that differ: "
            f"{first_few(files_of[different[0]])}; keep one file of each, or name it in a column path"
        )
    images = counted(len(several), "image", "lies", "lie")
    return [f"{images} there more than once, the first counts: {first_few(several)}"] if several else []


def stem(file: str) -> str:
    """The name of a file without its ending, composed."""
    return composed(os.path.splitext(os.path.basename(file))[0])


def _what_to_do(missing: Sequence[str], files_of: Mapping[str, object], folder: Path) -> str:
    """Why ids have no file: other capitals, or a spreadsheet that took them for numbers."""
    numbers = {str(int(name)): name for name in files_of if name.isascii() and name.isdigit()}
    for image_id in missing:
        number = str(int(Decimal(image_id.replace(",", ".")))) if re.fullmatch(NUMBER, image_id) else ""
        if found := numbers.get(number, ""):
            return f"; there is {found}: the ids were saved as numbers, which changed them; save that column as text"
    if formula := next((image_id for image_id in missing if image_id.startswith("=")), ""):
        return f"; {formula} is a formula without a value: open the table in a spreadsheet program and save it"
    if dated := next((image_id for image_id in missing if re.fullmatch(DATED, image_id)), ""):
        return f"; {dated} is a date: a spreadsheet has changed the ids; write them again, in a column of text"
    if any("/" in image_id or "\\" in image_id for image_id in missing):
        return "; to find images by folder and name, call the column path: it counts from the table's folder"
    small = {name.lower(): name for name in files_of}
    if found := next((small[image_id.lower()] for image_id in missing if image_id.lower() in small), ""):
        return f"; there is {found}: write the ids as the files are called"
    return _may_lie_in(folder) or "; put these images into the folder, or leave the rows out"


def _may_lie_in(folder: Path) -> str:
    """The end of a message about images that are not there: other archives, or Parquet, in a folder or below it."""
    files = sorted(file for pattern in ("*", "*/*") for file in folder.glob(pattern))
    if packed := [str(file) for file in files if file.name.lower().endswith(_PACKED)]:
        return f"; they may lie in {first_few(packed)}: unpack what is packed"
    tables = [file for file in files if file.suffix.lower() in PARQUET_SUFFIXES]
    if within := [str(file) for file in tables if holds_more_than_text(file)]:
        return (
            f"; they may lie in {first_few(within)}: images of Parquet are read from a column of their bytes, or of "
            "records of bytes and path, as Hugging Face's datasets writes it, beside their ids; or save them as files"
        )
    return ""


def contents_of_files(paths: Sequence[str]) -> tuple[list[str], list[int]]:
    """The SHA-256 of each image's bytes, and how many frames each file has, 1 where paths name all or the path one.

    Raises `DataError` for files that cannot be read, and for frames that are not there.
    """
    named = [file_and_frame(path) for path in paths]
    files = sorted(dict.fromkeys(file for file, _ in named), key=row_order)
    with ThreadPoolExecutor() as threads:
        read = dict(zip(files, threads.map(_content_of_file, files), strict=True))
    if unread := [f"{file} ({error})" for file, error in read.items() if isinstance(error, ImageError)]:
        told = counted(len(unread), "image", of=len(files))
        raise DataError(f"{told} cannot be read: {first_few(unread, 20)}; restore the files, or leave the rows out")
    found = {file: content for file, content in read.items() if not isinstance(content, ImageError)}
    refused = []
    for path, (file, frame) in zip(paths, named, strict=True):
        _, kind, frames = found[file]
        if frame and kind != "DICOM":
            refused.append(f"{path} (of {kind or 'it'}, {'page' if kind == 'TIFF' else 'frame'} 1 alone is read)")
        elif frame >= frames > 0:
            refused.append(f"{path} (the file has {counted(frames, 'frame')})")
    if refused:
        told = counted(len(refused), "path", "names", "name")
        raise DataError(
            f"{told} a frame that is not read: {first_few(refused)}; leave the rows out, or save that frame as a file"
        )
    digests = [digest_of_frame(found[file][0], frame) for file, frame in named]
    given = Counter(file for file, _ in set(named))  # frames
    return digests, [found[path][2] if path in found and given[path] < found[path][2] else 1 for path in paths]


def _content_of_file(path: str) -> tuple[hashlib._Hash, str | None, int] | ImageError:
    """The SHA-256 of a file, its format, and the number of its frames; or why it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        file.seek(0)
        return digest, *_frames(path, file.read(HEAD))
    try:
        data = read_image_bytes(path)  # within an archive
    except ImageError as error:
        if error.reason not in _DECODING_TELLS:
            return error
        return hashlib.sha256(b"" if error.reason == "empty" else os.fsencode(path)), None, 0
    return hashlib.sha256(data), *_frames(data, data[:HEAD])


def _frames(source: str | bytes, head: bytes) -> tuple[str | None, int]:
    """The format of a file and the number of its frames; 0 if unknown, in which case decoding explains the problem."""
    if (kind := sniff(head)) not in SEVERAL_FRAMES:
        return kind, 1
    try:
        return kind, count_frames(source)
    except ImageError:
        return kind, 0
