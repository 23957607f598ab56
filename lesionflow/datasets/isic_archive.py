"""What `isic image download FOLDER` (of isic-cli) fetches from the ISIC Archive: `metadata.csv`, and images beside it.

The archive knows several hundred diagnoses; those that are one of the label set's count.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.isic_challenge import CONFIRMED
from lesionflow.datasets.label_table import confirmation, first_known, lowered, read_header, read_table
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

METADATA = "metadata.csv"

# Names of the archive's hierarchy (columns diagnosis_1 to diagnosis_5; Kitware's isic-metadata 4.12 lists them) that
# stand for all below them that is not named itself, and what they are by HAM10000's description of its diagnoses.
HIERARCHY = {
    "malignant melanocytic proliferations (melanoma)": "melanoma",
    "benign soft tissue proliferations - vascular": "vascular lesion",
    "hemorrhagic lesions": "vascular lesion",
}
# The archive calls HAM10000's intraepithelial carcinomas squamous cell carcinomas. Other images of that name show
# invasive ones, which are another diagnosis.
OF_HAM10000 = ("squamous cell carcinoma, nos", "squamous cell carcinoma")
FIRST, LAST = "ISIC_0024306", "ISIC_0036064"  # HAM10000 in the archive, with the ISIC 2018 validation and test images

LEVELS = tuple(f"diagnosis_{level}" for level in range(5, 0, -1))  # from special to general
_MADE = ("altered", "synthetic")  # of the column image_manipulation


def is_isic_download(path: Path) -> bool:
    """Whether a folder has metadata as isic-cli writes it, or a table is such metadata."""
    header = set(read_header(path if path.is_file() else path / METADATA))
    # ISIC 2024 says `target` or `malignant`, and has no diagnosis of these names.
    return "isic_id" in header and not (header & {"target", "malignant"} and not header & {"diagnosis", *LEVELS})


def read_isic_download(path: Path) -> RawLabels:
    """Read a folder that isic-cli has filled, or its metadata: the images that are dermoscopic and not altered.

    Raises
    ------
    DataError
        Where no diagnosis came with the images.
    """
    file = path if path.is_file() else path / METADATA
    table = lowered(read_table(file)).rename(columns={"isic_id": "image_id", "age_approx": "age"})
    if not {"diagnosis", *LEVELS} & set(table.columns):
        raise DataError(f"{file}: no column diagnosis or diagnosis_1; download images that have a diagnosis")
    warnings = []
    kinds = first_known(table, ("image_type",))
    strange = (~kinds.isin(["dermoscopic", "unknown"])) | first_known(table, ("image_manipulation",)).isin(_MADE)
    if strange.any():
        warnings.append(
            f"{strange.sum()} images are not dermoscopic, or altered, and left out: "
            f"{first_few(table['image_id'][strange].tolist())}"
        )
    left_out = set(table["image_id"][strange])
    table = table[~strange].reset_index(drop=True)
    words = archive_words(table, (*LEVELS, "diagnosis"))
    table["localization"] = first_known(table, ("anatom_site_general", "anatom_site_1")).str.lower()
    table["dx_type"] = confirmation(first_known(table, ("diagnosis_confirm_type",)), CONFIRMED)
    table["sex"] = first_known(table, ("sex",))
    return RawLabels(
        file, table, words, file.parent, HIERARCHY, strict=False, takes=lambda image: Path(image).stem not in left_out,
        warnings=tuple(warnings),
    )  # fmt: skip


def archive_words(table: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words of each row of the archive's metadata, from special to general."""
    known = [column for column in columns if column in table.columns]
    return [
        tuple(_in_ham10000s_sense(word, image_id) for word in words)
        for image_id, *words in table[["image_id", *known]].itertuples(index=False)
    ]


def _in_ham10000s_sense(word: str, image_id: str) -> str:
    if FIRST <= image_id <= LAST and word.strip().lower() in OF_HAM10000:
        return "squamous cell carcinoma in situ"
    return word
