from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lesionflow.training.export.float16_weights import LARGE, round_weights, store_halves
from lesionflow.training.export.onnx import _largest_difference, export_onnx
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
