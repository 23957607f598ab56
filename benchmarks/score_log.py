"""What `lesionflow score --log` costs: CPU seconds of scoring with the shipped bundle, with and without, in turns.

The cost is that of importing MLflow and writing one run, whatever the number of images; the script also says from how
many images on it is at most the goal's share of the job.

    python benchmarks/score_log.py [--images 5000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from material import in_turns, machine, make_pictures, measure, median, score_command

GOAL = 1.02


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_pictures(folder / "images", options.images)
        plain = score_command(folder / "images", folder / "report.csv", "pretrained")
        logged = [*plain, "--log", "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
        measure(logged, folder)  # makes the store, once in its life
        without, with_log = (
            median(taken)
            for taken in in_turns(options.rounds, lambda: measure(plain, folder), lambda: measure(logged, folder))
        )
    before, after = without.cpu_seconds, with_log.cpu_seconds
    cost = after - before
    print(machine())
    print(f"{options.images} images: {before:.1f} CPU s without, {after:.1f} with: {cost:.1f} s more")
    print(f"ratio {after / before:.3f}, goal {GOAL}")
    print(f"at the goal from {cost / (GOAL - 1) * options.images / before:,.0f} images on")


if __name__ == "__main__":
    main()
