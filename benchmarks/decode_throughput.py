"""CPU seconds of decoding: 600 x 450 JPEG files to 64 x 64 and 128 x 128, checks on, with and without a colour profile.

With --before the checkout of an earlier version decodes the same files in turns with this one. One thread. With --score
the same two folders also go through whole runs of `lesionflow score --model pretrained`.

    python benchmarks/decode_throughput.py [--images 500] [--rounds 5] [--before CHECKOUT] [--score]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from material import CHECKOUT, in_turns, machine, make_pictures, measure, median, score_command
from PIL import Image

SIDES = (64, 128)
GOAL, GOAL_TAGGED = 1.05, 0.8

# In a process of its own, so that either version imports its own modules.
PROGRAM = """
import sys, time
from pathlib import Path
try:
    from lesionflow.images.decode import decode
except ImportError:  # up to 0.1.0
    from lesionflow.data.pixels import decode
files = sorted(map(str, Path(sys.argv[1]).iterdir()))
for file in files[:50]:
    decode(file, 64, 64)
for side in map(int, sys.argv[2:]):
    started = time.process_time()
    for file in files:
        decode(file, side, side)
    print(time.process_time() - started)
"""


def main() -> None:
    """Measure, and print images a CPU second and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="the checkout of an earlier version")
    parser.add_argument("--score", action="store_true", help="measure whole runs of scoring as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        plain, tagged = Path(scratch) / "plain", Path(scratch) / "tagged"
        origin = make_pictures(plain, options.images)
        tag(plain, tagged)
        began = machine()
        works = {"plain": (CHECKOUT, plain), "Display P3": (CHECKOUT, tagged)}
        if options.before:
            works["before, plain"] = (options.before, plain)
        taken: dict[str, list[list[float]]] = {name: [] for name in works}
        for _ in range(options.rounds):  # in turns: what else the machine does then weighs on all of them alike
            for name, (checkout, images) in works.items():
                taken[name].append(seconds(checkout, images))
        whole = score(plain, tagged, options.rounds) if options.score else None
    print(f"{options.images} JPEG files of 600 x 450 ({origin}), {began}, {options.rounds} rounds")
    for i, side in enumerate(SIDES):
        speeds = {name: statistics.median(options.images / one[i] for one in rounds) for name, rounds in taken.items()}
        print(f"to {side} x {side}: " + ", ".join(f"{name} {speed:.0f}/s" for name, speed in speeds.items()))
        print(f"  with a profile: {speeds['Display P3'] / speeds['plain']:.2f} of without (goal: {GOAL_TAGGED:g})")
        if options.before:
            print(f"  now: {speeds['plain'] / speeds['before, plain']:.2f} times before (goal: {GOAL:g})")
    if whole:
        without, with_profile = whole
        ratio = without / with_profile
        print(f"whole runs of score: {without:.1f} CPU s without a profile, {with_profile:.1f} with it")
        print(f"  with a profile: {ratio:.2f} of the images a CPU second without (goal: {GOAL_TAGGED:g})")


def score(plain: Path, tagged: Path, rounds: int) -> tuple[float, float]:
    """CPU seconds of scoring either folder with the shipped bundle, from the start of the process to its end."""
    commands = [score_command(folder, folder.parent / "report.csv", "pretrained") for folder in (plain, tagged)]
    first, second = in_turns(rounds, *(lambda command=command: measure(command) for command in commands))
    return median(first).cpu_seconds, median(second).cpu_seconds


def tag(plain: Path, tagged: Path) -> None:
    """The same files, pixel by pixel, that say they are in Display P3."""
    from lesionflow.images.colour import named_profile

    profile = named_profile(primaries=12, transfer=13)[0]
    tagged.mkdir()
    for file in plain.iterdir():
        with Image.open(file) as image:
            image.save(tagged / file.name, quality="keep", icc_profile=profile)


def seconds(checkout: Path, images: Path) -> list[float]:
    """CPU seconds to decode all images, for each side."""
    own = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", PROGRAM, str(images), *map(str, SIDES)]
    done = subprocess.run(command, env=own, cwd=images, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


if __name__ == "__main__":
    main()
