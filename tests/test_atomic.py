"""Files that belong together are there together, and nothing stays of a process that was killed."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lesionflow import atomic
from lesionflow.atomic import atomic_file, atomic_folder, check_writable, files_together, locked, write_together
from lesionflow.errors import DataError, ReportError, os_errors_as
from lesionflow.scoring.publish import Destination


def test_where_one_file_fails_the_new_ones_before_it_go_again(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    (tmp_path / "old.json").write_text("old")
    contents = {"old.json": "new", "metrics.json": "{}", "page.html": "<p>"}
    with pytest.raises(ReportError, match=r"page\.html: cannot be written"):
        write_together(tmp_path, contents, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.json", "page.html"]
    (tmp_path / "page.html").rmdir()
    written = write_together(tmp_path, contents, overwrite=True)
    assert [file.read_text() for file in written] == list(contents.values())


def test_where_one_file_cannot_be_written_the_earlier_ones_stay_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("old")
    (tmp_path / "page.html").write_text("old")
    contents = {"metrics.json": "new", "page.html": "x" * 4096}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))  # as a full disk, from this size on
    try:
        with pytest.raises(ReportError, match=r"page\.html: cannot be written \(File too large\)"):
            write_together(tmp_path, contents, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(contents, "old")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "(No space left on device); make room, or choose another place"),
        (errno.EDQUOT, "(Disk quota exceeded); make room, or choose another place"),
        (errno.EROFS, "(Read-only file system); choose another place"),
    ],
)
def test_room_is_asked_for_only_where_there_is_none(tmp_path: Path, number: int, advice: str) -> None:
    with pytest.raises(ReportError) as told, atomic_file(tmp_path / "out.csv", overwrite=False):
        raise OSError(number, os.strerror(number))
    assert str(told.value).endswith(f"out.csv: cannot be written {advice}")
    with pytest.raises(ReportError) as told, os_errors_as(ReportError, "demo: cannot be written", "choose a new one"):
        raise OSError(number, os.strerror(number))
    assert ("make room, or choose a new one" in str(told.value)) == ("make room" in advice)


def test_files_begun_together_are_all_whole_or_none_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError), files_together(overwrite=False) as begin:
        with begin(tmp_path / "list.csv") as file:
            file.write(b"path")
        with begin(tmp_path / "page.html") as file:
            file.write(b"<p>")
            raise DataError("an image is gone")
    assert list(tmp_path.iterdir()) == []
    with files_together(overwrite=False) as begin, begin(tmp_path / "page.html") as file:
        file.write(b"<p>")
    with (
        pytest.raises(ReportError, match="nothing was overwritten"),
        files_together(overwrite=False) as begin,
        begin(tmp_path / "page.html") as file,
    ):
        file.write(b"<p>new")
    assert (tmp_path / "page.html").read_text() == "<p>"


def test_what_could_not_be_written_in_the_end_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "night.csv").write_text("path")
    (tmp_path / "latest.csv").symlink_to("night.csv")
    with pytest.raises(ReportError, match=r"latest\.csv: a link to night\.csv; name that file"):
        check_writable(tmp_path / "latest.csv", overwrite=True)
    (tmp_path / "nothing.csv").symlink_to(os.devnull)
    with pytest.raises(ReportError, match=r"nothing\.csv: not an ordinary file; choose another name"):
        check_writable(tmp_path / "nothing.csv", overwrite=True)
    long = "n" * 252 + ".csv"
    for check in check_writable, lambda out, _: Destination.of(out):
        with pytest.raises(ReportError, match=r"\.csv: cannot be written \(File name too long\)"):
            check(tmp_path / long, True)


def test_a_folder_is_tried_once_and_each_name_in_it_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, names = Mock(wraps=atomic.claimed_folder), [f"{number}.png" for number in range(20)]
    monkeypatch.setattr(atomic, "claimed_folder", tried)
    with atomic.output_folder(tmp_path, names, overwrite=False):
        assert tried.call_count == 1
    (tmp_path / "19.png").touch()
    with pytest.raises(ReportError, match=r"19\.png: exists"), atomic.output_folder(tmp_path, names, overwrite=False):
        raise AssertionError("not refused")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user for a moment")
def test_the_file_of_another_user_in_a_folder_such_as_tmp_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.csv").touch()
    (tmp_path / "ours.csv").touch()
    os.chown(tmp_path / "ours.csv", 65534, 65534)
    tmp_path.chmod(0o1777)
    monkeypatch.chdir(tmp_path)  # folders above it are root's alone
    os.seteuid(65534)
    try:
        with pytest.raises(ReportError, match=r"theirs\.csv: of another user, and this folder lets only its owner"):
            check_writable(Path("theirs.csv"), overwrite=True)
        with pytest.raises(PermissionError):
            os.replace("ours.csv", "theirs.csv")
        check_writable(Path("ours.csv"), overwrite=True)
    finally:
        os.seteuid(0)
    check_writable(Path("theirs.csv"), overwrite=True)


WRITES = """
import sys
from pathlib import Path
from lesionflow.atomic import atomic_folder, files_together
folder, name = Path(sys.argv[1]), sys.argv[2]
with atomic_folder(folder / name) as whole, files_together(overwrite=False) as begin:
    (whole / "model.onnx").write_bytes(b"bytes")
    with begin(folder / f"{name}.html") as file:
        file.write(b"<p>")
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_was_writing_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    started = [sys.executable, "-c", WRITES, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": Path(__file__).parents[1]}
    with (
        subprocess.Popen([*started, "killed"], **pipes) as killed,
        subprocess.Popen([*started, "living"], **pipes) as living,
    ):
        assert killed.stdout and living.stdout and killed.stdout.readline() == living.stdout.readline() == b"begun\n"
        killed.kill()
        killed.wait()
        (tmp_path / ".notes.partial-mine").mkdir()  # nobody's to remove
        assert len(os.listdir(tmp_path)) == 5
        check_writable(tmp_path / "other.csv", overwrite=False)
        left = {each.name.partition(".partial")[0] for each in tmp_path.iterdir()}
        assert left == {".living", ".living.html", ".notes"} and len(os.listdir(tmp_path)) == 3
        living.communicate()
    assert sorted(os.listdir(tmp_path)) == [".notes.partial-mine", "living", "living.html"]
    assert os.listdir(tmp_path / "living") == ["model.onnx"]


def test_an_empty_folder_in_which_a_process_was_killed_is_filled_by_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES.replace('"begun", flush=True', "whole.parent, flush=True"), str(tmp_path), ""],
        cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and Path(process.stdout.readline().strip()).parent == tmp_path
    process.kill()
    process.communicate()
    assert len(os.listdir(tmp_path)) == 2
    with atomic_folder(tmp_path) as whole:
        (whole / "card.json").touch()
    assert os.listdir(tmp_path) == ["card.json"]


def test_a_lock_file_that_its_holder_removed_is_no_lock_of_the_next(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file) as first, locked(file) as second:
        assert first and not second
        file.unlink()
        with locked(file) as third, locked(file) as fourth:
            assert third and not fourth
    with open(file, "ab") as waited_for, locked(file) as held:
        assert held and os.path.samestat(os.fstat(waited_for.fileno()), file.stat())
