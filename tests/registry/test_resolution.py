"""A model's name leads to the bundle that was registered, without MLflow where that is possible."""

import dataclasses
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest

from lesionflow.errors import RegistryError, UsageError
from lesionflow.model.card import ONNX_FILE, Card, Estimate, write_card
from lesionflow.registry import versions
from lesionflow.registry.lookup import find_entry
from lesionflow.registry.versions import resolve
from lesionflow.tracking import runs as tracking
from tests.registry.champions import set_champion

NAME = "lesions"


def write_bundle(folder: Path, graph: bytes) -> Card:
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(graph)
    (folder / "model.keras").write_bytes(b"not needed")
    card = Card(
        network="small",
        height=24,
        width=24,
        data_name="noise",
        data_digest="0" * 64,
        demo=True,
        split_digest="0" * 64,
        split_seed=0,
        split_fractions=(0.7, 0.15, 0.15),
        metrics={"validation": {versions.DECIDING: Estimate(0.5, 0.4, 0.6)}},
    )
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (ONNX_FILE, "model.keras")}
    return write_card(folder, dataclasses.replace(card, digests=digests))


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with MLflow's default store in it, holding two versions of which the second is the champion."""
    folder = tmp_path_factory.mktemp("store")
    before = os.getcwd()
    os.chdir(folder)
    try:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        for number, graph in enumerate((b"first", b"second"), 1):
            card = write_bundle(folder / f"bundle{number}", graph)
            with tracking.run(f"run {number}", "tests"):
                version = versions.register_bundle(folder / f"bundle{number}", card, NAME, b"an image")
        set_champion(version, "a test")
    finally:
        os.chdir(before)
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def store(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Go to a copy of the store, whose artifacts stay where they are."""
    shutil.copy(registered / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield tmp_path / "mlflow.db"
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("alias", "number"), [("champion", None), (None, 1), (None, 2)])
def test_the_short_way_gives_what_mlflow_gives(alias: str | None, number: int | None, store: Path) -> None:
    entry = find_entry(NAME, alias, number)
    assert entry is not None
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(NAME, alias) if alias else client.get_model_version(NAME, str(number))
    source = client.get_model_version_download_uri(NAME, version.version)
    assert entry.number == int(version.version)
    assert entry.bundle.parent == Path(source) / "data"
    assert entry.card_digest == version.tags["card_digest"]


def test_resolving_from_a_folder_imports_no_mlflow(store: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lesionflow.registry.versions import resolve\n"
        f"print(resolve('models:/{NAME}@champion', Path('unused')).label)\n"
        "print('mlflow' in sys.modules, 'pandas' in sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{NAME}/2 (demo data)", "False False"]
    assert sorted(path.name for path in store.parent.iterdir()) == ["mlflow.db"]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE registered_model_aliases",
        "DELETE FROM model_version_tags WHERE key = 'card_digest'",
        "UPDATE model_versions SET storage_location = 's3://bucket/model'",
        "UPDATE model_versions SET storage_location = 'mlflow-artifacts:/model'",
        "UPDATE model_versions SET status = 'PENDING_REGISTRATION'",
        "UPDATE registered_model_aliases SET workspace = 'another'",
        "DELETE FROM registered_model_aliases",
    ],
)
def test_what_is_unusual_is_left_to_mlflow(change: str, store: Path) -> None:
    assert find_entry(NAME, "champion", None) is not None
    with sqlite3.connect(store) as database:
        database.execute(change)
    assert find_entry(NAME, "champion", None) is None


def test_settings_that_are_left_to_mlflow(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_entry(NAME, "latest", None) is None
    assert find_entry(NAME, None, 3) is None
    assert find_entry("another", "champion", None) is None
    for address in ("http://localhost:1", f"sqlite:///{store}?x=1", "sqlite:///missing.db", "postgresql://x"):
        assert find_entry(NAME, "champion", None, address) is None
    assert not Path("missing.db").exists()
    assert find_entry(NAME, "champion", None, f"sqlite:///{store}") is not None
    monkeypatch.setenv("MLFLOW_WORKSPACE", "another")
    assert find_entry(NAME, "champion", None) is None


@pytest.mark.parametrize(
    ("session", "left_to_mlflow"), [(lambda: None, False), (lambda: object(), True), (lambda: 1 / 0, True)]
)
def test_an_active_spark_session_is_left_to_mlflow(
    session: Callable[[], object], left_to_mlflow: bool, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark = types.SimpleNamespace(SparkSession=types.SimpleNamespace(getActiveSession=session))
    monkeypatch.setitem(sys.modules, "pyspark.sql", spark)
    assert (find_entry(NAME, "champion", None, f"sqlite:///{store}") is None) == left_to_mlflow


def test_a_registered_bundle_that_was_exchanged_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = find_entry(NAME, "champion", None)
    assert entry is not None
    moved = tmp_path / "artifacts"
    shutil.copytree(entry.bundle.parents[1], moved)
    shutil.rmtree(moved / "data" / entry.bundle.name)
    write_bundle(moved / "data" / entry.bundle.name, b"whole and valid, but another one")
    with sqlite3.connect(store) as database:
        database.execute("UPDATE model_versions SET storage_location = ?", (str(moved),))
    with pytest.raises(RegistryError, match="not the one that was registered"):
        resolve(f"models:/{NAME}@champion", tmp_path)
    monkeypatch.setattr(versions, "find_entry", lambda *_: None)
    with pytest.raises(RegistryError, match="not the one that was registered"):
        resolve(f"models:/{NAME}@champion", tmp_path)


def test_from_elsewhere_only_what_scoring_reads_is_copied(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "find_entry", lambda *_: None)
    monkeypatch.setattr(versions, "bundle_of_logged_model", lambda _: None)
    copies = tmp_path / "copies"
    copies.mkdir()
    resolved = resolve(f"models:/{NAME}/1", copies)
    assert (resolved.folder, resolved.label) == (copies, f"{NAME}/1 (demo data)")
    assert sorted(path.name for path in copies.iterdir()) == ["card.json", "model.onnx"]
    assert (copies / ONNX_FILE).read_bytes() == b"first"


def test_what_the_registry_does_not_hold(store: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no version 9"):
        resolve(f"models:/{NAME}/9", tmp_path)
    with pytest.raises(RegistryError, match="no runner-up of"):
        resolve(f"models:/{NAME}@runner-up", tmp_path)
    with pytest.raises(UsageError):
        resolve("models:/", tmp_path)
