import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.evaluation.evaluate import EvaluatedPart, Measuring, evaluate_model, predict_part
from lesionflow.evaluation.page import evaluation_page
from lesionflow.evaluation.shift import measure_shift, shift_told
from lesionflow.images.decode import decode
from lesionflow.model.card import AVERAGED, SINGLE, Calibration
from lesionflow.model.decision import MEAN_LOGITS
from lesionflow.model.prediction import TRUSTED, UNFAMILIAR, LabelledPredictions
from lesionflow.model.predictor import load_predictor
from tests.evaluation.made_up import made_up
from tests.scoring.conftest import SIDE, write_small_bundle


def unfamiliar(made: LabelledPredictions, every: int) -> LabelledPredictions:
    refer = np.where(np.arange(len(made)) % every == 0, UNFAMILIAR, TRUSTED)
    return dataclasses.replace(made, refer=refer)


def test_the_share_of_unfamiliar_images_has_an_interval() -> None:
    here, there = unfamiliar(made_up(seed=1), 4), unfamiliar(made_up(), 100)
    found = measure_shift(here, there, tells_unfamiliar=True)
    assert found.unfamiliar is not None
    assert found.unfamiliar.low < found.unfamiliar.value < found.unfamiliar.high
    assert found.unfamiliar.value == pytest.approx((here.refer == UNFAMILIAR).mean())
    assert found.unfamiliar_in_validation == pytest.approx((there.refer == UNFAMILIAR).mean())
    assert measure_shift(here, there, tells_unfamiliar=False).unfamiliar is None


def test_it_is_told_in_one_sentence() -> None:
    here, there = unfamiliar(made_up(seed=1), 4), unfamiliar(made_up(), 100)
    told = shift_told(measure_shift(here, there, tells_unfamiliar=True), "images")
    assert re.match(
        r"0\.25\d \(0\.\d+ to 0\.\d+\) of the images are unlike the training images, in validation 0\.01", told
    )
    means = [each.malignant_probability.mean() for each in (here, there)]
    assert f"; mean malignant probability {means[0]:.3f}, in validation {means[1]:.3f}; mean probability of the" in told
    alone = shift_told(measure_shift(here, None, tells_unfamiliar=True), "lesions")
    assert alone.endswith(" of the lesions are unlike the training images")


def test_means_and_distances_are_those_of_the_scores() -> None:
    here, there = made_up(seed=1, skill=3), made_up(skill=0.5)
    malignant, confidence = measure_shift(here, there, tells_unfamiliar=False).scores
    assert malignant.here == pytest.approx(here.malignant_probability.mean())
    assert malignant.validation == pytest.approx(there.malignant_probability.mean())
    assert malignant.difference.value == pytest.approx(malignant.here - malignant.validation)
    expected = ks_2samp(here.malignant_probability, there.malignant_probability).statistic
    assert malignant.distance == pytest.approx(expected)
    best = [each.probabilities.max(axis=1) for each in (here, there)]
    assert confidence.distance == pytest.approx(ks_2samp(*best).statistic)
    assert confidence.difference.low > 0  # the better model is surer
    assert confidence.same_mix is not None and confidence.same_mix.low > 0


def test_the_same_images_are_at_no_distance() -> None:
    made = made_up()
    for score in measure_shift(made, made, tells_unfamiliar=False).scores:
        assert score.difference.value == score.distance == 0
        assert score.difference.low < 0 < score.difference.high
        assert score.same_mix is not None and score.same_mix.value == pytest.approx(0)


def test_another_mix_of_diagnoses_alone_is_told_from_other_looks() -> None:
    there = made_up(400)
    malignant = np.flatnonzero(there.is_malignant)
    here = there.take(np.concatenate([np.arange(len(there)), malignant, malignant, malignant]))
    score = measure_shift(here, there, tells_unfamiliar=False).scores[0]
    assert score.difference.value > 0.05
    assert score.same_mix is not None and score.same_mix.value == pytest.approx(0, abs=1e-12)


def test_without_what_the_model_says_of_validation_the_share_alone_is_told() -> None:
    found = measure_shift(unfamiliar(made_up(), 5), None, tells_unfamiliar=True)
    assert found.scores == () and found.validation_images == 0 and found.unfamiliar is not None
    assert set(found.metrics()) == {"unfamiliar"}


def test_diagnoses_that_only_one_side_has_are_left_out_of_the_same_mix() -> None:
    made = made_up()
    nv_only, others = made.take(made.labels == 5), made.take(made.labels != 5)
    assert measure_shift(nv_only, others, tells_unfamiliar=False).scores[0].same_mix is None
    assert measure_shift(nv_only, made, tells_unfamiliar=False).scores[0].same_mix is not None


def test_what_rests_on_few_lesions_has_no_interval_and_no_weight_in_the_same_mix() -> None:
    """Resamples of one lesion are all the same: their interval would be that of the validation part alone."""
    there = made_up()
    commonest = np.flatnonzero(there.labels == 5)
    lesions = list(dict.fromkeys(there.lesion_ids[commonest]))
    for count in (1, 4, 5):
        here = there.take(commonest[np.isin(there.lesion_ids[commonest], lesions[:count])])
        for score in measure_shift(here, there, tells_unfamiliar=False).scores:
            assert np.isnan(score.difference[1:]).all() == (count < 5) and np.isfinite(score.difference.value)
            assert (score.same_mix is None) == (count < 5)
    few = np.flatnonzero(np.isin(there.labels, [0, 5]))
    rare = list(dict.fromkeys(there.lesion_ids[there.labels == 0]))[:4]
    mixed = there.take(few[(there.labels[few] == 5) | np.isin(there.lesion_ids[few], rare)])
    alone = mixed.take(mixed.labels == 5)
    of_both, of_one = (measure_shift(each, there, tells_unfamiliar=False).scores[0] for each in (mixed, alone))
    assert of_both.same_mix is not None and of_one.same_mix is not None
    assert of_both.same_mix.value == pytest.approx(of_one.same_mix.value)


@pytest.mark.parametrize("pool", [None, MEAN_LOGITS])
def test_averaged_looks_are_not_compared_with_single_ones(demo_folder: Path, tmp_path: Path, pool: str | None) -> None:
    """What a bundle keeps of its validation part is of one look: the same images are at no distance with --tta."""
    calibrations = {mode: Calibration(temperature=0.05) for mode in (SINGLE, AVERAGED)}
    folder = write_small_bundle(tmp_path / "bundle", calibrations=calibrations)
    images, members = read_labelled_images(demo_folder), np.arange(60)
    pixels = np.stack([decode(path, SIDE, SIDE) for path in images.table["path"].iloc[members]])
    part = EvaluatedPart("all", images, members, pixels)
    single, averaged = (load_predictor(folder, threads=1, averaged=views) for views in (False, True))
    _, validation, _ = predict_part(single, part)
    found = evaluate_model(averaged, "small", part, Measuring(resamples=100, pool=pool), validation=validation)
    assert found.shift is not None and found.averaged
    assert [(score.difference.value, score.distance) for score in found.shift.scores] == [(0, 0)] * 2
    _, looks, _ = predict_part(averaged, part)
    assert measure_shift(looks, validation, tells_unfamiliar=False).scores[0].distance > 0.05
    assert "By one look at each image" in evaluation_page(found)
