"""Several data sets as one, on drawn images: sources, copies, and the split of each source."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from lesionflow.datasets.combined import (
    check_every_diagnosis_trains,
    describe_sources,
    read_data_sets,
    split_data_sets,
)
from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.datasets.split import Split, split_by_lesion
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError, enumerated
from tests.images.test_duplicates import in_the_dark

FRACTIONS = (0.6, 0.2, 0.2)


@pytest.mark.parametrize(
    ("names", "told"), [((), ""), (("ours",), "ours"), (("ours", "BCN"), "ours and BCN"), ("abc", "a, b and c")]
)
def test_data_sets_are_enumerated(names: tuple[str, ...], told: str) -> None:
    assert enumerated(names) == told


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


Row = tuple[str, str, str, Image.Image, dict[str, str]]  # id, lesion, diagnosis, picture and further columns


def write_set(folder: Path, rows: list[Row]) -> Path:
    """A table of images in a folder."""
    folder.mkdir(parents=True)
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "image_id", "lesion_id", "diagnosis", *rows[0][4]])
        for image_id, lesion, diagnosis, drawn, more in rows:
            drawn.save(folder / f"{image_id}.jpg", quality=95)
            table.writerow([f"{image_id}.jpg", image_id, lesion, diagnosis, *more.values()])
    return folder / "labels.csv"


def many(prefix: str, first: int, more: dict[str, str] | None = None, lesions: int = 5) -> list[Row]:
    """Five lesions of each diagnosis, two images each."""
    return [
        (
            f"{prefix}{7 * i + d}_{j}",
            f"{prefix}L{7 * i + d}",
            HAM10000.names[d],
            picture(first + 100 * i + 10 * d + j),
            more or {},
        )
        for i in range(lesions)
        for d in range(7)
        for j in range(2)
    ]


def parts(images: LabelledImages, split: Split) -> dict[str, str]:
    return {
        images.table["image_id"].iloc[i]: part for part in ("train", "validation", "test") for i in split.part(part)
    }


def test_one_data_set_is_as_it_was(demo_folder: Path, tmp_path: Path) -> None:
    alone = read_labelled_images(demo_folder)
    images = read_data_sets([str(demo_folder)], cache=tmp_path)
    assert images.digest == alone.digest and images.name == alone.name
    split = split_data_sets(images, FRACTIONS, 3)
    table = alone.table
    assert split.digest == split_by_lesion(table["image_id"], table["lesion_id"], alone.labels, FRACTIONS, 3).digest


def test_each_row_keeps_its_source_and_the_split_of_a_source_does_not_depend_on_others(tmp_path: Path) -> None:
    one = write_set(tmp_path / "one", many("a", 0))
    rows = many("b", 5000, {"source": "Barcelona", "licence": "CC BY 4.0"})
    other = write_set(tmp_path / "other", rows)
    alone = read_data_sets([str(one)], cache=tmp_path)
    both = read_data_sets([str(one), str(other)], cache=tmp_path)
    assert both.table["source"].value_counts().to_dict() == {"one/labels.csv": 70, "Barcelona": 70}
    split = split_data_sets(both, FRACTIONS, 0)
    of_one = parts(alone, split_data_sets(alone, FRACTIONS, 0))
    assert of_one.items() <= parts(both, split).items()
    second = read_data_sets([str(other)], cache=tmp_path)
    assert parts(second, split_data_sets(second, FRACTIONS, 0)).items() <= parts(both, split).items()
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == list(range(140))
    first, last = describe_sources(both, split)
    assert first["name"] == "one/labels.csv" and last["name"] == "Barcelona" and last["licence"] == "CC BY 4.0"
    assert sum(last["images"].values()) == 70 and last["diagnoses"]["mel"] == 10 and not last["training_only"]
    reversed_order = read_data_sets([str(other), str(one)], cache=tmp_path)
    assert len({alone.digest, both.digest, reversed_order.digest, second.digest}) == 4


def test_data_sets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one, other = write_set(tmp_path / "one", many("a", 0)), write_set(tmp_path / "other", many("b", 5000))
    images = read_data_sets([str(one)], [str(other)], tmp_path)
    assert images.table["source"].value_counts().to_dict() == {"one/labels.csv": 70, "other/labels.csv": 70}
    assert images.name == "one/labels.csv and other/labels.csv"


def test_published_sources_are_one_in_several_data_sets_and_their_licence_is_known(tmp_path: Path) -> None:
    one = write_set(tmp_path / "one", many("a", 0, {"source": "BCN_20000"}))
    images = read_data_sets([str(one), str(write_set(tmp_path / "other", many("b", 5000, {"source": "MSK"})))])
    assert set(images.table["licence"]) == {"CC BY-NC 4.0"}
    other = write_set(tmp_path / "third", many("c", 9000, {"source": "BCN_20000"}))
    assert set(read_data_sets([str(one), str(other)], cache=tmp_path).table["source"]) == {"BCN_20000"}
    renamed = write_set(tmp_path / "HAM10000_renamed", many("d", 12000)).parent  # by other ids than its own
    ham10000 = read_data_sets([str(renamed)])
    (told,) = describe_sources(ham10000, split_data_sets(ham10000, FRACTIONS, 0))
    assert told["licence"] == "CC BY-NC 4.0" and "licence" not in told["not_known"]


def test_what_is_not_known_is_counted_by_source_and_copies_tell_lesions(tmp_path: Path) -> None:
    rows = many("a", 0)
    half = [(row[0], row[1] if i % 2 else "", *row[2:]) for i, row in enumerate(rows)]
    one = write_set(tmp_path / "one", half)
    other: list[Row] = [("copy", "L1", rows[0][2], rows[0][3], {}), *many("b", 5000)]
    images = read_data_sets([str(one), str(write_set(tmp_path / "other", other))], cache=tmp_path)
    first, last = (each["not_known"] for each in describe_sources(images, split_data_sets(images, FRACTIONS, 0)))
    assert first["lesion_id"] == 34 and "lesion_id" not in last  # one of 35 is known from its copy
    assert first["patient_id"] == first["licence"] == first["age"] == 70


def test_ids_that_data_sets_share_by_chance_are_told(tmp_path: Path) -> None:
    rows = many("a", 0)
    others: list[Row] = [
        (f"b{row[0]}", row[1], "vasc" if at < 2 else row[2], picture(9000 + at), {}) for at, row in enumerate(rows[:20])
    ]
    one, other = write_set(tmp_path / "one", rows), write_set(tmp_path / "other", others)
    images = read_data_sets([str(one), str(other)], cache=tmp_path)
    assert images.table["lesion_id"].nunique() == 36
    assert images.warnings == (
        "other/labels.csv: 10 lesion ids are in a data set before it, too; 9 count as the same lesions: aL1, aL2, aL3 "
        "and 6 more, 1 has another diagnosis and counts as another, on the same side of the split: aL0 (vasc, before "
        "akiec); if each data set counts its own, write its name before each lesion_id",
    )
    (told,) = [text for text in read_data_sets([str(one)], [str(other)], tmp_path).warnings if "lesion ids" in text]
    assert "; 9 count as the same lesions: " in told
    assert ", 1 has another diagnosis and is left out of training: aL0 (vasc, before akiec); if each" in told


@pytest.mark.parametrize("form", ["{}", "ISIC_{:07}", "ISIC_{:07}_downsampled"])
def test_images_of_one_name_are_of_one_lesion_only_in_the_archive(tmp_path: Path, form: str) -> None:
    lesions = 140 if form == "{}" else 70
    sets = []
    for name, first in (("one", 0), ("other", 9000)):
        unknown: list[Row] = [
            (form.format(at), "", row[2], picture(first + at), {}) for at, row in enumerate(many("a", 0))
        ]
        sets.append(str(write_set(tmp_path / name, unknown)))
    images = read_data_sets(sets, cache=tmp_path)
    assert images.table["lesion_id"].nunique() == lesions
    assert len(read_data_sets(sets[:1], sets[1:], tmp_path).table) == lesions


def test_rows_without_a_source_are_of_the_data_set(tmp_path: Path) -> None:
    rows: list[Row] = [(*row[:4], {"source": "clinic" if at % 2 else ""}) for at, row in enumerate(many("a", 0))]
    images = read_data_sets([str(write_set(tmp_path / "one", rows))], cache=tmp_path)
    assert images.table["source"].value_counts().to_dict() == {"clinic": 35, "labels.csv": 35}


def test_data_sets_of_which_nothing_is_left_are_as_if_not_given(tmp_path: Path) -> None:
    rows, others = many("a", 0), many("b", 5000)
    one, other = write_set(tmp_path / "one", rows), write_set(tmp_path / "other", others)
    (tmp_path / "link").symlink_to(tmp_path / "one")
    copies = write_set(tmp_path / "copies", [(f"c{row[0]}", *row[1:]) for row in rows[:20]])
    alone, both = read_data_sets([str(one)], cache=tmp_path), read_data_sets([str(one), str(other)], cache=tmp_path)
    link = str(tmp_path / "link" / "labels.csv")
    again = [
        (alone, read_data_sets([str(one), str(one)], cache=tmp_path)),
        (alone, read_data_sets([str(one), link, f"{tmp_path}/one/../one/labels.csv"], [str(copies)], tmp_path)),
        (both, read_data_sets([str(one), link, str(other), str(copies)], cache=tmp_path)),
    ]
    for expected, found in again:
        assert found.digest == expected.digest and set(found.table["image_id"]) == set(expected.table["image_id"])
        assert split_data_sets(found, FRACTIONS, 0).digest == split_data_sets(expected, FRACTIONS, 0).digest
        assert any(
            "adds no image: all of its 70 images are left out" in text
            and text.endswith("do not give the same images twice")
            for text in found.warnings
        )
    assert again[1][1].name == alone.name and (again[1][1].table["source"] == "labels.csv").all()


def test_one_mapping_for_several_data_sets_each_of_which_takes_what_concerns_it(tmp_path: Path) -> None:
    one, other = write_set(tmp_path / "one", many("a", 0)), write_set(tmp_path / "other", many("b", 5000))
    text = other.read_text().replace("path,image_id,lesion_id,diagnosis", "file,name,mole,finding", 1)
    other.write_text(text.replace(",nv", ",plain mole").replace(",df", ",other thing"))
    mapping = tmp_path / "labels.yaml"
    columns = "columns: {path: file, image_id: name, lesion_id: mole, diagnosis: finding}\n"
    mapping.write_text(columns + "labels: {plain mole: nv, other thing: null, naevus: nv, none such: mel}\n")
    for data, extra in (([one, other], []), ([other, one], []), ([one], [other])):
        images = read_data_sets([str(path) for path in data], [str(path) for path in extra], tmp_path, str(mapping))
        assert len(images.table) == 130 and images.table["dx"].value_counts()["nv"] == 20
        assert sum("labels.yaml: 1 word that no image has: none such" in text for text in images.warnings) == 1
    mapping.write_text(columns.replace("mole", "Mole, age: years") + "labels: {plain mole: nv, other thing: df}\n")
    with pytest.raises(DataError, match=r"no column years, which .*labels.yaml names, .*; their columns: path,"):
        read_data_sets([str(one), str(other)], cache=tmp_path, labels=str(mapping))
    (tmp_path / "columns.yaml").write_text("columns: {age: years}")
    with pytest.raises(DataError, match=r"no column years, .*; their columns: path, image_id, lesion_id, diagnosis$"):
        read_data_sets([str(one), str(one)], cache=tmp_path, labels=str(tmp_path / "columns.yaml"))


def test_what_is_extra_only_trains(tmp_path: Path) -> None:
    one, other = write_set(tmp_path / "one", many("a", 0)), write_set(tmp_path / "other", many("b", 5000))
    images = read_data_sets([str(one)], [str(other)], tmp_path)
    split = split_data_sets(images, FRACTIONS, 0)
    assert images.table["extra"].sum() == 70
    assert not images.table["extra"].iloc[np.concatenate([split.validation, split.test])].any()
    assert images.digest != read_data_sets([str(one), str(other)], cache=tmp_path).digest


def test_copies_by_bytes_and_by_sight_are_left_out_and_their_lesions_joined(tmp_path: Path) -> None:
    rows = many("a", 0)
    one = write_set(tmp_path / "one", rows)
    again = io.BytesIO()
    rows[0][3].resize((160, 120)).filter(ImageFilter.GaussianBlur(0.5)).save(again, "JPEG", quality=80)
    others: list[Row] = [
        ("seen", "X", rows[0][2], Image.open(again), {}),  # another size, softer, compressed
        ("sister", "X", rows[0][2], picture(9001), {}),  # the same lesion as that copy
        ("bytes", "Y", rows[3][2], rows[3][3], {}),  # the same picture under another name
        ("mirrored", "M", rows[7][2], rows[7][3].transpose(Image.Transpose.FLIP_LEFT_RIGHT), {}),
        ("turned", "T", rows[9][2], rows[9][3].transpose(Image.Transpose.ROTATE_90), {}),
        ("sister of turned", "T", rows[9][2], picture(9004), {}),
        (rows[5][0], "Z", "nv", picture(9002), {}),  # another picture under the same name
        ("new", rows[6][1], "mel" if rows[6][2] != "mel" else "nv", picture(9003), {}),  # another lesion of that name
    ]
    other = write_set(tmp_path / "other", [*others, *many("b", 5000)])
    images = read_data_sets([str(one), str(other)], cache=tmp_path)
    table = images.table.set_index("image_id")
    assert len(table) == 70 + 4 + 70 and any("left out, 4 images" in text for text in images.warnings)
    assert table.loc["sister", "lesion_id"] == rows[0][1]
    assert table.loc["sister of turned", "lesion_id"] == rows[9][1]
    assert f"other/labels.csv/{rows[5][0]}" in table.index
    assert table.loc["new", "lesion_id"] == f"other/labels.csv/{rows[6][1]}"
    split = split_data_sets(images, FRACTIONS, 0)
    found = parts(images, split)
    assert found["sister"] == found[rows[0][0]]
    extra = read_data_sets([str(one)], [str(other)], tmp_path)
    assert not {"sister", "sister of turned", "new"} & set(extra.table["image_id"])
    assert any("3 images of lesions" in text for text in extra.warnings)


def test_lesions_of_which_another_data_set_has_copies_as_one_are_one(tmp_path: Path) -> None:
    rows = many("a", 0)
    first, second, third = (rows[14 * i] for i in range(3))  # of three lesions of one diagnosis
    others: list[Row] = [
        ("copy1", "X", first[2], first[3], {}),
        ("copy2", "X", first[2], second[3], {}),
        ("copy3", "Y", first[2], second[3].resize((80, 60)), {}),
        ("copy4", "Y", first[2], third[3], {}),
        ("new", "X", first[2], picture(9001), {}),
    ]
    data = [str(write_set(tmp_path / "one", rows)), str(write_set(tmp_path / "other", others))]
    for seed in range(5):
        images = read_data_sets(data, cache=tmp_path)
        lesions = images.table.set_index("image_id")["lesion_id"]
        assert {lesions[row[0]] for row in (first, second, third)} == {lesions["new"]} == {first[1]}
        found = parts(images, split_data_sets(images, FRACTIONS, seed))
        assert len({found[row[0]] for row in (*rows[:2], *rows[14:16], *rows[28:30])} | {found["new"]}) == 1


def test_lesions_are_one_also_where_nothing_but_copies_of_them_is_in_the_other_set(tmp_path: Path) -> None:
    rows = many("a", 0)
    single = write_set(tmp_path / "one", [(row[0], f"only {row[0]}", *row[2:]) for row in rows])
    known = write_set(tmp_path / "other", rows)
    for data, extra in (([single, known], []), ([single], [known])):
        images = read_data_sets([str(path) for path in data], [str(path) for path in extra], tmp_path)
        lesions = images.table.set_index("image_id")["lesion_id"]
        groups = {frozenset(ids) for ids in lesions.groupby(lesions).groups.values()}
        assert groups == {frozenset(row[0] for row in rows if row[1] == lesion) for lesion in {row[1] for row in rows}}


def test_lesions_with_an_id_of_an_earlier_data_set_stay_with_it_when_copies_join_them(tmp_path: Path) -> None:
    rows = many("a", 0)
    first, second, third = (rows[14 * i] for i in range(3))
    others: list[Row] = [
        ("copy1", "X", first[2], first[3], {}),
        ("copy2", "X", first[2], second[3], {}),
        ("new2", second[1], first[2], picture(9001), {}),
        ("copy3", third[1], first[2], first[3].resize((80, 60)), {}),
        ("new3", third[1], first[2], picture(9002), {}),
    ]
    data = [str(write_set(tmp_path / "one", rows)), str(write_set(tmp_path / "other", others))]
    lesions = read_data_sets(data, cache=tmp_path).table.set_index("image_id")["lesion_id"]
    assert {lesions[name] for name in (first[0], second[0], "new2", third[0], "new3")} == {first[1]}


def test_what_is_left_out_still_tells_which_lesion_later_data_sets_have(tmp_path: Path) -> None:
    rows = many("a", 0)
    first, second = rows[0], rows[2]
    sets = [
        write_set(tmp_path / "one", rows),
        write_set(tmp_path / "copies", [("copy", "Z9", first[2], first[3], {}), *many("b", 5000, lesions=1)]),
        write_set(tmp_path / "further", [("photo", second[1], second[2], picture(9001), {})]),
        write_set(tmp_path / "last", [
            ("same id", "Z9", first[2], picture(9002), {}),
            ("copy of photo", "Q", second[2], picture(9001, (80, 60)), {}),
        ]),
    ]  # fmt: skip
    one, copies, further, last = map(str, sets)
    lesions = read_data_sets([one, copies, further, last], cache=tmp_path).table.set_index("image_id")["lesion_id"]
    assert lesions["same id"] == first[1] and lesions["photo"] == second[1] and "copy of photo" not in lesions.index
    extra = read_data_sets([one], [copies, further, last], tmp_path)
    assert not {"photo", "same id", "copy of photo"} & set(extra.table["image_id"])


def test_an_id_of_one_diagnosis_is_one_lesion_also_behind_a_data_set_where_it_has_another(tmp_path: Path) -> None:
    rows = many("a", 0)
    others = [write_set(tmp_path / name, [(name, rows[0][1], "vasc", picture(9000 + ord(name)), {})]) for name in "bc"]
    images = read_data_sets([str(write_set(tmp_path / "one", rows)), *map(str, others)], cache=tmp_path)
    lesions = images.table.set_index("image_id")["lesion_id"]
    assert lesions["b"] == lesions["c"] == f"b/labels.csv/{rows[0][1]}" != lesions[rows[0][0]]


def test_copies_tell_the_patient_and_the_licence_where_the_first_data_set_does_not(tmp_path: Path) -> None:
    rows = many("a", 0)
    told = {"patient_id": "P1", "licence": "CC BY 4.0"}
    others: list[Row] = [
        ("copy", "X", rows[0][2], rows[0][3], told),
        ("another lesion", "Y", rows[2][2], picture(9001), told),
        ("a third", rows[4][1], rows[4][2], picture(9002), told),
    ]
    one, other = str(write_set(tmp_path / "one", rows)), str(write_set(tmp_path / "other", others))
    for seed in range(5):
        images = read_data_sets([one, other], cache=tmp_path)
        found = parts(images, split_data_sets(images, FRACTIONS, seed))
        assert len({found[name] for name in (rows[0][0], "another lesion", "a third", rows[4][0])}) == 1
    first = images.table.set_index("image_id").loc[rows[0][0]]
    assert (first["patient_id"], first["licence"]) == ("P1", "CC BY 4.0")
    extra = read_data_sets([one], [other], tmp_path)
    assert len(extra.table) == len(rows)
    assert "other/labels.csv: left out of training: 2 images of lesions or patients that are in --data" in (
        extra.warnings
    )


def test_patient_ids_that_data_sets_share_are_told_unless_copies_show_that_they_are_the_same(tmp_path: Path) -> None:
    rows: list[Row] = [(*row[:4], {"patient_id": f"P{at // 2}"}) for at, row in enumerate(many("a", 0))]
    others: list[Row] = [
        (f"b{at}", f"b{row[1]}", row[2], row[3] if at < 4 else picture(9000 + at), row[4])
        for at, row in enumerate(rows[:20])
    ]
    one, other = str(write_set(tmp_path / "one", rows)), str(write_set(tmp_path / "other", others))
    images, extra = read_data_sets([one, other], cache=tmp_path), read_data_sets([one], [other], tmp_path)
    told = (
        "other/labels.csv: 8 patient ids are in a data set before it, too, and count as the same patients: P2, P3, P4 "
        "and 5 more; if each data set counts its own, write its name before each patient_id"
    )
    assert told in images.warnings and images.table["patient_id"].nunique() == 35
    assert told in extra.warnings and len(extra.table) == len(rows)
    assert "other/labels.csv: left out of training: 16 images of lesions or patients that are in --data" in (
        extra.warnings
    )


def test_a_lesion_of_another_diagnosis_in_another_data_set_stays_on_the_same_side(tmp_path: Path) -> None:
    rows = many("a", 0)
    relabelled: list[Row] = [
        (f"b{at}", row[1], "mel", picture(9000 + at), {}) for at, row in enumerate(rows) if row[2] == "nv"
    ]
    sets = [str(write_set(tmp_path / name, drawn)) for name, drawn in (("one", rows), ("histology", relabelled))]
    images = read_data_sets(sets, cache=tmp_path)
    alone = read_data_sets(sets[:1], cache=tmp_path)
    for seed in range(5):
        found = parts(images, split_data_sets(images, FRACTIONS, seed))
        assert all(found[row[0]] == found[f"b{at}"] for at, row in enumerate(rows) if row[2] == "nv")
        assert parts(alone, split_data_sets(alone, FRACTIONS, seed)).items() <= found.items()
    assert len(read_data_sets(sets[:1], sets[1:], tmp_path).table) == len(rows)


def test_what_is_left_out_of_training_still_tells_which_lesions_are_of_one_patient(tmp_path: Path) -> None:
    rows = many("a", 0)
    later: list[Row] = [(f"b{at}", rows[at][1], "nv", picture(9000 + at), {"patient_id": "R"}) for at in (10, 24, 38)]
    one, other = str(write_set(tmp_path / "one", rows)), str(write_set(tmp_path / "other", later))
    images = read_data_sets([one], [other], tmp_path)
    assert len(images.table) == len(rows) and rows[10][2] == "nv"
    for seed in range(5):
        found = parts(images, split_data_sets(images, FRACTIONS, seed))
        assert len({found[rows[at][0]] for at in (10, 11, 24, 38)}) == 1


def test_a_data_set_without_patients_beside_one_with_them_is_told(tmp_path: Path) -> None:
    known: list[Row] = [(*row[:4], {"patient_id": f"P{at}"}) for at, row in enumerate(many("a", 0))]
    one, other = write_set(tmp_path / "one", known), write_set(tmp_path / "other", many("b", 5000))
    images = read_data_sets([str(one), str(other)], cache=tmp_path)
    assert images.warnings[-1] == (
        "other/labels.csv: no image has a patient_id, so one patient's may stand on two sides of a split"
    )
    told, untold = (each["not_known"] for each in describe_sources(images, split_data_sets(images, FRACTIONS, 0)))
    assert untold["patient_id"] == 70 and "patient_id" not in told and "lesion_id" not in {*told, *untold}


def test_copies_of_different_diagnoses_are_refused(tmp_path: Path) -> None:
    rows = many("a", 0)
    one = write_set(tmp_path / "one", rows)
    wrong: Row = ("copy", "X", HAM10000.names[(HAM10000.names.index(rows[0][2]) + 1) % 7], rows[0][3], {})
    other = write_set(tmp_path / "other", [wrong, *many("b", 5000)])
    with pytest.raises(DataError) as refused:
        read_data_sets([str(one), str(other)], cache=tmp_path)
    assert str(refused.value) == (
        "1 image has another diagnosis than a copy in another data set; correct one of each: copy is "
        f"{wrong[2]} in other/labels.csv, a0_0 is {rows[0][2]} in one/labels.csv"
    )
    turned = [
        (f"c{i}", f"X{i}", "mel" if row[2] != "mel" else "nv", row[3], row[4]) for i, row in enumerate(rows[1:14])
    ]
    third = write_set(tmp_path / "third", [*turned, *many("d", 9000)])
    with pytest.raises(DataError, match="14 images have another diagnosis than a copy in another") as refused:
        read_data_sets([str(one), str(other)], [str(third)], tmp_path)
    told = str(refused.value)  # of all sets at once
    assert told.endswith(" and 2 more") and told.count("/labels.csv, ") == 12 and "; c10 is " in told


def test_round_fields_in_the_dark_are_copies_only_where_what_they_light_up_is(
    demo_folder: Path, tmp_path: Path
) -> None:
    drawn = [Image.open(path).convert("RGB") for path in sorted(demo_folder.glob("*/*.jpg"))]
    fields = [in_the_dark(image, radius=(0.65, 0.8)[number % 2]) for number, image in enumerate(drawn)]
    half = len(fields) // 2
    first: list[Row] = [(f"a{i}", f"A{i}", HAM10000.names[i % 7], field, {}) for i, field in enumerate(fields[:half])]
    others: list[Row] = [
        (f"b{i}", f"B{i}", HAM10000.names[(i + 3) % 7], field, {}) for i, field in enumerate(fields[half:])
    ]
    one, other = write_set(tmp_path / "one", first), write_set(tmp_path / "other", others)
    alone = read_data_sets([str(one), str(other)], cache=tmp_path)
    assert len(alone.table) == len(fields) and not any("copies" in text for text in alone.warnings)
    changes = (
        lambda image: image.resize((84, 84), Image.Resampling.BICUBIC),
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
        lambda image: image.filter(ImageFilter.GaussianBlur(0.5)),
    )
    planted: list[Row] = [(f"c{i}", f"C{i}", first[i][2], changes[i % 3](first[i][3]), {}) for i in range(0, half, 4)]
    third = write_set(tmp_path / "third", planted + others)
    found = read_data_sets([str(one), str(third)], cache=tmp_path)
    assert any(f"are left out, {len(planted)} images: " in text for text in found.warnings)


def test_a_source_with_few_lesions_of_a_diagnosis_trains_with_them(tmp_path: Path) -> None:
    one = write_set(tmp_path / "one", many("a", 0))
    few = write_set(tmp_path / "few", [("m0", "M0", "mel", picture(7000), {}), *many("b", 5000)[:10]])
    images = read_data_sets([str(one), str(few)], cache=tmp_path)
    found = parts(images, split_data_sets(images, FRACTIONS, 0))
    assert found["m0"] == "train"


def test_one_data_set_with_too_few_lesions_or_patients_of_a_diagnosis_is_refused(tmp_path: Path) -> None:
    rows = [row for row in many("a", 0) if row[2] != "mel" or row[1] in ("aL4", "aL11")]
    for told, number in ("mel has 2 lesions; a split needs", 0), ("no mel in .*; a split needs at least three pat", 1):
        with_patients: list[Row] = [(*row[:4], {"patient_id": "P" * number + row[1] * number}) for row in rows]
        images = read_data_sets([str(write_set(tmp_path / str(number), with_patients))], cache=tmp_path)
        with pytest.raises(DataError, match=told):
            split_data_sets(images, FRACTIONS, 0)


def of_patients(prefix: str, first: int) -> list[Row]:
    """Forty patients with one to three lesions each, of several diagnoses, from two sources."""
    rows = many(prefix, first, lesions=8)
    return [
        (image_id, lesion, dx, drawn, {"patient_id": f"P{i // 3}", "source": "one" if i < 60 else "two"})
        for i, (image_id, lesion, dx, drawn, _) in enumerate(rows)
    ]


def test_patients_stay_on_one_side_also_of_several_data_sets(tmp_path: Path) -> None:
    rows, others = of_patients("a", 0), of_patients("b", 5000)
    one, other = write_set(tmp_path / "one", rows), write_set(tmp_path / "other", others)
    alone, both = read_data_sets([str(one)], cache=tmp_path), read_data_sets([str(one), str(other)], cache=tmp_path)
    patient_of = {row[0]: row[4]["patient_id"] for row in (*rows, *others)}
    for images in (alone, both):
        split = split_data_sets(images, FRACTIONS, 0)
        assert split.by == "patient"
        for ids in (images.table["image_id"].map(patient_of), images.table["lesion_id"]):
            sides = [set(ids.iloc[split.part(part)]) for part in ("train", "validation", "test")]
            assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert parts(alone, split_data_sets(alone, FRACTIONS, 0)).items() <= parts(both, split).items()


def test_a_split_that_was_made_by_lesion_is_found_by_its_digest(tmp_path: Path) -> None:
    images = read_data_sets([str(write_set(tmp_path / "one", of_patients("a", 0)))], cache=tmp_path)
    without = dataclasses.replace(images, table=images.table.assign(patient_id=""))
    before = split_data_sets(without, FRACTIONS, 0)
    assert split_data_sets(images, FRACTIONS, 0, before.digest).digest == before.digest
    now = split_data_sets(images, FRACTIONS, 0)
    assert now.digest != before.digest and split_data_sets(images, FRACTIONS, 0, now.digest).digest == now.digest


def test_a_diagnosis_without_an_image_to_train_on_is_refused_unless_what_only_trains_has_it(tmp_path: Path) -> None:
    rows = [row for row in many("a", 0) if row[2] not in ("df", "vasc")]
    one, other = write_set(tmp_path / "one", rows), write_set(tmp_path / "other", many("b", 5000))
    alone, both = read_data_sets([str(one)]), read_data_sets([str(one)], [str(other)], tmp_path)
    split = split_data_sets(alone, FRACTIONS, 0)
    with pytest.raises(
        DataError, match=r"no image of df, vasc to train on, only .*--diagnoses akiec,bcc,bkl,mel,nv, or"
    ):
        check_every_diagnosis_trains(alone, split)
    check_every_diagnosis_trains(both, split_data_sets(both, FRACTIONS, 0))


def test_drawn_images_are_free_to_use_and_others_not_known_to_be(demo_folder: Path, tmp_path: Path) -> None:
    one = str(write_set(tmp_path / "one", many("a", 0)))
    for data, extra in (([str(demo_folder), one], []), ([one], [str(demo_folder)])):
        images = read_data_sets(data, extra, tmp_path)
        told = {each["name"]: each["licence"] for each in describe_sources(images, split_data_sets(images))}
        assert told == {"demo": "free to use", "labels.csv": ""}


def test_drawn_images_among_those_that_are_split_make_it_demo_data_and_those_that_only_train_do_not(
    demo_folder: Path, tmp_path: Path
) -> None:
    moles, ours = str(demo_folder), str(write_set(tmp_path / "ours", many("a", 0)))
    assert read_data_sets([moles], [ours], tmp_path).demo and read_data_sets([ours, moles], cache=tmp_path).demo
    assert not read_data_sets([ours], [moles], tmp_path).demo
    one_table = read_labelled_images(moles).table[["path", "lesion_id", "dx"]].rename(columns={"dx": "diagnosis"})
    one_table.loc[10:, "lesion_id"] = [f"L{number}" for number in range(10, len(one_table))]
    one_table.to_csv(tmp_path / "mixed.csv", index=False)
    mixed = read_labelled_images(tmp_path / "mixed.csv")
    assert mixed.demo and mixed.name == "mixed.csv"
