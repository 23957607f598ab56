import dataclasses

import numpy as np
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.errors import counted
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.pictures import contact_sheet, slices_picture, worst_mistakes
from lesionflow.evaluation.plots import message_of
from lesionflow.evaluation.slices import Slice, gap_sentence
from lesionflow.model.prediction import TRUSTED, LabelledPredictions
from tests.evaluation.evaluations import answers, by_sex, drawn, full_labels, texts

MEL, NV, BKL = (HAM10000.names.index(name) for name in ("mel", "nv", "bkl"))


def stated(rows: list[tuple[int, int, float, bool]]) -> LabelledPredictions:
    """LabelledPredictions of (true, called, probability of the call, called malignant); what is left over is vasc's."""
    probabilities = np.zeros((len(rows), 7))
    for index, (_, call, probability, _) in enumerate(rows):
        probabilities[index, -1] = 1 - probability
        probabilities[index, call] = probability
    true, called, _, malignant = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array([f"i{index}" for index in range(len(rows))])
    return LabelledPredictions(probabilities, called, malignant, np.full(len(rows), TRUSTED), ids, ids, true)


def test_small_slices_are_hollow_and_marked_and_the_largest_gap_is_the_message() -> None:
    found = answers(full_labels())[1]
    slices, gaps = by_sex(found)
    figure = slices_picture("about", slices, gaps, measure(found, resamples=20))
    shown = [
        gap for gap in gaps if gap.metric in ("balanced_accuracy", "malignant_sensitivity", "malignant_specificity")
    ]
    assert message_of(figure) == gap_sentence(shown[0])
    assert "female (140)" in texts(figure) and "unknown (5, small)" in texts(figure)
    points = {line.get_markerfacecolor(): line for line in figure.axes[0].lines if line.get_marker() == "o"}
    assert {filling: np.size(line.get_xdata()) for filling, line in points.items()} == {"black": 2, "white": 1}
    solid, dotted = (
        line for line in figure.axes[0].lines if line.get_marker() == "None" and np.size(line.get_ydata()) > 2
    )
    assert (solid.get_linestyle(), dotted.get_linestyle()) == ("-", ":")
    ends = np.reshape(solid.get_xdata(), (2, 3))  # of an interval, and a gap
    estimates = [each.metrics["balanced_accuracy"] for each in slices if not each.small]
    assert np.array_equal(ends[:, :2], [(each.low, each.high) for each in estimates]) and np.isnan(ends[:, 2]).all()
    assert np.array_equal(points["black"].get_xdata(), [each.value for each in estimates])
    for axes in figure.axes:
        first, last = axes.transData.transform([(0, 1), (0, len(slices))])[:, 1]
        assert axes.bbox.y1 - first > 0.9 * (first - last) / (len(slices) - 1) <= last - axes.bbox.y0
    assert drawn(figure).std() > 5


def test_what_is_not_defined_is_said() -> None:
    lone = Slice("localization", "$back_" + "x" * 40, 1, 1, True, {})
    figure = slices_picture("", [lone], [], {})
    assert message_of(figure) == "No two groups are large enough to be compared"
    assert texts(figure).count("not defined") == 3 and "body site" in texts(figure)
    drawn(figure)


def test_a_gap_in_words_says_what_speaks_against_it() -> None:
    gap = by_sex(answers(full_labels())[1])[1][0]
    gap = dataclasses.replace(gap, metric="balanced_accuracy", attribute="dx_type", same_diagnoses=False, overlap=True)
    sentence = gap_sentence(gap, str.upper)
    low, high = (each.metrics["balanced_accuracy"].value for each in (gap.lowest, gap.highest))
    assert sentence == (
        f"By confirmation, balanced accuracy of the calls is {low:.2f} for {gap.lowest.value.upper()} and {high:.2f} "
        f"for {gap.highest.value.upper()}; their intervals overlap: it may be chance; "
        "the two do not hold the same diagnoses"
    )


def test_missed_malignant_images_come_first_then_the_surest_wrong_calls() -> None:
    predictions = stated(
        [
            (NV, NV, 0.99, False),  # right
            (NV, BKL, 0.6, False),
            (BKL, NV, 0.9, False),
            (MEL, NV, 0.7, False),  # missed, and wrong
            (MEL, MEL, 0.4, False),  # missed at the operating point, though called melanoma
            (MEL, NV, 0.8, True),  # wrong, not missed
        ]
    )
    mistakes = worst_mistakes(predictions)
    assert [mistake.image_id for mistake in mistakes] == ["i3", "i4", "i2", "i5", "i1"]
    assert [mistake.missed for mistake in mistakes] == [True, True, False, False, False]
    assert mistakes[1].malignant_probability == pytest.approx(0.4)
    assert (mistakes[2].true, mistakes[2].called, mistakes[2].probability) == ("bkl", "nv", pytest.approx(0.9))
    figure = contact_sheet("", predictions, mistakes, [np.full((8, 8, 3), 200, np.uint8)] * 5)
    assert message_of(figure) == (
        "Missed at the operating point: 2 of 3 malignant images. Called wrongly: 4 of 6 images"
    )
    for words in ("MISSED mel\ncalled nv", "malignant 40.0%\ni4", "bkl\ncalled nv", "at 90%\ni2"):
        assert words in texts(figure)
    assert drawn(figure).std() > 5


def test_neither_kind_takes_the_whole_sheet_while_there_is_the_other() -> None:
    missed, wrong = [(MEL, NV, 0.9, False)] * 20, [(NV, BKL, 0.9, False)] * 20
    both = worst_mistakes(stated(missed + wrong), 12)
    assert len(both) == 12 and sum(mistake.missed for mistake in both) == 6
    assert len({mistake.index for mistake in both}) == 12
    assert sum(mistake.missed for mistake in worst_mistakes(stated(missed + wrong[:2]), 12)) == 10
    assert len(worst_mistakes(stated(missed[:3] + wrong), 12)) == 12


@pytest.mark.parametrize("images", [1, 280])
def test_a_sheet_without_mistakes(images: int) -> None:
    predictions = answers(full_labels(images), strength=40)[1]
    predictions = dataclasses.replace(predictions, labels=predictions.called, malignant=np.ones(images, bool))
    assert worst_mistakes(predictions) == []
    figure = contact_sheet("", predictions, [], [])
    assert message_of(figure).endswith(f"Called wrongly: 0 of {counted(images, 'image')}")
    drawn(figure)
