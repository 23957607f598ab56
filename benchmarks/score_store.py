"""Scoring from a distant object store against scoring a folder: what a tenth of a second for every object costs.

An S3 server on this machine answers after a pause; it takes its own share of the processor, which counts against the
store.

    python benchmarks/score_store.py [--images 400] [--pause 0.1] [--workers 4,16,32,64]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from material import machine, make_bundle, make_pictures, measure, score_command


def main() -> None:
    """Measure, and print the ratios."""
    from tests.stores import S3Server  # the checkout is on the path since `material` was imported

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--workers", default="4,16,32,64")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pictures, bundle = make_pictures(folder / "images", options.images), make_bundle(folder / "bundle")
        server = S3Server()
        os.environ |= server.environment
        bucket = server.bucket()
        for file in (folder / "images").iterdir():
            bucket.put(f"images/{file.name}", file.read_bytes())
        server.delay = options.pause
        began = machine()
        here = measure(score_command(folder / "images", folder / "here.csv", bundle))
        print(f"{options.images} JPEG files of 600 x 450 ({pictures}), {began}, {options.pause} s before a reply")
        print(f"  {'a folder':22} {here.seconds:6.2f} s {here.cpu_seconds:6.2f} CPU s {here.peak_mib:6.0f} MiB")
        for workers in [None, *map(int, options.workers.split(","))]:
            chosen = () if workers is None else ("--workers", str(workers))
            server.most_at_once = 0
            there = measure(score_command(bucket.url("images"), folder / f"{workers}.csv", bundle, *chosen))
            name = "a bucket, as it comes" if workers is None else f"a bucket, {workers} workers"
            print(
                f"  {name:22} {there.seconds:6.2f} s {there.cpu_seconds:6.2f} CPU s {there.peak_mib:6.0f} MiB", end=""
            )
            print(f"   {there.seconds / here.seconds:.2f} of the folder's time, {server.most_at_once} objects at once")
        server.stop()


if __name__ == "__main__":
    main()
