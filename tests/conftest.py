"""Real parts that many tests share: drawn images, a store with two trained networks in it, a bundle."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import functools
import gc
import importlib.util
import os
import re
import resource
import shutil
import signal
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from tests.stores import Bucket, S3Server

# Whoever starts the tests in the background has SIGINT ignored, and so would the programs that they send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports NumPy: several processes share the cores, and threads that wait for each other spin.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Before anything imports MLflow: no usage reports; no tests that wait for a server that is not there, but such as wait
# for one that is, on a machine that has much to do.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "120"

# An example that takes long says that the machine is busy, and nothing else.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
REAL_DATA = Path(__file__).parents[2] / "shared" / "ham10000"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Four processes for all tests, half of whose time is waiting for servers and locks; named ones run in this one."""
    return 4 if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the modules that tests import, neither while they are collected nor ever after.

    And for other garbage less often than Python does: networks and MLflow create much that stays.
    """
    gc.disable()
    gc.set_threshold(20_000, 10, 10)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@functools.cache
def runs_with(file: Path) -> str:
    """Whose tests one process runs: a file's, or those of all files that share what it takes ten seconds to begin."""
    if file.is_relative_to(HERE / "webapp"):
        return "a browser and its pages"
    return "an MLflow server" if re.search(r"\bserved: str|\"served\"", file.read_text()) else str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, also keep the files together that `runs_with` names alike."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return runs_with(config.rootpath / super()._split_scope(nodeid))

    return Together(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, as one process must not end alone.

    That is files with tests that need trained networks, of which one begins and trains them, and between them what has
    no need of them: the browser and the cluster.
    """
    trained = {item.path for item in items if "trained_store" in getattr(item, "fixturenames", ())}
    first = next((runs_with(item.path) for item in items if item.path in trained), "")

    def place(item: pytest.Item) -> int:
        if runs_with(item.path) == first:
            return 0
        alone = item.path.is_relative_to(HERE / "webapp") or item.path == HERE / "scoring" / "test_ray.py"
        return 1 if alone else 2 if item.path in trained else 3

    items.sort(key=place)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """What one of the processes that run tests makes, and all of them use: nobody may write to it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / f"{name}.made").exists():
            make(base / name)
            (base / f"{name}.made").touch()
    return base / name


@pytest.fixture(scope="module", autouse=True)
def own_working_directory(request: pytest.FixtureRequest) -> None:
    """Each file of tests begins where pytest was started, wherever what ran before it in the process has gone."""
    os.chdir(request.config.invocation_params.dir)


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 synthetic images in HAM10000's layout."""
    from lesionflow.datasets.demo.demo_set import draw_demo_set

    return made_once(tmp_path_factory, "demo", lambda folder: draw_demo_set(folder, images=150, seed=3))


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
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained_store(demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mlflow.db and mlruns, in which both networks were trained on `demo_folder`, and their bundles."""
    return made_once(tmp_path_factory, "store", lambda folder: _train(folder, demo_folder, cache))


def _train(folder: Path, demo_folder: Path, cache: Path) -> None:
    from lesionflow.model.card import read_card

    folder.mkdir()
    with working_in(folder):  # artifacts go below the working directory, as they do for a user
        result = invoke(
            "train", "--data", str(demo_folder), "--model", "cnn,vgg", "--epochs", "2", "--image-size", "32",
            "--cache", str(cache), "--tracking-uri", f"sqlite:///{folder}/mlflow.db",
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    (folder / "train.out").write_text(result.stdout)
    (folder / "train.err").write_text(result.stderr)
    bundles = {read_card(file.parent).network: file.parent for file in folder.rglob("model.onnx")}
    shutil.copytree(bundles["cnn"], folder / "bundle")  # what tests train in copies is logged beside the original
    shutil.copytree(bundles["vgg"], folder / "vgg")


@pytest.fixture
def store(trained_store: Path, tmp_path: Path) -> Iterator[Path]:
    """A store of the test's own, with both networks trained and the better one champion; also the working directory.

    Its database is a copy; artifacts lie where they were logged and are not written to.
    """
    with working_in(tmp_path, like=trained_store):
        yield tmp_path


@pytest.fixture(scope="session")
def contender_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mlflow.db in which the models of `tests.contenders` are registered, and none is champion."""
    return made_once(tmp_path_factory, "contenders", _register_contenders)


def _register_contenders(folder: Path) -> None:
    from tests.contenders import register_contenders

    folder.mkdir()
    with working_in(folder):
        register_contenders(folder / "bundles")


@pytest.fixture
def contenders(contender_store: Path, tmp_path: Path) -> Iterator[Path]:
    """A store of the test's own with the models of `tests.contenders`; also the working directory."""
    with working_in(tmp_path, like=contender_store):
        yield tmp_path


@pytest.fixture(scope="session")
def served(contender_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of one `mlflow server` for all tests, over a copy of the contenders' database."""
    from tests.registry.serving import mlflow_server

    folder = tmp_path_factory.mktemp("served")
    shutil.copy(contender_store / "mlflow.db", folder / "mlflow.db")
    with mlflow_server(folder) as address:
        yield address


@pytest.fixture(autouse=True)
def own_store() -> Iterator[None]:
    """Give MLflow back the store that it had before a test, which commands run in this process change.

    What a test finds must not depend on which ones ran before it.
    """
    from lesionflow.tracking.tracking_store import kept_addresses

    with kept_addresses():
        yield


@pytest.fixture(scope="session", autouse=True)
def tables_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have lesionflow's new SQLite databases, in this process, begin as a copy of one that MLflow has made.

    It makes its tables by all migrations that there ever were, a tenth of what a small training costs.
    """
    from lesionflow.tracking import database

    ask = database.ask_both

    def make(folder: Path) -> None:
        folder.mkdir()
        ask(f"sqlite:///{folder}/mlflow.db")

    def copy_and_ask(address: str | None = None) -> None:
        file = database.sqlite_file(address) if address else None
        if file is not None and not file.exists():
            shutil.copy(made_once(tmp_path_factory, "tables", make) / "mlflow.db", file)
        ask(address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ask_both", copy_and_ask)
        yield


@contextlib.contextmanager
def without_pictures() -> Iterator[None]:
    """Have trainings and evaluations draw nothing, and describe no data: half of what a small one costs.

    For tests that look at no picture: those of `trained_store` and of its evaluations are all drawn.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in ("lesionflow.api.evaluate", "lesionflow.training.finalize"):
            patch.setattr(f"{module}.draw_evaluation", lambda evaluation, *_, **__: evaluation)
        patch.setattr("lesionflow.api.train.write_description", lambda *_: None)
        yield


# Options of a training with less to trace, for tests in which neither matters: a third of its time.
PLAIN = ("--augmentation", "0", "--averaging", "0")


@contextlib.contextmanager
def light_networks(*names: str) -> Iterator[None]:
    """Have networks, `vgg` unless named, be one convolution, and leave graphs as they are, for a fraction of the cost.

    For tests in which it does not matter what is trained.
    """
    import tensorflow

    from lesionflow.training import networks
    from tests.light_network import body

    optimize = tensorflow.config.optimizer.set_experimental_options
    with pytest.MonkeyPatch.context() as patch:
        for name in names or ("vgg",):
            patch.setitem(networks.BODIES, name, body)
        optimize({"disable_meta_optimizer": True})
        try:
            yield
        finally:
            optimize({"disable_meta_optimizer": False})


@contextlib.contextmanager
def working_in(folder: Path, like: Path | None = None) -> Iterator[None]:
    """Make a folder the working directory and its store the one that is asked, at first like another folder's."""
    import mlflow

    if like:
        shutil.copy(like / "mlflow.db", folder / "mlflow.db")
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # none: the working directory's
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_EXPERIMENT_ID", "")  # which `mlflow.set_experiment` sets: this takes it away afterwards
        patch.delenv("MLFLOW_EXPERIMENT_ID")
        patch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)  # it sets this as well
        mlflow.set_tracking_uri(uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]


@pytest.fixture
def trained_bundle(trained_store: Path, tmp_path: Path) -> Path:
    """A copy of a trained bundle, to do with as the test likes."""
    return Path(shutil.copytree(trained_store / "bundle", tmp_path / "trained bundle"))


@pytest.fixture
def bundle(trained_bundle: Path) -> Path:
    """The bundle that a test works with; where one that is not trained will do, a room's tests have their own."""
    return trained_bundle


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server that stays up: one for all tests."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket of the server that the environment names."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.bucket()


def needs_torch() -> None:
    """Skip the test where PyTorch is not installed; where `LESIONFLOW_REQUIRE_TORCH` is set, as in CI, it fails."""
    if importlib.util.find_spec("torch") is None:
        if os.environ.get("LESIONFLOW_REQUIRE_TORCH"):
            pytest.fail("PyTorch is not installed, and LESIONFLOW_REQUIRE_TORCH is set")
        pytest.skip("PyTorch, which is large, is not installed: pip install -e '.[torch]'")


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    from lesionflow.cli import main

    result = CliRunner().invoke(main, list(arguments))
    if result.exc_info and not isinstance(result.exception, SystemExit | None):
        traceback.print_exception(*result.exc_info)  # for whoever reads why the test failed
    return result


@contextlib.contextmanager
def no_room(beyond: int) -> Iterator[None]:
    """Within the block no file grows beyond so many bytes, as none does on a full disk."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def error_line(result: Result) -> str:
    """The one line on stderr that a failed command has to consist of."""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    return lines[0]
