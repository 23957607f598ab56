"""The licence of HAM10000, which binds the use of models, whom it asks to cite, and which images it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "CC BY-NC 4.0"
FREE = "free to use"  # as images that lesionflow drew
AUTHORS = "Tschandl, Rosendahl, Kittler 2018, Sci. Data 5, 180161, doi:10.7910/DVN/DBW86T"
# The authors to be named for other sources of ISIC 2019 under the same licence, by the sources' names in tables.
AUTHORS_OF = {
    "BCN_20000": "Combalia et al. 2019, arXiv:1908.02288",
    "ISIC 2017": "Codella et al. 2017, arXiv:1710.05006",
    "MSK": "Codella et al. 2017, arXiv:1710.05006",
}


def holds_ham10000(table: pd.DataFrame) -> bool:
    """Whether a table includes images of HAM10000, whatever its layout or name.

    They are known by HAM10000's own ids of lesions, `HAM_0000118`, and of images, ISIC_0024306 to ISIC_0034320.
    """
    lesions = table["lesion_id"].str.fullmatch(r"HAM_\d{7}")
    numbers = table["image_id"].str.extract(r"(?:^|[/\\])ISIC_(\d{7})(?!\d)", expand=False)
    return bool((lesions | numbers.between("0024306", "0034320")).any())
