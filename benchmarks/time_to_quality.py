"""CPU seconds of `lesionflow train` until validation balanced accuracy first reaches a mark, against another checkout.

    python benchmarks/time_to_quality.py --data /path/to/HAM10000 --before /path/to/other/checkout --work FOLDER
    python benchmarks/time_to_quality.py --data demo --before OTHER --model cnn --mark 0.3 -- --image-size 32 --epochs 3

Both train with their own defaults, one after the other, from a cold start with images to decode: what a user waits for.
A training ends when it reaches the mark, or with its last epoch. The last column is this checkout's seconds divided by
the other's. Options behind `--` are given to both.

Whole, it takes an hour or more of a core. What is done is kept in `--work`: stopped, the same command goes on after the
last epoch, and the seconds of starting again count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

MARKS = {"efficientnet": 0.72, "cnn": 0.65}  # validation balanced accuracy
HERE = Path(__file__).parents[1]
RUN = re.compile(r"lesionflow train --resume (\w+)")
EPOCH = re.compile(r"epoch (\d+)/(\d+): .*, balanced accuracy (\d\.\d+)")


def to_mark(checkout: Path, folder: Path, begin: list[str], mark: float) -> dict[str, Any]:
    """Train in a folder until the mark: CPU `seconds`, the `epoch` that reached it or 0, the `best` value, the `split`.

    begin: the options of a training that is not begun yet.
    """
    kept, where = folder / "progress.json", ["--cache", str(folder), "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
    done: dict[str, Any] = {"seconds": 0.0, "epoch": 0, "best": 0.0, "run": "", "last": 0}
    if kept.exists():
        done = json.loads(kept.read_text())
    if "split" in done:
        return done
    if done["last"] == 0:  # nothing to go on with: from a cold start, whatever an attempt before it has left
        shutil.rmtree(folder)
        folder.mkdir()
    command = [sys.executable, "-m", "lesionflow", "train", *(["--resume", done["run"]] if done["last"] else begin)]
    training = subprocess.Popen(
        [*command, *where], cwd=folder, env=os.environ | {"PYTHONPATH": str(checkout)}, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    process, earlier, over = psutil.Process(training.pid), done["seconds"], False
    assert training.stderr is not None
    try:
        for line in training.stderr:
            if run := RUN.search(line):
                done["run"] = run[1]
            if not (found := EPOCH.search(line.strip())):
                continue
            epoch, epochs, value = int(found[1]), int(found[2]), float(found[3])
            print(f"  {checkout.name}, epoch {epoch}: {value}", file=sys.stderr)
            done |= {"seconds": earlier + sum(process.cpu_times()[:4]), "last": epoch}
            done["best"] = max(done["best"], value)
            done["epoch"] = epoch if value >= mark else 0
            over = value >= mark or epoch == epochs
            if over:
                break
            kept.write_text(json.dumps(done))
    finally:
        training.kill()
        training.wait()
    if not over:
        raise SystemExit(f"{checkout}: the training failed; run it by hand: {' '.join([*command, *where])}")
    with sqlite3.connect(folder / "mlflow.db") as store:
        ((done["split"],),) = store.execute("select value from tags where key = 'split_digest'").fetchall()
    kept.write_text(json.dumps(done))
    return done


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="HAM10000's folder")
    parser.add_argument("--before", type=Path, help="another checkout of lesionflow")
    parser.add_argument("--model", choices=MARKS, action="append", help="one network alone")
    parser.add_argument("--mark", type=float, help="another mark than the network's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder that keeps what is done; give another for other options")
    parser.add_argument("options", nargs="*", help="options of both trainings, after --")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without ending the training, too
    data = options.data if options.data == "demo" else str(Path(options.data).absolute())
    print("| network | mark | checkout | CPU seconds | epoch | best | ratio |")
    print("| --- " * 7 + "|")
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).absolute()
        for network in options.model or MARKS:
            sides: list[dict[str, Any]] = []
            mark = MARKS[network] if options.mark is None else options.mark
            begin = ["--data", data, "--model", network, "--preset", "quick", "--seed", str(options.seed)]
            for side, checkout in (("before", options.before), ("now", HERE)):
                if checkout is None:
                    continue
                folder = work / f"{network}-{side}"
                folder.mkdir(parents=True, exist_ok=True)
                found = to_mark(checkout.absolute(), folder, [*begin, *options.options], mark)
                sides.append(found)
                if found["split"] != sides[0]["split"]:
                    raise SystemExit(f"{network}: the two sides have another split, and no common validation images")
                reached = [each["seconds"] if each["epoch"] else float("inf") for each in sides]
                ratio = f"{reached[-1] / reached[0]:.2f}" if len(sides) > 1 and min(reached) < float("inf") else ""
                row = (network, mark, checkout.name, f"{found['seconds']:.0f}", found["epoch"] or "never",
                       f"{found['best']:.3f}", ratio)  # fmt: skip
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
