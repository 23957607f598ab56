import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.licences import FREE, licences_of
from lesionflow.errors import DataError
from tests.conftest import REAL_DATA


@pytest.fixture
def folder(demo_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_folder, tmp_path / "set"))


def change(folder: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    file = folder / "HAM10000_metadata.csv"
    edit(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False)


def test_reads_every_row_with_its_own_image(demo_folder: Path) -> None:
    images = read_labelled_images(demo_folder)
    assert len(images.table) == 150 and images.demo and not images.warnings
    assert set(licences_of(images.table)) == {FREE}
    for image_id, path in zip(images.table["image_id"], images.table["path"], strict=True):
        assert Path(path).stem == image_id
    assert "synthetic" in images.description


def test_layout_and_row_order_do_not_change_the_digest(folder: Path, demo_folder: Path) -> None:
    change(folder, lambda table: table.sample(frac=1, random_state=1))
    (folder / "all of them").mkdir()
    for file in list(folder.glob("HAM10000_images_part_*/*.jpg")):
        file.rename(folder / "all of them" / file.name)
    moved = read_labelled_images(folder)
    assert moved.digest == read_labelled_images(demo_folder).digest
    for file in list((folder / "all of them").iterdir()):
        file.rename(folder / file.name)  # beside the CSV
    assert read_labelled_images(folder).digest == moved.digest


def test_any_changed_byte_changes_the_digest(folder: Path, demo_folder: Path) -> None:
    before = read_labelled_images(demo_folder).digest
    image = next(folder.glob("*/*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    assert read_labelled_images(folder).digest != before


def test_images_without_a_row_are_a_warning(folder: Path) -> None:
    shutil.copy(next(folder.glob("*/*.jpg")), folder / "extra.jpg")
    (warning,) = read_labelled_images(folder).warnings
    assert "1 image has" in warning and "extra" in warning


def test_the_same_image_twice_is_a_warning_and_two_images_of_one_name_an_error(folder: Path) -> None:
    first, second = sorted(folder.glob("*/*.jpg"))[:2]
    shutil.copy(first, folder / first.name)
    (warning,) = read_labelled_images(folder).warnings
    assert "more than once" in warning
    shutil.copy(second, folder / first.name)
    with pytest.raises(DataError, match="1 image id has several files that differ"):
        read_labelled_images(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: table.drop(columns=["lesion_id", "dx"]), "no column lesion_id, dx"),
        (lambda table: table.assign(dx=["wart", *table["dx"][1:]]), "1 row with an unknown diagnosis: wart"),
        (lambda table: pd.concat([table, table[:2]]), "2 images in more than one row: "),
        (lambda table: table.assign(image_id=["none", *table["image_id"][1:]]), "1 of 150 metadata rows has no image"),
        (lambda table: table.assign(lesion_id=["", *table["lesion_id"][1:]]), "1 row with an empty lesion_id"),
        (lambda table: table.assign(lesion_id="same"), "1 lesion has several diagnoses"),
        (lambda table: table[:0], "no rows"),
        (lambda table: table.assign(diagnosis="melanoma"), r"the columns dx and diagnosis differ in \d+ rows"),
        (lambda table: table.assign(label="melanoma"), r"the columns dx and label differ in \d+ rows"),
        (lambda table: table.assign(image_id=table["image_id"].str.lower()), "write the ids as the files are called"),
        (lambda table: table.rename(columns={"dx": "label"}), "needs path and diagnosis, .* --labels FILE"),
    ],
)
def test_what_is_wrong_with_the_table_is_counted_and_named(
    folder: Path, edit: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(folder, edit)
    with pytest.raises(DataError, match=message):
        read_labelled_images(folder)


@pytest.mark.parametrize(
    ("lesion", "image", "licence"),
    [
        ("HAM_0000118", "a", "CC BY-NC 4.0"), ("a", "ISIC_0024306", "CC BY-NC 4.0"),
        ("a", "nv/ISIC_0034320_small", "CC BY-NC 4.0"), ("a", "ISIC_0034321", ""), ("a", "ISIC_00243061", ""),
        ("HAM_1", "MISIC_0024306", ""),
    ],
)  # fmt: skip
def test_images_of_ham10000_are_known_by_their_ids(lesion: str, image: str, licence: str) -> None:
    columns = {"lesion_id": ["demo", lesion], "image_id": ["demo", image]}
    assert licences_of(pd.DataFrame(columns)).tolist() == ["", licence]  # not those of others beside them


def test_patients_of_a_table_in_this_layout_are_read_or_named(folder: Path) -> None:
    change(folder, lambda table: table.assign(dataset="clinic", **{"Patient ID": table["lesion_id"] + "p"}))
    images = read_labelled_images(folder)
    assert images.table["patient_id"].equals(images.table["lesion_id"] + "p") and not images.warnings
    change(folder, lambda table: table.rename(columns={"Patient ID": "subject"}))
    (told,) = read_labelled_images(folder).warnings
    assert "not read: subject; if they say which images are of one lesion or patient" in told


def test_of_what_is_no_data_set_it_is_said_what_it_holds(tmp_path: Path) -> None:
    def said() -> str:
        with pytest.raises(DataError) as caught:
            read_labelled_images(tmp_path)
        return str(caught.value)

    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("file,label\n1.jpg,nv\n")
    assert "a.csv (file, label), b.csv (file, label); give the one with the labels itself" in said()
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("nv/1.jpg", b"")
    assert f"give the archive itself: {tmp_path / 'images.zip'}" in said()
    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.csv").rename(tmp_path / "1.jpg")  # with images beside it, an archive is no data set's only part
    assert "there is no table of labels; give one with path and diagnosis" in said()
    (tmp_path / "unpacked" / "nv").mkdir(parents=True)
    assert f"give what lies in it: {tmp_path / 'unpacked'}" in said()


def test_no_folder_no_table_no_csv(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or table"):
        read_labelled_images(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no data set of a layout that is read; there is no table"):
        read_labelled_images(tmp_path / "empty")
    (folder / "HAM10000_metadata.csv").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(DataError, match=r"HAM10000_metadata\.csv"):
        read_labelled_images(folder)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real HAM10000 does not lie beside the project")
def test_the_real_data_set() -> None:
    images = read_labelled_images(REAL_DATA)
    assert len(images.table) == 10_015 and images.table["lesion_id"].nunique() == 7_470
    assert not images.demo and not images.warnings and set(licences_of(images.table)) == {"CC BY-NC 4.0"}
    assert images.table["dx"].value_counts().to_dict() == {
        "nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115,
    }  # fmt: skip
