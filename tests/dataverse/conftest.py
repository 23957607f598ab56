"""A server that publishes the drawn images as HAM10000 is published."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataverse.server import Dataverse, archive_of

PART_1, PART_2, TABLE = "HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip", "HAM10000_metadata"


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
