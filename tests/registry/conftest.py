"""One `mlflow server` for all tests that need one: it takes many seconds to begin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.serving import mlflow_server


@pytest.fixture(scope="session")
def served(contender_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server over a copy of the contenders' database."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(contender_store / "mlflow.db", folder / "mlflow.db")
    with mlflow_server(folder) as address:
        yield address
