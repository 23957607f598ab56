import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lesionflow.evaluation.figures import confusion_picture, learning_curves


def drawn(figure: Figure) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("L"))


def test_learning_curves_draw_a_panel_a_metric_and_name_the_epoch_kept() -> None:
    figure = learning_curves("title", {"loss": ([2, 1], [2.1, 1.5]), "accuracy": ([0.1, 0.6], [0.1, 0.5])}, 2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["loss", "accuracy"]
    legend = figure.axes[0].get_legend()
    assert legend is not None and "epoch kept: 2" in [text.get_text() for text in legend.get_texts()]
    assert drawn(figure).std() > 10


def test_confusion_picture_shows_share_and_number_and_survives_empty_rows() -> None:
    matrix = np.zeros((7, 7), dtype=int)
    matrix[5, 5], matrix[5, 4] = 3, 1
    figure = confusion_picture("title", matrix)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 49 and "75%\n3" in texts and "25%\n1" in texts
    assert drawn(figure).min() < 60
