"""CPU seconds of `lesionflow train` until validation balanced accuracy first reaches a mark, against another checkout.

    python benchmarks/time_to_quality.py --data /path/to/HAM10000 --before /path/to/other/checkout

Both train with their own defaults, one after the other, from a cold start with images to decode: what a user waits for.
A training ends when it reaches the mark. The last column is this checkout's seconds divided by the other's.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

MARKS = {"efficientnet": 0.72, "cnn": 0.65}  # validation balanced accuracy
HERE = Path(__file__).parents[1]
EPOCH = re.compile(r"epoch (\d+)/\d+: .*, balanced accuracy (\d\.\d+)")


def seconds_to_mark(checkout: Path, data: str, network: str, mark: float, seed: int) -> tuple[float, int, float]:
    """CPU seconds until the mark, the epoch that reached it, and the best figure; infinite and 0 where none did."""
    best = 0.0
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "lesionflow", "train", "--data", data, "--model", network, "--preset", "quick",
            "--seed", str(seed), "--cache", folder, "--tracking-uri", f"sqlite:///{folder}/mlflow.db",
        ]  # fmt: skip
        training = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(checkout)}, text=True, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        process = psutil.Process(training.pid)
        assert training.stderr is not None
        for line in training.stderr:
            if not (found := EPOCH.search(line.strip())):
                continue
            print(f"  {network}, epoch {found[1]}: {found[2]}", file=sys.stderr)
            best = max(best, float(found[2]))
            if best >= mark:
                times = process.cpu_times()
                training.kill()
                training.wait()
                return times.user + times.system, int(found[1]), best
        if training.wait():
            raise SystemExit(f"{checkout}: the training failed; run it by hand: {' '.join(command)}")
    return float("inf"), 0, best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="HAM10000's folder")
    parser.add_argument("--before", type=Path, help="another checkout of lesionflow")
    parser.add_argument("--model", choices=MARKS, action="append", help="one network alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = str(Path(options.data).absolute())
    print("| network | mark | checkout | CPU seconds | epoch | best | ratio |")
    print("| --- " * 7 + "|")
    for network in options.model or MARKS:
        seconds: list[float] = []
        for checkout in [path for path in (options.before, HERE) if path]:
            found, epoch, best = seconds_to_mark(checkout.absolute(), data, network, MARKS[network], options.seed)
            seconds.append(found)
            ratio = f"{seconds[-1] / seconds[0]:.2f}" if len(seconds) > 1 else ""
            row = (network, MARKS[network], checkout.name, f"{found:.0f}", epoch or "never", f"{best:.3f}", ratio)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
