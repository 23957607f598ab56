"""The launcher for schedulers that know success and failure alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.batch.places import BATCH

LAUNCHER = str(BATCH / "as-job.sh")
EXAMPLE = BATCH / "example"
ENVIRONMENT = os.environ | {"PYTHON": sys.executable}


def launch(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([LAUNCHER, *arguments], capture_output=True, text=True, env=ENVIRONMENT, input=given)


def test_rows_with_errors_are_success_and_all_else_is_passed_on(tmp_path: Path) -> None:
    out, model = str(tmp_path / "report.csv"), str(EXAMPLE / "bundle")
    paths = "".join(f"{path}\n" for path in (EXAMPLE / "images").rglob("*.jpg"))
    done = launch("score", "-", "--out", out, "--model", model, given=paths)  # standard input is passed on too
    assert done.returncode == 0 and "8 images, 7 scored" in done.stdout, done.stderr
    assert launch("score", "-", "--out", out, "--model", model, given=paths).returncode == 1  # exists already
    assert launch("score").returncode == 2


def test_a_signal_reaches_the_command(tmp_path: Path) -> None:
    arguments = ["score", "-", "--out", str(tmp_path / "report.csv"), "--model", str(EXAMPLE / "bundle")]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([LAUNCHER, *arguments], env=ENVIRONMENT, **pipes) as job:  # type: ignore[call-overload]
        while not (commands := psutil.Process(job.pid).children()):
            time.sleep(0.05)
        job.terminate()  # it waits for paths that never come, if it has begun at all
        assert job.wait(60) == 143
        assert not commands[0].is_running()
