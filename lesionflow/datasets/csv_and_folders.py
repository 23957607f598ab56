"""Labelled images that do not come as HAM10000 does: a table of paths, or a folder for each diagnosis."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.label_table import ATTRIBUTES, add_attributes, check_rows, read_table, require_columns
from lesionflow.diagnoses import DIAGNOSES, nearest_diagnosis
from lesionflow.errors import DataError, first_few
from lesionflow.images.discovery import walk_images

if TYPE_CHECKING:
    import pandas as pd

NO_LESIONS = (
    "which images show the same lesion is not known: each counts as a lesion of its own, so intervals are too narrow "
    "if some do"
)


def read_labelled_table(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a CSV with the columns `path` and `diagnosis` (or `dx`): a row an image, in the order of ids, and warnings.

    Further columns that count are lesion_id, image_id, dx_type, age, sex and localization; without an image_id, the
    file's name without its ending is one. Paths are relative to the CSV's folder. Raises `DataError`.
    """
    table = read_table(file).rename(columns={"diagnosis": "dx"})
    require_columns(table, ("path", "dx"), file)
    if empty := int((table["path"].str.strip() == "").sum()):
        raise DataError(f"{file}: {empty} rows with an empty path")
    table["path"] = [os.path.join(file.parent, path) for path in table["path"]]
    if missing := [path for path in table["path"] if not os.path.isfile(path)]:
        raise DataError(
            f"{file}: {len(missing)} of {len(table)} images are not there: {first_few(missing)}; paths count from the "
            "folder of the CSV"
        )
    return _complete(table, file)


def read_diagnosis_folders(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a folder whose folders are named like diagnoses and hold their images: a table as above, and warnings."""
    import pandas as pd

    folders = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if strange := [entry.name for entry in folders if entry.name.lower() not in DIAGNOSES]:
        raise DataError(
            f"{folder}: folders that are no diagnosis: {first_few(strange)}{nearest_diagnosis(strange[0])}; "
            f"known: {', '.join(DIAGNOSES)}"
        )
    rows = [(path, entry.name.lower()) for entry in folders for path in walk_images(str(entry))]
    if not rows:
        raise DataError(f"{folder}: no image files in the folders {first_few([entry.name for entry in folders], 7)}")
    table, warnings = _complete(pd.DataFrame(rows, columns=["path", "dx"]), folder)
    if loose := list(walk_images(str(folder), recursive=False)):
        warnings.append(f"{len(loose)} images lie in no diagnosis's folder and are left out: {first_few(loose)}")
    return table, warnings


def has_diagnosis_folders(folder: Path) -> bool:
    """Whether a folder holds one that is named like a diagnosis."""
    return any((folder / name).is_dir() for name in os.listdir(folder) if name.lower() in DIAGNOSES)


def _complete(table: pd.DataFrame, source: Path) -> tuple[pd.DataFrame, list[str]]:
    warnings = []
    if "image_id" not in table.columns:
        table["image_id"] = [Path(path).stem for path in table["path"]]
        if table["image_id"].duplicated().any():  # 1.jpg in several folders
            base = source if source.is_dir() else source.parent
            table["image_id"] = [os.path.relpath(path, base) for path in table["path"]]
    if "lesion_id" not in table.columns:
        table["lesion_id"] = table["image_id"]
        warnings.append(NO_LESIONS)
    return in_order(table, source), warnings


def fill_lesions(table: pd.DataFrame) -> list[str]:
    """Make images whose lesion_id is empty or missing lesions of their own; gives what is to be said of them."""
    if "lesion_id" not in table.columns:
        table["lesion_id"] = ""
    unknown = table["lesion_id"].str.strip() == ""
    table.loc[unknown, "lesion_id"] = table.loc[unknown, "image_id"]
    if unknown.all():
        return [NO_LESIONS]
    if not unknown.any():
        return []
    return [
        f"{unknown.sum()} of {len(table)} images have no lesion_id: each counts as a lesion of its own, so intervals "
        "are too narrow if some show the same"
    ]


def in_order(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The columns that count, checked, in the order of image ids. Raises `DataError`."""
    add_attributes(table)
    table = table[["lesion_id", "image_id", "dx", *ATTRIBUTES, "path"]].sort_values("image_id", ignore_index=True)
    check_rows(table, source)
    return table
