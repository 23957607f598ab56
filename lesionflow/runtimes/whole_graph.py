"""A bundle's graph with everything around it: uint8 pixels in, calibrated probabilities and the distance out."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.model.card import DISTANCE, IMAGE, PROBABILITIES, SINGLE, Card
from lesionflow.progress import logging_at

if TYPE_CHECKING:
    import onnx


def whole_graph(card: Card, graph: bytes) -> onnx.ModelProto:
    """Put a cast from uint8 before a bundle's graph, and its calibration behind it.

    Parameters
    ----------
    card : Card
    graph : bytes
        The bundle's `model.onnx`: (batch, height, width, 3) float32 to logits and, from most, a distance.

    Returns
    -------
    onnx.ModelProto
        Input `image`, (batch, height, width, 3) uint8; outputs `probabilities`, (batch, classes), and `distance`,
        (batch,), where the graph has it.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    inner, (given,) = model.graph, model.graph.input
    logits, *others = inner.output
    calibration = card.calibrations[SINGLE]
    constants = {
        "calibration_temperature": np.array(calibration.temperature, np.float32),
        "calibration_offsets": np.asarray(calibration.logit_offsets or 0.0, np.float32),
    }
    for node in inner.node:
        for index, name in enumerate(node.input):
            if name == given.name:
                node.input[index] = "pixels"
    before = helper.make_node("Cast", [IMAGE], ["pixels"], to=TensorProto.FLOAT)
    behind = [
        helper.make_node("Div", [logits.name, "calibration_temperature"], ["calibration_scaled"]),
        helper.make_node("Add", ["calibration_scaled", "calibration_offsets"], ["calibration_logits"]),
        helper.make_node("Softmax", ["calibration_logits"], [PROBABILITIES], axis=-1),
    ]
    nodes = [before, *inner.node, *behind]
    del inner.node[:], inner.input[:], inner.output[:]
    inner.node.extend(nodes)
    inner.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    sides: list[str | int | None] = ["batch", card.height, card.width, 3]
    inner.input.append(helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, sides))
    inner.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["batch", len(card.classes)]))
    inner.output.extend(others)
    onnx.checker.check_model(model)
    return model


def float16_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Have a whole graph compute in half precision, the distance excepted, whose squares float16 cannot hold."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    kept = [node.name for node in _named(model).graph.node if _is_distance(node)]
    halved: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    return halved


def int8_graph(model: onnx.ModelProto, samples: np.ndarray) -> onnx.ModelProto:
    """Quantise a whole graph's convolutions and products to int8; distance, calibration and softmax stay float32.

    samples: (images, height, width, 3) uint8, which the ranges of values are taken from.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Samples(CalibrationDataReader):
        """The samples one by one, as ONNX Runtime asks for them."""

        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.left, None)
            return None if sample is None else {IMAGE: sample[None]}

    with tempfile.TemporaryDirectory(prefix="lesionflow-int8-") as folder:
        plain, folded, quantised = (str(Path(folder) / f"{name}.onnx") for name in ("plain", "folded", "quantised"))
        onnx.save(_named(model), plain)
        quant_pre_process(plain, folded, skip_symbolic_shape=True)  # constants that are kept as float16 are widened
        kept = [node.name for node in onnx.load(folded).graph.node if _is_distance(node)]
        with logging_at(logging.ERROR, logging.root):  # it advises on the root logger to do what was just done
            quantize_static(
                folded, quantised, Samples(), per_channel=True, activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8, nodes_to_exclude=kept,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Add", "Mul", "GlobalAveragePool", "Clip", "Relu"],
            )  # fmt: skip
        return onnx.load(quantised)


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node a name: what is left alone is told by names."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"
    return model


def _is_distance(node: onnx.NodeProto) -> bool:
    return any(name.startswith((DISTANCE, "calibration_", PROBABILITIES)) for name in node.output)
