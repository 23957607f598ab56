import io
import os
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from lesionflow.datasets.labelled import read_rows
from lesionflow.errors import DataError, ImageError, StoreError, UsageError
from lesionflow.images.discovery import LeftOut, cache_folder, describe_left_out, walk_images
from lesionflow.images.read_bytes import read_image_bytes
from lesionflow.scoring.sources import expand


def test_finds_images_in_all_folders_ordered_by_path(tmp_path: Path) -> None:
    names = ["b.jpg", "a-b/x.PNG", "a/x.jpeg", "a/z/deep.tif", "c.webp"]
    for name in [*names, "a/notes.txt", "results.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list(walk_images(str(tmp_path)))
    assert found == sorted(str(tmp_path / name) for name in names)


def test_links_to_files_count_and_loops_end(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "one.jpg").touch()
    (folder / "linked.jpg").symlink_to(folder / "one.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "nothing.jpg")
    (folder / "loop").symlink_to(folder)
    (folder / "folder.jpg").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jpg")
    left_out = LeftOut()
    found = [Path(path).name for path in walk_images(str(folder), left_out=left_out)]
    assert found == ["dangling.jpg", "linked.jpg", "one.jpg"]
    assert left_out == {"by looping links": 2, "no ordinary file": 1}


def saved(format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 40)).save(buffer, format)
    return buffer.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def names(folder: Path, left_out: LeftOut | None = None, **options: Any) -> list[str]:
    return [os.path.relpath(path, folder) for path in walk_images(str(folder), left_out=left_out, **options)]


def test_content_says_what_is_an_image(tmp_path: Path) -> None:
    """A name decides nothing but whether a look is needed."""
    jpeg, dicom = saved("JPEG"), bytes(128) + b"DICM" + bytes(100)
    images = {
        "phone.HEIC": b"whatever it is", "a.avif": b"", "a.gif": b"x", "a.jp2": b"x", "a.jfif": b"",
        "a.jpe": b"", "a.mpo": b"", "a.dicom": b"", "a.IMA": b"", "none": jpeg, "IM0001": dicom, "x/IM.0001": dicom,
        "named.txt": jpeg, "x/named.bin": saved("PNG"), "x/y/scan.JPG": jpeg, "x/\u00e4.tiff": saved("TIFF"),
        "two.jpg.bak": jpeg,
    }  # fmt: skip
    others = {
        "notes.txt": b"text", "x/more.TXT": b"text", "a.zip": b"PK\x03\x04", "x/README": b"text", "x/empty": b"",
        "table.csv": b"path\n", "x/y/strange.averylongending": b"text", "odd.a-b": b"",
    }  # fmt: skip
    fill(tmp_path, images | others)
    left_out = LeftOut()
    assert names(tmp_path, left_out) == sorted(images, key=os.fsencode)
    assert left_out == {".txt": 2, ".zip": 1, ".csv": 1, "without an ending": 4}
    assert describe_left_out(left_out) == "2 .txt, 1 .csv, 1 .zip, 4 without an ending"


def test_leftovers_of_macs_and_network_storage_are_counted(tmp_path: Path) -> None:
    jpeg = saved("JPEG")
    fill(tmp_path, {
        "a.jpg": jpeg, "x/b.jpg": jpeg, "x/.kept.jpg": jpeg,
        "._a.jpg": b"Mac", "x/._b.jpg": b"Mac", ".DS_Store": b"Mac", "x/.image": jpeg,
        "__MACOSX/a.jpg": jpeg, "__MACOSX/x/._a.jpg": b"", "@eaDir/a.jpg/THUMB.jpg": jpeg, "x/@eaDir/b.jpg": jpeg,
        ".Trash-1000/files/old.jpg": jpeg, "x/.thumbnails/a.jpg": jpeg, "Thumbs.db": b"", "x/Thumbs.db": b"",
        ".results.csv.job/manifest.jsonl": b"", "$RECYCLE.BIN/a.jpg": jpeg, "@Recycle/a.jpg": jpeg,
        "x/#snapshot/monday/a.jpg": jpeg, "$Recycle.bin/b.jpg": jpeg, "Network Trash Folder/a.jpg": jpeg,
        "DICOMDIR": bytes(128) + b"DICM" + bytes(100),
        "x/.c.HEIC.icloud": b"bplist00", ".notes.txt.icloud": b"bplist00",
    })  # fmt: skip
    left_out = LeftOut()
    assert names(tmp_path, left_out) == ["a.jpg", "x/.kept.jpg", "x/b.jpg"]
    assert left_out == {"hidden": 7, "of the system": 12, "not downloaded from iCloud": 1}
    assert describe_left_out(left_out) == "12 of the system, 7 hidden, 1 not downloaded from iCloud"
    assert names(tmp_path, pattern="*b.*") == ["x/b.jpg"]


def zipped(folder: Path, file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder), zipfile.ZIP_DEFLATED)
    return file


def test_a_zip_archive_is_the_folder_that_it_holds(tmp_path: Path) -> None:
    jpeg = saved("JPEG")
    folder = tmp_path / "folder"
    fill(folder, {
        "b.jpg": jpeg, "a/1.png": saved("PNG"), "a/named.txt": jpeg, "a-1.jpg": jpeg, "notes.txt": b"-", "o.zip": b"",
        "__MACOSX/._b.jpg": b"", "._b.jpg": b"", ".hidden/c.jpg": jpeg, "Thumbs.db": b"", "a/.b.jpg": jpeg, "IM1": jpeg,
    })  # fmt: skip
    archive = zipped(folder, tmp_path / "archive.zip")
    for options in ({}, {"recursive": False}, {"pattern": "*.txt"}, {"pattern": "1.*"}):
        here, there = LeftOut(), LeftOut()
        found = names(archive, there, **options)
        assert found == names(folder, here, **options) and there == here
        for name in found:
            assert read_image_bytes(archive / name) == (folder / name).read_bytes()
    assert list(walk_images(str(archive))) == [f"{archive}/{name}" for name in names(archive)]
    assert read_image_bytes(f"file://{archive}/b.jpg") == jpeg
    assert names(tmp_path, here := LeftOut())[0] == "folder/IM1" and here[".zip"] == 2  # one in a folder is left out


def test_what_an_hdf5_file_holds_and_is_no_file_is_no_image(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "tiles.h5", "w") as file:
        file["group/tile"], file["text"] = np.void(saved("JPEG")), "text"
    assert read_image_bytes(tmp_path / "tiles.h5" / "group" / "tile") == saved("JPEG")
    for name in ("group", "text"):
        with pytest.raises(ImageError, match=f"not_an_image: tiles.h5: {name} holds no file"):
            read_image_bytes(tmp_path / "tiles.h5" / name)


def test_odd_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name in ("../up.jpg", "/root.jpg", "a/../../b.jpg", "c.jpg"):
            archive.writestr(name, b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("c.jpg", b"second")
    left_out = LeftOut()
    assert names(tmp_path / "odd.zip", left_out) == ["c.jpg"]
    assert left_out == {"with a name that leads out of the archive": 3, "replaced by a later one of the same name": 1}
    assert read_image_bytes(tmp_path / "odd.zip" / "c.jpg") == b"second"
    whole = (tmp_path / "odd.zip").read_bytes()
    encrypted = bytearray(whole)
    for place in (match.start() for match in re.finditer(rb"PK\x01\x02", whole)):
        encrypted[place + 8] |= 1
    for name, content, message in (
        ("cut.zip", whole[:-40], "cannot be read as a zip archive"), ("text.zip", b"text", "cannot be read as a zip"),
        ("locked.zip", bytes(encrypted), "c.jpg is encrypted; unpack the archive"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            names(tmp_path / name)
    for packed in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / f"{packed}.zip", "w", packed) as archive:
            archive.writestr("ü.jpg", saved("JPEG"))
        content = (tmp_path / f"{packed}.zip").read_bytes()
        content = content[:60] + bytes(30) + content[90:]
        (tmp_path / f"{packed}.zip").write_bytes(content)
        with pytest.raises(ImageError, match="damaged"):
            read_image_bytes(tmp_path / f"{packed}.zip" / "ü.jpg")
        (tmp_path / f"name{packed}.zip").write_bytes(content.replace("ü".encode(), b"\x83e"))
        with pytest.raises(DataError, match="cannot be read as a zip archive"):
            names(tmp_path / f"name{packed}.zip")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(300):
            member.write(bytes(2**20))
    assert names(bomb, left_out := LeftOut()) == [] and left_out == {"without an ending": 1}
    with pytest.raises(ImageError, match="too_large"):
        read_image_bytes(bomb / "zeros")


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    fill(root, {"a.jpg": b"", "inside/b.jpg": b"", ".hidden/c.jpg": b""})
    fill(elsewhere, {"d.jpg": b"", "below/e.jpg": b"", "notes.txt": b""})
    (root / "again").symlink_to(root / "inside")  # its files are listed in their own place
    (root / "linked").symlink_to(elsewhere)
    (root / "twice").symlink_to(elsewhere)
    (root / "inside" / "part").symlink_to(elsewhere / "below")
    (root / "unhidden").symlink_to(root / ".hidden")
    (elsewhere / "back").symlink_to(root / "inside")
    (elsewhere / "below" / "up").symlink_to(elsewhere)
    (elsewhere / "below" / "up and out").symlink_to(tmp_path)
    left_out = LeftOut()
    assert names(root, left_out) == ["a.jpg", "inside/b.jpg", "inside/part/e.jpg", "linked/d.jpg", "unhidden/c.jpg"]
    assert left_out == {"hidden": 1, ".txt": 1, "by looping links": 2}
    assert names(root, recursive=False) == ["a.jpg"]
    (root / "itself").symlink_to("itself")
    assert len(names(root)) == 5


def test_a_linked_folder_can_be_the_one_that_is_listed(tmp_path: Path) -> None:
    fill(tmp_path, {"real/a.jpg": b"", "real/x/b.jpg": b""})
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["a.jpg", "x/b.jpg"]


def test_what_cannot_be_looked_into_is_counted(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "a.jpg").symlink_to("missing")
    left_out = LeftOut()
    assert names(tmp_path, left_out) == ["a.jpg"] and left_out == {"unreadable": 1}


@pytest.fixture
def too_deep(tmp_path: Path) -> Path:
    """A folder with images before and behind folders whose innermost has a path longer than the system opens: 4,096."""
    fill(tmp_path, {"a.jpg": b"", "z.jpg": b""})
    above = os.open(tmp_path, os.O_RDONLY)
    whole, rest = divmod(3900 - len(str(tmp_path)), 251)
    for length in (*[250] * whole, max(1, rest - 1), 250):
        os.mkdir("d" * length, dir_fd=above)
        below = os.open("d" * length, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)
    return tmp_path


def test_a_folder_below_that_cannot_be_listed_is_an_error_or_told_and_nothing_else_is_lost(too_deep: Path) -> None:
    first, folder, last = walk_images(str(too_deep), tells_unlisted=True)
    assert [os.path.basename(path) for path in (first, last)] == ["a.jpg", "z.jpg"] and len(folder) > 3800
    assert list(expand(f"{too_deep}/**")) == list(expand(f"{too_deep}/**/*.jpg")) == [first, folder, last]
    with pytest.raises(ImageError, match=r"unreadable: .*too long"):
        read_image_bytes(folder)
    with pytest.raises(DataError, match=r"cannot be listed \(File name too long\)"):
        list(walk_images(str(too_deep)))
    with pytest.raises(DataError, match="cannot be listed"):
        list(walk_images(folder, tells_unlisted=True))


def test_labelled_images_in_a_folder_that_cannot_be_listed_are_an_error(too_deep: Path) -> None:
    (too_deep / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx\nL1,a,nv\nL2,z,mel\n")
    with pytest.raises(DataError, match=r"cannot be listed \(File name too long\); make it readable"):
        read_rows(too_deep)
    _, innermost, _ = walk_images(str(too_deep), tells_unlisted=True)
    with pytest.raises(DataError, match=r"ddd: cannot be read \(File name too long\); make it readable"):
        read_rows(Path(innermost).parent)


def test_many_different_endings_are_not_kept_apart_for_ever(tmp_path: Path) -> None:
    fill(tmp_path, {f"file.{number}": b"" for number in range(200)})
    left_out = LeftOut()
    assert names(tmp_path, left_out) == [] and sum(left_out.values()) == 200 and len(left_out) <= 51
    assert describe_left_out(left_out).count(",") == 8


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESIONFLOW_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path and cache_folder("pixels") == Path("pixels")
    monkeypatch.setenv("LESIONFLOW_CACHE", "s3://bucket/cache")
    with pytest.raises(UsageError, match="LESIONFLOW_CACHE s3://bucket/cache: has to be on this machine"):
        cache_folder()
    monkeypatch.delenv("LESIONFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lesionflow"


def test_a_cache_among_temporary_files_is_the_users_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LESIONFLOW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = cache_folder()
    assert cache.parent == tmp_path and not cache.exists()
    cache.mkdir(0o775)
    assert cache_folder() == cache
    cache.chmod(0o777)
    told = f"{cache}: is no folder of yours alone, where .*; choose another folder with --cache or LESIONFLOW_CACHE"
    with pytest.raises(StoreError, match=told):
        cache_folder()
    cache.rmdir()
    for make in (cache.touch, lambda: cache.symlink_to(tmp_path)):
        make()
        with pytest.raises(StoreError, match=told):
            cache_folder()
        cache.unlink()


def test_why_files_were_left_out_is_told_however_many_endings_there_are() -> None:
    left_out = LeftOut({f".x{number}": 2 for number in range(10)}) + LeftOut({"hidden": 3, "of the system": 1})
    assert describe_left_out(left_out).endswith("2 .x7, 3 hidden, 1 of the system, 4 of other kinds")
