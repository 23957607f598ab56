"""A server that publishes the drawn images as HAM10000 is published."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.download.dataverse import Dataverse, archive_of

PART_1, PART_2, TABLE = "HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip", "HAM10000_metadata"


@pytest.fixture(scope="session")
def fifty_images(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 drawn images of each part, laid out as a download has to be."""
    folder, ids = tmp_path_factory.mktemp("published"), set()
    for part in ("HAM10000_images_part_1", "HAM10000_images_part_2"):
        (folder / part).mkdir()
        for file in sorted((demo_folder / part).iterdir())[:25]:
            shutil.copy(file, folder / part)
            ids.add(file.stem)
    with open(demo_folder / "HAM10000_metadata.csv", newline="") as source:
        header, *rows = csv.reader(source)
    with open(folder / "HAM10000_metadata.csv", "w", newline="") as target:
        csv.writer(target).writerows([header, *(row for row in rows if row[1] in ids)])
    return folder


@pytest.fixture(scope="session")
def published_files(fifty_images: Path) -> dict[str, bytes]:
    parts = {name: archive_of(fifty_images / name.removesuffix(".zip")) for name in (PART_1, PART_2)}
    return {**parts, TABLE: (fifty_images / "HAM10000_metadata.csv").read_bytes()}


@pytest.fixture
def dataverse(published_files: dict[str, bytes]) -> Iterator[Dataverse]:
    server = Dataverse(published_files, tables=[TABLE])
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
