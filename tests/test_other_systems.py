"""What only Linux has is not needed: with it hidden, the main job runs, and stopped work is resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.health import machine
from lesionflow.health.check import WARNING

ROOT = Path(__file__).parents[1]

# Libraries come first: on another system they are other builds, which know what is missing there.
PROGRAM = """
import os, shutil, signal, subprocess, sys, tempfile, multiprocessing, pathlib
import keras, matplotlib.pyplot, mlflow, onnx, onnxruntime, pandas, PIL.Image
import psutil, rich, sklearn, tensorflow, tf2onnx

hidden = ("fcntl", "resource", "pwd", "grp", "termios", "pty")
for name in hidden:
    sys.modules[name] = None
of_linux = ("sched_getaffinity", "sysconf", "getuid", "geteuid", "link", "fork", "statvfs", "O_NOFOLLOW", "O_NONBLOCK",
            "posix_fallocate")
for name in of_linux:
    if hasattr(os, name):
        delattr(os, name)
os.process_cpu_count = os.cpu_count  # which Python 3.13 has where there is no affinity
shutil._rmtree_impl = shutil._rmtree_unsafe  # which Python 3.14 takes where folders cannot be opened
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "setitimer", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)

def no_signals(number, handler):
    raise ValueError("signal only works in main thread of the main interpreter")

signal.signal = no_signals
usual_open = open

def without_proc(file, *others, **named):
    if isinstance(file, (str, os.PathLike)) and os.fspath(file).startswith(("/proc", "/sys")):
        raise FileNotFoundError(2, "No such file or directory", file)
    return usual_open(file, *others, **named)

import builtins, io
builtins.open = io.open = without_proc

from lesionflow.cli import main

def run(*words, code=0):
    found = main(words, standalone_mode=False) or 0  # where Click does not end the process, it gives the code
    assert found == code, (words, found)

from lesionflow.training import finalize, networks
from tests.light_network import body
finalize.draw_evaluation = lambda evaluation, *given, **named: evaluation  # matplotlib's work is the same everywhere
networks.BODIES["vgg"] = body  # and TensorFlow's

# Stopped in the second epoch, and resumed.
from lesionflow.tracking import runs
log_epoch, run_ids = runs.log_epoch, []

def stopping(epoch, values):
    log_epoch(epoch, values)
    if epoch == 2:
        run_ids.append(mlflow.active_run().info.run_id)
        raise KeyboardInterrupt

runs.log_epoch = stopping
small = ("--image-size", "16", "--batch-size", "32", "--augmentation", "0", "--averaging", "0")
run("train", "--data", DATA, "--model", "vgg", "--epochs", "3", *small, code=130)
runs.log_epoch = log_epoch
run("train", "--resume", run_ids[0])

# Stopped after some shards, and resumed.
import lesionflow.api.score as score
show_progress = score.show_progress
score.show_progress = lambda *given, **named: stop()

import contextlib

@contextlib.contextmanager
def stop():
    def advance(images, failures):
        raise KeyboardInterrupt
    yield advance

words = ("score", IMAGES, "--out", "results.csv", "--model", "models:/lesionflow/1", "--shard-size", "8")
run(*words, code=130)
score.show_progress = show_progress
run(*words, "--resume")
run("evaluate", "models:/lesionflow/1", DATA, "--resamples", "100")
"""


def test_the_main_job_runs_and_resumes_with_what_only_linux_has_hidden(demo_folder: Path, tmp_path: Path) -> None:
    images = demo_folder / "HAM10000_images_part_1"
    given = f"DATA, IMAGES = {str(demo_folder)!r}, {str(images)!r}\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LESIONFLOW_CACHE": str(tmp_path / "cache")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", given + PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + len([*images.iterdir()])
    assert "--resume continues from there" in done.stderr


def test_doctor_says_what_is_weaker_without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(os, "sysconf")
    checks = {check.what: check for check in machine.check_machine()}
    assert checks["locks"].state == WARNING and "no flock" in checks["locks"].found
    assert checks["memory"].found == "unknown: this system does not tell"
