"""What a second model costs: `score --also` against two runs, in CPU seconds of whole processes.

python benchmarks/score_also.py [--images 1000] [--rounds 3] [--model pretrained] [--also pretrained]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from material import Measured, in_turns, machine, make_pictures, measure, median, score_command

GOAL = 0.75


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="pretrained")
    parser.add_argument("--also", default="pretrained")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        kind = make_pictures(folder / "images", options.images)

        def run(model: str, *more: str) -> Measured:
            return measure(score_command(folder / "images", folder / "results.csv", model, *more))

        began = machine()
        first, second, both = map(
            median,
            in_turns(
                options.rounds,
                lambda: run(options.model),
                lambda: run(options.also),
                lambda: run(options.model, "--also", options.also),
            ),
        )
    print(f"{options.images} images ({kind}), {began}, {options.rounds} rounds, medians of CPU seconds")
    print(f"  {options.model}: {first.cpu_seconds:.2f}; {options.also}: {second.cpu_seconds:.2f}")
    print(f"  both in one run: {both.cpu_seconds:.2f}, peak {both.peak_mib:.0f} MiB")
    ratio = both.cpu_seconds / (first.cpu_seconds + second.cpu_seconds)
    print(f"--also takes {ratio:.2f} of two runs (goal: at most {GOAL:g})")


if __name__ == "__main__":
    main()
