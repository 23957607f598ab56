"""What each runtime and precision of `lesionflow export` costs: the tables of docs/how_to/export_to_other_runtimes.md.

    python benchmarks/score_runtimes.py IMAGES [--model MODEL] [--formats onnx,openvino,litert,torch]
    python benchmarks/score_runtimes.py IMAGES --precisions float32,float16,int8 --data DATA  # labelled images

Rows of Markdown: how far each file is from its bundle and its size; with labelled images, what the precision costs; CPU
milliseconds an image, one thread, decoded before, the best of several rounds. Each round asks every runtime in turn, so
that what else the machine does falls on all of them. `bundle` is what `lesionflow score` does.
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
from lesionflow.images.discovery import walk_images
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
    parser.add_argument("--formats", default="onnx,openvino,litert,torch")
    parser.add_argument("--precisions", default="float32", help="others need --data")
    parser.add_argument("--data", help="labelled images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=64, help="images")
    asked = parser.parse_args()
    loaded = lesionflow.load(asked.model, device="cpu")
    card = loaded.card
    files = list(walk_images(asked.images))[: asked.most]
    pixels = np.stack([decode(file, card.height, card.width) for file in files])
    runs: dict[str, Callable[[np.ndarray], object]] = {"bundle": loaded.predictor.measure}
    files_told, costs_told = [], []
    with tempfile.TemporaryDirectory() as folder:
        for precision in asked.precisions.split(","):
            for format in asked.formats.split(","):
                if format == "torch" and precision != "float32":
                    continue
                name, out = f"{format}, {precision}", Path(folder) / f"{format}-{precision}"
                try:
                    exported = lesionflow.export(
                        asked.model, out, format=format, precision=precision, images=asked.images, data=asked.data,
                        max_difference=1.0, max_changed_calls=1.0,
                    )  # fmt: skip
                except lesionflow.LesionflowError as error:
                    print(f"{name}: {error}")
                    continue
                runs[name] = open_artifact(out / MODEL_FILES[format], format)
                parity, cost = exported.parity, exported.cost
                assert parity is not None
                size = sum(file.stat().st_size for file in out.glob("model.*") if file.suffix != ".json") / 1e6
                files_told.append(
                    f"| `{format}` | {precision} | {parity.largest_difference:.2g} | {parity.changed_calls:.1%} |"
                    f" {size:.1f} MB |"
                )
                if cost is not None:
                    costs_told += [
                        f"| {which} | {of} | {' | '.join(row[column] for row in cost.rows())} | {cost.images} images"
                        for which, of, column in (("bundle", "float32", 1), (f"`{format}`", precision, 2))
                    ]
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(asked.rounds + 1):  # the first one warms up, and is never the best
            for name, run in runs.items():
                best[name] = min(best[name], cpu_seconds(run, pixels))
    print(*files_told, "", *dict.fromkeys(costs_told), "", sep="\n")  # the bundle's costs once for each set of images
    for name, seconds in best.items():
        told = (
            f"{1000 * seconds / len(pixels):7.2f} ms an image   {best['bundle'] / seconds:5.2f} times the bundle's rate"
        )
        print(f"{name:20}{told}")


if __name__ == "__main__":
    main()
