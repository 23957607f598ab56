"""A folder as HAM10000 comes in: a metadata table, and the images in folders of any name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.label_table import lowered, read_table, require_columns
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "CC BY-NC 4.0"
AUTHORS = "Tschandl, Rosendahl, Kittler 2018, Sci. Data 5, 180161, doi:10.7910/DVN/DBW86T"
# Of other sources of ISIC 2019 under the same licence, by the names that tables of them use: whom it wants named.
AUTHORS_OF = {
    "BCN_20000": "Combalia et al. 2019, arXiv:1908.02288",
    "ISIC 2017": "Codella et al. 2017, arXiv:1710.05006",
    "MSK": "Codella et al. 2017, arXiv:1710.05006",
}
METADATA_NAMES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
REQUIRED_COLUMNS = ("lesion_id", "image_id", "dx")


def read_ham10000(folder: Path) -> RawLabels:
    """Read a HAM10000 folder: the metadata CSV and, in folders of any name or beside it, `<image_id>.<ending>`.

    Raises
    ------
    DataError
        Where there is no table, or one without the columns that it needs.
    """
    file = _find_metadata(folder)
    table = lowered(read_table(file))
    require_columns(table, REQUIRED_COLUMNS, file)
    return RawLabels(file, table, [(word,) for word in table["dx"]], folder, needs_lesions=True)


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
