"""How fast a model runs in each runtime that `lesionflow export` writes for: one thread, same images, same run.

    python benchmarks/score_runtimes.py IMAGES [--model MODEL] [--formats onnx,litert,openvino,torch] [--precisions ...]

CPU milliseconds an image, decoded before, the best of several rounds; each round asks every runtime in turn, so that
what else the machine does falls on all of them. `bundle` is what `lesionflow score` does.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything reads it

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import lesionflow
from lesionflow.images.decode import decode
from lesionflow.images.discovery import find_images
from lesionflow.runtimes.artifact import MODEL_FILES, open_artifact

BATCH = 16  # images, as in scoring on a processor


def cpu_seconds(run: Callable[[np.ndarray], object], pixels: np.ndarray) -> float:
    """CPU time for all images, a batch at a time."""
    begun = time.process_time()
    for first in range(0, len(pixels), BATCH):
        run(pixels[first : first + BATCH])
    return time.process_time() - begun


def main() -> None:
    """Export, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images")
    parser.add_argument("--model", default="pretrained")
    parser.add_argument("--formats", default="onnx,litert,openvino,torch")
    parser.add_argument("--precisions", default="float32", help="others need --data")
    parser.add_argument("--data", help="labelled images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=64, help="images")
    asked = parser.parse_args()
    loaded = lesionflow.load(asked.model, device="cpu")
    card = loaded.card
    files = find_images(asked.images)[: asked.most]
    pixels = np.stack([decode(file, card.height, card.width) for file in files])
    runs: dict[str, Callable[[np.ndarray], object]] = {"bundle": loaded.predictor.measure}
    with tempfile.TemporaryDirectory() as folder:
        for format in asked.formats.split(","):
            for precision in asked.precisions.split(","):
                if format == "torch" and precision != "float32":
                    continue
                name, out = f"{format}, {precision}", Path(folder) / f"{format}-{precision}"
                try:
                    lesionflow.export(
                        asked.model, out, format=format, precision=precision, images=asked.images, data=asked.data,
                        max_difference=1.0, max_changed_calls=1.0,
                    )  # fmt: skip
                except lesionflow.LesionflowError as error:
                    print(f"{name}: {error}")
                    continue
                runs[name] = open_artifact(out / MODEL_FILES[format], format, threads=1)
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(asked.rounds + 1):  # the first one warms up, and is never the best
            for name, run in runs.items():
                best[name] = min(best[name], cpu_seconds(run, pixels))
    for name, seconds in best.items():
        told = (
            f"{1000 * seconds / len(pixels):7.2f} ms an image   {best['bundle'] / seconds:5.2f} times the bundle's rate"
        )
        print(f"{name:20}{told}")


if __name__ == "__main__":
    main()
