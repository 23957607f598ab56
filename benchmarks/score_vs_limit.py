"""Steady scoring throughput against the machine's bound, measured in the same process.

The bound: decoding alone and inference alone, each on all cores, and no second between the two. Whoever does both with
the same cores cannot take less time than both together.

    python benchmarks/score_vs_limit.py [--images 2000] [--rounds 3] [--model BUNDLE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from material import Parts, machine, make_bundle, make_pictures

from lesionflow.api.score import score

GOAL = 0.9


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a bundle; without it, one of fresh weights")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images"
        origin = make_pictures(images, options.images)
        bundle = options.model or make_bundle(Path(scratch) / "bundle")
        parts = Parts(images, bundle)
        began = machine()
        decoding, inferring, scoring = [], [], []
        for _ in range(options.rounds):  # in turns: what else the machine does then weighs on all three alike
            decoding.append(parts.decoding())
            inferring.append(parts.inference())
            summary = score(images, Path(scratch) / "r.csv", str(bundle), overwrite=True, quiet=True)
            assert summary.scored == options.images
            scoring.append(summary.seconds)
    print(f"{options.images} JPEG files of 600 x 450 ({origin}), {parts.workers} workers")
    print(f"{began}, {options.rounds} rounds, medians")
    decode_seconds, infer_seconds, score_seconds = map(statistics.median, (decoding, inferring, scoring))
    bound = decode_seconds + infer_seconds
    for name, seconds in (("decoding alone", decode_seconds), ("inference alone", infer_seconds)):
        print(f"  {name:24} {options.images / seconds:8.0f} images/s")
    print(f"  {'bound of both together':24} {options.images / bound:8.0f} images/s")
    print(f"  {'scoring, with report':24} {options.images / score_seconds:8.0f} images/s")
    print(f"scoring reaches {bound / score_seconds:.3f} of the bound (goal: {GOAL:g})")


if __name__ == "__main__":
    main()
