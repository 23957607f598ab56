"""A small real bundle and real JPEG files, made in a second without training."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.images.decode import decode
from lesionflow.model.card import AVERAGED, ONNX_FILE, SINGLE, Calibration, Card, read_card, write_card
from lesionflow.model.decision import decide
from lesionflow.model.predictor import load_predictor
from lesionflow.scoring.engines import local

SIDE = 24
PRIOR = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)


def write_small_bundle(folder: Path, seed: int = 0, labels: LabelSet = HAM10000, **fields: Any) -> Path:
    """Write a bundle of a convolution, a pooling and a dense layer with weights drawn at random.

    Its distance is the mean of what the pooling puts out; labels: its diagnoses; fields: more of the card's.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    numbers, classes = np.random.default_rng(seed), len(labels)
    weights = {
        "kernel": numbers.normal(0, 0.01, (8, 3, 5, 5)),
        "dense": numbers.normal(0, 0.5, (8, classes)),
        "bias": numbers.normal(0, 0.5, classes),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["edges"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["edges"], ["lit"]),
        helper.make_node("GlobalAveragePool", ["lit"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense", "bias"], ["logits"]),
        helper.make_node("ReduceMean", ["flat"], ["distance"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]),
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = model.SerializeToString()
    onnx.checker.check_model(model)
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(content)
    card = Card(
        network=fields.pop("network", "small"),
        height=SIDE,
        width=SIDE,
        data_name="noise",
        data_digest="0" * 64,
        demo=True,
        split_digest="0" * 64,
        split_seed=0,
        split_fractions=(0.7, 0.15, 0.15),
        labels=labels,
        **fields,
    )
    write_card(folder, dataclasses.replace(card, digests={ONNX_FILE: hashlib.sha256(content).hexdigest()}))
    return folder


def write_deciding_bundle(folder: Path, images: Path, write: Callable[..., Path] = write_small_bundle) -> Path:
    """Write the small bundle calibrated so that it calls images of a folder different things, also with `--tta`.

    About half of them are malignant, some are referred as uncertain and some as unfamiliar. write: what writes it.
    """
    pixels = np.stack([decode(file, SIDE, SIDE) for file in sorted(images.iterdir())])
    neutral = {SINGLE: Calibration(), AVERAGED: Calibration()}
    write(folder, prior=PRIOR, calibrations=neutral)
    card, calibrations = read_card(folder), {}
    for mode in neutral:
        logits, distances = load_predictor(folder, averaged=mode == AVERAGED).measure(pixels)
        offsets = np.log(PRIOR) - logits.mean(axis=0) / 2
        said = decide(logits, distances, Calibration(2.0, tuple(offsets)), PRIOR)
        calibrations[mode] = Calibration(
            temperature=2.0,
            logit_offsets=tuple(offsets.tolist()),
            malignant_threshold=float(np.quantile(said.malignant_probability, 0.51)),
            uncertain_below=float(np.quantile(said.confidence, 0.21)),
            unfamiliar_above=float(np.quantile(distances, 0.91)),
        )
    write_card(folder, dataclasses.replace(card, calibrations=calibrations))
    return folder


def draw_images(folder: Path, count: int, size: tuple[int, int] = (60, 45)) -> Path:
    """Draw JPEG files of coloured blocks, each another one."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        blocks = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(folder / f"image{number:04}.jpg")
    return folder


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the small bundle."""
    return write_small_bundle(tmp_path_factory.mktemp("bundles") / "small")


@pytest.fixture(scope="session")
def other_small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a bundle with other weights."""
    return write_small_bundle(tmp_path_factory.mktemp("bundles") / "other", seed=1)


@pytest.fixture(scope="session")
def deciding_bundle(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """Give a bundle that calls the 60 images different things."""
    return write_deciding_bundle(tmp_path_factory.mktemp("bundles") / "deciding", images)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of 60 images, for tests that only read it."""
    return draw_images(tmp_path_factory.mktemp("images") / "folder", 60)


@pytest.fixture
def command(small_bundle: Path) -> Callable[..., list[str]]:
    """Give a function that makes the command line of `lesionflow score` with the small bundle."""

    def make(*arguments: object) -> list[str]:
        return [sys.executable, "-m", "lesionflow", "score", "--model", str(small_bundle), *map(str, arguments)]

    return make


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs a command line in a process of its own."""

    def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            env=environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=120,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Give the environment in which a process of its own finds this checkout's lesionflow."""
    checkout = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join([checkout, os.environ.get("PYTHONPATH", "")])}


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """Give the function that draws JPEG files into a folder."""
    return draw_images


def interrupt_before_batch(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have scoring on this machine interrupted, as by Ctrl-C, when so many batches are done."""
    score_batches = local.score_batches

    def interrupted(*arguments: Any) -> Any:
        for done, scored in enumerate(score_batches(*arguments)):
            if done == number:
                raise KeyboardInterrupt
            yield scored

    monkeypatch.setattr(local, "score_batches", interrupted)
