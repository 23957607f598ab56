"""The folder of the ISIC 2018 challenge's Task 3: ground truth with a column for each diagnosis, and images beside it.

As https://challenge.isic-archive.com/data/ has it: `ISIC2018_Task3_Training_GroundTruth.csv`, the folder
`ISIC2018_Task3_Training_Input` and, of the training images only, `ISIC2018_Task3_Training_LesionGroupings.csv`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.csv_and_folders import fill_lesions, in_order
from lesionflow.datasets.ham10000 import match_images
from lesionflow.datasets.label_table import read_table, require_columns
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import DataError, first_few
from lesionflow.images.discovery import find_images

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {diagnosis.upper(): diagnosis for diagnosis in DIAGNOSES}
# How the ISIC Archive says in what way a diagnosis was confirmed, in HAM10000's words.
CONFIRMED = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}
_TRUTH = "_GroundTruth"


def is_isic2018(path: Path) -> bool:
    """Whether a folder, or a CSV file, looks like Task 3's ground truth."""
    return bool(_truths(path))


def read_isic2018(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a folder of Task 3, or its ground truth CSV where there are several: a row an image, and warnings.

    Without the lesion groupings each image counts as a lesion of its own. Raises `DataError`.
    """
    truths = _truths(path)
    if len(truths) != 1:
        raise DataError(f"{path}: {len(truths)} ground truths; give one of them: {first_few(truths)}")
    (file,) = truths
    table = read_table(file).rename(columns={"image": "image_id"})
    table["dx"] = _diagnoses(table, file)
    start = file.name.removesuffix(".csv").removesuffix(_TRUTH)
    places = [file.parent, file.parent.parent] if path.is_file() else [path, file.parent]
    table = _add_lesions(table, [place / f"{start}_LesionGroupings.csv" for place in places])
    warnings = fill_lesions(table)
    images = next((place / f"{start}_Input" for place in places if (place / f"{start}_Input").is_dir()), places[0])
    table["path"], unmatched = match_images(table["image_id"].tolist(), find_images(images))
    return in_order(table, file), warnings + unmatched


def _truths(path: Path) -> list[Path]:
    """The ground truths in a folder and the folders of their own that they come in; or the file, if it is one."""
    if path.is_file():
        return [path] if _has_columns(path) else []
    found = [*path.glob("*.csv"), *path.glob(f"*{_TRUTH}/*.csv")]
    return sorted(file for file in found if _has_columns(file))


def _has_columns(file: Path) -> bool:
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            header = next(csv.reader(stream), [])
    except (OSError, ValueError, csv.Error):
        return False
    return {"image", *COLUMNS} <= set(header)


def _diagnoses(table: pd.DataFrame, file: Path) -> list[str]:
    """The one diagnosis of each row. Raises `DataError`."""
    import pandas as pd

    marks = table[list(COLUMNS)].apply(pd.to_numeric, errors="coerce")
    marked = marks == 1
    if wrong := table["image_id"][((marks != 0) & ~marked).any(axis=1) | (marked.sum(axis=1) != 1)].tolist():
        raise DataError(f"{file}: {len(wrong)} rows without exactly one 1 among 0s: {first_few(wrong)}")
    return [COLUMNS[column] for column in marked.idxmax(axis=1)]


def _add_lesions(table: pd.DataFrame, files: list[Path]) -> pd.DataFrame:
    """Add lesions and confirmations where the groupings are there."""
    for file in files:
        if file.is_file():
            groups = read_table(file)
            require_columns(groups, ("image", "lesion_id"), file)
            groups = groups.drop_duplicates("image").set_index("image")
            table["lesion_id"] = table["image_id"].map(groups["lesion_id"]).fillna("")
            if "diagnosis_confirm_type" in groups.columns:
                confirmed = groups["diagnosis_confirm_type"].map(lambda words: CONFIRMED.get(words, words or "unknown"))
                table["dx_type"] = table["image_id"].map(confirmed).fillna("unknown")
            break
    return table
