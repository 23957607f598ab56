"""Real parts that many tests share: drawn images, a store with two trained networks in it, a bundle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

# Before anything imports MLflow: no usage reports; no tests that wait for a server that is not there, but such as wait
# for one that is, on a machine that has much to do.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "120"

REAL_DATA = Path(__file__).parents[2] / "shared" / "ham10000"


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 synthetic images in HAM10000's layout."""
    from lesionflow.data.demo import draw_demo_set

    folder = tmp_path_factory.mktemp("demo") / "demo"
    draw_demo_set(folder, images=150, seed=3)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained_store(demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mlflow.db and mlruns, in which both networks were trained for an epoch on `demo_folder`."""
    folder = tmp_path_factory.mktemp("store")
    before = Path.cwd()
    os.chdir(folder)  # artifacts go below the working directory, as they do for a user
    try:
        result = invoke(
            "train", "--data", str(demo_folder), "--model", "cnn,vgg", "--epochs", "2", "--image-size", "32",
            "--cache", str(cache), "--tracking-uri", f"sqlite:///{folder}/mlflow.db",
        )  # fmt: skip
    finally:
        os.chdir(before)
    assert result.exit_code == 0, result.output
    (folder / "train.out").write_text(result.stdout)
    return folder


@pytest.fixture
def store(trained_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the test's own, with both networks trained and the better one champion; also the working directory.

    Its database is a copy; artifacts lie where they were logged and are not written to.
    """
    yield from _own_copy(trained_store, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def contender_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mlflow.db in which the models of `tests.contenders` are registered, and none is champion."""
    import mlflow

    from tests.contenders import register_contenders

    folder = tmp_path_factory.mktemp("contenders")
    before, uri = Path.cwd(), mlflow.get_tracking_uri()
    os.chdir(folder)
    try:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        register_contenders(folder / "bundles")
    finally:
        os.chdir(before)
        mlflow.set_tracking_uri(uri)
    return folder


@pytest.fixture
def contenders(contender_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the test's own with the models of `tests.contenders`; also the working directory."""
    yield from _own_copy(contender_store, tmp_path, monkeypatch)


def _own_copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import mlflow

    shutil.copy(folder / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield tmp_path
    mlflow.set_tracking_uri(before)


@pytest.fixture
def trained_bundle(trained_store: Path, tmp_path: Path) -> Path:
    """A copy of a trained bundle, to do with as the test likes."""
    original = next(path.parent for path in (trained_store / "mlruns").rglob("model.onnx"))
    return Path(shutil.copytree(original, tmp_path / "trained bundle"))


@pytest.fixture
def bundle(trained_bundle: Path) -> Path:
    """The bundle that a test works with; where one that is not trained will do, a room's tests have their own."""
    return trained_bundle


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    from lesionflow.cli import main

    return CliRunner().invoke(main, list(arguments))


def error_line(result: Result) -> str:
    """The one line on stderr that a failed command has to consist of."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]
