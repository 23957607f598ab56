"""Peak memory of scoring many images against few: links to the same files, so that only their number grows.

python benchmarks/score_memory.py [--many 50000] [--few 1000] [--rounds 1]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from material import in_turns, machine, make_bundle, make_pictures, measure, median, score_command

GOAL = 1.1
FILES = 200
SIZE = (200, 150)  # how large an image is changes the time, not how memory grows with their number


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a bundle; without it, one of fresh weights")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, files = Path(scratch), Path(scratch) / "files"
        make_pictures(files, FILES, SIZE)
        bundle = options.model or make_bundle(folder / "bundle")
        for name, count in (("few", options.few), ("many", options.many)):
            (folder / name).mkdir()
            for number in range(count):
                os.link(files / f"image{number % FILES:06}.jpg", folder / name / f"image{number:08}.jpg")
        began = machine()
        few, many = in_turns(
            options.rounds,
            lambda: measure(score_command(folder / "few", folder / "few.csv", bundle)),
            lambda: measure(score_command(folder / "many", folder / "many.csv", bundle)),
        )
    print(f"links to {FILES} JPEG files of 200 x 150, {began}, {options.rounds} rounds, medians")
    for count, taken in ((options.few, few), (options.many, many)):
        print(f"  {count:8,} images {median(taken).peak_mib:8.1f} MiB peak {median(taken).seconds:8.1f} s")
    print(f"peak memory: {median(many).peak_mib / median(few).peak_mib:.3f} times (goal: at most {GOAL:g})")


if __name__ == "__main__":
    main()
