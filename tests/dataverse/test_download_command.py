"""The command: what it asks, what it says, and what is left of it when it is stopped or killed."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lesionflow.dataverse.download import UNFINISHED
from tests.conftest import error_line, invoke
from tests.dataverse import server
from tests.dataverse.conftest import PART_1, PART_2, TABLE
from tests.dataverse.server import Dataverse


def arguments(folder: Path, dataverse: Dataverse, *more: str) -> list[str]:
    return ["download", str(folder), "--server", dataverse.address, *more]


@contextmanager
def started(folder: Path, dataverse: Dataverse) -> Iterator[subprocess.Popen[str]]:
    """A download of its own process that has got a third of the first archive."""
    dataverse.misbehave[PART_1] = [server.hold]
    command = [sys.executable, "-m", "lesionflow", *arguments(folder, dataverse, "--accept-licence")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert dataverse.reached.wait(60), process.communicate()
            yield process
        finally:
            process.kill()


def wait_for_bytes(folder: Path, least: int) -> None:
    """Until so much of the first archive is on the disk."""
    partial = folder / UNFINISHED / f"{PART_1}.partial"
    for _ in range(600):
        if partial.is_file() and partial.stat().st_size >= least:
            return
        time.sleep(0.05)
    raise AssertionError(f"{partial} has not come")


def test_the_command_says_what_came_and_how_to_go_on(tmp_path: Path, dataverse: Dataverse) -> None:
    result = invoke(*arguments(tmp_path / "HAM10000", dataverse, "--accept-licence"))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("50 images of ") and f"fetched {PART_1}, {PART_2}, {TABLE}" in result.stdout
    assert f"lesionflow train --data {tmp_path / 'HAM10000'}" in result.stdout
    assert "CC BY-NC 4.0" in result.stderr and "Tschandl, Rosendahl, Kittler 2018" in result.stderr
    assert len(result.stderr.splitlines()) == 1  # no bars where nobody looks
    again = invoke(*arguments(tmp_path / "HAM10000", dataverse, "--accept-licence"))
    assert again.exit_code == 0 and "everything was there already" in again.stdout


def test_the_environment_names_the_server(
    tmp_path: Path, dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONFLOW_DOWNLOAD_SERVER", dataverse.address + "/")
    assert invoke("download", str(tmp_path), "--accept-licence").exit_code == 0
    monkeypatch.setenv("LESIONFLOW_DOWNLOAD_SERVER", "dataverse.example")
    refused = invoke("download", str(tmp_path), "--accept-licence")
    assert refused.exit_code == 2 and "give the address of a Dataverse installation" in error_line(refused)


def test_nothing_comes_before_the_licence_is_accepted(tmp_path: Path, dataverse: Dataverse) -> None:
    refused = invoke(*arguments(tmp_path / "HAM10000", dataverse))
    assert refused.exit_code == 2 and "add --accept-licence" in error_line(refused)
    assert not dataverse.requests and not (tmp_path / "HAM10000").exists()


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 2), (b"\n", 2)])
def test_who_sits_at_a_terminal_is_asked(tmp_path: Path, dataverse: Dataverse, answer: bytes, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lesionflow", *arguments(tmp_path, dataverse)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(ours, answer)
        out, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code, err
    assert "CC BY-NC 4.0" in err and "Accept? [y/N]:" in err
    assert bool(dataverse.requests) is (code == 0) and ("50 images" in out) is (code == 0)


def test_a_failure_is_one_line_and_exit_code_1(tmp_path: Path, dataverse: Dataverse) -> None:
    dataverse.misbehave[PART_1] = [server.fails(500)] * 3
    failed = invoke(*arguments(tmp_path, dataverse, "--accept-licence", "--tries", "1"))
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1] == (
        f"Error: {PART_1}: the server answers 500 Internal Server Error, 1 times in a row; try again later"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_had_come_when_it_was_stopped_is_gone_on_with(
    tmp_path: Path, dataverse: Dataverse, published_files: dict[str, bytes], number: signal.Signals, code: int
) -> None:
    third = len(published_files[PART_1]) // 3
    with started(tmp_path, dataverse) as process:
        wait_for_bytes(tmp_path, third // 16_384 * 16_384)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)  # though the server says nothing any more
    assert process.returncode == code
    if number != signal.SIGKILL:
        line = err.splitlines()[-1]
        assert line == f"stopped; the data so far is kept in {tmp_path}: the same command continues"
    assert not (tmp_path / "HAM10000_metadata.csv").exists()
    result = invoke(*arguments(tmp_path, dataverse, "--accept-licence"))
    assert result.exit_code == 0, result.output
    start = int(dataverse.asked_for(PART_1)[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert third - 16_384 < start <= third
    assert not (tmp_path / UNFINISHED).exists()


def test_of_two_at_once_the_second_is_refused_and_the_first_ends_well(tmp_path: Path, dataverse: Dataverse) -> None:
    with started(tmp_path, dataverse) as process:
        refused = invoke(*arguments(tmp_path, dataverse, "--accept-licence"))
        assert refused.exit_code == 1
        assert refused.stderr.splitlines()[-1].endswith("another download into it is running; wait for it or stop it")
        dataverse.release.set()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("50 images of ")
