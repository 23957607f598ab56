from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lesionflow.errors import TrainingError
from lesionflow.model.card import DISTANCE
from lesionflow.training.export import ood_distance
from lesionflow.training.export.ood_distance import SHRINKAGE, add_distance

SIDE, FEATURES = 8, 5
NUMBERS = np.random.default_rng(0)
PIXELS = NUMBERS.integers(0, 256, (200, SIDE, SIDE, 3), np.uint8)
LABELS = np.arange(200) % 7
TRAIN = np.arange(0, 200, 2)


def write_graph(file: Path, pooling: str = "GlobalAveragePool", opset: int = 17) -> np.ndarray:
    """A 1 x 1 convolution, a pooling, a dense layer; returns the convolution's weights (3, features)."""
    kernel = np.random.default_rng(1).normal(0, 0.1, (FEATURES, 3, 1, 1)).astype(np.float32)
    dense = np.random.default_rng(2).normal(size=(FEATURES, 7)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["features"]),
        helper.make_node(pooling, ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 7])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    return kernel[:, :, 0, 0].T


@pytest.mark.parametrize("opset", [15, 18])
def test_it_is_the_mahalanobis_distance_to_the_nearest_mean(tmp_path: Path, opset: int) -> None:
    file = tmp_path / "model.onnx"
    weights = write_graph(file, opset=opset)
    add_distance(file, PIXELS, LABELS, TRAIN)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    logits, found = session.run(None, {"image": PIXELS.astype(np.float32)})
    assert [output.name for output in session.get_outputs()] == ["logits", DISTANCE]
    assert logits.shape == (200, 7) and found.shape == (200,)

    features = PIXELS.mean(axis=(1, 2)) @ weights  # (images, features), worked out from the pixels
    np.testing.assert_allclose(found, mahalanobis(features, LABELS, TRAIN), rtol=1e-3)


def mahalanobis(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The squared distance to the nearest diagnosis's mean, a feature: (images, features) to (images,)."""
    count = features.shape[1]
    means = np.stack([features[train][labels[train] == label].mean(axis=0) for label in range(7)])
    centred = features[train] - means[labels[train]]
    covariance = centred.T @ centred / len(train)
    covariance += SHRINKAGE * np.trace(covariance) / count * np.eye(count)
    apart = features[:, None] - means  # (images, diagnoses, features)
    return np.asarray(np.einsum("ndf,fg,ndg->nd", apart, np.linalg.inv(covariance), apart).min(axis=1) / count)


def test_the_features_are_those_of_the_middle_where_there_is_one(tmp_path: Path) -> None:
    pixels = NUMBERS.integers(0, 256, (140, 32, 32, 3), np.uint8)
    kernels = [
        numpy_helper.from_array(np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32), f"kernel{seed}")
        for seed, shape in enumerate([(4, 3, 4, 4), (5, 4, 4, 4), (6, 5, 1, 1)])
    ]
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel0"], ["quarter"], strides=[4, 4]),
        helper.make_node("Conv", ["quarter", "kernel1"], ["sixteenth"], strides=[4, 4]),
        helper.make_node("Conv", ["sixteenth", "kernel2"], ["last"]),
        helper.make_node("GlobalAveragePool", ["last"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "deep",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 6])], kernels,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    labels, train = np.arange(140) % 7, np.arange(140)
    add_distance(tmp_path / "model.onnx", pixels, labels, train)
    asked = onnx.load(str(tmp_path / "model.onnx"))
    asked.graph.output.append(helper.make_tensor_value_info("sixteenth", TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(asked.SerializeToString(), providers=["CPUExecutionProvider"])
    _, found, maps = session.run(None, {"image": pixels.astype(np.float32)})
    np.testing.assert_allclose(found, mahalanobis(maps.mean(axis=(2, 3)).astype(np.float64), labels, train), rtol=1e-3)


def test_of_a_frequent_diagnosis_some_images_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ood_distance, "MOST_OF_A_DIAGNOSIS", 4)
    labels = np.array([0] * 12 + [1] * 3 + [0] * 4)
    members, weights = ood_distance._members(labels, np.arange(2, 19))  # 14 of the first, 3 of the other
    assert sorted(labels[members].tolist()) == [0] * 4 + [1] * 3 and len(set(members.tolist())) == 7
    assert members.min() >= 2
    assert weights[labels[members] == 0].tolist() == [3.5] * 4 and weights[labels[members] == 1].tolist() == [1.0] * 3


def test_what_training_never_showed_is_far(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    write_graph(file)
    add_distance(file, PIXELS, LABELS, TRAIN)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    strange = np.zeros((1, SIDE, SIDE, 3), np.float32)
    usual, far = (session.run([DISTANCE], {"image": images})[0] for images in (PIXELS.astype(np.float32), strange))
    assert far.min() > 10 * usual.max()


def test_a_graph_without_pooling_is_refused(tmp_path: Path) -> None:
    write_graph(tmp_path / "model.onnx", pooling="Identity")
    before = (tmp_path / "model.onnx").read_bytes()
    with pytest.raises(TrainingError, match="no global pooling"):
        add_distance(tmp_path / "model.onnx", PIXELS, LABELS, TRAIN)
    assert (tmp_path / "model.onnx").read_bytes() == before
    onnx.checker.check_model(onnx.load(str(tmp_path / "model.onnx")))
