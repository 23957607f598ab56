import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.calibration import coverage_curve, reliability
from lesionflow.evaluation.curves import coverage_picture, malignant_roc, reliability_picture, roc, roc_by_diagnosis
from lesionflow.evaluation.measure import expected_calibration_error, measure
from lesionflow.evaluation.plots import FEW, message_of
from lesionflow.model.decision import softmax
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, LabelledPredictions
from tests.evaluation.evaluations import answers, drawn, full_labels, texts

NV = HAM10000.names.index("nv")


def found(labels: np.ndarray | None = None, **changes: Any) -> LabelledPredictions:
    return dataclasses.replace(answers(full_labels() if labels is None else labels)[1], **changes)


@pytest.mark.parametrize(
    "labels",
    [full_labels(), full_labels(7), np.array([NV]), np.array([0]), np.full(9, NV), np.arange(60) % 3 + 4],
    ids=["full", "one each", "one image", "one malignant image", "one diagnosis", "diagnoses missing"],
)
def test_every_figure_is_drawn_whatever_the_images(labels: np.ndarray) -> None:
    predictions = found(labels)
    for figure in (
        reliability_picture("about", predictions),
        reliability_picture("about", predictions, predictions),
        roc_by_diagnosis("about", predictions),
        malignant_roc("about", predictions, 0.25),
        coverage_picture("about", predictions),
    ):
        assert message_of(figure) and figure.get_supxlabel() == "about"
        assert drawn(figure).std() > 5


@pytest.mark.parametrize("by_chance", [False, True])
def test_no_curve_is_covered_by_what_is_written(by_chance: bool) -> None:
    predictions = found()
    if by_chance:
        predictions = dataclasses.replace(predictions, labels=np.random.default_rng(0).permutation(predictions.labels))
    for figure in (
        reliability_picture("", predictions, predictions),
        roc_by_diagnosis("", predictions),
        malignant_roc("", predictions, 0.25),
        coverage_picture("", predictions),
    ):
        drawn(figure)
        for axes in figure.axes:
            assert not any(text.get_window_extent().overlaps(axes.bbox) for text in axes.texts if axes.lines)
            legend = axes.get_legend()
            assert legend is None or legend.get_window_extent().y0 >= axes.bbox.y1
            assert legend is None or legend.get_window_extent().x1 <= figure.bbox.x1


def test_reliability_says_the_error_before_and_after() -> None:
    logits, after = answers(full_labels(700))
    before = dataclasses.replace(after, probabilities=softmax(3 * logits))  # far too sure
    errors = [expected_calibration_error(each.labels, each.probabilities) for each in (before, after)]
    assert errors[0] > 2 * errors[1]
    figure = reliability_picture("", after, before)
    assert message_of(figure) == (
        f"Calibration lowers the calibration error (ECE): {errors[0]:.3f} before, {errors[1]:.3f} after"
    )
    assert f"after: ECE {errors[1]:.3f}" in texts(figure)
    assert "does not lower" in message_of(reliability_picture("", before, after))


def test_bins_of_few_images_are_hollow() -> None:
    predictions = found(full_labels(210))
    bins = reliability(predictions)
    top, bottom = reliability_picture("", predictions).axes
    points = {line.get_markerfacecolor(): line.get_xydata() for line in top.lines if line.get_marker() == "o"}
    for few, filling in ((False, "black"), (True, "white")):
        expected = [(each.confidence, each.accuracy.value) for each in bins if (each.images < FEW) == few]
        assert expected and np.array_equal(points[filling], expected)
    intervals = np.reshape(top.lines[2].get_xydata(), (len(bins), 3, 2))  # two ends, and a gap
    assert np.array_equal(intervals[:, 0], [(each.confidence, each.accuracy.low) for each in bins])
    assert np.array_equal(intervals[:, 1], [(each.confidence, each.accuracy.high) for each in bins])
    bars = [bar.get_extents().height for bar in bottom.patches]  # pixels
    assert np.divide(bars, bars[0]) == pytest.approx([each.images / bins[0].images for each in bins])


def test_roc_names_the_hardest_and_the_easiest_diagnosis() -> None:
    predictions = found()
    metrics = measure(predictions, resamples=20)
    areas = {diagnosis: metrics[f"auc_{diagnosis}"].value for diagnosis in HAM10000.names}
    hardest, easiest = min(areas, key=areas.__getitem__), max(areas, key=areas.__getitem__)
    figure = roc_by_diagnosis("", predictions)
    assert message_of(figure) == (
        f"{hardest} is the hardest to tell from the rest (AUC {areas[hardest]:.2f}), "
        f"{easiest} the easiest ({areas[easiest]:.2f})"
    )
    shown = [f"{diagnosis}: {areas[diagnosis]:.2f}" for diagnosis in HAM10000.names]
    assert [axes.get_title() for axes in figure.axes[:7]] == shown
    rare = found(np.array([0] * 3 + [1] * 12 + [NV] * 40))
    told = message_of(roc_by_diagnosis("", rare))
    assert told.startswith("Of diagnoses with 10 images or more, ") and "akiec" not in told
    missing = roc_by_diagnosis("", found(np.arange(60) % 3 + 4))
    assert texts(missing).count("no images") == 4
    assert "there is nothing to tell apart" in message_of(roc_by_diagnosis("", found(np.full(5, NV))))


def test_the_operating_point_is_marked_where_it_is() -> None:
    predictions = found()
    malignant = np.isin(predictions.labels, HAM10000.malignant_indices)
    sensitivity, flagged = predictions.malignant[malignant].mean(), predictions.malignant[~malignant].mean()
    figure = malignant_roc("", predictions, 0.25)
    (mark,) = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert np.asarray(mark.get_xydata()).tolist() == [[flagged, sensitivity]]
    assert f"operating point: 0.25\nsensitivity {sensitivity:.3f}, specificity {1 - flagged:.3f}" in texts(figure)
    assert message_of(figure).startswith(f"At the operating point {sensitivity:.0%} of 120 malignant images are found")
    false, true, _ = roc_curve(malignant, predictions.malignant_probability, drop_intermediate=False)
    assert ((false == flagged) & (true == sensitivity)).any()  # a point of the curve
    assert "All images are benign" in message_of(malignant_roc("", found(np.full(5, NV)), 0.25))
    assert "All images are malignant" in message_of(malignant_roc("", found(np.zeros(5, int)), 0.25))


def test_coverage_says_what_referring_gains() -> None:
    predictions = found()
    right, kept = predictions.called == predictions.labels, predictions.refer == TRUSTED
    assert 0 < kept.mean() < 1
    assert message_of(coverage_picture("", predictions)) == (
        f"Referring {1 - kept.mean():.1%} of the images raises the accuracy of the others: "
        f"{right.mean():.1%} of all, {right[kept].mean():.1%} of those kept"
    )
    everything = coverage_picture("", found(refer=np.full(280, UNCERTAIN)))
    assert message_of(everything) == "Every image is referred: the model trusts no call"
    drawn(everything)
    nothing = coverage_picture("", found(refer=np.full(280, TRUSTED)))
    assert message_of(nothing) == f"No image is referred; accuracy is {right.mean():.1%}"
    drawn(nothing)
    few = predictions.take(np.concatenate([np.flatnonzero(~right)[:1], np.flatnonzero(right)[:2]]))
    few.probabilities[0] = np.eye(7)[few.called[0]]  # the surest call is wrong
    assert coverage_curve(few).accuracy.min() == 0
    (axes,) = coverage_picture("", few).axes
    assert axes.get_ylim()[0] == 0


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_a_roc_curve_is_that_of_scikit_learn(digits: int) -> None:
    from sklearn import metrics

    generator = np.random.default_rng(digits)
    positive = generator.random(400) < 0.2
    score = np.round(generator.normal(size=400) + positive, digits)
    found = roc(positive, score)
    assert found is not None
    false, true, _ = metrics.roc_curve(positive, score, drop_intermediate=False)
    corners = np.ones(len(false), dtype=bool)  # where the curve is not straight
    corners[1:-1] = np.abs(np.diff(false)[:-1] * np.diff(true)[1:] - np.diff(false)[1:] * np.diff(true)[:-1]) > 1e-12
    points = set(zip(found[0].tolist(), found[1].tolist(), strict=True))
    assert set(zip(false[corners].tolist(), true[corners].tolist(), strict=True)) <= points
    assert points <= set(zip(false.tolist(), true.tolist(), strict=True))
    assert found[2] == pytest.approx(metrics.roc_auc_score(positive, score), abs=1e-12)
    assert roc(positive[:0], score[:0]) is None and roc(np.ones(3, bool), score[:3]) is None
