import io
import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.explanation import Explanation, explanation_picture, percent, verdict
from lesionflow.evaluation.heatmaps import Occlusion
from lesionflow.model.card import Calibration, Card
from lesionflow.model.prediction import IndexedPrediction

PRIOR = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)
CARD = Card("cnn", 32, 48, "moles", "0" * 64, False, "0" * 64, 0, (0.7, 0.15, 0.15), PRIOR, licence="CC BY-NC 4.0")
MEL, NV = HAM10000.names.index("mel"), HAM10000.names.index("nv")


def explanation(peak: float, said: IndexedPrediction | None = None, name: str = "scans/mole.jpg") -> Explanation:
    """Of an image on whose upper right corner all rests."""
    drop = np.zeros((32, 48))
    drop[:8, -8:] = peak
    chances = (0.001, 0.002, 0.0, 0.007, 0.3, 0.68, 0.01)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return Explanation(
        name,
        "lesionflow/3",
        image,
        0.25,
        said or IndexedPrediction(chances, MEL, True, "no"),
        Occlusion(MEL, 0.3, 0.01, 0.4, drop),
    )


def written(figure: Figure) -> list[Text]:
    """All texts of a figure, once it is drawn as large as it is kept."""
    figure.savefig(io.BytesIO(), format="png")
    found = [each for each in figure.findobj(Text) if each.get_text().strip() and each.get_window_extent().width > 1]
    assert all(isinstance(each, Text) for each in found)
    return [each for each in found if isinstance(each, Text)]


def test_the_picture_says_what_the_report_says() -> None:
    figure = explanation_picture(explanation(2.0), CARD, Calibration(malignant_threshold=0.12))
    said = [each.get_text() for each in written(figure)]
    title = (
        "scans/mole.jpg\nCalled: melanoma (mel), 30.0%\nMost probable: melanocytic nevus (nv), 68.0%\n"
        "Malignant: yes (30.3%, operating point 12.0%)\nRefer to a person as uncertain or unfamiliar: no"
    )
    assert title in said and "for and against mel:\n30.0%, 1.0% to 40.0% if covered" in said
    assert "what the network sees:\n25%, at the edges, is cut off" in said
    about = " ".join(" ".join(said).split())
    assert "lesionflow/3, trained on moles (CC BY-NC 4.0). For research, not a diagnosis." in about
    for chance in ("0.1%", "0.2%", "0.0%", "0.7%", "30.0% called", "68.0%", "1.0%"):
        assert chance in about
    bars = [bar.get_width() for bar in figure.axes[-1].patches if isinstance(bar, Rectangle)]
    assert bars == [0.001, 0.002, 0.0, 0.007, 0.3, 0.68, 0.01]


@pytest.mark.parametrize(
    "name", ["a.jpg", "folder " * 40 + "/$x^2$ \N{SNOWMAN WITHOUT SNOW}\N{CJK UNIFIED IDEOGRAPH-4E00}.jpg"]
)
@pytest.mark.parametrize("called", [0, MEL, 6])
def test_no_text_lies_on_another_or_leaves_the_picture(name: str, called: int) -> None:
    chances = [0.0002] * 7
    chances[called] = 0.9988
    about = explanation(15.0, IndexedPrediction(tuple(chances), called, True, "unfamiliar"), name)
    figure = explanation_picture(about, CARD, Calibration(malignant_threshold=0.12, call_strength=0.6))
    boxes = [(each.get_text(), each.get_window_extent()) for each in written(figure)]
    assert len(boxes) > 25
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, text
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 0 or down <= 0, f"{one!r} lies on {other!r}"


def test_what_matters_is_blue_and_what_speaks_against_yellow_and_small_effects_are_pale() -> None:
    colours = {}
    for peak in (2.3, -2.3, 0.23, 0.0):
        figure = explanation_picture(explanation(peak), CARD, Calibration())
        _, laid = figure.axes[1].images
        drop = laid.get_array()
        assert drop is not None
        colours[peak] = laid.to_rgba(drop)  # (height, width, 4)
        assert len(figure.axes[1].collections) == (2 if peak >= math.log(2) else 0)
    for peak, shades in colours.items():
        assert shades[-1, 0, 3] < 0.01  # nothing is laid over what does not matter
        assert shades[0, -1, 3] == pytest.approx(0.55 * abs(peak) / 2.3, abs=0.02)
    (red, _, blue, _), (other_red, _, other_blue, _) = colours[2.3][0, -1], colours[-2.3][0, -1]
    assert blue > 0.8 > red and other_red > 0.8 > other_blue


def test_demo_data_is_called_so() -> None:
    card = Card("cnn", 32, 48, "demo", "0" * 64, True, "0" * 64, 0, (0.7, 0.15, 0.15), PRIOR)
    said = " ".join(each.get_text() for each in written(explanation_picture(explanation(1), card, Calibration())))
    assert "trained on demo (DEMO DATA)" in " ".join(said.split())


@pytest.mark.parametrize(
    ("refer", "told"),
    [
        ("no", " as uncertain or unfamiliar: no"),
        ("uncertain", ": yes, the call is uncertain"),
        ("unfamiliar", ": yes, it is unlike the training images"),
    ],
)
def test_the_verdict_tells_whom_to_refer(refer: str, told: str) -> None:
    said = IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.04, 0.96, 0.0), NV, False, refer)
    calls = verdict(said, Calibration(malignant_threshold=0.0995)).split("\n")
    assert calls == [
        "Called: melanocytic nevus (nv)", "Malignant: no (4.0%, operating point 10.0%)", f"Refer to a person{told}"
    ]  # fmt: skip


def test_a_call_that_is_not_the_most_probable_stands_beside_that_one() -> None:
    said = IndexedPrediction((0.1, 0.1, 0.1, 0.043, 0.36, 0.297, 0.0), 3, True, "no")
    call = verdict(said, Calibration()).split("\n")[:2]
    assert call == ["Called: dermatofibroma (df), 4.3%", "Most probable: melanoma (mel), 36.0%"]


def test_nothing_is_told_to_be_certain_that_is_not() -> None:
    chances = (0.0, 0.0004, 0.0005, 0.9994, 0.9996, 1.0)
    assert [percent(chance) for chance in chances] == ["0.0%", "<0.1%", "0.1%", "99.9%", ">99.9%", "100.0%"]
