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

from lesionflow.bundle.card import ONNX_FILE, Card, write_card

SIDE = 24


def write_small_bundle(folder: Path, seed: int = 0) -> Path:
    """Write a bundle of a convolution, a pooling and a dense layer with weights drawn at random."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    numbers = np.random.default_rng(seed)
    weights = {
        "kernel": numbers.normal(0, 0.01, (8, 3, 5, 5)),
        "dense": numbers.normal(0, 0.5, (8, 7)),
        "bias": numbers.normal(0, 0.5, 7),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["edges"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["edges"], ["lit"]),
        helper.make_node("GlobalAveragePool", ["lit"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 7])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = model.SerializeToString()
    onnx.checker.check_model(model)
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(content)
    card = Card(
        network="small",
        height=SIDE,
        width=SIDE,
        data_name="noise",
        data_digest="0" * 64,
        demo=True,
        split_digest="0" * 64,
        split_seed=0,
        split_fractions=(0.7, 0.15, 0.15),
    )
    write_card(folder, dataclasses.replace(card, digests={ONNX_FILE: hashlib.sha256(content).hexdigest()}))
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
