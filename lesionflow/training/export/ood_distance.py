"""The distance of an image from the training images, as a second output of the graph."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.defaults import one_thread_a_product, usable_cores
from lesionflow.errors import TrainingError
from lesionflow.model.card import DISTANCE
from lesionflow.model.predictor import PIXELS_AT_ONCE

if TYPE_CHECKING:
    import onnx

MIDDLE = 16  # times smaller than the image are the maps that the features are taken from
# Training images of a diagnosis that the features are taken of. Of 7,038 of HAM10000's that leaves 3,334, and the
# distances of validation images correlate with those by all by 0.99; the same 15 of 1,488 are beyond the limit.
MOST_OF_A_DIAGNOSIS = 1000
SHRINKAGE = 0.01  # of the covariance towards a sphere: directions that training images hardly use count less
_POOLINGS = ("GlobalAveragePool", "ReduceMean")


def add_distance(file: Path, pixels: np.ndarray, labels: np.ndarray, train: np.ndarray) -> None:
    """Give the graph in a file the output `distance`, (batch,) float32.

    It is the squared Mahalanobis distance between an image's features and the nearest diagnosis's mean, under one
    covariance of all diagnoses (Lee et al. 2018, arXiv:1807.03888), divided by the number of features, so that training
    images lie around 1. The features are the means of the maps in the middle of the network: where it ends, it has
    learnt to see nothing but what tells the diagnoses apart, and noise, a flat colour or a photograph can look like a
    mole. In a network without such maps they are what its last global pooling puts out. pixels: (images, height, width,
    3) uint8; labels: (images,); train: the training images' indices. Raises `TrainingError` where there is neither.
    """
    import onnx

    model = onnx.load(str(file))
    pooled = _pooled_middle(model, pixels.shape[1:3]) or _last_pooling(model)
    members, weights = _members(labels, train)
    features = _features(model, pooled, pixels, members)  # (images, features)
    means, whitening = _gaussian(features, labels[members], weights)
    # Only the weights take more room, so it is stored in float16, scaled to the range where float16 is exact.
    # For an `efficientnet` on HAM10000 this changes distances by less than a thousandth, and no decision.
    stretch = 2.0 ** -np.floor(np.log2(np.abs(whitening).max()))
    whitening = (whitening * stretch).astype(np.float16).astype(np.float64)
    _append(model, pooled, whitening, means @ whitening, stretch**-2)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def _members(labels: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some training images, as indices, and for how many of their diagnosis each of them stands."""
    members, weights = [], []
    for label in np.unique(labels[train]):
        of_it = train[labels[train] == label]
        spread = np.linspace(0, len(of_it) - 1, min(len(of_it), MOST_OF_A_DIAGNOSIS)).astype(int)
        members.append(of_it[spread])
        weights.append(np.full(len(spread), len(of_it) / len(spread)))
    return np.concatenate(members), np.concatenate(weights)


def _pooled_middle(model: onnx.ModelProto, size: tuple[int, ...]) -> str:
    """Pool the first convolution's maps that are a sixteenth of the image; empty where no maps are, or of one pixel."""
    import onnx

    middle = [-(-side // MIDDLE) for side in size]
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    for index, node in enumerate(model.graph.node):
        if node.op_type == "Conv" and shapes.get(node.output[0], [])[2:] == middle and middle != [1, 1]:
            pooling = onnx.helper.make_node("GlobalAveragePool", [node.output[0]], ["distance_pooled"])
            model.graph.node.insert(index + 1, pooling)
            return "distance_pooled"
    return ""


def _last_pooling(model: onnx.ModelProto) -> str:
    """The output of the global pooling nearest to the logits, on the way back from them."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    name = model.graph.output[0].name
    while (node := made_by.get(name)) is not None:
        if node.op_type in _POOLINGS:
            return str(name)
        name = node.input[0]
    raise TrainingError(
        "the network has no global pooling before its logits, by which unfamiliar images are recognised"
    )


def _features(model: onnx.ModelProto, pooled: str, pixels: np.ndarray, members: np.ndarray) -> np.ndarray:
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    # ONNX Runtime computes all nodes, whichever outputs are requested: those after the pooling are half of the work.
    last = next(index for index, node in enumerate(probe.graph.node) if pooled in node.output)
    del probe.graph.node[last + 1 :], probe.graph.output[:]
    probe.graph.output.append(onnx.helper.make_tensor_value_info(pooled, onnx.TensorProto.FLOAT, None))
    # Batches beside each other, a thread each: threads that share a batch take twice the CPU.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors: it warns of each weight that no node needs now
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name, step = session.get_inputs()[0].name, max(1, PIXELS_AT_ONCE // (pixels.shape[1] * pixels.shape[2]))

    def features_of(start: int) -> np.ndarray:
        found = session.run([pooled], {name: pixels[members[start : start + step]].astype(np.float32)})[0]
        return np.asarray(found)

    with ThreadPoolExecutor(usable_cores()) as threads:
        parts = list(threads.map(features_of, range(0, len(members), step)))
    return np.concatenate([part.reshape(len(part), -1) for part in parts]).astype(np.float64)


@one_thread_a_product()
def _gaussian(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means of the diagnoses, (diagnoses, features), and what makes the common covariance a sphere.

    The latter is (features, features), so scaled that a squared length is a mean over features.
    """
    present = np.unique(labels)
    means = np.stack([features[labels == label].mean(axis=0) for label in present])
    centred = features - means[np.searchsorted(present, labels)]
    variances, directions = np.linalg.eigh((centred * weights[:, None]).T @ centred / weights.sum())
    scales = np.sqrt(np.maximum(variances, 0) + SHRINKAGE * variances.mean() + 1e-12)
    return means, directions / scales / np.sqrt(features.shape[1])


def _append(model: onnx.ModelProto, pooled: str, whitening: np.ndarray, centres: np.ndarray, weight: float) -> None:
    """weight: of each square in the sum that is the distance."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Flatten", [pooled], ["distance_features"], axis=1),
        helper.make_node("MatMul", ["distance_features", "distance_whitening"], ["distance_white"]),
        helper.make_node("Reshape", ["distance_white", "distance_shape"], ["distance_rows"]),  # (batch, 1, features)
        helper.make_node("Sub", ["distance_rows", "distance_centres"], ["distance_apart"]),  # (batch, diagnoses, ...)
        helper.make_node("Mul", ["distance_apart", "distance_apart"], ["distance_squares"]),
        helper.make_node("MatMul", ["distance_squares", "distance_weights"], ["distance_each"]),  # (batch, ..., 1)
    ]
    constants: dict[str, np.ndarray] = {
        "distance_whitening": whitening.astype(np.float32),
        "distance_shape": np.array([-1, 1, whitening.shape[1]], np.int64),
        "distance_centres": centres.astype(np.float32),
        "distance_weights": np.full((whitening.shape[1], 1), weight, np.float32),
    }
    version = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version < 18:  # until then the axes are an attribute, from then on an input
        nodes.append(helper.make_node("ReduceMin", ["distance_each"], [DISTANCE], axes=[1, 2], keepdims=0))
    else:
        constants["distance_axes"] = np.array([1, 2], np.int64)
        nodes.append(helper.make_node("ReduceMin", ["distance_each", "distance_axes"], [DISTANCE], keepdims=0))
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.output.append(helper.make_tensor_value_info(DISTANCE, TensorProto.FLOAT, ["batch"]))
