"""Reads images of the ISIC: the challenges of 2018 (Task 3) and 2019, and downloads of isic-cli.

Ground truth of the challenges has a column for each diagnosis, and images beside it, as
https://challenge.isic-archive.com/data/ has them: `ISIC2018_Task3_Training_GroundTruth.csv`, the folder
`ISIC2018_Task3_Training_Input` and, of the training images only, `ISIC2018_Task3_Training_LesionGroupings.csv`; and
`ISIC_2019_Training_GroundTruth.csv`, `ISIC_2019_Training_Metadata.csv` (image, age_approx, anatom_site_general,
lesion_id, sex) and `ISIC_2019_Training_Input`.

`isic image download FOLDER` writes `metadata.csv`, and images beside it. The archive knows several hundred diagnoses;
those that are one of the label set's count.

MILK10k (https://challenge.isic-archive.com/landing/milk10k) has a row for each image in `MILK10k_Training_Metadata.csv`
and, beside it, a row for each lesion in `MILK10k_Training_GroundTruth.csv` and the full diagnoses of images in
`MILK10k_Training_Supplement.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.ids import check_same_images, without_endings
from lesionflow.datasets.label_columns import (
    ATTRIBUTES,
    as_numbers,
    confirmation,
    first_known,
    lowered,
    require_columns,
)
from lesionflow.datasets.label_table import read_header, read_table
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, counted, first_few

if TYPE_CHECKING:
    import pandas as pd

SHARED = ("MEL", "NV", "BCC", "BKL", "DF", "VASC")
YEARS = ((*SHARED, "AKIEC"), (*SHARED, "AK", "SCC"))  # of 2018 and 2019, which has UNK besides
# The ISIC Archive's words for how a diagnosis was confirmed, in HAM10000's words.
CONFIRMED = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}
_TRUTH, _MARKS = "_GroundTruth", {"UNK", *YEARS[0], *YEARS[1]}


def is_isic_challenge(path: Path) -> bool:
    """Whether a folder, or a CSV file, looks like the ground truth of 2018's Task 3 or of 2019."""
    return bool(_truths(path))


def read_isic_challenge(path: Path) -> RawLabels:
    """Read a challenge's folder, or one of several ground truths.

    Without lesion groupings or metadata each image counts as a lesion of its own. Raises `DataError` for several ground
    truths, and rows that do not name one diagnosis.
    """
    truths = _truths(path)
    if len(truths) != 1:
        raise DataError(f"{path}: {counted(len(truths), 'ground truth')}; give one of them: {first_few(truths)}")
    (file,) = truths
    table = read_table(file)
    table.columns = [name.upper() if name.upper() in _MARKS else name.lower() for name in table.columns]
    table = table.rename(columns={"image": "image_id"})
    words = _marked(table, file)
    known = ("image_id", "lesion_id", "patient_id", *ATTRIBUTES)
    table = table[[name for name in known if name in table.columns]]
    table = table.assign(image_id=without_endings(table["image_id"]))
    start = file.name.removesuffix(".csv").removesuffix(_TRUTH)
    folders = [file.parent, file.parent.parent] if path.is_file() else [path, file.parent]
    for ending in ("_LesionGroupings.csv", "_Metadata.csv"):
        for beside in (folder / f"{start}{ending}" for folder in folders):
            if beside.is_file():
                table = _add_metadata(table, beside)
                break
    images = next((folder / f"{start}_Input" for folder in folders if (folder / f"{start}_Input").is_dir()), folders[0])
    return RawLabels(file, table, words, images, strict=False)


def _truths(path: Path) -> list[Path]:
    """The ground truths in a folder and the folders of their own that they come in; or the file, if it is one."""
    if path.is_file():
        return [path] if _has_columns(path) else []
    found = [*path.glob("*.csv"), *path.glob(f"*{_TRUTH}/*.csv")]
    return sorted(file for file in found if _has_columns(file))


def _has_columns(file: Path) -> bool:
    header = {name.upper() for name in read_header(file)}
    is_truth = header & {"IMAGE", "IMAGE_ID"} and not header & {"DX", "DIAGNOSIS"}
    return bool(is_truth) and any(header.issuperset(columns) for columns in YEARS)


def _marked(table: pd.DataFrame, file: Path) -> list[tuple[str, ...]]:
    """The column that each row marks, as its word. Raises `DataError`."""
    marks = table[[name for name in table.columns if name in _MARKS]].apply(as_numbers)
    _check_marks(marks, table["image_id"], file)
    return [(column,) for column in marks.idxmax(axis=1)]


def _check_marks(marks: pd.DataFrame, names: pd.Series, file: Path) -> None:
    marked = marks == 1
    if wrong := names[((marks != 0) & ~marked).any(axis=1) | (marked.sum(axis=1) != 1)].tolist():
        told = f"{counted(len(wrong), 'row')} without exactly one 1 among 0s: {first_few(wrong)}"
        raise DataError(f"{file}: {told}; correct them, or leave them out")


def _add_metadata(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Add lesions, patients and confirmations from a table beside the ground truth."""
    beside = lowered(read_table(file))
    require_columns(beside, ("image",), file)
    beside["image"] = without_endings(beside["image"])
    check_same_images(table["image_id"], beside["image"], file)
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


METADATA = "metadata.csv"
_METADATA, _SUPPLEMENT = "_Metadata.csv", "_Supplement.csv"
_MILK10K = (_METADATA, _SUPPLEMENT, f"{_TRUTH}.csv")

# Names of the archive's hierarchy (columns diagnosis_1 to diagnosis_5; Kitware's isic-metadata 4.12 lists them) that
# stand for all below them that is not named itself, and what they are by HAM10000's description of its diagnoses.
HIERARCHY = {
    "malignant melanocytic proliferations (melanoma)": "melanoma",
    "benign soft tissue proliferations - vascular": "vascular lesion",
    "hemorrhagic lesions": "vascular lesion",
    "ben_oth": "benign",  # MILK10k's classes of other proliferations
    "mal_oth": "malignant",
}
# The archive calls HAM10000's intraepithelial carcinomas squamous cell carcinomas. Other images of that name show
# invasive ones, which are another diagnosis.
OF_HAM10000 = ("squamous cell carcinoma, nos", "squamous cell carcinoma")
FIRST, LAST = "ISIC_0024306", "ISIC_0036064"  # HAM10000 in the archive, with the ISIC 2018 validation and test images

LEVELS = tuple(f"diagnosis_{level}" for level in range(5, 0, -1))  # from special to general
_MADE = ("altered", "synthetic")  # of the column image_manipulation


def is_isic_download(file: Path) -> bool:
    """Whether a table is metadata as isic-cli writes it."""
    header = {name.lower() for name in read_header(file)}
    # ISIC 2024 says `target` or `malignant`, and has no diagnosis of these names.
    return "isic_id" in header and not (header & {"target", "malignant"} and not header & {"diagnosis", *LEVELS})


def find_milk10k(path: Path) -> Path | None:
    """The table with the images of MILK10k, given its folder or one of its tables; None if it is something else."""
    files = [path] if path.is_file() else path.glob(f"*{_METADATA}")
    starts = {
        file.parent / file.name.removesuffix(end) for file in files for end in _MILK10K if file.name.endswith(end)
    }
    found = [(Path(f"{start}{_METADATA}"), Path(f"{start}{_TRUTH}.csv")) for start in sorted(starts)]
    return next((table for table, truth in found if is_isic_download(table) and _tells_lesions(truth)), None)


def _tells_lesions(truth: Path) -> bool:
    return {"lesion_id", *SHARED} <= {*read_header(truth)}


def _with_diagnoses_of_lesions(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The images of MILK10k with the diagnoses of their lesions, in the archive's columns. Raises `DataError`."""
    start = str(file).removesuffix(_METADATA)
    truth = read_table(Path(f"{start}{_TRUTH}.csv"))
    marks = truth.drop(columns="lesion_id").apply(as_numbers)
    _check_marks(marks, truth["lesion_id"], Path(f"{start}{_TRUTH}.csv"))
    of_lesion = dict(zip(truth["lesion_id"], marks.idxmax(axis=1), strict=True))
    table = table.rename(columns={"site": "anatom_site_general"})
    table["diagnosis_1"] = table["lesion_id"].map(of_lesion).fillna("")
    if (supplement := Path(f"{start}{_SUPPLEMENT}")).is_file():
        further = lowered(read_table(supplement))
        require_columns(further, ("isic_id", "diagnosis_full"), supplement)
        check_same_images(table["isic_id"], further["isic_id"], supplement)
        further = further.drop_duplicates("isic_id").set_index("isic_id").reindex(table["isic_id"]).fillna("")
        for column in {"diagnosis_full", "diagnosis_confirm_type"} & {*further.columns}:
            table["diagnosis_2" if column == "diagnosis_full" else column] = further[column].tolist()
    return table


def read_isic_download(file: Path) -> RawLabels:
    """Read the metadata that isic-cli writes or MILK10k has, and those images that are dermoscopic and unaltered.

    Raises `DataError` where no diagnosis came with the images.
    """
    table = lowered(read_table(file))
    if find_milk10k(file) == file:
        table = _with_diagnoses_of_lesions(table, file)
    table["image_id"], table["age"] = without_endings(table["isic_id"]), first_known(table, ("age_approx", "age"))
    if not {"diagnosis", *LEVELS} & set(table.columns):
        told = f"{file}: no column diagnosis or diagnosis_1; the columns are {first_few(list(table.columns), 7)}"
        raise DataError(
            f"{told}; download images that have a diagnosis, or name your column with --labels FILE ('columns: "
            "{diagnosis: YOURS}')"
        )
    warnings = []
    kinds = first_known(table, ("image_type",))
    strange = (~kinds.isin(["dermoscopic", "unknown"])) | first_known(table, ("image_manipulation",)).isin(_MADE)
    if strange.any():
        warnings.append(
            f"{counted(strange.sum(), 'image', 'is', 'are')} not dermoscopic, or altered, and left out: "
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
    """The words of each row of the archive's metadata, from specific to general."""
    known, in_situ = [column for column in columns if column in table.columns], "squamous cell carcinoma in situ"
    return [
        tuple(in_situ if FIRST <= image_id <= LAST and word.strip().lower() in OF_HAM10000 else word for word in words)
        for image_id, *words in table[["image_id", *known]].itertuples(index=False)
    ]
