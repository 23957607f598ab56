"""Machines unlike a developer's: other systems, users without a name or a home, disks that take nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionflow.scoring.shards import job_folder

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# What only Linux, or only POSIX, has: as on Windows, where the same names are missing.
HIDDEN = """
import builtins, os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix_ipc"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "getuid", "geteuid", "getloadavg", "fork", "mkfifo", "statvfs", "O_NONBLOCK"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGXFSZ", "SIGPIPE", "SIGUSR1"):
    if hasattr(signal, name):
        delattr(signal, name)
def no_signals(*arguments):
    raise ValueError("signal only works in main thread of the main interpreter")
signal.signal = no_signals
_open = builtins.open
def open(file, *arguments, **options):
    if str(file).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(2, "No such file or directory", file)
    return _open(file, *arguments, **options)
builtins.open = open
"""
MAIN_JOB = """
import sys
from pathlib import Path
from lesionflow.scoring.engines import local
import lesionflow
images, bundle, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
score_batches = local.score_batches
def interrupted(*arguments):
    for done, scored in enumerate(score_batches(*arguments)):
        if done == 7:
            raise KeyboardInterrupt
        yield scored
options = dict(shard_size=8, batch_size=4, workers=1, quiet=True)
local.score_batches = interrupted
try:
    lesionflow.score(images, folder / "resumed.csv", bundle, **options)
except KeyboardInterrupt as stopped:
    assert "24 of 60 images are done" in str(stopped)
local.score_batches = score_batches
assert lesionflow.score(images, folder / "resumed.csv", bundle, resume=True, **options).resumed == 24
for number in (1, 2):
    lesionflow.score(images, folder / "merged.csv", bundle, shard=f"{number}/2", **options)
lesionflow.merge(folder / "merged.csv")
from lesionflow.cli import main
main(["score", images, "--out", str(folder / "whole.csv"), "--model", bundle, "--html", str(folder / "page.html"),
      "--summary", str(folder / "summary.json")], standalone_mode=False)
"""


def test_the_main_job_needs_nothing_that_only_linux_has(
    images: Path, small_bundle: Path, tmp_path: Path, run: Run
) -> None:
    done = run([sys.executable, "-c", HIDDEN + MAIN_JOB, str(images), str(small_bundle), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    reports = {(tmp_path / f"{name}.csv").read_bytes() for name in ("resumed", "merged", "whole")}
    assert len(reports) == 1
    kept = sorted(entry.name for entry in tmp_path.iterdir())
    assert kept == ["merged.csv", "page.html", "resumed.csv", "summary.json", "whole.csv"]


@pytest.fixture
def as_nobody() -> list[str]:
    """Give the beginning of a command line of a user without a name, who may read everything and write nothing."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only the superuser can become somebody else")
    reading = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    return ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *reading]


def test_a_user_without_a_name_a_home_or_a_folder_for_temporary_files(
    images: Path, small_bundle: Path, tmp_path: Path, run: Run, environment: dict[str, str], as_nobody: list[str]
) -> None:
    """A bundle in a folder needs none of them; what needs a temporary folder says so in a line."""
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    bare = {name: environment[name] for name in ("PATH", "PYTHONPATH")}
    start = "import os, sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']\n"
    program = start + "from lesionflow.cli import main; main()"
    command = [*as_nobody, sys.executable, "-B", "-c", program, "score", str(images), "--model", str(small_bundle)]

    def score(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *arguments], env=bare, cwd="/", capture_output=True, text=True)

    done = score("--out", str(out / "results.csv"), "--html", str(out / "page.html"))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert sorted(entry.name for entry in out.iterdir()) == ["page.html", "results.csv"]
    for arguments, told in (
        (("--out", "-"), "set TMPDIR"),
        (("--out", "/results.csv"), "/results.csv: cannot be written"),
    ):
        refused = score(*arguments)
        assert refused.returncode == 1 and "Traceback" not in refused.stderr, refused.stderr
        (line,) = refused.stderr.strip().splitlines()
        assert line.startswith("Error: ") and told in line


@pytest.mark.parametrize("home", ["/", "/nonexistent"])  # as services have it
def test_a_user_whose_home_cannot_be_written_has_a_cache_among_temporary_files(
    home: str, tmp_path: Path, environment: dict[str, str], as_nobody: list[str]
) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    temporary.chmod(0o1777)
    bare = {name: environment[name] for name in ("PATH", "PYTHONPATH")} | {"HOME": home, "TMPDIR": str(temporary)}
    program = "from lesionflow.images.discovery import cache_folder; print(cache_folder())"
    command = [*as_nobody, sys.executable, "-B", "-c", program]
    done = subprocess.run(command, env=bare, capture_output=True, text=True)
    cache = temporary / "lesionflow-54321"
    assert done.stdout == f"{cache}\n" and not cache.exists(), done.stderr
    cache.mkdir(0o755)  # by another user
    refused = subprocess.run(command, env=bare, capture_output=True, text=True)
    assert refused.returncode == 1 and f"{cache}: is no folder of yours alone" in refused.stderr
    command[-1:] = ["from lesionflow.cli import main; main()", "doctor"]
    told = subprocess.run(command, env=bare, cwd="/", capture_output=True, text=True)
    assert "Traceback" not in told.stderr and "is no folder of yours alone" in " ".join(told.stdout.split()), (
        told.stderr
    )


def test_a_read_only_folder_is_one_line(
    images: Path, small_bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    script = (
        f"mount -t tmpfs none '{tmp_path}' && mount -o remount,ro '{tmp_path}' && "
        f"exec '{sys.executable}' -m lesionflow score '{images}' --out '{tmp_path}/r.csv' --model '{small_bundle}'"
    )
    done = subprocess.run(["unshare", "--mount", "bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Read-only file system" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not job_folder(tmp_path / "r.csv").exists()
