"""Whole scoring processes on the CPU: `lesionflow score` against timm's inference script and Ultralytics' `predict`.

The same 600 x 450 JPEG files at 128 x 128, networks that look at each image once, fresh weights for all, from start to
written results. Against each peer runs a network of lesionflow's of the same cost: the same EfficientNet-Lite0 against
timm, and against Ultralytics' yolo11n-cls a `cnn` just wide enough to take no fewer multiply-adds, which are counted
and printed. The bundles are made on the spot, which needs the extra `train`; `--model` takes another in place of both:
the shipped one, `pretrained`, looks at each image and its mirror image at 160 x 160, which is three times the work of
EfficientNet-Lite0. The peers run in an environment of their own, which needs `timm pandas ultralytics` and PyTorch;
timm's package does not hold its script, so a clone of its repository is needed. What is missing is skipped, with the
reason.

    python benchmarks/score_vs_peers.py --peers ENVIRONMENT/bin/python --timm-script CLONE/inference.py
        [--model BUNDLE] [--images 2000] [--rounds 2]
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from material import (
    Measured,
    environment,
    in_turns,
    machine,
    make_bundle,
    make_pictures,
    measure,
    median,
    score_command,
)

SIDE = 128
GOALS = {"timm": 10.0, "ultralytics": 3.5}  # times as many CPU seconds as lesionflow
MEMORY = 0.5  # of the peer's peak
NETWORK = "tf_efficientnet_lite0"  # lesionflow's `efficientnet`
OURS = {"timm": ("efficientnet", 1.0), "ultralytics": ("cnn", 0.53)}  # networks of the same cost, and their widths
WEIGHTS = "import sys, timm, torch; torch.save(timm.create_model(sys.argv[1], num_classes=7).state_dict(), sys.argv[2])"
NETWORKS = {
    "timm": f"import timm; network = timm.create_model({NETWORK!r}, num_classes=7)",
    "ultralytics": "from ultralytics import YOLO; network = YOLO('yolo11n-cls.yaml').model",
}
COUNT = """
import sys, torch
from torch.utils.flop_counter import FlopCounterMode
exec(sys.argv[1])
with torch.inference_mode(), FlopCounterMode(display=False) as counter:
    network.eval()(torch.zeros(1, 3, int(sys.argv[2]), int(sys.argv[2])))
print("multiply-adds", counter.get_total_flops() // 2)
"""
PREDICT = """
import csv, sys
from ultralytics import YOLO
images, side, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(out, "w", newline="") as file:
    rows = csv.writer(file)
    for result in YOLO("yolo11n-cls.yaml").predict(images, imgsz=side, device="cpu", stream=True, verbose=False):
        rows.writerow([result.path, *result.probs.data.tolist()])
"""


def main() -> None:
    """Measure, and print CPU seconds, peak memory and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--timm-script", type=Path, help="inference.py of a clone of timm's repository")
    parser.add_argument("--model", help="another bundle than one of the peers' network, fresh, which looks once")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, images = Path(scratch), Path(scratch) / "images"
        os.environ.pop("OMP_NUM_THREADS", None)  # as many threads as each takes by itself
        os.environ["YOLO_CONFIG_DIR"] = str(folder)  # not in the home of whoever measures
        works: dict[str, Callable[[], Measured]] = {}
        multiply_adds: dict[str, int] = {}
        for name, make in (("timm", timm_work), ("ultralytics", ultralytics_work)):
            if reason := missing(name, options.peers, options.timm_script):
                print(f"{name} is skipped: {reason}")
                continue
            network, width = OURS[name]
            model = options.model or make_bundle(folder / network, network, SIDE, width)
            works[f"lesionflow, {network}"] = functools.partial(
                measure, score_command(images, folder / "ours.csv", model)
            )
            works[name] = make(options.peers, options.timm_script, images, folder)
            multiply_adds[f"lesionflow, {network}"] = multiply_adds_of(model)
            multiply_adds[name] = multiply_adds_of_peer(options.peers, name, folder)
        origin, began = make_pictures(images, options.images), machine()
        taken = dict(zip(works, map(median, in_turns(options.rounds, *works.values())), strict=True))
    print(f"{options.images} JPEG files of 600 x 450 ({origin}) to {SIDE} x {SIDE}, {began}, {options.rounds} rounds")
    for name, one in taken.items():
        cost = f"{multiply_adds[name] / 1e6:7.1f} million multiply-adds an image"
        print(f"  {name:24} {one.cpu_seconds:8.2f} CPU s {one.seconds:8.2f} s {one.peak_mib:7.0f} MiB peak {cost}")
    for name in filter(GOALS.get, taken):
        ours = taken[f"lesionflow, {OURS[name][0]}"]
        print(
            f"{name}: {taken[name].cpu_seconds / ours.cpu_seconds:.1f} times the CPU seconds (goal: {GOALS[name]:g}), ",
            end="",
        )
        print(f"lesionflow's peak is {ours.peak_mib / taken[name].peak_mib:.2f} of its (goal: {MEMORY:g})")


def multiply_adds_of(model: Path | str) -> int:
    """Multiply-adds of a bundle's graph for one image: those of convolutions and matrix products."""
    import numpy as np
    import onnx

    from lesionflow.model.files import pretrained_folder, read_bundle

    _, content = read_bundle(pretrained_folder() if str(model) == "pretrained" else model)
    graph = onnx.load_from_string(content)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    for one in (*graph.value_info, *graph.output):
        shapes[one.name] = tuple(size.dim_value for size in one.type.tensor_type.shape.dim)
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(shapes[node.output[0]])) * int(np.prod(shapes[node.input[1]][1:]))
        elif node.op_type in ("Gemm", "MatMul"):
            total += int(np.prod(shapes[node.input[1]]))
    return total


def multiply_adds_of_peer(python: Path, name: str, folder: Path) -> int:
    """Multiply-adds of a peer's network for one image, as PyTorch counts them."""
    command = [str(python), "-c", COUNT, NETWORKS[name], str(SIDE)]
    done = subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.split()[-1])


def missing(package: str, python: Path | None, script: Path | None) -> str:
    """Why a peer cannot be measured, or nothing."""
    if python is None or not python.exists():
        return "no environment of the peers; give its Python with --peers"
    if subprocess.run([python, "-c", f"import {package}"], env=environment(), capture_output=True).returncode:
        return f"{python} cannot import it"
    if package == "timm" and (script is None or not script.exists()):
        return "its script is not there; give inference.py of a clone with --timm-script"
    return ""


def timm_work(python: Path, script: Path, images: Path, folder: Path) -> Callable[[], Measured]:
    """timm's inference script; it loads in two further processes, as by default."""  # noqa: D403
    weights = folder / "weights.pth"
    subprocess.run([python, "-c", WEIGHTS, NETWORK, str(weights)], env=environment(), check=True)
    command = [
        str(python), str(script), "--data-dir", str(images), "--model", NETWORK, "--checkpoint", str(weights),
        "--num-classes", "7", "--img-size", str(SIDE), "--device", "cpu", "--label-type", "none", "--topk", "7",
        "--include-index", "--no-console-results", "--results-dir", str(folder), "--results-file", "timm",
    ]  # fmt: skip
    return lambda: measure(command, folder)


def ultralytics_work(python: Path, script: Path, images: Path, folder: Path) -> Callable[[], Measured]:
    """Ultralytics' predict, with a small network of fresh weights."""
    command = [str(python), "-c", PREDICT, str(images), str(SIDE), str(folder / "ultralytics.csv")]
    return lambda: measure(command, folder)


if __name__ == "__main__":
    main()
