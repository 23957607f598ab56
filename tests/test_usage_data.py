"""Nothing that lesionflow starts reports on its users: no file in an empty home, and nobody outside is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lesionflow.health.check import OK, WARNING
from lesionflow.health.machine import check_environment
from lesionflow.usage_data import SWITCHES, turn_off
from tests.registry.serving import free_port, wait_for

ROOT = Path(__file__).parents[1]
# What asks for a name, or another machine: any address that is not this machine's own.
CALLS = "connect,sendto,sendmsg,sendmmsg"
ABROAD = re.compile(r'sin6?_port=htons\(53\)|inet_addr\("(?!127\.|0\.0\.0\.0)|inet_pton\(AF_INET6, "(?!::1"|::")')
needs_strace = pytest.mark.skipif(
    not shutil.which("strace") and "LESIONFLOW_REQUIRE_STRACE" not in os.environ, reason="needs strace"
)

PROGRAM = """
import lesionflow
from lesionflow.cli import main

def run(*words):
    main(words, standalone_mode=False)

small = ("--epochs", "1", "--image-size", "16", "--batch-size", "32", "--augmentation", "0", "--averaging", "0")
run("train", "--data", DATA, "--model", "vgg", *small)
run("evaluate", "models:/lesionflow/1", DATA, "--resamples", "100")
run("explain", IMAGE, "--out", "pictures", "--model", BUNDLE)
lesionflow.score(IMAGES, "results.csv", "models:/lesionflow/1", quiet=True)
"""


def traced(command: list[str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """A command under strace, and its environment: an empty home, and nothing that says CI or a test."""
    (folder / "home").mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    log = str(folder / "calls")
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={CALLS}", "-o", log, *command], environment


def check_silent(folder: Path) -> None:
    abroad = [line for line in (folder / "calls").read_text(errors="replace").splitlines() if ABROAD.search(line)]
    assert not abroad
    left = [file for file in (folder / "home").rglob("*") if file.is_file() and "lesionflow" not in file.parts]
    assert not left


@needs_strace
def test_a_program_that_trains_evaluates_scores_and_explains(
    demo_folder: Path, trained_store: Path, tmp_path: Path
) -> None:
    images = demo_folder / "HAM10000_images_part_1"
    values = {
        "DATA": demo_folder, "IMAGES": images, "IMAGE": sorted(images.iterdir())[0], "BUNDLE": trained_store / "bundle"
    }  # fmt: skip
    given = "".join(f"{name} = {os.fspath(value)!r}\n" for name, value in values.items())
    (tmp_path / "program.py").write_text(given + PROGRAM)
    shutil.copy(trained_store / "mlflow.db", tmp_path)  # migrated already
    command, environment = traced([sys.executable, "program.py"], tmp_path)
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "results.csv").is_file() and any((tmp_path / "pictures").iterdir())
    check_silent(tmp_path)


@needs_strace
def test_a_served_model(store: Path) -> None:
    """MLflow's own command, with the variable that `docs/how_to/serve_a_model.md` sets for MLflow itself."""
    port = free_port()
    command, environment = traced(
        [
            sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/lesionflow@champion",
            "--env-manager", "local", "--port", str(port),
        ],
        store,
    )  # fmt: skip
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db"}
    with (
        (store / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}", process, store / "server.log")
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations", b'{"dataframe_records": [{"image": ""}]}'
            )
            asked.add_header("Content-Type", "application/json")
            urllib.request.urlopen(asked, timeout=120).close()
        finally:
            os.killpg(process.pid, 15)
    check_silent(store)


def test_what_the_user_has_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, off, _ in SWITCHES.values():
        monkeypatch.delenv(name, raising=False)
        turn_off()
        assert os.environ[name] == off
        monkeypatch.setenv(name, "")  # which is no choice
        turn_off()
        assert os.environ[name] == off
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    turn_off()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_doctor_says_what_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = (each for each in check_environment(()) if each.what == "usage data")
    assert check.state == OK and "ONNX Runtime (ORT_DISABLE_TELEMETRY)" in check.found
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    (check,) = (each for each in check_environment(()) if each.what == "usage data")
    assert check.state == WARNING and "Ray" in check.found.partition(";")[0] and "RAY_USAGE_STATS" in check.advice


def test_openvino_keeps_and_sends_nothing(tmp_path: Path) -> None:
    """Importing it would make an id below the home."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    program = """
import lesionflow
import nncf, onnx, openvino
from onnx import TensorProto, helper
sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", sides[:1], sides[1:])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "model.onnx")
print(len(openvino.convert_model("model.onnx").inputs))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "NNCF", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment | {"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1"], done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".cache"] == ["model.onnx"]
