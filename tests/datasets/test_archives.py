"""Labelled images in zip archives: the same data as unpacked, and what is wrong with one is said."""

import shutil
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
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
    with pytest.raises(DataError, match=r"HAM10000_metadata.csv: 25 of 50 metadata rows have no image"):
        read_labelled_images(tmp_path)
    shutil.copytree(fifty_images / "HAM10000_images_part_2", tmp_path / "images")
    found = read_labelled_images(tmp_path)
    assert found.digest == read_labelled_images(fifty_images).digest and not found.warnings
    shutil.copytree(fifty_images / "HAM10000_images_part_1", tmp_path / "unpacked")
    (tmp_path / "HAM10000_images_part_1.zip").write_bytes(b"not opened when each row has a file")
    assert read_labelled_images(tmp_path).digest == found.digest


def test_an_archive_that_the_table_may_lie_in_is_named(fifty_images: Path, tmp_path: Path) -> None:
    shutil.copytree(fifty_images / "HAM10000_images_part_1", tmp_path / "images")
    with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
        archive.write(fifty_images / "HAM10000_metadata.csv", "labels.csv")
    with pytest.raises(DataError, match=f"no table of labels; .*; if it lies in {tmp_path}/labels.zip, unpack that$"):
        read_labelled_images(tmp_path)


def test_archives_of_other_kinds_that_images_may_lie_in_are_named(fifty_images: Path, tmp_path: Path) -> None:
    shutil.copy(fifty_images / "HAM10000_metadata.csv", tmp_path)
    packed = shutil.make_archive(str(tmp_path / "images"), "gztar", fifty_images / "HAM10000_images_part_1")
    told = f"they may lie in {packed}: unpack what is packed$"
    with pytest.raises(DataError, match="no image files in this folder.*; " + told):
        read_labelled_images(tmp_path)
    shutil.copytree(fifty_images / "HAM10000_images_part_2", tmp_path / "images")
    with pytest.raises(DataError, match="25 of 50 metadata rows have no image file: .*; " + told):
        read_labelled_images(tmp_path)
    rows = pd.read_csv(tmp_path / "HAM10000_metadata.csv", dtype=str)
    table = rows.assign(path="images/" + rows.pop("image_id") + ".jpg")
    table.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataError, match="25 of 50 images are not there: .*; " + told):
        read_labelled_images(tmp_path / "labels.csv")


def test_an_archive_that_cannot_be_read_stops_reading_only_where_it_may_be_needed(
    fifty_images: Path, tmp_path: Path
) -> None:
    expected = read_labelled_images(fifty_images)
    shutil.copy(fifty_images / "HAM10000_metadata.csv", tmp_path)
    shutil.copytree(fifty_images / "HAM10000_images_part_1", tmp_path / "images")
    (tmp_path / "backup.zip").write_bytes(b"broken")
    message = r"csv: 25 of 50 metadata rows have no image file: .*they may lie in .*backup.zip: cannot be .*download it"
    with pytest.raises(DataError, match=message):
        read_labelled_images(tmp_path)
    zipped(fifty_images / "HAM10000_images_part_2", tmp_path / "part_2.zip")
    found = read_labelled_images(tmp_path)
    assert found.digest == expected.digest
    (warning,) = found.warnings
    assert warning.endswith("no image of the table is missing without it") and "backup.zip: cannot be read" in warning


@pytest.mark.parametrize("within", ["", "images"])
def test_images_of_paths_may_lie_in_an_archive_that_is_not_unpacked(
    fifty_images: Path, tmp_path: Path, within: str
) -> None:
    images = read_labelled_images(fifty_images).table
    rows = images.assign(path=["images/" + Path(path).name for path in images["path"]])
    rows[["path", "dx", "lesion_id"]].to_csv(tmp_path / "labels.csv", index=False)
    for part in (1, 2):
        shutil.copytree(fifty_images / f"HAM10000_images_part_{part}", tmp_path / "images", dirs_exist_ok=True)
    expected = read_labelled_images(tmp_path)
    zipped(tmp_path / "images", tmp_path / "images.zip", within)
    for file in sorted((tmp_path / "images").iterdir())[:30]:
        file.unlink()
    assert read_labelled_images(tmp_path).digest == expected.digest
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "other.zip").write_bytes(b"broken")
    found = read_labelled_images(tmp_path / "labels.csv")
    assert found.digest == expected.digest
    assert [warning for warning in found.warnings if "other.zip: cannot be read" in warning] == list(found.warnings)
    (tmp_path / "images.zip").unlink()
    with pytest.raises(DataError, match=r"50 of 50 images are not there: .*; they may lie in .*other.zip: cannot be"):
        read_labelled_images(tmp_path)
    (tmp_path / "other.zip").unlink()
    for name, colour in (("a", b"1"), ("b", b"2")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(rows["path"][0], colour)
    with pytest.raises(DataError, match=r"1 image id has several files that differ: .*a.zip/.*b.zip/"):
        read_labelled_images(tmp_path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])  # Macs write the second
@pytest.mark.parametrize("packer", ["Info-ZIP", "a Mac", "Windows"])
def test_umlauts_in_archives_are_read_whoever_packed_them(
    fifty_images: Path, tmp_path: Path, packer: str, form: Literal["NFC", "NFD"]
) -> None:
    images = read_labelled_images(fifty_images).table
    rows, names = images.assign(path=["Bilder/" + Path(path).name for path in images["path"]]), images["path"].tolist()
    rows.loc[0, "path"] = "Bilder/Müller ß.jpg"
    name = unicodedata.normalize(form if packer != "Windows" else "NFC", "Bilder/Müller ß.jpg")
    raw = name.encode("cp437" if packer == "Windows" else "utf-8")
    stand_in = "~" * len(raw)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path, there in zip(names, rows["path"], strict=True):
            entry = zipfile.ZipInfo(there if there.isascii() else stand_in)
            if packer == "Info-ZIP" and not there.isascii():
                name_of = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
                entry.extra = struct.pack("<HH", 0x5455, 1) + b"\0" + struct.pack("<HH", 0x7075, len(name_of)) + name_of
            archive.writestr(entry, Path(path).read_bytes())
        archive.writestr("labels.csv", rows[["path", "dx", "lesion_id"]].to_csv(index=False))
    (tmp_path / "set.zip").write_bytes((tmp_path / "set.zip").read_bytes().replace(stand_in.encode(), raw))
    found = read_labelled_images(tmp_path / "set.zip").table
    assert name in {path.split("set.zip/")[1] for path in found["path"]}
    assert sorted(found["content"]) == sorted(read_labelled_images(fifty_images).table["content"])
    rows.assign(path="set.zip/" + rows["path"])[["path", "dx"]].to_csv(tmp_path / "outside.csv", index=False)
    assert read_labelled_images(tmp_path / "outside.csv").table["image_id"].tolist() == found["image_id"].tolist()


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


def test_a_folder_in_an_archive_may_be_given(fifty_images: Path, tmp_path: Path) -> None:
    by_diagnosis(fifty_images, tmp_path / "set" / "train")
    for part in ("test", "notes"):
        shutil.copytree(tmp_path / "set" / "train" / "nv", tmp_path / "set" / part / "nv")
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    with pytest.raises(
        DataError, match=r"give what lies in it: .*set.zip/test, .*set.zip/train \('train' takes several"
    ):
        read_labelled_images(archive)
    found = read_labelled_images(archive / "train")
    assert found.digest == read_labelled_images(tmp_path / "set" / "train").digest
    assert {path.partition("set.zip")[2][:7] for path in found.table["path"]} == {"/train/"}
    assert sorted(decided_words(archive / "train")) == sorted(decided_words(tmp_path / "set" / "train"))
    with pytest.raises(DataError, match=r"set.zip/none: no such folder or table"):
        read_labelled_images(archive / "none")


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
