"""A graph that looks at each image and at its mirror image: its answers are the same for both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

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
    for output in graph.output:
        rest = [side.dim_value for side in output.type.tensor_type.shape.dim][1:]
        constants[f"{output.name}_pairs"] = np.array([2, -1, *rest], np.int64)
        _rename_output(graph, output.name, f"{output.name}_of_views")
        pairs = f"{output.name}_in_pairs"
        after.append(helper.make_node("Reshape", [f"{output.name}_of_views", f"{output.name}_pairs"], [pairs]))
        if _opset(model) < 18:  # until then the axes are an attribute, from then on an input
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


def _opset(model: onnx.ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _rename_output(graph: onnx.GraphProto, name: str, new: str) -> None:
    """Rename what nodes put out and read; the graph's own output keeps its name."""
    for node in graph.node:
        for names in (node.input, node.output):
            for index, each in enumerate(names):
                if each == name:
                    names[index] = new
