"""What a second model costs: `score --also` against two runs, in CPU seconds of whole processes.

The least that it can cost is the first model's run and the second network's inference; the script says how much of two
runs that is. Without `--model`, champion and challenger are what `lesionflow train --model all` compares at 64 x 64.

python benchmarks/score_also.py [--images 1000] [--rounds 3] [--model pretrained] [--also pretrained]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from material import (
    CHECKOUT,
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

GOAL = 0.75
_INFERENCE = """
import sys, time, material, numpy
from pathlib import Path
from lesionflow.defaults import BATCH_SIZES
from lesionflow.model.predictor import load_predictor
from lesionflow.model.files import PRETRAINED, pretrained_folder
model, images = sys.argv[1], int(sys.argv[2])
predictor = load_predictor(pretrained_folder() if model == PRETRAINED else model, threads=1)
card, size = predictor.card, BATCH_SIZES["cpu"]
pixels = numpy.random.default_rng(0).integers(0, 256, (size, card.height, card.width, 3), numpy.uint8)
began = time.process_time()
for _ in range(0, images, size):
    predictor.predict(pixels)
print(time.process_time() - began)
"""


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model")
    parser.add_argument("--also")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kind = make_pictures(folder / "images", options.images)
        models = [options.model or str(make_bundle(folder / "cnn"))]
        models.append(options.also or options.model or str(make_bundle(folder / "vgg", "vgg")))

        def run(model: str, *more: str) -> Measured:
            return measure(score_command(folder / "images", folder / "results.csv", model, *more))

        def inference() -> Measured:
            command = [sys.executable, "-c", _INFERENCE, models[1], str(options.images)]
            done = subprocess.run(
                command, cwd=CHECKOUT / "benchmarks", env=environment(), check=True, stdout=subprocess.PIPE, text=True
            )
            return Measured(0.0, float(done.stdout), 0.0)

        began = machine()
        first, second, both, least = map(
            median,
            in_turns(
                options.rounds,
                lambda: run(models[0]),
                lambda: run(models[1]),
                lambda: run(models[0], "--also", models[1]),
                inference,
            ),
        )
    print(f"{options.images} images ({kind}), {began}, {options.rounds} rounds, medians of CPU seconds")
    print(f"  {Path(models[0]).name}: {first.cpu_seconds:.2f}; {Path(models[1]).name}: {second.cpu_seconds:.2f}")
    print(f"  both in one run: {both.cpu_seconds:.2f}, peak {both.peak_mib:.0f} MiB")
    two_runs = first.cpu_seconds + second.cpu_seconds
    print(f"  the second network's inference alone: {least.cpu_seconds:.2f}")
    floor = (first.cpu_seconds + least.cpu_seconds) / two_runs
    print(f"--also takes {both.cpu_seconds / two_runs:.2f} of two runs (goal: at most {GOAL:g}; least: {floor:.2f})")


if __name__ == "__main__":
    main()
