"""Ground truth of the ISIC challenges of 2018 (Task 3) and 2019: a column for each diagnosis, and images beside it.

As https://challenge.isic-archive.com/data/ has them: `ISIC2018_Task3_Training_GroundTruth.csv`, the folder
`ISIC2018_Task3_Training_Input` and, of the training images only, `ISIC2018_Task3_Training_LesionGroupings.csv`; and
`ISIC_2019_Training_GroundTruth.csv`, `ISIC_2019_Training_Metadata.csv` (image, age_approx, anatom_site_general,
lesion_id, sex) and `ISIC_2019_Training_Input`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.label_table import confirmation, first_known, lowered, read_header, read_table, require_columns
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

SHARED = ("MEL", "NV", "BCC", "BKL", "DF", "VASC")
YEARS = ((*SHARED, "AKIEC"), (*SHARED, "AK", "SCC"))  # of 2018 and 2019, which has UNK besides
# How the ISIC Archive says in what way a diagnosis was confirmed, in HAM10000's words.
CONFIRMED = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}
_TRUTH = "_GroundTruth"


def is_isic_challenge(path: Path) -> bool:
    """Whether a folder, or a CSV file, looks like the ground truth of 2018's Task 3 or of 2019."""
    return bool(_truths(path))


def read_isic_challenge(path: Path) -> RawLabels:
    """Read a challenge's folder, or its ground truth where there are several.

    Without lesion groupings or metadata each image counts as a lesion of its own.

    Raises
    ------
    DataError
        For several ground truths, and rows that do not name one diagnosis.
    """
    truths = _truths(path)
    if len(truths) != 1:
        raise DataError(f"{path}: {len(truths)} ground truths; give one of them: {first_few(truths)}")
    (file,) = truths
    table = read_table(file).rename(columns={"image": "image_id"})
    words = _marked(table, file)
    table = table[["image_id"]]
    start = file.name.removesuffix(".csv").removesuffix(_TRUTH)
    folders = [file.parent, file.parent.parent] if path.is_file() else [path, file.parent]
    for ending in ("_LesionGroupings.csv", "_Metadata.csv"):
        for beside in (folder / f"{start}{ending}" for folder in folders):
            if beside.is_file():
                table = _add_metadata(table, beside)
                break
    images = next((folder / f"{start}_Input" for folder in folders if (folder / f"{start}_Input").is_dir()), folders[0])
    return RawLabels(file, table, words, images)


def _truths(path: Path) -> list[Path]:
    """The ground truths in a folder and the folders of their own that they come in; or the file, if it is one."""
    if path.is_file():
        return [path] if _has_columns(path) else []
    found = [*path.glob("*.csv"), *path.glob(f"*{_TRUTH}/*.csv")]
    return sorted(file for file in found if _has_columns(file))


def _has_columns(file: Path) -> bool:
    header = set(read_header(file))
    return any({"image", *columns} <= header for columns in YEARS)


def _marked(table: pd.DataFrame, file: Path) -> list[tuple[str, ...]]:
    """The column that each row marks, as its word. Raises `DataError`."""
    import pandas as pd

    columns = [name for name in table.columns if name in {"UNK", *YEARS[0], *YEARS[1]}]
    marks = table[columns].apply(pd.to_numeric, errors="coerce")
    marked = marks == 1
    if wrong := table["image_id"][((marks != 0) & ~marked).any(axis=1) | (marked.sum(axis=1) != 1)].tolist():
        raise DataError(f"{file}: {len(wrong)} rows without exactly one 1 among 0s: {first_few(wrong)}")
    return [(column,) for column in marked.idxmax(axis=1)]


def _add_metadata(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Add what a table beside the ground truth says of lesions, patients and confirmations."""
    beside = lowered(read_table(file))
    require_columns(beside, ("image",), file)
    beside = beside.drop_duplicates("image").set_index("image").reindex(table["image_id"]).fillna("")
    beside = beside.reset_index(drop=True)
    for column, names in {
        "lesion_id": ("lesion_id",), "sex": ("sex",), "age": ("age_approx",), "localization": ("anatom_site_general",),
    }.items():  # fmt: skip
        if names[0] in beside.columns:
            table = table.assign(**{column: first_known(beside, names) if column != "age" else beside[names[0]]})
    if "diagnosis_confirm_type" in beside.columns:
        table = table.assign(dx_type=confirmation(beside["diagnosis_confirm_type"], CONFIRMED))
    return table
