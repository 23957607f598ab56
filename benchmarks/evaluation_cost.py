"""What a training costs after its last epoch, and an evaluation with intervals, against an earlier build.

Each build is the root of a checkout, and each measurement a process of its own: `lesionflow train` of one epoch, of
which what comes after the fit is counted, and `measure` and `slices` on made-up predictions, by sex, age, body site and
confirmation as frequent as in HAM10000. All numbers are CPU seconds.

    git worktree add ../before 5e75e50
    python benchmarks/evaluation_cost.py --before ../before [--data ../shared/ham10000] [--model cnn] [--image-size 64]

The goals: at most 0.35 of the earlier build after the last epoch, and 200,000 rows with intervals in at most 4 times
what the earlier build takes for 10,015, also with metrics of groups.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from operator import itemgetter
from pathlib import Path

ROOT = Path(__file__).parents[1]
AFTER_GOAL, ROWS_GOAL = 0.35, 4.0
FEW_ROWS, MANY_ROWS = 10_015, 200_000
# `fit` is asked when it returns; what the process has used by its end, children included, is all the rest.
TRAIN = """
import os, sys
from lesionflow.training import fit as module
whole = module.fit
def noted(*args, **kwargs):
    fitted = whole(*args, **kwargs)
    noted.at = sum(os.times()[:4])
    return fitted
module.fit = noted
from lesionflow.cli import main
main(sys.argv[1:], standalone_mode=False)
print(sum(os.times()[:4]) - noted.at)
"""
MEASURE = """
import os, sys
import numpy as np, pandas as pd
try:
    from lesionflow.evaluation.measure import measure
except ImportError:  # of an earlier build
    from lesionflow.evaluation.metrics import measure
from lesionflow.evaluation.slices import slices
from tests.evaluation.made_up import made_up
measure(made_up(100), resamples=100)
rows = int(sys.argv[1])
made = made_up(int(rows / 2.4))
made = made.take(range(rows))
generator = np.random.default_rng(0)
lesions, lesion_of = np.unique(made.lesion_ids, return_inverse=True)
shares = {
    "sex": dict(male=54, female=45, unknown=1),
    "age": {str(age): max(1, 14 - abs(age - 50) // 4) for age in range(5, 90, 5)},
    "localization": dict(
        back=22, leg=21, trunk=14, arm=11, abdomen=10, face=7, chest=4, foot=3, unknown=2, neck=2, scalp=1.3, hand=0.9,
        ear=0.6, genital=0.5, acral=0.1,
    ),
    "dx_type": dict(histo=53, follow_up=37, consensus=9, confocal=1),
}
drawn = {
    name: generator.choice(list(each), len(lesions), p=np.array(list(each.values())) / sum(each.values()))[lesion_of]
    for name, each in shares.items()
}
table = pd.DataFrame({name: values.astype(object) for name, values in drawn.items()})
began = sum(os.times()[:2])
measure(made)
measured = sum(os.times()[:2])
slices(made, table)
print(measured - began, sum(os.times()[:2]) - measured)
"""


def main() -> None:
    """Measure both builds in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="root of a checkout of the earlier build")
    parser.add_argument("--data", default="../shared/ham10000")
    parser.add_argument("--model", default="cnn", help="networks to train, each alone, separated by commas")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--rows-only", action="store_true", help="leave the trainings out")
    options = parser.parse_args()
    builds = {"before": options.before.resolve(), "now": ROOT}

    few = {name: taken(root, MEASURE, str(FEW_ROWS)) for name, root in builds.items()}
    many = taken(ROOT, MEASURE, str(MANY_ROWS))
    for what, count in (("metrics with intervals", itemgetter(0)), ("those of groups", itemgetter(1)), ("both", sum)):
        before, now, large = count(few["before"]), count(few["now"]), count(many)
        print(
            f"{what}, CPU s: {FEW_ROWS:,} rows {before:.1f} before, {now:.1f} now; {MANY_ROWS:,} rows {large:.1f} now",
            end="",
        )
        print(f": {large / before:.2f} of {FEW_ROWS:,} before, goal at most {ROWS_GOAL}")

    for model in options.model.split(",") if not options.rows_only else ():
        with tempfile.TemporaryDirectory() as scratch:
            train = ["train", "--data", str(Path(options.data).resolve()), "--model", model, "--epochs", "1"]
            train += ["--image-size", str(options.image_size), "--cache", f"{scratch}/cache"]
            after = {}
            for name, root in builds.items():
                where = Path(scratch) / name
                where.mkdir()
                (after[name],) = taken(root, TRAIN, *train, where=where)
        ratio = after["now"] / after["before"]
        print(f"{model} at {options.image_size} px, CPU s after the last epoch: {after['before']:.1f} before, ", end="")
        print(f"{after['now']:.1f} now: {ratio:.2f}, goal at most {AFTER_GOAL}")


def taken(root: Path, script: str, *arguments: str, where: Path | None = None) -> tuple[float, ...]:
    """The CPU seconds that a script of above prints, run with a build's code."""
    environment = os.environ | {"PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=where or root, env=environment, text=True, capture_output=True
    )
    if done.returncode:
        raise SystemExit(f"{root}: {done.stderr[-2000:]}")
    return tuple(float(seconds) for seconds in done.stdout.splitlines()[-1].split())


if __name__ == "__main__":
    main()
