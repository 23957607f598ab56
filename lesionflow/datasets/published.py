"""Published data sets, recognised by the columns of their tables and read with their lesion and patient ids.

Each `PublishedTable` names its source. What a word means is the label set's matter, and a user's (`--labels`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.csv_and_folders import visible_folders
from lesionflow.datasets.ids import check_same_images, without_endings
from lesionflow.datasets.isic import HIERARCHY, archive_words
from lesionflow.datasets.label_columns import as_numbers, first_known, is_missing, lowered, without_fractions
from lesionflow.datasets.label_table import ISIC_2016_CLASS, TABLE_SUFFIXES, read_header, read_table, read_text
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, counted, first_few
from lesionflow.images.containers import HDF5_SUFFIXES, is_member

if TYPE_CHECKING:
    import pandas as pd

_LEVELS = tuple(f"iddx_{level}" for level in range(5, 0, -1))  # of ISIC 2024, from special to general
NOT_DERMOSCOPIC = "photographs taken without a dermatoscope, which models trained on HAM10000 have never seen"


@dataclass(frozen=True)
class PublishedTable:
    """How the table of a published data set is read; names of columns are in small letters, "" where there is none."""

    name: str  # of the data set
    source: str  # where it is published and described
    needs: frozenset[str]  # columns that tell the table from others
    image: str  # the column with the image's name, with or without an ending or folders
    words: tuple[str, ...]  # columns with words for the diagnosis, from special to general
    other_name: str = ""  # a column by which image files may be called instead
    lesion: str = ""
    patient: str = ""
    sex: str = "sex"
    age: str = "age"
    localization: str = ""
    photographs: bool = False  # whether these are clinical photographs
    incomplete: bool = False  # whether everybody has other images of it, since they are fetched from elsewhere
    others: str = "without a label"  # what images are that the column with folders does not name
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None  # what has to be done with the table first
    takes: Callable[[str], bool] | None = None  # which files among the images count
    # Endings of further tables of the same images, in place of the table's own ending, the first of these; `{}` is what
    # its name begins with.
    beside: tuple[str, ...] = ()

    @property
    def columns(self) -> set[str]:
        """Every column that is read."""
        named = {self.image, self.other_name, self.lesion, self.patient, self.sex, self.age, self.localization}
        return ({*named, *self.words, "biopsed"} | self.needs) - {""}


def _benign_or_malignant(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Put words for the numbers or truths of a column. Raises `DataError` for numbers of other classes."""

    def prepare(table: pd.DataFrame) -> pd.DataFrame:
        numbers = as_numbers(table[column])
        if others := sorted({*table[column][numbers.notna() & ~numbers.isin((0, 1))]}):
            raise DataError(
                f"the column {column} has numbers besides 0 (benign) and 1 (malignant): {first_few(others)}; write "
                "the diagnoses of these classes into a column diagnosis, and leave this one out"
            )
        words = numbers.map({0: "benign", 1: "malignant"})
        return table.assign(**{column: words.where(words.notna(), table[column])})

    return prepare


def _pad_ufes(table: pd.DataFrame) -> pd.DataFrame:
    """Number lesions within their patient, as image names do; biopsies are histopathology."""
    known = ~is_missing(table["lesion_id"])
    numbered = (table["patient_id"] + "_" + without_fractions(table["lesion_id"])).where(known, "")
    told = {"true": "histo", "false": "consensus"}
    biopsied = table["biopsed"] if "biopsed" in table.columns else table["lesion_id"]
    return table.assign(lesion_id=numbered, dx_type=[told.get(value.lower(), "unknown") for value in biopsied])


def _ph2(table: pd.DataFrame) -> pd.DataFrame:
    """The one diagnosis that each row marks with an X."""
    marks = table[["common nevus", "atypical nevus", "melanoma"]]
    marked = (marks != "") & (marks.apply(as_numbers) != 0)
    return table.assign(diagnosis=[" and ".join(marks.columns[row]) for row in marked.to_numpy()])


def _midas(table: pd.DataFrame) -> pd.DataFrame:
    """The diagnosis behind `malignant- ` or `benign-`, of dermoscopic images alone."""
    told = table["midas_path"].str.extract(r"(?i)^\s*(?:(benign|malignant)\s*-)?\s*(.*)$").fillna("")
    words = told[1].replace({"sccis": "squamous cell carcinoma in situ"})
    distance = table["midas_distance"].str.lower()
    is_photograph = distance != "dscope"
    return table.assign(
        diagnosis=words.where(~is_photograph, "photograph, " + distance),
        benign_malignant=told[0].where(~is_photograph, ""),
    )


def _isic_2017(table: pd.DataFrame) -> pd.DataFrame:
    """The challenge's third class, benign nevi, has no mark."""
    words = {(0, 0): "nevus", (1, 0): "melanoma", (0, 1): "seborrheic keratosis"}
    columns = [table[name] for name in ("melanoma", "seborrheic_keratosis")]
    told = [f"marks {first or 'nothing'} and {second or 'nothing'}" for first, second in zip(*columns, strict=True)]
    marks = zip(*map(as_numbers, columns), strict=True)
    return table.assign(diagnosis=[words.get(mark, other) for mark, other in zip(marks, told, strict=True)])


_ISIC_2020 = PublishedTable(
    "ISIC 2020",
    "SIIM-ISIC 2020 challenge, doi:10.34970/2020-ds01; Rotemberg et al. 2021, Sci. Data 8, 34",
    frozenset({"image_name", "benign_malignant"}),
    image="image_name",
    words=("diagnosis", "benign_malignant"),
    lesion="lesion_id",
    patient="patient_id",
    age="age_approx",
    localization="anatom_site_general_challenge",
)
_ISIC_2024 = PublishedTable(
    "ISIC 2024",
    "ISIC 2024 challenge (SLICE-3D), doi:10.34970/2024-slice-3d; Kurtansky et al. 2024, Sci. Data 11, 884",
    frozenset({"isic_id", "target", "patient_id"}),
    image="isic_id",
    words=(*_LEVELS, "target"),
    lesion="lesion_id",
    patient="patient_id",
    age="age_approx",
    localization="anatom_site_general",
    photographs=True,
    prepare=_benign_or_malignant("target"),
)
PUBLISHED_TABLES = (
    PublishedTable(
        "ISIC 2016",
        "ISIC 2016 challenge, part 3; Gutman et al. 2016, arXiv:1605.01397; https://challenge.isic-archive.com/data/#2016",
        frozenset({ISIC_2016_CLASS}),
        image="image_id",
        words=(ISIC_2016_CLASS,),
        prepare=_benign_or_malignant(ISIC_2016_CLASS),
    ),
    PublishedTable(
        "ISIC 2017",
        "ISIC 2017 challenge, part 3; Codella et al. 2017, arXiv:1710.05006; https://challenge.isic-archive.com/data/#2017",
        frozenset({"image_id", "melanoma", "seborrheic_keratosis"}),
        image="image_id",
        words=("diagnosis",),
        age="age_approximate",
        prepare=_isic_2017,
        takes=lambda image: "_superpixels" not in image,
        beside=("_Part3_GroundTruth.csv", "_Data_metadata.csv", "_Data/{}_Data_metadata.csv"),
    ),
    _ISIC_2020,
    replace(  # as lists of one's own are: image and target
        _ISIC_2020,
        needs=frozenset({"image_name", "target"}),
        words=("diagnosis", "target"),
        prepare=_benign_or_malignant("target"),
    ),
    _ISIC_2024,  # as on Kaggle: one table
    replace(  # as in the challenge's own archive
        _ISIC_2024,
        needs=frozenset({"isic_id", "malignant"}),
        words=(*_LEVELS, "malignant"),
        prepare=_benign_or_malignant("malignant"),
        beside=("_GroundTruth.csv", "_Supplement.csv", "_Input/metadata.csv"),
    ),
    PublishedTable(
        "BCN20000",
        "Hernandez-Perez et al. 2024, Sci. Data 11, 641; doi:10.6084/m9.figshare.24140028 (bcn_20k_train.csv)",
        frozenset({"bcn_filename", "diagnosis", "lesion_id"}),
        image="bcn_filename",
        words=("diagnosis",),
        lesion="lesion_id",
        age="age_approx",
        localization="anatom_site_general",
    ),
    PublishedTable(
        "PAD-UFES-20",
        "Pacheco et al. 2020, Data in Brief 32, 106221, doi:10.17632/zr7vgbcyr2.1",
        frozenset({"img_id", "diagnostic", "patient_id", "lesion_id"}),
        image="img_id",
        words=("diagnostic",),
        lesion="lesion_id",
        patient="patient_id",
        sex="gender",
        localization="region",
        photographs=True,
        prepare=_pad_ufes,
    ),
    PublishedTable(
        "Derm7pt",
        "Kawahara et al. 2019, IEEE J. Biomed. Health Inform. 23, 538; https://derm.cs.sfu.ca (meta/meta.csv)",
        frozenset({"case_num", "diagnosis", "seven_point_score", "derm"}),
        image="derm",
        words=("diagnosis",),
        lesion="case_num",
        localization="location",
        others="of the column clinic, taken without a dermatoscope",
        prepare=lambda table: table.assign(case_num="case_" + table["case_num"]),
    ),
    PublishedTable(
        "PH2",
        "Mendonca et al. 2013, EMBC, 5437; https://www.fc.up.pt/addi/ph2%20database.html (PH2_dataset.xlsx)",
        frozenset({"image name", "common nevus", "atypical nevus", "melanoma"}),
        image="image name",
        words=("diagnosis",),
        prepare=_ph2,
        takes=lambda image: "_lesion" not in image and "_roi" not in image,  # masks lie beside the images
    ),
    PublishedTable(
        "DDI",
        "Daneshjou et al. 2022, Sci. Adv. 8, eabq6147; https://ddi-dataset.github.io (ddi_metadata.csv)",
        frozenset({"ddi_file", "disease", "malignant"}),
        image="ddi_file",
        words=("disease", "malignant"),
        photographs=True,
        prepare=_benign_or_malignant("malignant"),
    ),
    PublishedTable(
        "MRA-MIDAS",
        "Chiou et al. 2025, NEJM AI 2(6), doi:10.1056/AIdbp2400732; doi:10.71718/15nz-jv40 (release_midas.xlsx)",
        frozenset({"midas_file_name", "midas_path", "midas_distance"}),
        image="midas_file_name",
        words=("diagnosis", "benign_malignant"),
        patient="midas_record_id",
        sex="midas_gender",
        age="midas_age",
        localization="midas_location",
        incomplete=True,
        prepare=_midas,
    ),
    PublishedTable(
        "Fitzpatrick17k",
        "Groh et al. 2021, CVPR Workshops, arXiv:2104.09957; https://github.com/mattgroh/fitzpatrick17k",
        frozenset({"md5hash", "label", "three_partition_label"}),
        image="md5hash",
        other_name="url_alphanum",
        words=("label", "three_partition_label"),
        photographs=True,
        incomplete=True,
    ),
)
PH2_TEXT = "PH2_dataset.txt"
# The numbers of clinical diagnoses in PH2_dataset.txt.
_PH2_NUMBERS = {"0": "common nevus", "1": "atypical nevus", "2": "melanoma"}


def find_published(path: Path) -> tuple[PublishedTable, Path] | None:
    """How to read a published data set, given its folder or table; None if it is not one.

    Raises `DataError` where several tables in a folder are such.
    """
    found = [(published, file) for file in _tables(path) if (published := _published_as(file))]
    if len(found) > 1 and len({file.with_suffix("") for _, file in found}) == 1:
        _check_same_words(found[0], found[1])
        found = found[:1]  # the same table as text and as a workbook
    if len(found) > 1:
        told = first_few([f"{file} ({published.name})" for published, file in found])
        raise DataError(f"{path}: {len(found)} tables of labels; give one of them: {told}")
    return found[0] if found else None


def _tables(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [*path.iterdir(), *(file for entry in visible_folders(path) for file in _some(entry))]
    files = [file for file in files if not file.name.startswith("sample_submission")]  # of Kaggle: columns like labels
    return sorted(file for file in files if file.suffix.lower() in TABLE_SUFFIXES and file.is_file())


def _some(folder: Path) -> list[Path]:
    """Tables in a folder, such as Derm7pt's `meta`; one with many files holds images."""
    with os.scandir(folder) as entries:
        names = [entry.name for _, entry in zip(range(1000), entries, strict=False)]
    return [folder / name for name in names if name.lower().endswith(TABLE_SUFFIXES)]


def _published_as(file: Path) -> PublishedTable | None:
    if file.name == PH2_TEXT:
        return next(published for published in PUBLISHED_TABLES if published.name == "PH2")
    header = {name.lower() for name in read_header(file)}
    return next((published for published in PUBLISHED_TABLES if published.needs <= header), None)


def read_published(published: PublishedTable, file: Path, root: Path) -> RawLabels:
    """Read a published data set; root: the folder with table and images. Raises `DataError` if the table is damaged."""
    table = _read_prepared(published, file)
    table["image_id"] = [Path(name.replace("\\", "/")).name for name in table[published.image]]
    if published.other_name in table.columns:
        table["other_name"] = table[published.other_name]
    words = archive_words(table, published.words)
    table["lesion_id"] = table[published.lesion] if published.lesion in table.columns else ""
    table["patient_id"] = table[published.patient] if published.patient in table.columns else ""
    table["sex"] = first_known(table, (published.sex,))
    table["age"] = table[published.age] if published.age in table.columns else ""
    table["localization"] = first_known(table, (published.localization,)).str.lower()
    warnings = (f"{published.name}: {NOT_DERMOSCOPIC}",) if published.photographs else ()
    images: Path | None = root
    if container := _hdf5(file, table["image_id"].iloc[0]):
        table["path"] = [os.path.join(container, image_id) for image_id in table["image_id"]]
        images = None
    elif any("/" in name.replace("\\", "/") for name in table[published.image]):
        table = _with_paths(table, published, root, file)
        images = None
    return RawLabels(
        file, table, words, images, HIERARCHY, strict=False, incomplete=published.incomplete, takes=published.takes,
        others=published.others, warnings=warnings,
    )  # fmt: skip


def _read_prepared(published: PublishedTable, file: Path) -> pd.DataFrame:
    """The table with all that belongs to it, prepared. Raises `DataError`."""
    if file.name == PH2_TEXT:
        return _read_ph2_text(file)
    table = _joined(lowered(read_table(file, published.columns)), published, file)
    try:
        return published.prepare(table) if published.prepare else table
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _check_same_words(one: tuple[PublishedTable, Path], other: tuple[PublishedTable, Path]) -> None:
    """Raise `DataError` where two tables of the same images tell different diagnoses."""
    told: list[dict[str, tuple[str, ...]]] = []
    for published, file in (one, other):
        table = _read_prepared(published, file)
        columns = [table[name] for name in (published.image, *published.words) if name in table.columns]
        told.append({name: tuple(words) for name, *words in zip(*columns, strict=True)})
    if differing := sorted(name for name, words in told[0].items() if told[1].get(name, words) != words):
        raise DataError(
            f"{one[1]}: differs from {other[1].name} beside it in {counted(len(differing), 'image')}: "
            f"{first_few(differing)}; correct or remove one of the two"
        )


def _joined(table: pd.DataFrame, published: PublishedTable, file: Path) -> pd.DataFrame:
    """The table with the columns of those beside it."""
    for ending in published.beside[1:]:
        start = file.name.removesuffix(published.beside[0])
        further = file.parent / (start + ending.format(start))
        if further.is_file():
            columns = lowered(read_table(further, published.columns))
            for each in (table, columns):
                each[published.image] = without_endings(each[published.image])
            check_same_images(table[published.image], columns[published.image], further)
            columns = columns.drop_duplicates(published.image)
            new = [published.image, *(name for name in columns if name not in table.columns)]
            table = table.merge(columns[new], how="left", on=published.image).fillna("")
    return table


def _hdf5(table: Path, first: str) -> Path | None:
    """The images of ISIC 2024 beside their table, bytes of a JPEG each: `train-image.hdf5`, or what holds the first."""
    name = f"{table.name.partition('-metadata')[0]}-image"
    files = [file for file in table.parent.iterdir() if file.suffix.lower() in HDF5_SUFFIXES]
    files.sort(key=lambda file: (file.stem != name, file))
    return next((file for file in files if file.stem == name or is_member(file / first)), None)


def _with_paths(table: pd.DataFrame, published: PublishedTable, root: Path, file: Path) -> pd.DataFrame:
    """Paths from names with folders, which count from the folder `images` or the table's."""
    names = [name.replace("\\", "/") for name in table[published.image]]
    folders = [folder for base in (root, file.parent, file.parent.parent) for folder in (base / "images", base)]
    base = max(folders, key=lambda folder: sum((folder / name).is_file() for name in names[:20]))
    table["path"] = [str(base / name) for name in names]
    if table["image_id"].duplicated().any():
        table["image_id"] = names
    table["image_id"] = without_endings(table["image_id"])
    return table


def _read_ph2_text(file: Path) -> pd.DataFrame:
    """PH2's text, whose rows have two bars around the first cells: `|| IMD003 ||  || 0 || 0 | T | A | ...`."""
    import pandas as pd

    rows = [[cell.strip() for cell in line.split("|")] for line in read_text(file).splitlines()]
    known = [(row[2], _PH2_NUMBERS[row[6]]) for row in rows if len(row) > 6 and row[6] in _PH2_NUMBERS]
    if not known:
        raise DataError(f"{file}: no rows such as '|| IMD003 ||  || 0 ||'; download it again")
    return pd.DataFrame(known, columns=["image name", "diagnosis"], dtype=str)
