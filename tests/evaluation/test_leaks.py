import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.split import split_by_lesion
from lesionflow.evaluation.leaks import find_leak, trained_on


@pytest.fixture
def table(demo_folder: Path) -> pd.DataFrame:
    return read_labelled_images(demo_folder).table


def test_other_lesions_are_no_leak(demo_folder: Path) -> None:
    images = read_labelled_images(demo_folder)
    split = split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels)
    known = trained_on(images.table, split.train)
    for part in ("validation", "test"):
        assert find_leak(known, images.table.iloc[split.part(part)]).images == 0
    assert (
        find_leak(known, images.table).members.tolist() == np.isin(np.arange(len(images.table)), split.train).tolist()
    )


def test_another_image_of_a_lesion_is_a_leak(table: pd.DataFrame) -> None:
    twice = table["lesion_id"].duplicated(keep=False)
    lesion = table.index[table["lesion_id"] == table["lesion_id"][twice].iloc[0]].to_numpy()
    known = trained_on(table, lesion[:1])
    leak = find_leak(known, table.iloc[lesion[1:]])
    assert leak.images == len(lesion) - 1
    assert leak.found_by == {"lesions": len(lesion) - 1, "images": 0, "contents": 0}
    assert "LEAK" in leak.describe("cnn") and "by lesion" in leak.describe("cnn")


def test_a_renamed_file_is_known_by_its_bytes(table: pd.DataFrame, tmp_path: Path) -> None:
    known = trained_on(table, np.arange(10))
    (tmp_path / "nv").mkdir()
    shutil.copy(table["path"].iloc[3], tmp_path / "nv" / "other name.jpg")
    leak = find_leak(known, read_labelled_images(tmp_path).table)
    assert leak.found_by == {"lesions": 0, "images": 0, "contents": 1}


def test_a_resized_copy_of_the_archive_is_known_by_the_id_in_its_name(table: pd.DataFrame) -> None:
    table = table.assign(image_id=[f"ISIC_{number:07}" for number in range(len(table))])
    known = trained_on(table, np.arange(10))
    for name in ("{}_downsampled", "nv/{}.png", "small-{}"):
        others = table.iloc[:20].assign(
            image_id=[name.format(it) for it in table["image_id"][:20]], lesion_id="other", content=""
        )
        assert find_leak(known, others).members.tolist() == [True] * 10 + [False] * 10
    # and the other way round: trained on the copy
    known = trained_on(table.assign(image_id=table["image_id"] + "_256"), np.arange(10))
    assert find_leak(known, table.iloc[:20].assign(lesion_id="other", content="")).images == 10
    longer = table.iloc[:20].assign(image_id=table["image_id"] + "0", lesion_id="other", content="")
    assert find_leak(known, longer).images == 0


def test_an_image_called_like_a_lesion_is_not_that_lesion(table: pd.DataFrame) -> None:
    known = trained_on(table, np.arange(10))
    others = table.iloc[[20]].assign(image_id=table["lesion_id"].iloc[0])
    assert find_leak(known, others).found_by["images"] == 0
