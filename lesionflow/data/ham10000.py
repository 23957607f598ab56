"""A folder as HAM10000 comes in -> one table of labelled images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.data.demo import DEMO_PREFIX, draw_demo_set
from lesionflow.data.files import default_cache, find_images
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

METADATA_NAMES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
REQUIRED_COLUMNS = ("lesion_id", "image_id", "dx")
OPTIONAL_COLUMNS = ("dx_type", "age", "sex", "localization")

DEMO = "demo"
DEMO_IMAGES, DEMO_SEED, DEMO_VERSION = (
    900,
    0,
    1,
)  # raise the version whenever the same seed draws other images


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images, a row each in the order of their ids, whatever the order in the files they came from."""

    name: str
    folder: Path
    table: pd.DataFrame  # lesion_id, image_id, dx, dx_type, age, sex, localization, path
    digest: str  # of ids, diagnoses and the images' bytes
    demo: bool
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """The diagnoses as indices into `DIAGNOSES`: (images,) int64."""
        return np.array([DIAGNOSES.index(dx) for dx in self.table["dx"]], dtype=np.int64)

    @property
    def description(self) -> str:
        """The name as people should read it, demo data marked."""
        return f"{self.name} (synthetic demo data, of no medical value)" if self.demo else self.name


def read_labelled_images(source: str | os.PathLike[str], cache: Path | None = None) -> LabelledImages:
    """Read a HAM10000 folder, or the built-in synthetic set where source is `demo`.

    The folder holds the metadata CSV and, in folders of any name or beside it, the images `<image_id>.<ending>`.
    Raises `DataError`, which counts what is wrong and names the first few, unless each row has exactly one image.
    """
    if os.fspath(source) == DEMO:
        folder = (cache or default_cache()) / f"demo-{DEMO_VERSION}-{DEMO_IMAGES}-{DEMO_SEED}"
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            draw_demo_set(folder, images=DEMO_IMAGES, seed=DEMO_SEED)
    else:
        folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder that holds {METADATA_NAMES[0]}, or 'demo'")

    table = _read_metadata(folder)
    paths, warnings = _match_images(table["image_id"].tolist(), find_images(folder))
    table["path"] = paths
    demo = bool(table["lesion_id"].str.startswith(DEMO_PREFIX).all())
    name = DEMO if demo else folder.resolve().name
    return LabelledImages(name, folder, table, _digest(table), demo, tuple(warnings))


def _read_metadata(folder: Path) -> pd.DataFrame:
    import pandas as pd

    file = _find_metadata(folder)
    try:
        # Everything as text: `age` can be empty, and ids that look like numbers must keep their zeros.
        table = pd.read_csv(file, dtype=str, keep_default_na=False, sep=None, engine="python")
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(f"{file}: cannot be read as CSV ({str(error).splitlines()[0]})") from error
    if missing := [column for column in REQUIRED_COLUMNS if column not in table.columns]:
        raise DataError(f"{file}: no column {', '.join(missing)}; the columns are {first_few(list(table.columns), 7)}")
    if table.empty:
        raise DataError(f"{file}: no rows below the header")
    for column in OPTIONAL_COLUMNS:
        if column not in table.columns:
            table[column] = "" if column == "age" else "unknown"
    table = table[[*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]].sort_values("image_id", ignore_index=True)

    unknown = table[~table["dx"].isin(DIAGNOSES)]
    if len(unknown):
        words = first_few(sorted(set(unknown["dx"])))
        raise DataError(
            f"{file}: {len(unknown)} rows with an unknown diagnosis: {words}; known are {', '.join(DIAGNOSES)}"
        )
    for column in ("lesion_id", "image_id"):
        if empty := int((table[column].str.strip() == "").sum()):
            raise DataError(f"{file}: {empty} rows with an empty {column}")
    if twice := sorted(table["image_id"][table["image_id"].duplicated()].unique()):
        raise DataError(f"{file}: {len(twice)} image_id stand more than once: {first_few(twice)}")
    diagnoses_of = table.groupby("lesion_id")["dx"].nunique()
    if contradicting := sorted(diagnoses_of.index[diagnoses_of > 1]):
        raise DataError(f"{file}: {len(contradicting)} lesions have several diagnoses: {first_few(contradicting)}")
    return table


def _find_metadata(folder: Path) -> Path:
    for name in METADATA_NAMES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.csv"))
    if len(others) == 1:
        return others[0]
    found = f"found {first_few([file.name for file in others])}" if others else "found no CSV file"
    raise DataError(f"{folder}: no {METADATA_NAMES[0]}; {found}")


def _match_images(image_ids: Sequence[str], files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The one file of each image id, and warnings about files that no row names."""
    files_of: dict[str, list[str]] = {}
    for file in files:
        files_of.setdefault(Path(file).stem, []).append(file)
    if missing := [image_id for image_id in image_ids if image_id not in files_of]:
        raise DataError(f"{len(missing)} of {len(image_ids)} metadata rows have no image file: {first_few(missing)}")
    warnings = []
    several = [image_id for image_id in image_ids if len(files_of[image_id]) > 1]
    # Some archives unpack each image twice; the same bytes twice do no harm, other bytes under one name do.
    if different := [image_id for image_id in several if len({_digest_file(f) for f in files_of[image_id]}) > 1]:
        raise DataError(
            f"{len(different)} image ids have several files that differ: {first_few(files_of[different[0]])}"
        )
    if several:
        warnings.append(f"{len(several)} images lie there more than once, the first counts: {first_few(several)}")
    if extra := sorted(set(files_of) - set(image_ids)):
        warnings.append(f"{len(extra)} images have no metadata row and are left out: {first_few(extra)}")
    return [files_of[image_id][0] for image_id in image_ids], warnings


def _digest_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _digest(table: pd.DataFrame) -> str:
    with ThreadPoolExecutor() as threads:
        contents = list(threads.map(_digest_file, table["path"]))
    digest = hashlib.sha256()
    for row in zip(table["image_id"], table["lesion_id"], table["dx"], contents, strict=True):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
