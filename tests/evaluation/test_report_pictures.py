import dataclasses

from lesionflow.evaluation.metrics import measure
from lesionflow.evaluation.plots import message_of
from lesionflow.evaluation.report_pictures import slices_picture
from lesionflow.evaluation.slices import Slice, gap_sentence
from tests.evaluation.reports import answers, by_sex, drawn, full_labels, texts


def test_small_slices_are_hollow_and_marked_and_the_largest_gap_is_the_message() -> None:
    found = answers(full_labels())[1]
    slices, gaps = by_sex(found)
    figure = slices_picture("about", slices, gaps, measure(found, resamples=20))
    shown = [
        gap for gap in gaps if gap.metric in ("balanced_accuracy", "malignant_sensitivity", "malignant_specificity")
    ]
    assert message_of(figure) == gap_sentence(shown[0])
    assert "female (140)" in texts(figure) and "unknown (5, small)" in texts(figure)
    fills = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert fills == ["black", "black", "white"]
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
