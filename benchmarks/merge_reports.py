"""Merging what many processes scored, against an earlier build: seconds, CPU seconds and peak memory.

A real job of a few images is scored by each build, then its shards are repeated until it has as many rows as asked for.

    git worktree add ../before COMMIT
    python benchmarks/merge_reports.py --before ../before [--rows 1000000] [--out results.csv] [--rounds 1]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from material import CHECKOUT, Measured, in_turns, machine, measure, median

GOAL = 2.0
SHARD_SIZE = 512
EXAMPLE = CHECKOUT / "batch" / "example"


def make_job(folder: Path, checkout: Path, shards: int) -> Path:
    """Write the job of a report in shards of one process, as a build does; returns the job's folder."""
    images = sorted(
        file for file in (EXAMPLE / "images").rglob("*") if "broken" not in file.name and file.suffix == ".jpg"
    )
    (folder / "list.txt").write_text("".join(f"{images[number % len(images)]}\n" for number in range(SHARD_SIZE)))
    command = [sys.executable, "-m", "lesionflow", "score", "@list.txt", "--out", "results.csv", "--shard", "1/1"]
    measure([*command, "--model", str(EXAMPLE / "bundle"), "--quiet"], folder, checkout)
    job = folder / ".results.csv.job"
    _repeat(job, shards)
    return job


def _repeat(job: Path, times: int) -> None:
    """Repeat the one shard of a job: list, fingerprint and every shard's head say that they belong together."""
    values = json.loads((job / "job.json").read_text())
    (manifest,) = job.glob("manifest-*.jsonl")
    lines = manifest.read_bytes()
    record = job / "part-00001-of-00001.json"
    info = json.loads(record.read_text())
    digest = hashlib.sha256(json.dumps(info["carried_columns"]).encode())
    with open(job / "all", "wb") as every:
        for _ in range(times):
            digest.update(lines)
            every.write(lines)
    manifest.unlink()
    (job / "all").rename(job / f"manifest-{digest.hexdigest()[:16]}.jsonl")
    changed = {"images": times * SHARD_SIZE, "list of images": digest.hexdigest()}
    fingerprint = values["fingerprint"] | changed
    (job / "job.json").write_text(json.dumps(values | {"fingerprint": fingerprint}))
    record.write_text(json.dumps(info | {"fingerprint": fingerprint}))
    known_by = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    head, body = (job / "shard-00000000.jsonl").read_bytes().split(b"\n", 1)
    for shard in range(times):
        own = json.dumps(json.loads(head) | {"shard": shard, "job": known_by}).encode()
        (job / f"shard-{shard:08}.jsonl").write_bytes(own + b"\n" + body)


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="a checkout of an earlier build")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", default="results.csv", help="what this build writes: a file name, or parts/")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    shards = max(1, options.rows // SHARD_SIZE)
    with tempfile.TemporaryDirectory() as scratch:
        builds = {"earlier": options.before.resolve(), "this": CHECKOUT}
        for name, checkout in builds.items():
            (Path(scratch) / name).mkdir()
            kept = make_job(Path(scratch) / name, checkout, shards)
            kept.rename(kept.with_name("kept"))

        def merge(name: str) -> Measured:
            folder = Path(scratch) / name
            shutil.rmtree(folder / "parts", ignore_errors=True)
            (folder / "results.csv").unlink(missing_ok=True)
            shutil.copytree(folder / "kept", folder / ".results.csv.job", copy_function=os.link)
            command = [sys.executable, "-m", "lesionflow", "merge", "results.csv", "--quiet"]
            if name == "this" and options.out != "results.csv":
                command += ["--out", options.out]
            return measure(command, folder, builds[name])

        began = machine()
        taken = dict(zip(builds, in_turns(options.rounds, *(lambda n=name: merge(n) for name in builds)), strict=True))
        if options.out == "results.csv":
            reports = {name: (Path(scratch) / name / "results.csv").read_bytes() for name in builds}
            same = "the same" if reports["earlier"] == reports["this"] else "ANOTHER"
            print(f"the two reports are {same}, to the byte")
    print(
        f"{shards * SHARD_SIZE:,} rows in {shards:,} shards to {options.out}, {began}, {options.rounds} rounds, medians"
    )
    for name in builds:
        one = median(taken[name])
        print(f"  {name:8} {one.seconds:8.1f} s {one.cpu_seconds:8.1f} CPU s {one.peak_mib:8.1f} MiB peak of a process")
    ratio = median(taken["earlier"]).seconds / median(taken["this"]).seconds
    work = median(taken["earlier"]).cpu_seconds / median(taken["this"]).cpu_seconds
    print(f"merging is {ratio:.2f} times as fast (goal: {GOAL:g}), with {work:.2f} times fewer CPU seconds")


if __name__ == "__main__":
    main()
