import io

import numpy as np
import pytest
from PIL import Image

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.plots import Picture, canvas, caption, confusion_picture, message_of, printable, shortened
from tests.evaluation.evaluations import drawn


def test_confusion_picture_shows_share_and_number_and_survives_empty_rows() -> None:
    matrix = np.zeros((7, 7), dtype=int)
    matrix[5, 5], matrix[5, 4] = 3, 1
    figure = confusion_picture("cnn on clinic", matrix, HAM10000.names)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert len(written) == 7 and "75%\n3" in written and "25%\n1" in written  # rows without images stay empty
    assert message_of(figure) == "Most often confused: 25% of nv images (1 of 4) are called mel"
    assert figure.get_supxlabel() == "cnn on clinic"
    assert drawn(figure).min() < 60


def test_no_title_rests_on_a_handful_of_images() -> None:
    matrix = np.diag([90, 1, 90, 90, 90, 90, 90])
    matrix[1, 0], matrix[4, 5] = 8, 10
    assert message_of(confusion_picture("", matrix, HAM10000.names)).endswith(
        "10% of mel images (10 of 100) are called nv"
    )


@pytest.mark.parametrize(("diagonal", "message"), [(3, "All 21 images are called correctly"), (0, "No images")])
def test_a_confusion_matrix_without_confusions(diagonal: int, message: str) -> None:
    figure = confusion_picture("", diagonal * np.eye(7, dtype=int), HAM10000.names)
    assert message_of(figure) == message
    drawn(figure)


def test_names_from_data_can_hold_anything() -> None:
    figure, _ = canvas(2)
    caption(figure, "a $name$ of_formula \\frac{", "病変 lésion \udcff \x00 é")
    assert drawn(figure).std() > 1  # neither a formula nor a warning of missing glyphs
    assert printable("病é\udcff") == "?é?"


@pytest.mark.parametrize("letter", ["W", "i", "word "])
def test_titles_stay_within_the_figure(letter: str) -> None:
    figure, _ = canvas(2)
    caption(figure, letter * 150 + "\nnext line", letter * 150)
    title = figure.texts[0]
    box = title.get_window_extent()
    assert box.x0 >= 0 and 0.7 * figure.bbox.width < box.x1 <= figure.bbox.width
    assert message_of(figure).endswith(" next line")


def test_a_picture_is_its_files_bytes() -> None:
    figure, _ = canvas(2)
    assert Picture("name", "message", "how", figure).png()[:4] == b"\x89PNG"
    assert Picture("name", "message", "how", b"bytes").png() == b"bytes"


@pytest.mark.parametrize(
    ("line", "paper", "mode"), [("0.35", "white", "L"), ("red", "white", "RGB"), ("0.35", "none", "RGBA")]
)
def test_a_picture_is_stored_as_grey_where_it_is_grey_with_the_pixels_of_savefig(
    line: str, paper: str, mode: str
) -> None:
    figure, panels = canvas(2)
    figure.set_facecolor(paper)
    panels[0, 0].plot([0, 1], [0, 1], color=line)
    expected = io.BytesIO()
    figure.savefig(expected, format="png")
    with (
        Image.open(io.BytesIO(Picture("name", "message", "how", figure).png())) as found,
        Image.open(expected) as saved,
    ):
        assert found.mode == mode
        assert np.array_equal(np.asarray(found.convert("RGBA")), np.asarray(saved))
        assert found.info["dpi"] == saved.info["dpi"]


def test_long_ids_keep_their_end() -> None:
    assert shortened("ISIC_0024306") == "ISIC_0024306"
    assert shortened("folder/" * 9 + "ISIC_0024306") == "…folder/ISIC_0024306"
    assert len(shortened("x" * 99)) == 20
