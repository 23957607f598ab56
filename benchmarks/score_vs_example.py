"""Whole scoring processes: `lesionflow score` against the way MLflow's flower_classifier example scores.

The same weights, the same 600 x 450 JPEG files; start-up counts. Needs the extra `train`. The example decodes on one
core and lesionflow on all: where other processes want the cores, the ratio is smaller, down to that of the CPU times.
So it is also said what a scorer could reach that starts at once and overlaps decoding and inference without a gap.

    python benchmarks/score_vs_example.py [--images 2000] [--rounds 2] [--model BUNDLE]
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from pathlib import Path

from material import machine, make_bundle, make_pictures, measure, median, perfect_overlap, score_command

GOAL = 5.0


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", type=Path, help="a bundle with model.keras; without it, one of fresh weights")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, images = Path(scratch), Path(scratch) / "images"
        origin = make_pictures(images, options.images)
        bundle = options.model or make_bundle(folder / "bundle")
        example = [sys.executable, str(Path(__file__).with_name("example_scorer.py"))]
        ours, theirs = folder / "ours.csv", folder / "theirs.csv"
        began = machine()
        scored, compared, bounds = [], [], []
        for _ in range(options.rounds):  # in turns: what else the machine does then weighs on all of them
            scored.append(measure(score_command(images, ours, bundle)))
            compared.append(measure([*example, str(images), str(bundle), str(theirs)]))
            bounds.append(perfect_overlap(images, bundle))
        difference = largest_difference(ours, theirs)
    print(f"{options.images} JPEG files of 600 x 450 ({origin}), {began}, {options.rounds} rounds, medians")
    for name, one in (("lesionflow score", median(scored)), ("as the example does", median(compared))):
        speed = options.images / one.seconds
        print(f"  {name:20} {one.seconds:7.2f} s {speed:8.0f} images/s", end="")
        print(f" {one.cpu_seconds:8.2f} CPU s {one.peak_mib:7.0f} MiB peak")
    ours_median, theirs_median = median(scored), median(compared)
    print(f"throughput: {theirs_median.seconds / ours_median.seconds:.2f} times the example's (goal: {GOAL:g})")
    bound = theirs_median.seconds / statistics.median(bounds)
    print(f"  perfect overlap of decoding and inference, without a start: {bound:.2f} times")
    print(f"peak memory: {ours_median.peak_mib / theirs_median.peak_mib:.2f} of the example's")
    print(f"CPU time: {ours_median.cpu_seconds / theirs_median.cpu_seconds:.2f} of the example's")
    print(f"largest difference of a probability (the two resize in different ways): {difference:.3f}")


def largest_difference(ours: Path, theirs: Path) -> float:
    """Of the two reports' probabilities: so that nobody compares speeds of different work."""
    with ours.open(newline="") as first, theirs.open(newline="") as second:
        pairs = list(zip(csv.DictReader(first), csv.DictReader(second), strict=True))
    names = [name for name in pairs[0][1] if name.startswith("p_")]
    return max(abs(float(one[name]) - float(other[name])) for one, other in pairs for name in names)


if __name__ == "__main__":
    main()
