import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionflow.dataverse.download import contents_digest, unpack
from lesionflow.errors import DownloadError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("one/a.jpg", b"1")
    archive.writestr("other/a.jpg", b"2")


def test_files_are_unpacked_whatever_folders_they_lie_in(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("set")
        archive.writestr("set/a.jpg", b"1")
        archive.writestr("b.jpg", b"22")
        archive.writestr("__MACOSX/set/._a.jpg", b"what a Mac adds")
        archive.writestr("set/._b.jpg", b"what a Mac adds")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "left.jpg").write_bytes(b"of an earlier try")
    digest = unpack(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path / "a") == ["a.jpg", "b.jpg"] and (tmp_path / "a" / "b.jpg").read_bytes() == b"22"
    assert digest == contents_digest(tmp_path / "a")
    (tmp_path / "a" / "b.jpg").write_bytes(b"2")
    assert digest != contents_digest(tmp_path / "a")


@pytest.mark.parametrize(
    ("add", "told"),
    [
        (lambda archive: archive.writestr("../outside.jpg", b"1"), "'../outside.jpg' would lie outside"),
        (lambda archive: archive.writestr("/outside.jpg", b"1"), "'/outside.jpg' would lie outside"),
        (lambda archive: archive.writestr("a/../../outside.jpg", b"1"), "would lie outside"),
        (lambda archive: archive.writestr("..\\outside.jpg", b"1"), "would lie outside"),
        (link, "'link.jpg' is a link"),
        (twice, "'a.jpg' is in it twice"),
        (lambda archive: archive.writestr("bomb.jpg", bytes(1 << 24)), "which images do not; nothing is unpacked"),
    ],
)
def test_archives_that_are_no_sets_of_images_leave_nothing(
    tmp_path: Path, add: Callable[[zipfile.ZipFile], None], told: str
) -> None:
    (tmp_path / "work").mkdir()
    with zipfile.ZipFile(tmp_path / "work" / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.jpg", b"1")
        add(archive)
    with pytest.raises(DownloadError) as refused:
        unpack(tmp_path / "work" / "a.zip", tmp_path / "work" / "a")
    assert told in str(refused.value)
    assert names(tmp_path) == ["work"] and names(tmp_path / "work") == ["a.zip"]


@pytest.mark.parametrize("cut", [slice(0, 200), slice(0, 0)])
def test_archives_that_break_off_leave_nothing(tmp_path: Path, published_files: dict[str, bytes], cut: slice) -> None:
    content = next(iter(published_files.values()))
    (tmp_path / "a.zip").write_bytes(content[cut])
    with pytest.raises(DownloadError, match=r"a\.zip: cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "a")
    damaged = bytearray(content)
    damaged[5000:5100] = bytes(100)
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(DownloadError, match=r"a\.zip: cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]


def test_an_archive_that_lies_about_a_size_is_damaged(tmp_path: Path) -> None:
    """Its directory tells fewer bytes than there are, so that the limit would not see them."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(1 << 24))
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace((1 << 24).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]
