"""What is exported to ONNX: halves of weights, and a mirrored graph against the plain one."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lesionflow.model.card import read_card
from lesionflow.model.files import PRETRAINED_FOLDER
from lesionflow.training.export.onnx import (
    CATCH_ERRORS,
    LARGE,
    _largest_difference,
    average_mirrored,
    export_onnx,
    round_weights,
    store_halves,
)
from lesionflow.training.networks import build_network

SIDE = 32
PIXELS = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)


def network_with_statistics() -> keras.Model:
    """Fresh weights, with batch normalisation whose scales are not 1, behind whole and depthwise convolutions."""
    network, numbers = build_network("efficientnet", SIDE, SIDE), np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            ranges = ((0.5, 1.5), (-0.1, 0.1), (-0.1, 0.1), (0.5, 2))  # gamma, beta, mean, variance
            layer.set_weights([numbers.uniform(low, high, count) for low, high in ranges])
    return network


def test_a_networks_graph_takes_half_the_room_and_says_what_keras_says(tmp_path: Path) -> None:
    network = network_with_statistics()
    before = network.get_weights()
    round_weights(network)
    for weight, values in zip(network.get_weights(), before, strict=True):
        np.testing.assert_allclose(weight, values, atol=2**-11 * np.abs(values).max())
    export_onnx(network, tmp_path)
    model = onnx.load(str(tmp_path / "model.onnx"))
    whole = len(model.SerializeToString())
    store_halves(model)
    onnx.checker.check_model(model)
    graph = model.SerializeToString()
    assert len(graph) < 0.52 * whole  # every kernel is stored as float16, those of merged batch normalisation included
    assert _largest_difference(network, graph, PIXELS) < 1e-5


def test_an_optimisation_of_tf2onnx_that_fails_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tf2onnx.optimizer import identity_optimizer

    caught = []

    def fails(*_: object) -> None:
        caught.append(os.environ.get(CATCH_ERRORS))
        raise RuntimeError("this optimisation fails")

    monkeypatch.setattr(identity_optimizer.IdentityOptimizer, "optimize", fails)
    monkeypatch.setenv(CATCH_ERRORS, "as it was")
    network = build_network("cnn", SIDE, SIDE, widen=0.25)
    export_onnx(network, tmp_path)
    assert _largest_difference(network, (tmp_path / "model.onnx").read_bytes(), PIXELS) < 1e-5
    assert caught[:2] == ["FALSE", None]
    assert os.environ[CATCH_ERRORS] == "as it was"


def test_only_what_float16_holds_is_stored_so() -> None:
    numbers = np.random.default_rng(0).normal(size=(4, LARGE)).astype(np.float32)
    weights: dict[str, np.ndarray] = {
        "halves": numbers.astype(np.float16).astype(np.float32),
        "singles": numbers,
        "beyond": np.full(LARGE, 1e6, np.float32),
        "few": np.ones(LARGE - 1, np.float32),
        "whole": np.arange(LARGE),
    }
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in weights]
    kinds = {name: TensorProto.INT64 if name == "whole" else TensorProto.FLOAT for name in weights}
    outputs = [helper.make_tensor_value_info(f"{name}_out", kind, weights[name].shape) for name, kind in kinds.items()]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    model = helper.make_model(helper.make_graph(nodes, "constants", [], outputs, constants))
    store_halves(model)
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.initializer if one.data_type == TensorProto.FLOAT16] == ["halves_half"]
    found = ReferenceEvaluator(model).run(None, {})
    for value, expected in zip(found, weights.values(), strict=True):
        np.testing.assert_array_equal(value, expected)
        assert value.dtype == expected.dtype


def test_weights_that_float16_has_no_room_for_stay() -> None:
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Dense(LARGE)(inputs))
    kernel = np.full((4, LARGE), 0.1, np.float32)
    kernel[0] = 1e6
    network.set_weights([kernel, np.zeros(LARGE)])
    round_weights(network)
    rounded = network.get_weights()[0]
    assert (rounded[0] == 1e6).all() and (rounded[1] == np.float16(0.1)).all()


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
    mirrored, card = PRETRAINED_FOLDER / "model.onnx", read_card(PRETRAINED_FOLDER)
    images = IMAGES[:, : card.height, : card.width]
    found = run(mirrored, images)
    for name, values in run(mirrored, images[:, :, ::-1].copy()).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-4, atol=1e-4)
