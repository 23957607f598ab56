"""Keras's backend is looked for before anything begins, and importing the room changes nothing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.errors import MissingError, UsageError
from lesionflow.training.backend import (
    BACKENDS,
    OWN_EXPORT,
    TENSORFLOW_EXPORT,
    check_export,
    divide_cores,
    prepare_backend,
)
from tests.conftest import error_line, invoke

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", *THREADS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    prepare_backend()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0" and os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"


@pytest.mark.parametrize(
    ("cores", "networks", "set_before", "threads"),
    [
        (2, ["cnn"], None, ("1", "2")),
        (2, ["cnn", "vgg"], None, (None, None)),
        (4, ["cnn"], None, (None, None)),
        (2, ["cnn"], "2", ("2", "2")),
    ],
)
def test_two_cores_are_divided_for_networks_that_gain(
    cores: int, networks: list[str], set_before: str | None, threads: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionflow.training.backend.usable_cores", lambda: cores)
    if set_before:
        monkeypatch.setenv(THREADS[0], set_before)
    divide_cores(networks)
    assert tuple(map(os.environ.get, THREADS)) == threads


WRITTEN = "I0000 of TensorFlow\\nseen\\n"
KERAS_BY_CASE = {
    "imports": (f"import os; os.write(2, b'{WRITTEN}')", "seen\nafter\n"),
    "fails": (f"import os; os.write(2, b'{WRITTEN}'); raise ImportError('no backend')", "seen\nno backend\nafter\n"),
}


@pytest.mark.parametrize("case", KERAS_BY_CASE)
def test_only_notices_of_the_start_are_left_out_of_standard_error(case: str, tmp_path: Path) -> None:
    keras, expected = KERAS_BY_CASE[case]
    (tmp_path / "keras.py").write_text(keras)
    assert _stderr_of_import(tmp_path) == expected


def test_nothing_is_read_where_tensorflow_starts() -> None:
    assert _stderr_of_import() == "after\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_behind_standard_error_stops_no_training(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text(KERAS_BY_CASE["imports"][0])
    program = "from lesionflow.training.backend import import_keras\nimport_keras()"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with open("/dev/full", "wb") as full:
        subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}, stderr=full, check=True)


def _stderr_of_import(folder: Path | None = None) -> str:
    program = """
import os
from lesionflow.training.backend import import_keras, prepare_backend
prepare_backend()
try:
    import_keras()
except ImportError as error:
    os.write(2, f"{error}\\n".encode())
os.write(2, b"after\\n")
"""
    path = [str(folder)] * (folder is not None) + [os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}, text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_misspelt_backend_is_one_line_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflwo")
    monkeypatch.chdir(tmp_path)
    line = error_line(invoke("train", "--data", "demo"))
    assert "KERAS_BACKEND=tensorflwo" in line and "tensorflow, jax, torch" in line and "did you mean" in line.lower()
    assert not list(tmp_path.iterdir()), "a store was made"


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    _installed(monkeypatch)
    with pytest.raises(MissingError, match=r"KERAS_BACKEND=jax: jax is not installed"):
        prepare_backend()


def _installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    find, known = importlib.util.find_spec, {*BACKENDS, *TENSORFLOW_EXPORT, *OWN_EXPORT.values()}

    def found(name: str, package: str | None = None) -> object:
        return find(name, package) if name not in known else name if name in names else None

    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_the_way_to_onnx_is_known_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    _installed(monkeypatch, "jax", "tensorflow", "tf2onnx")
    check_export(("cnn", "vgg", "efficientnet"))
    _installed(monkeypatch, "jax")
    with pytest.raises(MissingError, match="pip install tensorflow tf2onnx, or without TensorFlow: pip install jax2"):
        check_export(("efficientnet",))
    _installed(monkeypatch, "jax", "jax2onnx", "tensorflow")
    check_export(("efficientnet",))
    with pytest.raises(UsageError, match="max pooling of cnn; pip install tensorflow tf2onnx"):
        check_export(("efficientnet", "cnn"))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    _installed(monkeypatch, "torch", "onnxscript")
    check_export(("cnn", "vgg", "efficientnet"))


def test_importing_the_room_changes_no_global_state() -> None:
    program = (
        "import logging, os, warnings\n"
        "import numpy, yaml\n"  # whose own filters are not meant
        "state = lambda: (dict(os.environ), list(warnings.filters), sorted(logging.root.manager.loggerDict))\n"
        "before = state()\n"
        "import lesionflow.training.config, lesionflow.training.config, lesionflow.training.backend\n"
        "import lesionflow.training.config\n"
        "assert state() == before, (before, state())"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
