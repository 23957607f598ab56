"""What `lesionflow score --log` costs: CPU seconds of scoring with and without, in turns.

The cost is that of writing one run, whatever the number of images: on a server by a few requests, to which the goal
applies; in an SQLite file by MLflow's client, whose import takes seconds. The first job of a store makes the experiment
and is not measured.

    python benchmarks/score_log.py [--images 5000] [--rounds 3] [--model pretrained] [--store URI]
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
    parser.add_argument("--model", default="pretrained")
    parser.add_argument("--store", help="an MLflow server, in place of an SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_pictures(folder / "images", options.images)
        plain = score_command(folder / "images", folder / "report.csv", options.model)
        logged = [*plain, "--log", "--tracking-uri", options.store or f"sqlite:///{folder}/mlflow.db"]
        measure(logged, folder)  # makes the experiment, once in its life
        without, with_log = (
            median(taken)
            for taken in in_turns(options.rounds, lambda: measure(plain, folder), lambda: measure(logged, folder))
        )
    cost = with_log.cpu_seconds - without.cpu_seconds
    print(machine())
    print(f"{options.images} images: {without.cpu_seconds:.2f} CPU s without, {cost:.2f} more with")
    print(f"ratio {with_log.cpu_seconds / without.cpu_seconds:.3f}, in time {with_log.seconds / without.seconds:.3f}")
    print(f"goal on a server: {GOAL}")


if __name__ == "__main__":
    main()
