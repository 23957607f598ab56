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

from lesionflow.api.score import score
from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import HAM10000
from lesionflow.model.card import AVERAGED, CARD_FILE, ONNX_FILE, SINGLE, Calibration, Card, write_card

HERE = Path("batch/example")
SIZE = 32
SKIN = np.array([195.0, 140.0, 136.0])  # no diagnosis is ahead of its prior there, and no colour is more familiar
PRIOR = (0.033, 0.051, 0.11, 0.011, 0.111, 0.67, 0.014)
# Chosen so that the eight images are told all there is to tell.
CALIBRATION = Calibration(malignant_threshold=0.23, uncertain_below=0.1, unfamiliar_above=0.88)


def make_bundle(folder: Path) -> None:
    """A graph small enough to commit: mean colour, a linear function of it, and how far it is from skin's."""
    weights = np.random.default_rng(0).normal(0, 0.02, (3, len(HAM10000.names))).astype(np.float32)
    bias = (np.log(PRIOR) - SKIN @ weights).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["colour"], keepdims=0),
            helper.make_node("Gemm", ["colour", "weights", "bias"], ["logits"]),
            helper.make_node("Sub", ["colour", "skin"], ["from_skin"]),
            helper.make_node("Div", ["from_skin", "spread"], ["scaled"]),
            helper.make_node("Mul", ["scaled", "scaled"], ["squares"]),
            helper.make_node("ReduceMean", ["squares", "channels"], ["distance"], keepdims=0),
        ],
        "mean_colour",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(HAM10000.names)]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]),
        ],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(SKIN.astype(np.float32), "skin"),
            numpy_helper.from_array(np.float32(30), "spread"),
            numpy_helper.from_array(np.array([1]), "channels"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    folder.mkdir()
    (folder / ONNX_FILE).write_bytes(model.SerializeToString())
    digest = hashlib.sha256((folder / ONNX_FILE).read_bytes()).hexdigest()
    card = Card(
        "mean_colour", SIZE, SIZE, "demo", "", True, "", 0, (0.7, 0.15, 0.15),
        prior=PRIOR, calibrations={SINGLE: CALIBRATION, AVERAGED: CALIBRATION}, digests={ONNX_FILE: digest},
    )  # fmt: skip
    write_card(folder, card)
    assert (folder / CARD_FILE).exists()


def make_images(folder: Path) -> None:
    """One synthetic image of each diagnosis, in two folders, and the first half of another."""
    with tempfile.TemporaryDirectory() as drawn:
        draw_demo_set(Path(drawn) / "set", images=100, seed=1)
        table = read_labelled_images(Path(drawn) / "set").table
        for number, dx in enumerate(HAM10000.names):
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
