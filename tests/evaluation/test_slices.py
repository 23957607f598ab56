import numpy as np
import pandas as pd
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.slices import Slice, largest_gaps, slices
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.profile.attributes import AGE_BANDS, age_band
from tests.evaluation.made_up import made_up

MADE = made_up(260)


def attributes(predictions: LabelledPredictions, **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": predictions.image_ids, "path": "x"})
    return table.assign(**columns)


@pytest.mark.parametrize(
    ("age", "band"),
    [("0.0", "0-29"), ("29.9", "0-29"), ("30", "30-44"), ("45.0", "45-59"), ("60", "60-74"), ("75.0", "75+"),
     (85, "75+"), ("", "unknown"), ("nan", "unknown"), (float("nan"), "unknown"), ("old", "unknown"),
     ("-5", "unknown"), ("inf", "unknown"), ("130", "unknown"), (None, "unknown")],
)  # fmt: skip
def test_ages_in_bands(age: object, band: str) -> None:
    assert age_band(age) == band


def test_every_image_is_in_one_slice_of_each_attribute() -> None:
    generator = np.random.default_rng(0)
    ages = generator.choice(["", "10.0", "35.0", "50.0", "70.0", "80.0"], len(MADE))
    table = attributes(
        MADE, age=ages, sex=generator.choice(["male", "female", "unknown"], len(MADE), p=[0.2, 0.7, 0.1]),
        dx_type=["histo"] * len(MADE), localization=generator.choice(["back", ""], len(MADE)),
    )  # fmt: skip
    found = slices(MADE, table, resamples=20)
    assert [(each.attribute, each.value) for each in found] == [
        ("sex", "female"), ("sex", "male"), ("sex", "unknown"),
        *(("age", band) for band in AGE_BANDS), ("age", "unknown"),
        ("localization", "back"), ("localization", "unknown"), ("dx_type", "histo"),
    ]  # fmt: skip
    for attribute in ("sex", "age", "localization", "dx_type"):
        assert sum(each.images for each in found if each.attribute == attribute) == len(MADE)
    young = next(each for each in found if each.value == "0-29")
    members = MADE.take(ages == "10.0")
    assert young.metrics == measure(members, resamples=20)
    assert young.images == len(members) and young.lesions == len(set(members.lesion_ids.tolist()))
    whole = next(each for each in found if each.value == "histo")
    assert whole.metrics == measure(MADE, resamples=20) and not whole.small


def test_attributes_of_which_nothing_is_known_are_left_out() -> None:
    table = attributes(MADE, sex="unknown", age="", localization=" ", dx_type="Unknown")
    assert slices(MADE, table, resamples=5) == []
    assert slices(MADE, attributes(MADE), resamples=5) == []


def test_several_sources_are_groups_and_one_or_a_great_many_are_none() -> None:
    sources = np.where(np.arange(len(MADE)) % 3 == 0, "atlas", "clinic")
    found = slices(MADE, attributes(MADE, source=sources), resamples=20)
    assert [(each.attribute, each.value) for each in found] == [("source", "clinic"), ("source", "atlas")]
    assert found[1].metrics == measure(MADE.take(sources == "atlas"), resamples=20)
    for others in (["clinic"] * len(MADE), [f"https://archive.example/{index}" for index in range(len(MADE))]):
        assert slices(MADE, attributes(MADE, source=others), resamples=5) == []


def test_small_is_few_images_or_few_lesions_of_either_kind() -> None:
    malignant = np.isin(MADE.labels, HAM10000.malignant_indices)
    lesions = np.unique(MADE.lesion_ids[malignant])
    for count, small in ((19, True), (20, False)):
        few = np.isin(MADE.lesion_ids, lesions[:count]) | ~malignant
        found = slices(MADE, attributes(MADE, sex=np.where(few, "here", "there")), resamples=5)
        here = next(each for each in found if each.value == "here")
        assert here.images > 200 and here.small == small
    for count, small in ((99, True), (100, False)):
        part = MADE.take(np.arange(count))
        assert slices(part, attributes(part, sex="male"), resamples=5)[0].small == small
    benign = MADE.take(~malignant)
    assert slices(benign, attributes(benign, sex="male"), resamples=5)[0].small  # no malignant lesion at all


def test_rows_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="attributes of"):
        slices(MADE, attributes(MADE, sex="male").iloc[1:])
    with pytest.raises(ValueError, match="same images in the same order"):
        slices(MADE, attributes(MADE, sex="male").iloc[::-1])


def made_slice(attribute: str, value: str, *, small: bool = False, **metrics: tuple[float, float, float]) -> Slice:
    return Slice(attribute, value, 200, 150, small, {name: Estimate(*each) for name, each in metrics.items()})


def test_the_largest_gaps_are_named() -> None:
    members = [
        made_slice("sex", "male", balanced_accuracy=(0.8, 0.7, 0.9), malignant_sensitivity=(0.5, 0.4, 0.6)),
        made_slice("sex", "female", balanced_accuracy=(0.6, 0.5, 0.69), malignant_sensitivity=(0.55, 0.4, 0.6)),
        made_slice("sex", "other", small=True, balanced_accuracy=(0.1, 0.0, 0.2)),
        made_slice("sex", "unknown", balanced_accuracy=(0.2, 0.1, 0.3)),
        made_slice("age", "0-29", balanced_accuracy=(0.9, 0.8, 1.0), sensitivity_nv=(0.5, 0.4, 0.6)),
        made_slice("age", "30-44", balanced_accuracy=(0.7, 0.6, 0.8)),
        made_slice("age", "45-59", balanced_accuracy=(0.5, 0.4, 0.6)),
        made_slice("dx_type", "histo", balanced_accuracy=(0.5, 0.4, 0.6)),
    ]
    overall = {name: Estimate(0.7, 0.6, 0.8) for name in ("balanced_accuracy", "malignant_sensitivity")}
    gaps = largest_gaps(members, overall)
    named = [(gap.attribute, gap.metric, gap.lowest.value, gap.highest.value, gap.overlap) for gap in gaps]
    assert named == [
        ("age", "balanced_accuracy", "45-59", "0-29", False),
        ("sex", "balanced_accuracy", "female", "male", False),
        ("sex", "malignant_sensitivity", "male", "female", True),
    ]
    assert [gap.size for gap in gaps] == pytest.approx([0.4, 0.2, 0.05])
    assert [gap.same_diagnoses for gap in gaps] == [False, True, True]
    assert gaps[0].overall == overall["balanced_accuracy"]


def test_a_gap_that_is_there_is_found_and_one_that_is_not_is_not() -> None:
    made = made_up(700, seed=3)
    lesion = np.array([int(name[1:]) for name in made.lesion_ids])
    worse = lesion % 2 == 0  # every other lesion: the model misses most of what is malignant there
    missed = (
        worse & np.isin(made.labels, HAM10000.malignant_indices) & (np.random.default_rng(0).random(len(made)) < 0.6)
    )
    table = attributes(made, sex=np.where(worse, "male", "female"), localization=np.where(lesion % 3 == 0, "a", "b"))
    predictions = LabelledPredictions(**{**made.arrays(), "malignant": made.malignant & ~missed})
    overall = measure(predictions, resamples=100)
    gaps = largest_gaps(slices(predictions, table, resamples=200), overall)
    missing = [gap for gap in gaps if gap.metric == "malignant_sensitivity"]
    sex, site = sorted(missing, key=lambda gap: gap.attribute, reverse=True)
    assert (sex.lowest.value, sex.highest.value, sex.overlap) == ("male", "female", False)
    assert site.overlap
