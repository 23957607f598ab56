"""What a second model costs: `score --also` against two runs, in CPU seconds of whole processes.

python benchmarks/score_also.py [--images 1000] [--rounds 3] [--model pretrained] [--also pretrained]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from material import Measured, in_turns, machine, make_bundle, make_pictures, measure, median, score_command

GOAL = 0.75


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
        models.append(options.also or models[0])

        def run(model: str, *more: str) -> Measured:
            return measure(score_command(folder / "images", folder / "results.csv", model, *more))

        began = machine()
        first, second, both = map(
            median,
            in_turns(
                options.rounds,
                lambda: run(models[0]),
                lambda: run(models[1]),
                lambda: run(models[0], "--also", models[1]),
            ),
        )
    print(f"{options.images} images ({kind}), {began}, {options.rounds} rounds, medians of CPU seconds")
    print(f"  {Path(models[0]).name}: {first.cpu_seconds:.2f}; {Path(models[1]).name}: {second.cpu_seconds:.2f}")
    print(f"  both in one run: {both.cpu_seconds:.2f}, peak {both.peak_mib:.0f} MiB")
    ratio = both.cpu_seconds / (first.cpu_seconds + second.cpu_seconds)
    print(f"--also takes {ratio:.2f} of two runs (goal: at most {GOAL:g})")


if __name__ == "__main__":
    main()
