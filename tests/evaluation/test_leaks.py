import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets.combined import describe_sources, read_data_sets, split_data_sets
from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.datasets.split import DEFAULT_FRACTIONS, PARTS, Split, split_by_lesion
from lesionflow.evaluation.leaks import (
    HASHES,
    digests_of_model,
    find_leak,
    members_of_part,
    split_of_training,
    trained_on,
)
from lesionflow.images.decode import decode
from lesionflow.images.duplicates import VIEW, perceptual_hashes
from lesionflow.model.card import Card
from tests.datasets.test_combined import Row, many, picture, write_set


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


def test_a_copy_that_was_saved_again_is_known_by_sight(table: pd.DataFrame, tmp_path: Path) -> None:
    def views(paths: Iterable[object]) -> np.ndarray:
        return perceptual_hashes(np.stack([decode(str(path), VIEW, VIEW) for path in paths]))

    known = trained_on(table, np.arange(10))
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for path, original in zip(paths, table["path"], strict=False):
        with Image.open(original) as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((450, 338)).save(path)
    others = table.iloc[:20].assign(image_id="other", lesion_id="other", content="")
    hashes = views(paths)
    assert find_leak(known, others, hashes).found_by == {"lesions": 0, "images": 0, "contents": 0}  # an older bundle
    leak = find_leak(known | {HASHES: views(table["path"][:10])}, others, hashes)
    assert leak.members.tolist() == [True] * 10 + [False] * 10
    assert "in 10 of these 20 images (found 10 by sight)" in leak.describe("cnn")


def test_a_lesion_is_known_by_the_ids_of_all_data_sets_that_only_it_has(tmp_path: Path) -> None:
    rows = many("a", 0, lesions=2)
    copy: Row = ("copy", "Z9", rows[0][2], rows[0][3], {})
    namesake: Row = ("namesake", rows[2][1], "vasc", picture(9001), {})
    later: Row = ("later", "Z9", rows[0][2], picture(9002), {})
    sets = {"one": rows, "other": [copy, namesake], "later": [later]}
    one, other, photo = (str(write_set(tmp_path / name, drawn)) for name, drawn in sets.items())
    both, alone = read_data_sets([one, other], cache=tmp_path), read_data_sets([photo])
    known = trained_on(both.table, np.flatnonzero(both.table["image_id"].isin([rows[0][0], "namesake"])))
    assert find_leak(known, alone.table).found_by["lesions"] == 1
    first = read_data_sets([one])
    leaked = first.table["image_id"][find_leak(known, first.table).members].tolist()
    assert leaked == [row[0] for row in rows[:2]]  # not the lesion that the other data set's is called like
    before = trained_on(alone.table, np.arange(1))  # of a model to start from
    assert both.table["image_id"][find_leak(before, both.table).members].tolist() == [row[0] for row in rows[:2]]


def test_other_lesions_of_patients_in_training_are_told_and_are_no_leak_of_lesions(table: pd.DataFrame) -> None:
    table = table[:8].assign(lesion_id=list("abcdefgh"), patient_id=["p", "q", "r", "p", "q", "s", "", ""])
    train, others = np.array([0, 1, 6]), table.iloc[2:].assign(image_id="", content="")
    leak = find_leak(trained_on(table, train), others.drop(index=6))
    assert leak.of_patients.tolist() == [False, True, True, False, False]  # no patient is nobody's
    assert (leak.images, leak.other_lesions) == (0, 2)
    assert "TRAINED on other lesions of the patients in 2 of these 5 images (by patient_id)" in leak.describe("cnn")
    assert leak.among(np.array([0, 3])).describe("cnn") == ""
    leak = find_leak(trained_on(table, train), table)
    assert "in 3 of these 8 images (" in leak.describe("cnn") and "in 2 more (by patient_id)" in leak.describe("cnn")

    def split(train: int, validation: int, test: int) -> Split:
        return Split(np.array([train]), np.array([validation]), np.array([test]), 0, DEFAULT_FRACTIONS, "")

    for before in (trained_on(table, train), trained_on(table, np.array([6, 7]))):  # patients known to one or both
        known = digests_of_model(table, split(2, 3, 4), [before])
        assert find_leak(known, table).of_patients[[0, 2]].tolist() == ["patients" in before, True]
    without = digests_of_model(table, split(6, 7, 3), [])
    assert "patients" not in without and not find_leak(without, table).of_patients.any()


def test_an_image_called_like_a_lesion_is_not_that_lesion(table: pd.DataFrame) -> None:
    known = trained_on(table, np.arange(10))
    others = table.iloc[[20]].assign(image_id=table["lesion_id"].iloc[0])
    assert find_leak(known, others).found_by["images"] == 0


def resaved(images: LabelledImages, changed: slice = slice(None)) -> LabelledImages:
    """The same images with other bytes, as of files that were saved in another size."""
    content = images.table["content"].copy()
    content.iloc[changed] = [f"resaved {text}" for text in content.iloc[changed]]
    return dataclasses.replace(images, table=images.table.assign(content=content), digest="another")


def card_of(images: LabelledImages, split: Split) -> Card:
    return Card(
        "cnn", 32, 32, images.name, images.digest, True, split.digest, 0, DEFAULT_FRACTIONS,
        training={"sources": describe_sources(images, split)},
    )  # fmt: skip


def test_resized_files_of_the_training_data_are_split_as_they_were(demo_folder: Path) -> None:
    images = read_data_sets([str(demo_folder)])
    split = split_data_sets(images)
    card, known = card_of(images, split), trained_on(images.table, split.train)
    found = split_of_training(card, resaved(images), known)
    assert found is not None and found.test.tolist() == split.test.tolist()
    assert split_of_training(card, resaved(images), None) is None  # nothing shows that it is the same
    for few in (slice(0, 1), slice(1, None)):  # a file that was changed makes other data
        assert split_of_training(card, resaved(images, few), known) is None
    fewer = dataclasses.replace(resaved(images), table=images.table.drop(index=split.test[:1]).reset_index(drop=True))
    assert split_of_training(card, fewer, known) is None
    other = dataclasses.replace(card, split_seed=1, split_digest="another")
    assert split_of_training(other, resaved(images), known) is None


def test_one_of_several_data_sets_is_split_as_it_was_among_them(demo_folder: Path, tmp_path: Path) -> None:
    """A set that only trained, or a copy that is not what was trained on, has no test part."""
    images = read_labelled_images(demo_folder)
    rows = images.table.assign(diagnosis=images.table["dx"])
    rows = rows[rows["dx"].isin(["nv", "mel", "bkl"])].reset_index(drop=True)
    halves = [tmp_path / "first.csv", tmp_path / "second.csv"]
    is_second = rows["lesion_id"].isin(rows["lesion_id"][100:])
    for file, part in zip(halves, (rows[~is_second], rows[is_second]), strict=True):
        part[["path", "diagnosis", "lesion_id", "image_id"]].to_csv(file, index=False)
    both = read_data_sets([str(halves[0])], [str(halves[1])])
    split = split_data_sets(both)
    assert both.describe(split.test).startswith("first.csv (synthetic demo data")  # pages do not name what only trains
    assert both.describe(split.train) == both.description
    card, known = card_of(both, split), trained_on(both.table, split.train)
    first = read_labelled_images(halves[0])
    found = split_of_training(card, first, known)
    assert found is not None
    for part in PARTS[1:]:
        ids = first.table["image_id"].iloc[found.part(part)].tolist()
        assert ids == both.table["image_id"].iloc[split.part(part)].tolist()
    assert not find_leak(known, first.table.iloc[found.test]).images
    assert split_of_training(card, resaved(first), known) is not None
    assert split_of_training(card, resaved(first, slice(0, 5)), known) is None
    assert split_of_training(card, read_labelled_images(halves[1]), known) is None


def test_the_training_part_is_that_of_the_training_and_not_that_of_the_model_it_started_from(demo_folder: Path) -> None:
    images = read_data_sets([str(demo_folder)])
    split = split_data_sets(images)
    start = trained_on(images.table, split.test[:5])
    known = digests_of_model(images.table, split, [start])
    for part in PARTS:
        assert members_of_part(known, images.table, part).tolist() == split.part(part).tolist()
    assert find_leak(known, images.table.iloc[split.test]).images >= 5  # which trained it all the same
    alone = digests_of_model(images.table, split, [])
    assert members_of_part(alone, images.table, "train").tolist() == split.train.tolist()
    assert members_of_part(start, images.table, "test").tolist() == []  # of an early bundle


def test_lesions_that_copies_in_another_data_set_made_one_are_split_as_they_were(tmp_path: Path) -> None:
    rows = many("a", 0, lesions=6)
    copies = [(f"copy{row[0]}", "one lesion", *row[2:]) for row in rows if row[2] == "nv"][:6]  # of three lesions
    one, copied = (write_set(tmp_path / name, drawn) for name, drawn in (("one", rows), ("copied", copies)))
    both, alone = read_data_sets([str(one)], [str(copied)], cache=tmp_path), read_data_sets([str(one)])
    assert both.digest == alone.digest and both.table["lesion_id"].nunique() < alone.table["lesion_id"].nunique()
    split = split_data_sets(both)
    assert split.digest != split_data_sets(alone).digest
    found = split_of_training(card_of(both, split), alone, digests_of_model(both.table, split, []))
    assert found is not None
    for part in PARTS:
        assert found.part(part).tolist() == split.part(part).tolist()
