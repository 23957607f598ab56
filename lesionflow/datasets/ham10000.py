"""A folder as HAM10000 comes in -> a table of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.label_table import (
    ATTRIBUTES,
    add_attributes,
    check_rows,
    digests_of_files,
    read_table,
    require_columns,
)
from lesionflow.errors import DataError, first_few
from lesionflow.images.discovery import find_images

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "CC BY-NC 4.0"
AUTHORS = "Tschandl, Rosendahl, Kittler 2018, Sci. Data 5, 180161, doi:10.7910/DVN/DBW86T"
METADATA_NAMES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
REQUIRED_COLUMNS = ("lesion_id", "image_id", "dx")


def read_ham10000(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a HAM10000 folder: a row an image, in the order of their ids, and warnings.

    The folder holds the metadata CSV and, in folders of any name or beside it, the images `<image_id>.<ending>`.
    Raises `DataError`, which counts what is wrong and names the first few, unless each row has exactly one image.
    """
    file = _find_metadata(folder)
    table = read_table(file)
    require_columns(table, REQUIRED_COLUMNS, file)
    add_attributes(table)
    table = table[[*REQUIRED_COLUMNS, *ATTRIBUTES]].sort_values("image_id", ignore_index=True)
    check_rows(table, file)
    paths, warnings = match_images(table["image_id"].tolist(), find_images(folder))
    table["path"] = paths
    return table, warnings


def holds_ham10000(table: pd.DataFrame) -> bool:
    """Whether images of HAM10000 are among those of a table, in whatever layout and under whatever name they came.

    They are known by HAM10000's own ids of lesions, `HAM_0000118`, and of images, ISIC_0024306 to ISIC_0034320.
    """
    lesions = table["lesion_id"].str.fullmatch(r"HAM_\d{7}")
    numbers = table["image_id"].str.extract(r"(?:^|[/\\])ISIC_(\d{7})(?!\d)", expand=False)
    return bool((lesions | numbers.between("0024306", "0034320")).any())


def has_metadata(folder: Path) -> bool:
    """Whether a folder looks like HAM10000: a metadata file lies in it, or exactly one CSV file."""
    return any((folder / name).is_file() for name in METADATA_NAMES) or len(list(folder.glob("*.csv"))) == 1


def _find_metadata(folder: Path) -> Path:
    for name in METADATA_NAMES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.csv"))
    if len(others) == 1:
        return others[0]
    found = f"found {first_few([file.name for file in others])}" if others else "found no CSV file"
    raise DataError(f"{folder}: no {METADATA_NAMES[0]}; {found}")


def match_images(image_ids: Sequence[str], files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The one file of each image id, and warnings about files that no row names."""
    files_of: dict[str, list[str]] = {}
    for file in files:
        files_of.setdefault(Path(file).stem, []).append(file)
    if missing := [image_id for image_id in image_ids if image_id not in files_of]:
        raise DataError(f"{len(missing)} of {len(image_ids)} metadata rows have no image file: {first_few(missing)}")
    warnings = []
    several = [image_id for image_id in image_ids if len(files_of[image_id]) > 1]
    # Some archives unpack each image twice; the same bytes twice do no harm, other bytes under one name do.
    if different := [image_id for image_id in several if len(set(digests_of_files(files_of[image_id]))) > 1]:
        raise DataError(
            f"{len(different)} image ids have several files that differ: {first_few(files_of[different[0]])}"
        )
    if several:
        warnings.append(f"{len(several)} images lie there more than once, the first counts: {first_few(several)}")
    if extra := sorted(set(files_of) - set(image_ids)):
        warnings.append(f"{len(extra)} images have no metadata row and are left out: {first_few(extra)}")
    return [files_of[image_id][0] for image_id in image_ids], warnings
