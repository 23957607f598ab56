"""Exports a trained Keras network to a bundle, and checks that the graph gives the same answers.

The network's large weights are rounded to float16 before anything is exported, calibrated or measured, so every metric
of a card is of what is stored. Arithmetic stays in float32: ONNX Runtime widens the weights while it loads the graph.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.defaults import kept_variables
from lesionflow.errors import TrainingError
from lesionflow.model.card import KERAS_FILE, ONNX_FILE, Card, sha256, write_card
from lesionflow.model.decision import softmax
from lesionflow.training.backend import exports_through_tensorflow
from lesionflow.training.export.ood_distance import add_distance

if TYPE_CHECKING:
    import keras
    import onnx

    from lesionflow.training.fit import Examples

PARITY_TOLERANCE = 1e-4  # largest difference of a probability between the exported graph and Keras
PARITY_SAMPLES = 32
CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"  # tf2onnx reads it when it converts


def write_bundle(
    folder: Path,
    network: keras.Model,
    card: Card,
    examples: Examples,
    *,
    mirrored: bool = False,
) -> Card:
    """Export a trained network and its card into a new folder; returns the card with digests.

    examples: what it was trained on. The network's weights are rounded, in place, to what the graph stores. The graph
    has to agree with Keras on images of the validation part, and learns from the training part what is familiar.
    mirrored: the graph averages over each image and its mirror image. Raises `TrainingError` where a probability
    differs by `PARITY_TOLERANCE` or more.
    """
    folder.mkdir(parents=True)
    round_weights(network)
    network.save(folder / KERAS_FILE)
    _export(network, folder)
    add_distance(folder / ONNX_FILE, examples.pixels, examples.labels, examples.split.train)
    if mirrored:
        average_mirrored(folder / ONNX_FILE)
    _store_halves(folder / ONNX_FILE)
    samples = np.asarray(examples.pixels[examples.split.validation[:PARITY_SAMPLES]])
    difference = _largest_difference(network, (folder / ONNX_FILE).read_bytes(), samples, mirrored)
    if not difference < PARITY_TOLERANCE:  # so written, a NaN fails too
        raise TrainingError(
            f"the exported graph differs from Keras by {difference:.2g} in a probability, "
            f"{PARITY_TOLERANCE:g} is allowed; this is a fault of the export, please report it"
        )
    card = dataclasses.replace(
        card,
        training=card.training | {"export_difference": difference},
        digests={name: sha256((folder / name).read_bytes()) for name in (ONNX_FILE, KERAS_FILE)},
    )
    return write_card(folder, card)


def _export(network: keras.Model, folder: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow" or not exports_through_tensorflow():
        export_onnx(network, folder)
        return
    # Whoever trains on another backend borrows TensorFlow in a process of its own.
    command = [
        sys.executable,
        "-c",
        "import sys; from lesionflow.training.export.onnx import _export_saved; _export_saved(sys.argv[1])",
    ]
    done = subprocess.run(
        [*command, str(folder)], env=os.environ | {"KERAS_BACKEND": "tensorflow"}, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"export to ONNX through TensorFlow failed ({last}); reinstall tensorflow and tf2onnx")


def _export_saved(folder: str) -> None:
    import keras

    export_onnx(keras.models.load_model(Path(folder) / KERAS_FILE), Path(folder))


def export_onnx(network: keras.Model, folder: Path) -> None:
    """Write a Keras network as `model.onnx`: (batch, height, width, 3) float32 to (batch, classes) logits."""
    import keras

    shape, file = network.input_shape[1:], str(folder / ONNX_FILE)
    with warnings.catch_warnings():  # converters warn of their own workings; the parity gate says whether they matter
        warnings.simplefilter("ignore")
        if keras.backend.backend() == "tensorflow":
            import tensorflow
            import tf2onnx

            # What `network.export` calls, which makes the same graph in a third more time: it traces the network twice.
            called = tensorflow.function(lambda image: network(image, training=False))
            signature = [tensorflow.TensorSpec((None, *shape), "float32", name="image")]
            convert = functools.partial(tf2onnx.convert.from_function, called, signature, output_path=file)
            # To go on without an optimisation that fails, tf2onnx copies the graph before each: a third of its time.
            # None fails on a usual network; where one does, the network is converted again, with these copies.
            with kept_variables([CATCH_ERRORS]):
                os.environ[CATCH_ERRORS] = "FALSE"
                try:
                    convert()
                except Exception:  # of an optimisation, whatever it raises
                    del os.environ[CATCH_ERRORS]
                    convert()
        else:
            network(keras.ops.zeros((1, *shape)))  # Keras exports only what has been called
            network.export(file, format="onnx", verbose=False)
    _in_one_file(folder / ONNX_FILE)


def _in_one_file(file: Path) -> None:
    """Put weights that an exporter wrote beside the graph into it, so that the graph's digest is of them too."""
    import onnx

    beside = file.with_name(f"{file.name}.data")
    if beside.exists():
        onnx.save(onnx.load(str(file)), str(file))
        beside.unlink()


def _store_halves(file: Path) -> None:
    import onnx

    model = onnx.load(str(file))
    store_halves(model)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def _largest_difference(network: keras.Model, graph: bytes, samples: np.ndarray, mirrored: bool = False) -> float:
    import keras
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several would take twice the CPU for these few images
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    images = samples.astype(np.float32)  # (images, height, width, 3)
    exported = session.run(None, {session.get_inputs()[0].name: images})[0]
    seen = [images, images[:, :, ::-1]] if mirrored else [images]
    # Called as it is: `predict` would have TensorFlow trace the network for these few images.
    original = np.mean([keras.ops.convert_to_numpy(network(view)) for view in seen], axis=0)
    return float(np.abs(softmax(exported) - softmax(original)).max())


LARGE = 1024  # values; what is smaller takes no room worth a node more in the graph
_SAME = 1e-6  # relative: what a multiplication and a division in float32 leave of a number


def round_weights(network: keras.Model) -> None:
    """Round a network's large weights, in place, so that its exported graph holds numbers of float16 alone.

    The export multiplies a convolution's kernel by the scale of the batch normalisation behind it. Where it does, the
    product is what is rounded, and what the scale leaves of it goes back into the kernel.
    """
    import keras

    scales = _scales(network)
    for layer in network.layers:
        for weight in layer.weights:
            values = keras.ops.convert_to_numpy(weight)
            if values.ndim < 2 or values.size < LARGE:
                continue
            scale = scales.get(layer.name, np.float32(1))
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                rounded = (values * scale).astype(np.float16).astype(np.float32) / scale
            weight.assign(np.where(np.isfinite(rounded), rounded, values))


def _scales(network: keras.Model) -> dict[str, np.ndarray]:
    """The factors by which the export multiplies kernels: (filters,) float32, by the convolution's name."""
    import keras

    made_by = {
        id(layer.output): layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)  # a depthwise one is none, and is left alone
    }
    scales = {}
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma = keras.ops.convert_to_numpy(layer.gamma) if layer.scale else np.float32(1)
            variance = keras.ops.convert_to_numpy(layer.moving_variance)
            if before := made_by.get(id(layer.input)):
                scales[before.name] = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    return scales


def store_halves(model: onnx.ModelProto) -> None:
    """Keep a graph's large weights as float16, each with a cast to float32, where float16 holds what they are."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims) < LARGE:
            continue
        values = numpy_helper.to_array(initializer)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.allclose(halves.astype(np.float32), values, rtol=_SAME, atol=0):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


WIDTH_AXIS = 2  # of images, (batch, height, width, 3)


def average_mirrored(file: Path) -> None:
    """Have the graph in a file run on images and their mirror images and put out the means; in place.

    Input and outputs keep their names and shapes, with the batch first. It takes twice the time.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(file))
    graph, (given,) = model.graph, model.graph.input
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == given.name:
                node.input[index] = "both_views"
    before = [
        helper.make_node(
            "Slice", [given.name, "mirror_start", "mirror_end", "mirror_axis", "mirror_step"], ["mirrored"]
        ),
        helper.make_node("Concat", [given.name, "mirrored"], ["both_views"], axis=0),
    ]
    constants = {
        "mirror_start": np.array([-1], np.int64),
        "mirror_end": np.array([np.iinfo(np.int64).min], np.int64),
        "mirror_axis": np.array([WIDTH_AXIS], np.int64),
        "mirror_step": np.array([-1], np.int64),
    }
    after = []
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    for output in graph.output:
        rest = [side.dim_value for side in output.type.tensor_type.shape.dim][1:]
        constants[f"{output.name}_pairs"] = np.array([2, -1, *rest], np.int64)
        _rename_output(graph, output.name, f"{output.name}_of_views")
        pairs = f"{output.name}_in_pairs"
        after.append(helper.make_node("Reshape", [f"{output.name}_of_views", f"{output.name}_pairs"], [pairs]))
        if opset < 18:  # until then the axes are an attribute, from then on an input
            after.append(helper.make_node("ReduceMean", [pairs], [output.name], axes=[0], keepdims=0))
        else:
            constants["mean_axis"] = np.array([0], np.int64)
            after.append(helper.make_node("ReduceMean", [pairs, "mean_axis"], [output.name], keepdims=0))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.value_info[:]  # whose batches were of single views
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def _rename_output(graph: onnx.GraphProto, name: str, new: str) -> None:
    """Rename what nodes put out and read; the graph's own output keeps its name."""
    for node in graph.node:
        for names in (node.input, node.output):
            for index, each in enumerate(names):
                if each == name:
                    names[index] = new
