"""What a download consists of: the published files of a part, which of them are there already, and what they need."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from lesionflow.atomic import atomic_write_bytes
from lesionflow.datasets.ham10000 import AUTHORS, LICENCE
from lesionflow.dataverse.listing import Published, PublishedFile
from lesionflow.dataverse.transfer import partial_of
from lesionflow.dataverse.unpacking import contents_digest
from lesionflow.errors import DownloadError

# What each part consists of: the published file, and what it becomes. The table, without which a folder is no data set,
# comes last.
PARTS = {
    "training": {
        "HAM10000_images_part_1.zip": "HAM10000_images_part_1",
        "HAM10000_images_part_2.zip": "HAM10000_images_part_2",
        "HAM10000_metadata": "HAM10000_metadata.csv",
    },
    "test": {
        "ISIC2018_Task3_Test_Images.zip": "ISIC2018_Task3_Test_Images",
        "ISIC2018_Task3_Test_GroundTruth": "ISIC2018_Task3_Test_GroundTruth.csv",
    },
}
UNFINISHED = ".lesionflow-download"  # the folder for what is not whole yet
RECEIPT = "lesionflow-download.json"
_UNPACKED = 1.05  # times the archive's size: how much images may be smaller in it


@dataclass(frozen=True)
class Step:
    """A published file and what it becomes in the folder: a folder of images, or a table."""

    file: PublishedFile
    becomes: str

    @property
    def archive(self) -> bool:
        """Whether it is unpacked."""
        return self.file.name.endswith(".zip")


class DownloadManifest:
    """What has been downloaded into a folder: a file in it, by which what is whole is known again."""

    def __init__(self, folder: Path, published: Published):
        self.file = folder / RECEIPT
        self._lock = threading.Lock()
        try:
            self.entries = dict(json.loads(self.file.read_bytes())["files"])
        except (OSError, ValueError, KeyError, TypeError):
            self.entries = {}
        self.about = {"doi": published.doi, "server": published.server, "version": published.version}

    def add(self, step: Step, contents: str = "") -> None:
        """Note what a step brings; contents: the digest of what was unpacked. Raises `OSError`."""
        with self._lock:
            entry = {"from": step.file.name, "digest": step.file.digest}
            self.entries[step.becomes] = entry | ({"contents": contents} if contents else {})
            told = {**self.about, "licence": LICENCE, "cite": AUTHORS, "files": self.entries}
            atomic_write_bytes(self.file, (json.dumps(told, indent=1) + "\n").encode())

    def has(self, step: Step) -> bool:
        """Whether what the step brings is there, and as it came. Raises `OSError`."""
        entry, there = self.entries.get(step.becomes), self.file.parent / step.becomes
        return (
            isinstance(entry, dict)
            and entry.get("digest") == step.file.digest
            and there.is_dir()
            and entry.get("contents") == contents_digest(there)
        )


def plan(published: Published, part: str, folder: Path, receipt: DownloadManifest) -> list[Step]:
    """The steps that are still to be done. Raises `DownloadError` where something else has a name that is needed."""
    import pooch

    for other in PARTS:
        if other != part and any((folder / becomes).exists() for becomes in PARTS[other].values()):
            raise DownloadError(f"{folder}: holds the {other} part; give another folder for the {part} part")
    steps = []
    for name, becomes in PARTS[part].items():
        step = Step(published.find(name), becomes)
        there = folder / becomes
        if step.archive and receipt.has(step):
            continue
        if not step.archive and there.is_file() and pooch.hashes.hash_matches(there, step.file.digest):
            continue
        if os.path.lexists(there):
            raise DownloadError(
                f"{there}: is there already, and is not (or no longer) what was published as {step.file.name}; remove "
                "it, or download into another folder"
            )
        steps.append(step)
    return steps


def check_space(steps: list[Step], folder: Path) -> None:
    """Raise `DownloadError` where the disk has no room for the archives and what they unpack to."""
    to_come = unpacked = 0
    for step in steps:
        size = step.file.size or 0
        to_come += 0 if given_archive(folder, step.file) else max(size - _arrived(folder, step.file), 0)
        unpacked += int(size * _UNPACKED) if step.archive else 0
    free = shutil.disk_usage(folder).free
    if to_come + unpacked > free:
        raise DownloadError(
            f"{folder}: {_gigabytes(to_come + unpacked)} are needed, {_gigabytes(to_come)} to download and "
            f"{_gigabytes(unpacked)} for what is unpacked, but {_gigabytes(free)} are free; make room, or choose "
            "another place"
        )


def given_archive(folder: Path, file: PublishedFile) -> Path | None:
    """An archive that somebody has put into the folder, or that was kept there."""
    import pooch

    path = folder / file.name
    if file.name.endswith(".zip") and path.is_file() and pooch.hashes.hash_matches(path, file.digest):
        return path
    return None


def _arrived(folder: Path, file: PublishedFile) -> int:
    """The bytes of a file that are there already, whole or not."""
    work = folder / UNFINISHED
    found = [path.stat().st_size for path in (work / file.name, partial_of(work, file)) if path.is_file()]
    return max(found, default=0)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
