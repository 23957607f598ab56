"""Labelled images, whatever they come in: what training and evaluation begin with."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.csv_and_folders import has_diagnosis_folders, read_diagnosis_folders, read_labelled_table
from lesionflow.datasets.demo.demo_set import DEMO_PREFIX, draw_demo_set
from lesionflow.datasets.ham10000 import LICENCE, METADATA_NAMES, has_metadata, holds_ham10000, read_ham10000
from lesionflow.datasets.isic2018 import is_isic2018, read_isic2018
from lesionflow.datasets.isic_archive import is_isic_download, read_isic_download
from lesionflow.datasets.label_table import digests_of_files
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import DataError
from lesionflow.images.discovery import default_cache

if TYPE_CHECKING:
    import pandas as pd

DEMO = "demo"
DEMO_IMAGES, DEMO_SEED, DEMO_VERSION = 900, 0, 1  # raise the version whenever the same seed draws other images


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images, a row each in the order of their ids, whatever the order in the files they came from."""

    name: str
    folder: Path
    table: pd.DataFrame  # lesion_id, image_id, dx, sex, age, localization, dx_type, path, content (digest of the bytes)
    digest: str  # of ids, diagnoses and the images' bytes
    demo: bool
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """The diagnoses as indices into `DIAGNOSES`: (images,) int64."""
        return np.array([DIAGNOSES.index(dx) for dx in self.table["dx"]], dtype=np.int64)

    @property
    def licence(self) -> str:
        """HAM10000's where images of it are among these; empty where it is not known."""
        return LICENCE if holds_ham10000(self.table) else ""

    @property
    def description(self) -> str:
        """The name as people should read it, demo data marked."""
        return f"{self.name} (synthetic demo data, of no medical value)" if self.demo else self.name


def read_labelled_images(source: str | os.PathLike[str], cache: Path | None = None) -> LabelledImages:
    """Read labelled images: a HAM10000 folder, a CSV of paths and diagnoses, a folder with one for each diagnosis.

    So are the folder that `isic image download` fills and that of the ISIC 2018 challenge's Task 3. Where source is
    `demo`, it is the built-in synthetic set. Raises `DataError`, which counts what is wrong and names
    the first few.
    """
    path = Path(source)
    if os.fspath(source) == DEMO:
        path = _demo_folder(cache)
    table, warnings = read_rows(path)
    table["content"] = digests_of_files(table["path"].tolist())
    demo = bool(table["lesion_id"].str.startswith(DEMO_PREFIX).all())
    name = DEMO if demo else path.resolve().name
    folder = path.parent if path.is_file() else path
    return LabelledImages(name, folder, table, _digest(table), demo, tuple(warnings))


def read_rows(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows of labelled images in whatever layout, without a look into the images, and warnings.

    Raises `DataError`.
    """
    if not path.exists():
        raise DataError(f"{path}: no such folder or table; give the folder that holds {METADATA_NAMES[0]}, or 'demo'")
    if any((path / name).is_file() for name in METADATA_NAMES):
        return read_ham10000(path)
    if is_isic2018(path):
        return read_isic2018(path)
    if path.is_file():
        return read_labelled_table(path)
    if is_isic_download(path):
        return read_isic_download(path)
    if not has_metadata(path) and has_diagnosis_folders(path):
        return read_diagnosis_folders(path)
    return read_ham10000(path)


def _demo_folder(cache: Path | None) -> Path:
    folder = (cache or default_cache()) / f"demo-{DEMO_VERSION}-{DEMO_IMAGES}-{DEMO_SEED}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draw_demo_set(folder, images=DEMO_IMAGES, seed=DEMO_SEED)
    return folder


def _digest(table: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in zip(table["image_id"], table["lesion_id"], table["dx"], table["content"], strict=True):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
