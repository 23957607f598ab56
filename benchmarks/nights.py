"""A quarter of nights: false alarms of `lesionflow monitor` on normal ones, what it says of others, and what it costs.

Give reports of real scoring whose carried columns are `lesion_id` and `true` (the diagnosis): of normal images, and of
each kind of other ones. Lesions are drawn with replacement, with all their images, into nights; those after the
reference are normal, then come nights with a share of the other images, and with more melanomas.

    python benchmarks/nights.py NORMAL.csv [--other camera=NEW.csv --other dark=DARK.csv] [--images 5000] [--nights 104]

The goals: at most 2 of 90 normal nights raise an alarm; and monitoring takes at most 3 times the CPU seconds that
pandas takes to read the reports, both in a process of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

FALSE_ALARMS_GOAL, COST_GOAL = 2, 3.0
REFERENCE = 14
SHARES = (1 / 3, 1 / 10)  # of other images in a night
MELANOMAS = (1.5, 2.0)  # times as many
READ = "import sys, pandas\nfor file in sys.argv[1:]:\n    pandas.read_csv(file)"


def draw(report: pd.DataFrame, images: int, seed: int, weights: dict[str, float] | None = None) -> pd.DataFrame:
    """About so many images of lesions drawn with replacement, each draw a lesion of its own."""
    generator = np.random.default_rng(seed)
    lesions, lesion_of = np.unique(report["lesion_id"].to_numpy(str), return_inverse=True)
    order = np.argsort(lesion_of, kind="stable")
    sizes = np.bincount(lesion_of)
    starts = np.cumsum(sizes) - sizes
    chance = np.ones(len(lesions))
    if weights:
        chance = np.array([weights.get(name, 1.0) for name in report["true"].to_numpy()[order[starts]]])
    drawn = generator.choice(len(lesions), images, p=chance / chance.sum())
    drawn = drawn[: int(np.searchsorted(np.cumsum(sizes[drawn]), images)) + 1]
    rows = np.concatenate([order[starts[lesion] : starts[lesion] + sizes[lesion]] for lesion in drawn])
    ids = np.repeat([f"{seed}-{number}" for number in range(len(drawn))], sizes[drawn])
    return report.iloc[rows].assign(lesion_id=ids)


def cpu_seconds(*command: str) -> float:
    """What a program takes, its children included; the exit code of an alarm is none of a failure."""
    before = os.times()
    done = subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL)
    after = os.times()
    assert done.returncode in (0, 4), command[:4]
    return after.children_user + after.children_system - before.children_user - before.children_system


def make_nights(
    folder: Path, normal: pd.DataFrame, others: dict[str, pd.DataFrame], nights: int, images: int
) -> list[str]:
    """Write the reports; returns their paths, in the order of time."""
    drawn = {f"night-{number:03}": draw(normal, images, number) for number in range(nights)}
    seed = 10_000
    for name, other in others.items():
        for share in SHARES:
            seed += 2
            some = draw(other, round(share * images), seed + 1)
            usual = draw(normal, images - len(some), seed)
            drawn[f"other-{name}-{share:.0%}"] = pd.concat([usual, some])
    for factor in MELANOMAS:
        seed += 1
        drawn[f"other-melanomas-{factor:g}-times"] = draw(normal, images, seed, {"mel": factor})
    for name, night in drawn.items():
        night.to_csv(folder / f"{name}.csv", index=False)
    return [str(folder / f"{name}.csv") for name in drawn]


def truth_of(file: str, malignant: tuple[str, ...]) -> dict[str, float]:
    """The metrics that are estimated, with the truth."""
    night = pd.read_csv(file)
    right = night["diagnosis"] == night["true"]
    sick = night["true"].isin(malignant)
    return {
        "expected_accuracy": float(right.mean()),
        "expected_balanced_accuracy": float(right.groupby(night["true"]).mean().mean()),
        "expected_malignant_sensitivity": float((night["malignant"] == "yes")[sick].mean()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("normal")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=REPORT")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--nights", type=int, default=REFERENCE + 90)
    parser.add_argument("--malignant", default="akiec,bcc,mel")
    asked = parser.parse_args()
    others = {name: pd.read_csv(file) for name, file in (each.split("=", 1) for each in asked.other)}
    with tempfile.TemporaryDirectory() as folder:
        files = make_nights(Path(folder), pd.read_csv(asked.normal), others, asked.nights, asked.images)
        watching = ["-m", "lesionflow", "monitor", *files, "--out", f"{folder}/monitor", "--overwrite"]
        cpu_seconds(*watching)
        read = min(cpu_seconds("-c", READ, *files) for _ in range(3))
        watched = min(cpu_seconds(*watching) for _ in range(3))
        found = json.loads(Path(folder, "monitor", "nights.json").read_text())["nights"]
        normal = [each for each in found[REFERENCE:] if each["night"].startswith("night-")]
        alarms = [each["night"] for each in normal if each["alarms"]]
        print(f"{len(normal)} normal nights of {asked.images} images: {len(alarms)} with a false alarm {alarms}")
        print(f"reading {len(files)} reports {read:.2f} CPU s, monitoring {watched:.2f}: {watched / read:.2f} times")
        print(f"goals: false alarms at most {FALSE_ALARMS_GOAL} of 90, cost at most {COST_GOAL}")
        errors: dict[str, list[float]] = {}
        for file, each in zip(files, found, strict=True):
            truth = truth_of(file, tuple(asked.malignant.split(",")))
            estimates = {name: each["estimates"][name] for name in truth}
            if each["night"].startswith("night-"):
                for name, value in truth.items():
                    errors.setdefault(name, []).append(estimates[name]["value"] - value)
                continue
            reasons = [alarm["value"] for alarm in each["alarms"]]
            print(f"{each['night']}: {len(reasons)} alarms: {', '.join(reasons)}")
            for name, value in truth.items():
                low, high = estimates[name]["low"], estimates[name]["high"]
                print(f"    {name} {estimates[name]['value']:.3f} ({low:.3f} to {high:.3f}), true {value:.3f}")
        for name, values in errors.items():
            print(
                f"normal nights: {name} minus the true one: mean {np.mean(values):+.3f}, deviation {np.std(values):.3f}"
            )


if __name__ == "__main__":
    main()
