"""A mirrored graph against the plain one, as ONNX Runtime runs both."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from lesionflow.model.card import read_card
from lesionflow.model.shipped import FOLDER
from lesionflow.training.export.mirrored import average_mirrored

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.float32)


def run(file: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: images}), strict=True))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Two outputs of a small network: the mean over the left half's columns, and one number an image."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Slice", ["image", "zero", "half", "width"], ["left"]),
        helper.make_node("ReduceMean", ["left"], ["logits"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMax", ["left"], ["distance"], axes=[1, 2, 3], keepdims=0),
    ]
    constants = {"zero": [0], "half": [4], "width": [2]}
    graph = helper.make_graph(
        nodes, "plain",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 6, 8, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]),
        ],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, tmp_path / "plain.onnx")
    return tmp_path / "plain.onnx"


@pytest.mark.parametrize("opset", [15, 20])
def test_it_puts_out_the_means_over_an_image_and_its_mirror_image(plain: Path, tmp_path: Path, opset: int) -> None:
    model = onnx.version_converter.convert_version(onnx.load(plain), opset)
    onnx.save(model, plain)
    mirrored = Path(shutil.copy(plain, tmp_path / "mirrored.onnx"))
    average_mirrored(mirrored)
    images = IMAGES[:, :6, :8]
    found, seen, flipped = run(mirrored, images), run(plain, images), run(plain, images[:, :, ::-1].copy())
    assert list(found) == list(seen)
    for name, values in found.items():
        np.testing.assert_allclose(values, (seen[name] + flipped[name]) / 2, rtol=1e-6)
    for name, values in run(mirrored, images[:, :, ::-1].copy()).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-6)


def test_the_shipped_bundle_says_the_same_of_mirrored_images() -> None:
    """It was made so: `mirrored` is among its options of training."""
    mirrored, card = FOLDER / "model.onnx", read_card(FOLDER)
    images = IMAGES[:, : card.height, : card.width]
    found = run(mirrored, images)
    for name, values in run(mirrored, images[:, :, ::-1].copy()).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-4, atol=1e-4)
