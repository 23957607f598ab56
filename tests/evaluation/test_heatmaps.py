import numpy as np
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.heatmaps import (
    Heatmap,
    central_share,
    heatmap_sheet,
    occlusion_heatmap,
    typical_images,
)  # fmt: skip
from lesionflow.evaluation.plots import message_of
from lesionflow.model.card import Card
from lesionflow.model.prediction import Predictions
from lesionflow.model.predictor import Predictor
from tests.evaluation.evaluations import answers, drawn, full_labels, texts

HEIGHT, WIDTH, SEEN = 32, 48, 8
MEL = HAM10000.names.index("mel")


@pytest.fixture(scope="module")
def corner_network() -> Predictor:
    """A network that looks at nothing but the 8 x 8 pixels of the upper right corner: the brighter, the more mel."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = {
        "starts": np.array([0, WIDTH - SEEN]),
        "ends": np.array([SEEN, WIDTH]),
        "axes": np.array([1, 2]),
        "dense": np.eye(7, dtype=np.float32)[[MEL] * 3] / 60,
    }
    nodes = [
        helper.make_node("Slice", ["image", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("ReduceMean", ["corner"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "dense"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "corner",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 7])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    card = Card("corner", HEIGHT, WIDTH, "noise", "0" * 64, True, "0" * 64, 0, (0.7, 0.15, 0.15))
    return Predictor(card, model.SerializeToString(), threads=1)


def bright_corner() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[:SEEN, -SEEN:] = 250
    return image


def test_the_map_of_a_network_that_looks_at_one_corner_peaks_there(corner_network: Predictor) -> None:
    found = occlusion_heatmap(corner_network.predict, bright_corner(), 5, MEL)
    assert (found.index, found.true, found.diagnosis) == (5, MEL, MEL)
    assert found.drop.shape == (HEIGHT, WIDTH)
    row, column = np.unravel_index(found.drop.argmax(), found.drop.shape)
    assert row < SEEN and column >= WIDTH - SEEN
    assert found.drop[0, -1] == pytest.approx(found.drop.max())
    assert found.drop[SEEN + HEIGHT // 4 :].max() == pytest.approx(0, abs=1e-6)  # no patch there touches the corner
    assert found.drop[:, : WIDTH - SEEN - WIDTH // 4].max() == pytest.approx(0, abs=1e-6)
    assert found.lowest < found.probability - 0.3 and found.highest >= found.probability
    assert (central_share([found]) or 0) < 0.2


def test_batches_change_nothing(corner_network: Predictor) -> None:
    whole, split = (
        occlusion_heatmap(corner_network.predict, bright_corner(), 0, 0, batch_size=size) for size in (1000, 7)
    )
    np.testing.assert_allclose(whole.drop, split.drop, atol=1e-6)


@pytest.mark.parametrize(("patch", "stride"), [(0.25, 0.1), (1, 1), (0.1, 0.5), (0.3, 0.07)])
def test_patches_cover_every_pixel_also_at_the_edges(patch: float, stride: float) -> None:
    covered = np.zeros((13, 17), dtype=bool)

    def predict(pixels: np.ndarray) -> Predictions:
        nonlocal covered
        covered |= (pixels == 1).any(axis=(0, 3))
        called = np.zeros(len(pixels), dtype=np.int64)
        return Predictions(np.full((len(pixels), 7), 1 / 7), called, called > 0, called.astype(str))

    image = np.zeros((13, 17, 3), np.uint8)
    image[6, 8] = 255  # the mean, which patches are filled with, is 1
    found = occlusion_heatmap(predict, image, 0, 0, patch=patch, stride=stride)
    assert covered.all()
    assert (found.drop == 0).all()


def test_typical_images_are_the_median_right_and_the_surest_wrong_of_each_diagnosis() -> None:
    predictions = answers(full_labels())[1]
    places = typical_images(predictions)
    assert len(places) == 14 == len(set(places))
    for right, wrong in zip(places[::2], places[1::2], strict=True):
        label = predictions.labels[right]
        assert predictions.called[right] == label == predictions.labels[wrong] != predictions.called[wrong]
        rights = predictions.confidence[(predictions.labels == label) & (predictions.called == label)]
        wrongs = predictions.confidence[(predictions.labels == label) & (predictions.called != label)]
        assert abs((rights < predictions.confidence[right]).mean() - 0.5) < 0.05
        assert predictions.confidence[wrong] == wrongs.max()
    assert typical_images(predictions.take(np.array([0]))) == [0]


def test_the_sheet_shows_lines_where_something_matters_and_says_where_nothing_does(corner_network: Predictor) -> None:
    predictions = answers(full_labels(7))[1]
    seen = occlusion_heatmap(corner_network.predict, bright_corner(), 0, 0)
    blind = Heatmap(1, 0.5, 0.5, 0.5, np.zeros((HEIGHT, WIDTH)), index=1, true=1)
    images = [bright_corner(), np.zeros((90, 120, 3), np.uint8)]  # of any size
    figure = heatmap_sheet("about", predictions, [seen, blind], images)
    assert "called as mel\nimage_000" in texts(figure) and "bcc, called correctly" in texts(figure)
    assert f"{seen.probability:.0%} → {seen.lowest:.0%}" in texts(figure)
    assert texts(figure).count("no patch matters") == 1
    assert [len(each.get_paths()) for each in figure.axes[1].collections] == [2, 2]  # two lines, each on a wider one
    assert not figure.axes[3].collections
    assert message_of(figure).startswith("The calls rest on the edges: ")
    assert drawn(figure).std() > 10
    nothing = heatmap_sheet("", predictions, [blind], images[1:])
    assert message_of(nothing) == "No covered patch changes a call by much"
    drawn(nothing)


def test_a_sheet_of_no_images_is_drawn() -> None:
    drawn(heatmap_sheet("", answers(full_labels(7))[1], [], []))
