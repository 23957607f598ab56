import numpy as np
import pytest

from lesionflow.datasets.split import (
    PARTS,
    check_every_part,
    check_three_lesions,
    lesions_and_patients,
    split_by_lesion,
)
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError, UsageError


def made_up(lesions: int = 400, seed: int = 0) -> tuple[list[str], list[str], np.ndarray]:
    """Image ids, lesion ids and labels of lesions with one to four images each."""
    generator = np.random.default_rng(seed)
    image_ids: list[str] = []
    lesion_ids: list[str] = []
    labels: list[int] = []
    for lesion in range(lesions):
        label = lesion % 7 if lesion < 70 else 5
        for _ in range(generator.integers(1, 5)):
            image_ids.append(f"I{len(image_ids):05d}")
            lesion_ids.append(f"L{lesion:04d}")
            labels.append(label)
    return image_ids, lesion_ids, np.array(labels)


@pytest.mark.parametrize("seed", range(40))
def test_no_lesion_stands_on_two_sides_and_every_image_on_one(seed: int) -> None:
    image_ids, lesion_ids, labels = made_up(seed=seed)
    split = split_by_lesion(image_ids, lesion_ids, labels, seed=seed)
    sides = [{lesion_ids[i] for i in split.part(part)} for part in PARTS]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    everything = np.concatenate([split.part(part) for part in PARTS])
    assert sorted(everything.tolist()) == list(range(len(image_ids)))
    for part in PARTS:
        assert set(labels[split.part(part)].tolist()) == set(range(len(HAM10000.names)))


def test_lesions_are_divided_in_proportion_within_each_diagnosis() -> None:
    image_ids, lesion_ids, labels = made_up()
    split = split_by_lesion(image_ids, lesion_ids, labels)
    for label, lesions in ((5, 340), (0, 10)):
        in_test = {lesion_ids[i] for i in split.test if labels[i] == label}
        assert len(in_test) == round(0.15 * lesions)


def test_order_of_rows_does_not_matter() -> None:
    image_ids, lesion_ids, labels = made_up()
    order = np.random.default_rng(1).permutation(len(image_ids))
    one = split_by_lesion(image_ids, lesion_ids, labels, seed=5)
    other = split_by_lesion([image_ids[i] for i in order], [lesion_ids[i] for i in order], labels[order], seed=5)
    assert one.digest == other.digest
    assert {image_ids[i] for i in one.test} == {image_ids[order[i]] for i in other.test}


def test_a_known_split_stays_what_it_is() -> None:
    # Bundles keep the digest of their split; a change of the method would make champions incomparable unnoticed.
    image_ids = [f"I{number:03d}" for number in range(140)]
    lesion_ids = [f"L{number // 2:03d}" for number in range(140)]
    labels = np.arange(140) // 2 % 7
    split = split_by_lesion(image_ids, lesion_ids, labels, seed=0)
    assert split.test[:6].tolist() == [2, 3, 12, 13, 14, 15]
    assert split.digest.startswith("5f589988d5e9d392")


def test_seeds_differ() -> None:
    image_ids, lesion_ids, labels = made_up()
    digests = {split_by_lesion(image_ids, lesion_ids, labels, seed=seed).digest for seed in range(10)}
    assert len(digests) == 10


def test_refuses_fractions_that_do_not_add_up() -> None:
    with pytest.raises(UsageError, match="add up"):
        split_by_lesion(*made_up(), fractions=(0.7, 0.2, 0.2))


def test_refuses_a_diagnosis_with_too_few_lesions() -> None:
    lesion_ids, labels = ["1", "2", "3", "4", "4", "5"], np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(DataError, match=r"bcc has 2 lesions; .*at least three of each diagnosis: .*bcc with --extra"):
        check_three_lesions(lesion_ids, labels, HAM10000.names)


def with_patients(seed: int = 0) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Images whose patients have one to five lesions, of several diagnoses."""
    image_ids, lesion_ids, labels = made_up(seed=seed)
    generator = np.random.default_rng(seed)
    patient_of = {lesion: f"P{generator.integers(0, 150):03d}" for lesion in sorted(set(lesion_ids))}
    return image_ids, lesion_ids, [patient_of[lesion] for lesion in lesion_ids], labels


@pytest.mark.parametrize("seed", range(10))
def test_no_patient_stands_on_two_sides_and_every_part_has_every_diagnosis(seed: int) -> None:
    image_ids, lesion_ids, patient_ids, labels = with_patients(seed)
    split = split_by_lesion(image_ids, lesions_and_patients(lesion_ids, patient_ids), labels, seed=seed)
    check_every_part(split, labels, HAM10000.names)
    for ids in (lesion_ids, patient_ids):
        sides = [{ids[i] for i in split.part(part)} for part in PARTS]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    for part in PARTS:
        assert set(labels[split.part(part)].tolist()) == set(range(len(HAM10000.names)))
    assert 0.1 < len(split.test) / len(labels) < 0.25
    order = np.random.default_rng(1).permutation(len(image_ids))
    images, lesions, patients = ([ids[i] for i in order] for ids in (image_ids, lesion_ids, patient_ids))
    again = split_by_lesion(images, lesions_and_patients(lesions, patients), labels[order], seed=seed)
    assert again.digest == split.digest


def test_a_lesion_of_two_patients_keeps_both_together() -> None:
    image_ids = [f"I{number}" for number in range(40)]
    lesion_ids = [f"L{number // 2}" for number in range(40)]
    patient_ids = [f"P{number}" for number in range(40)]  # each lesion is said to be of two patients
    split = split_by_lesion(image_ids, lesions_and_patients(lesion_ids, patient_ids), np.zeros(40, np.int64))
    for part in PARTS:
        members = split.part(part).tolist()
        assert all(member ^ 1 in members for member in members)


def test_refuses_a_diagnosis_of_too_few_patients() -> None:
    ids = [f"{number}" for number in range(30)]
    patients = ["one", "one", "two"] + [f"P{number}" for number in range(27)]
    labels = np.array([4, 4, 4] + [5] * 27)
    split = split_by_lesion(ids, lesions_and_patients(ids, patients), labels)
    with pytest.raises(DataError, match=r"no mel in .*at least three patients.*: add images"):
        check_every_part(split, labels, HAM10000.names)


@pytest.mark.parametrize("folds", [3, 5, 20])
@pytest.mark.parametrize("patients", [False, True])
def test_over_all_folds_each_lesion_is_in_the_test_part_once(folds: int, patients: bool) -> None:
    image_ids, lesion_ids, labels = made_up()
    shares, groups = (0.85 - 1 / folds, 0.15, 1 / folds), lesion_ids
    if patients:
        groups = lesions_and_patients(lesion_ids, [f"P{int(lesion[1:]) // 2}" for lesion in lesion_ids])
    tested: list[int] = []
    for fold in range(folds):
        split = split_by_lesion(image_ids, groups, labels, shares, fold=(fold, folds))
        sides = [{groups[i] for i in split.part(part)} for part in PARTS]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        assert set(labels[split.train]) == set(labels[split.validation]) == set(range(len(HAM10000.names)))
        tested += split.test.tolist()
    assert sorted(tested) == list(range(len(image_ids)))


def test_a_diagnosis_of_three_lesions_trains_in_every_fold() -> None:
    labels = np.repeat([4, 5], [3, 30])
    names = [str(number) for number in range(len(labels))]
    for fold in range(4):
        split = split_by_lesion(names, names, labels, (0.6, 0.15, 0.25), fold=(fold, 4))
        assert 4 in labels[split.train] and 4 in labels[split.validation]
