"""Temporary folders: nothing is left of a process that was killed, and a full disk is told as what it is."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import DataError, RegistryError, StoreError
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import registry_errors

HOLDS = """
import sys
from lesionflow.storage.temporary import temporary_folder
with temporary_folder("vgg") as folder:
    (folder / "model").write_bytes(b"bytes")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def begun() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def killed_and_living(place: Path) -> Iterator[tuple[Path, Path]]:
    """The folder of a process that was killed, and that of one that lives."""
    with begun() as killed, begun() as living:
        assert killed.stdout and living.stdout
        folders = Path(killed.stdout.readline().strip()), Path(living.stdout.readline().strip())
        killed.kill()
        killed.wait()
        yield folders
        assert (folders[1] / "model").read_bytes() == b"bytes"
        assert living.stdin
        living.stdin.close()
        living.wait()
    assert not folders[1].parent.exists()


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(
    place: Path, killed_and_living: tuple[Path, Path]
) -> None:
    dead, alive = killed_and_living
    assert (dead / "model").is_file()
    for name in "lesionflow-mine", "another":  # without a lock they are nobody's to remove
        (place / name / "files").mkdir(parents=True)
    os.mkfifo(place / "lesionflow-mine" / "in-use")  # to read it would wait for ever
    with begun() as following:
        assert following.stdout and following.stdin
        own = Path(following.stdout.readline().strip())
        assert {each.name for each in place.iterdir()} == {
            "lesionflow-mine", "another", alive.parent.name, own.parent.name
        }  # fmt: skip
        following.stdin.close()
    assert not own.parent.exists() and not dead.parent.exists()


def test_a_folder_is_empty_and_gone_after_the_block_also_after_an_error(place: Path) -> None:
    with pytest.raises(ValueError, match="mine"), temporary_folder("web") as folder:
        assert not list(folder.iterdir()) and "lesionflow-web-" in str(folder)
        raise ValueError("mine")
    assert not list(place.iterdir())


def test_other_errors_pass_and_only_a_full_disk_of_temporary_files_is_called_full(place: Path) -> None:
    """A disk that has room is not called full because another one is."""
    for number in errno.ENOSPC, errno.EACCES:
        with pytest.raises(OSError) as failed, temporary_folder():
            raise OSError(number, "of another disk")
        assert type(failed.value) is not StoreError and failed.value.strerror == "of another disk"


def test_a_disk_of_temporary_files_that_is_full_is_told_by_who_writes_there(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(small, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        told = f"no room for temporary files in {place}; make room there, or set TMPDIR"
        with pytest.raises(StoreError, match=re.escape(told)), temporary_folder() as folder:
            (folder / "model").write_bytes(bytes(100_000))
        with (
            pytest.raises(RegistryError, match=re.escape(told)),
            temporary_folder() as folder,
            registry_errors("logging the model"),
        ):
            (folder / "model").write_bytes(bytes(100_000))
        archive = tmp_path_factory.mktemp("data") / "images.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("labels.csv", "image,diagnosis\n" + "a.jpg,nv\n" * 10_000)
        with pytest.raises(DataError, match=re.escape(f"images.zip: labels.csv: {told}")):
            read_labelled_images(archive)
        assert not list(place.iterdir())
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_where_no_folder_can_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StoreError, match="set TMPDIR to one"), temporary_folder():
        pass
