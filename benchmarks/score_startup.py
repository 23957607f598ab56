"""One image, whole process, against importing MLflow and Keras: what every run pays before its first image.

python benchmarks/score_startup.py [--rounds 5] [--model BUNDLE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from material import environment, in_turns, make_bundle, make_pictures, measure, median, score_command

GOALS = {"from a bundle folder": 0.2, "from models:/ (SQLite here)": 0.5, "from models:/ (asking MLflow)": 0.5}

REGISTER = """
import sys
from pathlib import Path
from lesionflow.bundle.card import read_card, write_card
from lesionflow.registry import champion, tracking, versions
import dataclasses
tracking.connect("sqlite:///mlflow.db")
folder, image = Path(sys.argv[1]), Path(sys.argv[2])
card = read_card(folder)
card = write_card(folder, dataclasses.replace(card, metrics={"validation": {versions.DECIDING: 0.5}}))
with tracking.run("benchmark", "benchmark"):
    version = versions.register_bundle(folder, card, "lesionflow", image.read_bytes())
champion.set_champion(version, "a benchmark")
"""


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch), Path(scratch) / "r.csv"
        make_pictures(folder / "images", 1)
        image = folder / "images" / "image000000.jpg"
        bundle = make_bundle(folder / "bundle")
        subprocess.run(
            [sys.executable, "-c", REGISTER, str(bundle), str(image)], cwd=folder, env=environment(), check=True
        )
        store = ("--tracking-uri", f"sqlite:///{folder}/mlflow.db")
        # A question mark makes the address one that only MLflow reads.
        asking = ("--tracking-uri", f"sqlite:///{folder}/mlflow.db?timeout=5")
        champion = "models:/lesionflow@champion"
        imports, *scored = in_turns(
            options.rounds,
            lambda: measure([sys.executable, "-c", "import mlflow, keras"]),
            lambda: measure(score_command(image, out, bundle)),
            lambda: measure(score_command(image, out, champion, *store)),
            lambda: measure(score_command(image, out, champion, *asking)),
        )
    print(f"one JPEG file of 600 x 450, whole processes, {os.cpu_count()} cores, {options.rounds} rounds, medians")
    base = median(imports)
    print(f"  {'import mlflow, keras':30} {base.seconds:6.2f} s {base.cpu_seconds:6.2f} CPU s {base.peak_mib:6.0f} MiB")
    for (name, goal), taken in zip(GOALS.items(), scored, strict=True):
        one = median(taken)
        print(f"  {name:30} {one.seconds:6.2f} s {one.cpu_seconds:6.2f} CPU s {one.peak_mib:6.0f} MiB", end="")
        print(f"   {one.seconds / base.seconds:.3f} of its time (goal: {goal:g}), ", end="")
        print(f"{one.cpu_seconds / base.cpu_seconds:.3f} of its CPU time")


if __name__ == "__main__":
    main()
