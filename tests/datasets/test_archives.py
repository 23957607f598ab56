"""Labelled images in zip archives: the same data as unpacked, and what is wrong with one is said."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionflow.datasets.labelled import decided_words, read_labelled_images
from lesionflow.errors import DataError
from lesionflow.images.decode import decode
from lesionflow.images.read_bytes import read_image_bytes


def zipped(folder: Path, file: Path, within: str = "") -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path(within) / path.relative_to(folder))
        archive.writestr("__MACOSX/._1.jpg", b"Mac OS X")
        archive.writestr("../outside.csv", b"a,b")
    return file


def by_diagnosis(source: Path, folder: Path) -> Path:
    table = read_labelled_images(source).table
    for path, dx in zip(table["path"], table["dx"], strict=True):
        (folder / dx).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / dx)
    return folder


@pytest.mark.parametrize("within", ["", "a set", "a/set/below"])
@pytest.mark.parametrize("lay_out", [lambda source, folder: source, by_diagnosis])
def test_an_archive_is_the_same_data_as_its_folder(
    fifty_images: Path, tmp_path: Path, lay_out: Callable[[Path, Path], Path], within: str
) -> None:
    folder = lay_out(fifty_images, tmp_path / "folders")
    expected = read_labelled_images(folder)
    archive = zipped(folder, tmp_path / "set.zip", within)
    found = read_labelled_images(archive)
    assert found.digest == expected.digest and found.warnings == expected.warnings
    path = found.table["path"][7]
    assert path.startswith(f"{archive}/")
    np.testing.assert_array_equal(decode(path, 32, 32), decode(expected.table["path"][7], 32, 32))
    assert sorted(decided_words(archive)) == sorted(decided_words(folder))
    assert not (tmp_path / "outside.csv").exists()


def test_a_damaged_member_is_an_error_that_names_it(fifty_images: Path, tmp_path: Path) -> None:
    archive = zipped(fifty_images, tmp_path / "set.zip")
    first = next(iter(zipfile.ZipFile(archive).infolist()[1:]))
    content = bytearray(archive.read_bytes())
    content[first.header_offset + 200] ^= 255
    archive.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_labelled_images(archive)


def test_an_archive_with_the_separators_of_windows(fifty_images: Path, tmp_path: Path) -> None:
    archive = zipped(fifty_images, tmp_path / "set.zip", "set")
    content = archive.read_bytes()
    for folder in ("HAM10000_images_part_1", "HAM10000_images_part_2"):
        content = content.replace(f"set/{folder}/".encode(), f"set\\{folder}\\".encode())
    archive.write_bytes(content.replace(b"set/HAM", b"set\\HAM"))
    assert read_labelled_images(archive).digest == read_labelled_images(fifty_images).digest


def test_what_is_in_an_archive_twice_has_to_be_the_same(fifty_images: Path, tmp_path: Path) -> None:
    archive = zipped(fifty_images, tmp_path / "set.zip")
    table = fifty_images / "HAM10000_metadata.csv"
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(archive, "a") as file:
        file.write(table, table.name)
    assert read_labelled_images(archive).digest == read_labelled_images(fifty_images).digest
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(archive, "a") as file:
        file.writestr(table.name, table.read_text().replace("mel", "nv"))
    with pytest.raises(DataError, match=r"set.zip: contains HAM10000_metadata.csv twice with different content"):
        read_labelled_images(archive)


def test_an_encrypted_archive_says_so(fifty_images: Path, tmp_path: Path) -> None:
    archive = zipped(fifty_images, tmp_path / "set.zip")
    content = bytearray(archive.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(start)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(start, place + 1)
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"HAM10000_metadata.csv is encrypted; unpack it with its password$"):
        read_labelled_images(archive)


def test_archives_beside_the_table_are_read_for_rows_without_a_file(fifty_images: Path, tmp_path: Path) -> None:
    shutil.copy(fifty_images / "HAM10000_metadata.csv", tmp_path)
    zipped(fifty_images / "HAM10000_images_part_1", tmp_path / "HAM10000_images_part_1.zip")
    with pytest.raises(DataError, match=r"^25 of 50 metadata rows have no image file"):
        read_labelled_images(tmp_path)
    shutil.copytree(fifty_images / "HAM10000_images_part_2", tmp_path / "images")
    found = read_labelled_images(tmp_path)
    assert found.digest == read_labelled_images(fifty_images).digest and not found.warnings
    shutil.copytree(fifty_images / "HAM10000_images_part_1", tmp_path / "unpacked")
    (tmp_path / "HAM10000_images_part_1.zip").write_bytes(b"not opened when each row has a file")
    assert read_labelled_images(tmp_path).digest == found.digest


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not one", b"text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"set.zip: cannot be read as a zip archive"):
        read_labelled_images(tmp_path / "set.zip")


def test_an_image_that_an_archive_does_not_hold(fifty_images: Path, tmp_path: Path) -> None:
    from lesionflow.errors import ImageError

    archive = zipped(fifty_images, tmp_path / "set.zip")
    with pytest.raises(ImageError, match=r"not_found: set.zip holds no none.jpg"):
        read_image_bytes(str(archive / "none.jpg"))


def test_an_archive_that_cannot_lie_on_disk_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("labels.csv/1.jpg", b"1")
        archive.writestr("labels.csv", b"path,diagnosis\n1.jpg,nv\n")
    with pytest.raises(DataError, match=r"set.zip: labels.csv: Is a directory; unpack it"):
        read_labelled_images(tmp_path / "set.zip")


def test_hdf5_in_an_archive_is_named_and_images_beside_it_are_read(tmp_path: Path) -> None:
    file = tmp_path / "set.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train-metadata.csv", b"isic_id,target,patient_id,iddx_1\nISIC_1,1,IP_1,Melanoma\n")
        archive.writestr("train-image.hdf5", b"an HDF5 file")
    with pytest.raises(DataError, match=r"images in train-image.hdf5 are read where the archive is unpacked"):
        read_labelled_images(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("train-image/image/ISIC_1.jpg", b"\xff\xd8\xff\xe0")
    assert read_labelled_images(file).table["dx"].tolist() == ["mel"]
