"""A Ray cluster of two one-core nodes against one such node, and against the local engine on both cores.

The nodes are real: each a raylet of its own with its own object store, whose processes are bound to one core. Every
measurement is a process that joins the cluster, scores a few images so that the nodes have their processes and the
model, and then scores the folder; joining and starting are told apart, for they come once, however long the job is.

    python benchmarks/score_ray.py [--images 10240] [--rounds 2] [--cores 0,1] [--model BUNDLE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from material import environment, machine, make_bundle, make_pictures

SCALING_GOAL, OVERHEAD_GOAL = 1.8, 1.15
WARM = 256  # images, in shards of 16: enough that both nodes get some
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
PROGRAM = """
import sys, time, contextlib, os
from pathlib import Path
from lesionflow.api.score import score
images, few, out, bundle, address, cores = sys.argv[1:]
os.sched_setaffinity(0, set(map(int, cores.split(","))))
options = {"overwrite": True, "quiet": True}
began = time.monotonic()
if address:
    import logging, ray
    ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    options["engine"] = "ray"
score(few, out, bundle, shard_size=16, **options)
warm = time.monotonic() - began
summary = score(images, out, bundle, shard_size=256, **options)
print(warm, summary.seconds, summary.scored)
"""


def main() -> None:
    """Measure, and print the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", help="the two cores; without it, the first two that there are")
    parser.add_argument("--model", type=Path, help="a bundle; without it, one of fresh weights")
    options = parser.parse_args()
    cores = [int(core) for core in options.cores.split(",")] if options.cores else sorted(os.sched_getaffinity(0))[:2]
    if len(cores) != 2:
        raise SystemExit("two cores are needed; name them with --cores 0,1")
    os.environ |= environment() | {"RAY_USAGE_STATS_ENABLED": "0"}  # the nodes get it as well
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as scratch:
        images, few = Path(scratch) / "images", Path(scratch) / "few"
        origin = make_pictures(images, options.images)
        few.mkdir()
        for file in sorted(images.iterdir())[:WARM]:
            os.link(file, few / file.name)
        bundle = options.model or make_bundle(Path(scratch) / "bundle")
        reports = {name: Path(scratch) / f"{name}.csv" for name in ("local", "one", "two")}
        began, starts = machine(), list[float]()
        taken: dict[str, list[float]] = {name: [] for name in reports}

        def measure(name: str, address: str = "") -> None:
            arguments = [images, few, reports[name], bundle, address, ",".join(map(str, cores))]
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
            )
            warm, seconds, scored = done.stdout.splitlines()[-1].split()
            assert int(scored) == options.images
            taken[name].append(float(seconds))
            if address:
                starts.append(float(warm))

        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0, "include_dashboard": False})
        try:
            _add_node(cluster, cores[0])
            for _ in range(options.rounds):  # in turns: what else the machine does then weighs on all alike
                measure("local")
                measure("one", cluster.address)
                second = _add_node(cluster, cores[1])
                measure("two", cluster.address)
                cluster.remove_node(second)
        finally:
            cluster.shutdown()
        assert len({report.read_bytes() for report in reports.values()}) == 1, "the engines' reports differ"
    print(f"{options.images} JPEG files of 600 x 450 ({origin}), the same report each time, to the byte")
    print(f"{began}, {options.rounds} rounds, medians")
    local, one, two = (statistics.median(taken[name]) for name in reports)
    for name, seconds in (("local engine, both cores", local), ("one node", one), ("two nodes", two)):
        print(f"  {name:26} {options.images / seconds:8.0f} images/s")
    print(f"  joining a cluster and starting its processes: {statistics.median(starts):.1f} s")
    print(f"two nodes reach {one / two:.2f} times the throughput of one (goal: {SCALING_GOAL:g})")
    print(f"two nodes take {two / local:.2f} times as long as the local engine on both cores (goal: {OVERHEAD_GOAL:g})")


def _add_node(cluster: Any, core: int) -> Any:
    """Add a node whose processes, and theirs, are bound to a core: that is handed down."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return cluster.add_node(**NODE)
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
