import shutil
from pathlib import Path

import pandas as pd
import pytest

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.raw_labels import NO_LESIONS
from lesionflow.errors import DataError

COLUMNS = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
CONFIRMED = {
    "histo": "histopathology",
    "follow_up": "serial imaging showing no change",
    "consensus": "single image expert consensus",
    "confocal": "confocal microscopy with consensus dermoscopy",
}


def lay_out(source: Path, folder: Path, part: str = "Training", groupings: bool = True) -> Path:
    """The images of a HAM10000 folder as Task 3 has them; gives the path of the ground truth."""
    rows = pd.read_csv(source / "HAM10000_metadata.csv", dtype=str, keep_default_na=False)
    start = f"ISIC2018_Task3_{part}"
    for name in ("Input", "GroundTruth"):
        (folder / f"{start}_{name}").mkdir(parents=True)
    for file in source.glob("*/*.jpg"):
        shutil.copy(file, folder / f"{start}_Input")
    marks = {column: (rows["dx"] == column.lower()).astype(float) for column in COLUMNS}
    truth = folder / f"{start}_GroundTruth" / f"{start}_GroundTruth.csv"
    pd.DataFrame({"image": rows["image_id"], **marks}).to_csv(truth, index=False)
    if groupings:
        rows["diagnosis_confirm_type"] = rows["dx_type"].map(CONFIRMED)
        groups = rows.rename(columns={"image_id": "image"})[["image", "lesion_id", "diagnosis_confirm_type"]]
        groups.to_csv(folder / f"{start}_LesionGroupings.csv", index=False)
    return truth


def test_task_3_says_what_the_ham10000_folder_says(fifty_images: Path, tmp_path: Path) -> None:
    truth = lay_out(fifty_images, tmp_path)
    expected = read_labelled_images(fifty_images)
    for source in (tmp_path, truth):
        found = read_labelled_images(source)
        assert found.digest == expected.digest and not found.warnings
        columns = ["image_id", "lesion_id", "dx", "dx_type"]
        pd.testing.assert_frame_equal(found.table[columns], expected.table[columns])


def test_ids_with_endings_keep_their_lesions(fifty_images: Path, tmp_path: Path) -> None:
    truth = lay_out(fifty_images, tmp_path)
    rows = pd.read_csv(truth, dtype=str)
    rows.assign(image=rows["image"] + ".jpg").to_csv(truth, index=False)
    found = read_labelled_images(tmp_path)
    assert found.digest == read_labelled_images(fifty_images).digest and not found.warnings


def test_without_groupings_the_lesions_are_not_known(fifty_images: Path, tmp_path: Path) -> None:
    lay_out(fifty_images, tmp_path, "Test", groupings=False)
    found = read_labelled_images(tmp_path)
    assert found.warnings == (NO_LESIONS,) and found.table["lesion_id"].nunique() == 50


def test_images_without_a_group_are_counted(fifty_images: Path, tmp_path: Path) -> None:
    lay_out(fifty_images, tmp_path)
    file = tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv"
    pd.read_csv(file)[3:].to_csv(file, index=False)
    (warning,) = read_labelled_images(tmp_path).warnings
    assert warning.startswith("3 of 50 images have no lesion_id")


def test_of_several_ground_truths_one_has_to_be_named(fifty_images: Path, tmp_path: Path) -> None:
    truths = [lay_out(fifty_images, tmp_path, part) for part in ("Training", "Validation")]
    with pytest.raises(DataError, match="2 ground truths; give one of them: "):
        read_labelled_images(tmp_path)
    (tmp_path / "ISIC2018_Task3_Training_Input" / "more.jpg").write_bytes(b"")
    assert [len(read_labelled_images(truth).warnings) for truth in truths] == [1, 0]


def test_ground_truth_beside_the_images_will_do(fifty_images: Path, tmp_path: Path) -> None:
    truth = lay_out(fifty_images, tmp_path / "laid out", groupings=False)
    shutil.copytree(fifty_images / "HAM10000_images_part_1", tmp_path / "mine" / "a")
    shutil.copytree(fifty_images / "HAM10000_images_part_2", tmp_path / "mine" / "b")
    shutil.copy(truth, tmp_path / "mine" / "labels.csv")
    assert len(read_labelled_images(tmp_path / "mine").table) == 50


@pytest.mark.parametrize("mark", ["1.0", "0.5", "yes", ""])
def test_rows_that_say_no_diagnosis_or_several_are_refused(fifty_images: Path, tmp_path: Path, mark: str) -> None:
    truth = lay_out(fifty_images, tmp_path)
    rows = pd.read_csv(truth, dtype=str)
    rows.loc[0, ["MEL", "NV"]] = [mark, "1.0"]
    rows.to_csv(truth, index=False)
    with pytest.raises(DataError, match="1 row without exactly one 1 among 0s: DEMO_I_"):
        read_labelled_images(tmp_path)
