"""What `isic image download FOLDER` (of isic-cli) fetches from the ISIC Archive: `metadata.csv`, and images beside it.

The archive knows several hundred diagnoses; those that are one of the seven, by HAM10000's definition of them, count.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.csv_and_folders import fill_lesions, in_order
from lesionflow.datasets.ham10000 import match_images
from lesionflow.datasets.isic2018 import CONFIRMED
from lesionflow.datasets.label_table import read_table
from lesionflow.errors import DataError, first_few
from lesionflow.images.discovery import find_images

if TYPE_CHECKING:
    import pandas as pd

METADATA = "metadata.csv"

# Names of the archive's present hierarchy (columns diagnosis_1 to diagnosis_5; Kitware's isic-metadata 4.12 lists
# them), each for all that lies below it and is not named itself, and which of the seven that is by HAM10000's
# description of them (Tschandl et al. 2018, Sci. Data 5, 180161).
HIERARCHY = {
    "solar or actinic keratosis": "akiec",
    "squamous cell carcinoma in situ": "akiec",  # intraepithelial carcinoma, Bowen's disease
    "basal cell carcinoma": "bcc",
    "pigmented benign keratosis": "bkl",
    "seborrheic keratosis": "bkl",
    "solar lentigo": "bkl",
    "lichen planus like keratosis": "bkl",
    "dermatofibroma": "df",
    "malignant melanocytic proliferations (melanoma)": "mel",
    "melanoma metastasis": "",  # of those above, none of HAM10000's
    "nevus": "nv",
    "benign soft tissue proliferations - vascular": "vasc",
    "hemorrhagic lesions": "vasc",
}
# Words of the column `diagnosis`, which the archive had before, where they are others.
FORMER = {
    "actinic keratosis": "akiec",
    "lichenoid keratosis": "bkl",
    "melanoma": "mel",
    "nevus spilus": "nv",
    "angioma": "vasc",
    "angiokeratoma": "vasc",
    "pyogenic granuloma": "vasc",
    "vascular lesion": "vasc",
}
# The archive calls HAM10000's intraepithelial carcinomas squamous cell carcinomas. Other images of that name show
# invasive ones, which are none of the seven.
OF_HAM10000 = {"squamous cell carcinoma, nos": "akiec", "squamous cell carcinoma": "akiec"}
FIRST, LAST = "ISIC_0024306", "ISIC_0036064"  # HAM10000 in the archive, with the ISIC 2018 validation and test images

_LEVELS = tuple(f"diagnosis_{level}" for level in range(1, 6))
_MADE = ("altered", "synthetic")  # of the column image_manipulation


def is_isic_download(path: Path) -> bool:
    """Whether a folder has metadata as isic-cli writes it."""
    try:
        with open(path / METADATA, newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error):
        return False
    return "isic_id" in header


def read_isic_download(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a folder that isic-cli has filled: a row an image of one of the seven diagnoses, and warnings.

    The warnings count and name what is left out: other diagnoses, images that are not dermoscopic or were altered, and
    lesions with several of the seven. Raises `DataError`.
    """
    file = folder / METADATA
    everything = read_table(file).rename(columns={"isic_id": "image_id", "age_approx": "age"})
    if not {"diagnosis", *_LEVELS} & set(everything.columns):
        raise DataError(f"{file}: no column diagnosis or diagnosis_1; download images that have a diagnosis")
    everything["dx"] = [_diagnosis(row) for row in everything.to_dict("records")]
    table, warnings = _usable(everything, file)
    table["localization"] = _first_known(table, ("anatom_site_general", "anatom_site_1")).str.lower()
    table["dx_type"] = [CONFIRMED.get(words, words) for words in _first_known(table, ("diagnosis_confirm_type",))]
    table["sex"] = _first_known(table, ("sex",))
    warnings += fill_lesions(table)
    table = _without_contradictions(table, warnings)
    others = set(everything["image_id"]) - set(table["image_id"])
    images = [path for path in find_images(folder) if Path(path).stem not in others]
    table["path"], unmatched = match_images(table["image_id"].tolist(), images)
    return in_order(table, file), warnings + unmatched


def _diagnosis(row: dict[str, str]) -> str:
    """One of the seven; empty where it is none of them."""
    own = OF_HAM10000 if FIRST <= row["image_id"] <= LAST else {}
    for name in (*(row.get(level, "") for level in reversed(_LEVELS)), row.get("diagnosis", "")):
        words = name.strip().lower()
        for known in (HIERARCHY, FORMER, own):
            if words in known:
                return known[words]
    return ""


def _usable(table: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows that count, and what is to be said of the others."""
    warnings = []
    kinds = _first_known(table, ("image_type",))
    strange = (~kinds.isin(["dermoscopic", "unknown"])) | _first_known(table, ("image_manipulation",)).isin(_MADE)
    if strange.any():
        warnings.append(
            f"{strange.sum()} images are not dermoscopic, or altered, and left out: "
            f"{first_few(table['image_id'][strange].tolist())}"
        )
    other = ~strange & (table["dx"] == "")
    if other.any():
        names = Counter(_first_known(table[other], (*reversed(_LEVELS), "diagnosis")))
        told = first_few([f"{name} ({count})" for name, count in names.most_common()], 7)
        warnings.append(f"{other.sum()} images have none of the seven diagnoses and are left out: {told}")
    usable = table[~strange & ~other].reset_index(drop=True)
    if usable.empty:
        raise DataError(f"{file}: no image of the seven diagnoses; {'; '.join(warnings)}")
    return usable, warnings


def _without_contradictions(table: pd.DataFrame, warnings: list[str]) -> pd.DataFrame:
    several = table.groupby("lesion_id")["dx"].transform("nunique") > 1
    if several.any():
        lesions = sorted(table["lesion_id"][several].unique())
        warnings.append(
            f"{len(lesions)} lesions have several of the seven diagnoses; their {several.sum()} images are left out: "
            f"{first_few(lesions)}"
        )
    return table[~several].reset_index(drop=True)


def _first_known(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    """Of each row, what the first of the columns says that says anything; `unknown` where none does."""
    import pandas as pd

    found = pd.Series("", index=table.index, dtype=str)
    for column in columns:
        if column in table.columns:
            found = found.where(found != "", table[column].str.strip())
    return found.where(found != "", "unknown")
