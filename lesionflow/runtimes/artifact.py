"""Writes a model's file for another runtime, and runs it with that runtime."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.errors import BundleError, MissingError
from lesionflow.model.card import DISTANCE, IMAGE, KERAS_FILE, PROBABILITIES, SINGLE, Card
from lesionflow.progress import logging_at, without_notices
from lesionflow.runtimes.config import FLOAT16, HUB, INT8, LITERT, ONNX, OPENVINO, TORCH, ExportConfig
from lesionflow.storage.temporary import temporary_folder
from lesionflow.training.config import NETWORKS

if TYPE_CHECKING:
    import onnx

MODEL_FILES = {ONNX: "model.onnx", LITERT: "model.tflite", OPENVINO: "model.xml", TORCH: "model.pt2"}
_PACKAGES = {  # by format, what writing and running it needs
    ONNX: ("onnx",),
    LITERT: ("ai_edge_litert", "keras", "tensorflow", "onnx"),
    OPENVINO: ("openvino", "onnx"),
    TORCH: ("torch", "keras", "onnx"),
    HUB: ("huggingface_hub",),
}
_BACKENDS = {LITERT: "tensorflow", TORCH: "torch"}  # of Keras, for the formats that it writes

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(batch, height, width, 3) uint8 to probabilities (batch, classes) and distances (batch,), NaN where it has none."""


def check_installed(format: str, precision: str) -> None:
    """Refuse a format whose packages are not installed. Raises `MissingError` that names the extra."""
    packages = [*_PACKAGES[format], *(["nncf"] if (format, precision) == (OPENVINO, INT8) else [])]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            name = package.replace("_", "-")
            raise MissingError(f"exporting to {format} needs {name}: pip install 'lesionflow[{format}]'")


def check_source(bundle: Path, card: Card, format: str) -> None:
    """Refuse a bundle that a format cannot be made from. Raises `BundleError`.

    The weights of a `cnn`, or of a network of another version, cannot be read from the graph, which is checked
    before any work.
    """
    readable = card.network in NETWORKS and card.network != "cnn"
    if format in _BACKENDS and not readable and not (bundle / KERAS_FILE).is_file():
        raise BundleError(
            f"{format} needs {KERAS_FILE}, which {card.label} does not have, and the weights of a {card.network} are "
            f"not read from its graph; use a bundle with the file, or {ONNX}"
        )


def write_artifact(
    bundle: Path, card: Card, graph: bytes, config: ExportConfig, folder: Path, samples: np.ndarray
) -> Path:
    """Write the file of a format into a folder; OpenVINO's has its weights in a second one beside it.

    card and graph: what `read_bundle` gives of the bundle; samples: (images, height, width, 3) uint8, from which int8
    takes the ranges of values. Raises `BundleError` where the bundle has not what the format is made from.
    """
    file, precision = folder / MODEL_FILES[config.format], config.precision
    if config.format in _BACKENDS:
        _write_with_keras(bundle, file, config, samples)
        return file
    model = _whole_graph(card, graph)
    if config.format == OPENVINO:
        _write_openvino(model.SerializeToString(), file, precision, samples)
    else:
        if precision == FLOAT16:
            model = float16_graph(model)
        if precision == INT8:
            model = int8_graph(model, samples)
        file.write_bytes(model.SerializeToString())
    return file


def _write_with_keras(bundle: Path, file: Path, config: ExportConfig, samples: np.ndarray) -> None:
    """In a process of its own: Keras has one backend, and this process may have another already."""
    with temporary_folder("samples") as folder:
        sampled = ""
        if config.precision == INT8:
            sampled = str(folder / "samples.npy")
            np.save(sampled, samples)
        module, backend = "lesionflow.training.export.whole_network", _BACKENDS[config.format]
        environment = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            [sys.executable, "-m", module, str(bundle.absolute()), str(file.absolute()), config.precision, sampled],
            env=os.environ | environment, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BundleError(f"{config.format}: not written ({last.rpartition('BundleError: ')[2]})")


def _write_openvino(graph: bytes, file: Path, precision: str, samples: np.ndarray) -> None:
    import openvino

    model = openvino.convert_model(io.BytesIO(graph))
    if precision == INT8:
        import nncf

        # It prints its progress.
        with contextlib.redirect_stdout(sys.stderr), logging_at(logging.ERROR, logging.getLogger("nncf")):
            model = nncf.quantize(
                model, nncf.Dataset(list(samples), lambda sample: sample[None]), subset_size=len(samples),
                ignored_scope=nncf.IgnoredScope(patterns=[f"{DISTANCE}.*", "calibration_.*"], validate=False),
            )  # fmt: skip
    try:
        openvino.save_model(model, str(file), compress_to_fp16=precision == FLOAT16)
    except RuntimeError as error:  # a full disk, as a C++ exception
        raise OSError(errno.EIO, f"OpenVINO: {error}") from error


def _whole_graph(card: Card, graph: bytes) -> onnx.ModelProto:
    """Put a cast from uint8 before a bundle's graph, and its calibration behind it.

    Input is `image`, (batch, height, width, 3) uint8; outputs are `probabilities`, (batch, classes), and the graph's
    distance, (batch,), if it has one.
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
    """Convert a graph to half precision, except the distance, whose squares float16 cannot hold."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    kept = [node.name for node in _with_names(model).graph.node if _is_distance(node)]
    halved: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    return halved


def int8_graph(model: onnx.ModelProto, samples: np.ndarray) -> onnx.ModelProto:
    """Quantise a whole graph's convolutions and products to int8; distance, calibration and softmax stay float32.

    samples: (images, height, width, 3) uint8, which the value ranges are measured on.
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

    with temporary_folder("int8") as folder:
        plain, folded, quantised = (str(folder / f"{name}.onnx") for name in ("plain", "folded", "quantised"))
        onnx.save(_with_names(model), plain)
        quant_pre_process(plain, folded, skip_symbolic_shape=True)  # constants that are kept as float16 are widened
        kept = [node.name for node in onnx.load(folded).graph.node if _is_distance(node)]
        with logging_at(logging.ERROR, logging.root):  # it logs advice to do what was just done
            quantize_static(
                folded, quantised, Samples(), per_channel=True, activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8, nodes_to_exclude=kept,
                op_types_to_quantize=["Conv", "MatMul", "Gemm", "Add", "Mul", "GlobalAveragePool", "Clip", "Relu"],
            )  # fmt: skip
        return onnx.load(quantised)


def _with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node a name: nodes to leave unchanged are given by name."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"
    return model


def _is_distance(node: onnx.NodeProto) -> bool:
    return any(name.startswith((DISTANCE, "calibration_", PROBABILITIES)) for name in node.output)


def open_artifact(file: Path, format: str) -> Run:
    """Have a file, as `write_artifact` returned it, run by its own runtime in one thread."""
    return {ONNX: _open_onnx, LITERT: _open_litert, OPENVINO: _open_openvino, TORCH: _open_torch}[format](file)


def _open_onnx(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
    session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: _named(dict(zip(names, session.run(names, {IMAGE: pixels}), strict=True)))


def _open_litert(file: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    with without_notices((b"INFO: Created TensorFlow Lite",)):
        network = Interpreter(str(file), num_threads=1)
        network.allocate_tensors()
    signature = network.get_signature_runner()

    def run(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        said = [_named(signature(**{IMAGE: image[None]})) for image in pixels]  # the file takes one image at a time
        return np.concatenate([each[0] for each in said]), np.concatenate([each[1] for each in said])

    return run


def _open_openvino(file: Path) -> Run:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(str(file), "CPU", settings)
    names = [output.get_any_name() for output in model.outputs]
    return lambda pixels: _named(
        {name: np.array(said) for name, said in zip(names, model(pixels).values(), strict=True)}
    )


def _open_torch(file: Path) -> Run:
    if "tensorflow" in sys.modules:  # Triton's library ends a process that has TensorFlow's in it; PyTorch does without
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
    import torch

    torch.set_num_threads(1)
    with logging_at(logging.ERROR, logging.getLogger("torch.utils.flop_counter")):  # it misses Triton
        program = torch.export.load(str(file)).module()

    def run(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            said = program(torch.from_numpy(np.ascontiguousarray(pixels)))
        return _named(dict(zip((PROBABILITIES, DISTANCE), (each.numpy() for each in said), strict=False)))

    return run


def _named(said: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    probabilities = np.asarray(said[PROBABILITIES])
    distances = said.get(DISTANCE)
    return probabilities, np.full(len(probabilities), np.nan) if distances is None else np.asarray(distances)
