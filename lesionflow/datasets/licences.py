"""The licences of images, which bind the use of models: those that tables tell, and HAM10000's, known by its ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lesionflow.datasets.ids import DEMO_PREFIX
from lesionflow.datasets.label_columns import is_missing

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "CC BY-NC 4.0"
FREE = "free to use"  # as images that lesionflow drew
SOME_NOT_KNOWN = "some not known"  # behind the licences of images of which others have none
AUTHORS = "Tschandl, Rosendahl, Kittler 2018, Sci. Data 5, 180161, doi:10.7910/DVN/DBW86T"
# The authors to be named for other sources of ISIC 2019 under the same licence, by the sources' names in tables.
AUTHORS_OF = {
    "BCN_20000": "Combalia et al. 2019, arXiv:1908.02288",
    "ISIC 2017": "Codella et al. 2017, arXiv:1710.05006",
    "MSK": "Codella et al. 2017, arXiv:1710.05006",
}


def is_ham10000(table: pd.DataFrame) -> pd.Series:
    """Which images of a table are HAM10000's, whatever its layout or name: (rows,) bool.

    They are known by HAM10000's own ids of lesions, `HAM_0000118`, and of images, ISIC_0024306 to ISIC_0034320.
    """
    lesions = table["lesion_id"].str.fullmatch(r"HAM_\d{7}")
    numbers = table["image_id"].str.extract(r"(?:^|[/\\])ISIC_(\d{7})(?!\d)", expand=False)
    return lesions | numbers.between("0024306", "0034320")


def is_drawn(table: pd.DataFrame) -> pd.Series:
    """Which images of a table lesionflow drew: (rows,) bool."""
    return table["lesion_id"].str.startswith(DEMO_PREFIX)


def is_published(source: str) -> bool:
    """Whether a source's name is one of `AUTHORS_OF`, or HAM10000's: these are under `LICENCE`."""
    return source in AUTHORS_OF or "ham10000" in source.lower()


def licences_of(table: pd.DataFrame) -> pd.Series:
    """The licence of each image: its row's own, else that of its ids or its source; empty where it is not known."""
    import pandas as pd

    found = pd.Series("", index=table.index, dtype=str).mask(is_drawn(table), FREE).mask(is_ham10000(table), LICENCE)
    if "source" in table.columns:
        found = found.mask((found == "") & table["source"].map(is_published).astype(bool), LICENCE)
    own = table.get("licence")
    return found if own is None else own.where(~is_missing(own), found)
