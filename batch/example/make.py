"""Make the golden example again: a small bundle, demo images with a broken one, and the report they have to give.

Run it from the project's root: `python batch/example/make.py`. Look at what changed before you commit it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lesionflow.bundle.card import CARD_FILE, ONNX_FILE, Card, write_card
from lesionflow.data.demo import draw_demo_set
from lesionflow.data.ham10000 import read_labelled_images
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.verbs.score import score

HERE = Path("batch/example")
SIZE = 32


def make_bundle(folder: Path) -> None:
    """A graph small enough to commit: mean colour, then a linear function of it."""
    weights = np.random.default_rng(0).normal(0, 0.02, (3, len(DIAGNOSES))).astype(np.float32)
    bias = (-weights.sum(axis=0) * 140).astype(np.float32)  # no diagnosis ahead at a middle grey
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["colour"], keepdims=0),
            helper.make_node("Gemm", ["colour", "weights", "bias"], ["logits"]),
        ],
        "mean_colour",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(DIAGNOSES)])],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    folder.mkdir()
    (folder / ONNX_FILE).write_bytes(model.SerializeToString())
    digest = hashlib.sha256((folder / ONNX_FILE).read_bytes()).hexdigest()
    card = Card("mean_colour", SIZE, SIZE, "demo", "", True, "", 0, (0.7, 0.15, 0.15), digests={ONNX_FILE: digest})
    write_card(folder, card)
    assert (folder / CARD_FILE).exists()


def make_images(folder: Path) -> None:
    """One synthetic image of each diagnosis, in two folders, and the first half of another."""
    with tempfile.TemporaryDirectory() as drawn:
        draw_demo_set(Path(drawn) / "set", images=100, seed=1)
        table = read_labelled_images(Path(drawn) / "set").table
        for number, dx in enumerate(DIAGNOSES):
            source = table[table["dx"] == dx]["path"].iloc[0]
            target = folder / f"clinic {1 + number % 2}" / f"{dx}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        whole = Path(table["path"].iloc[0]).read_bytes()
        (folder / "clinic 1" / "broken.jpg").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    for old in (HERE / "bundle", HERE / "images"):
        shutil.rmtree(old, ignore_errors=True)
    make_bundle(HERE / "bundle")
    make_images(HERE / "images")
    print(score(HERE / "images", HERE / "expected.csv", str(HERE / "bundle"), overwrite=True))
