"""CPU seconds of the whole test suite: this tree against another, such as a worktree of an earlier build.

    git worktree add ../before 5e75e50
    python benchmarks/suite_cost.py ../before

One after the other, on the same machine, each with its own code; what counts is the CPU time of all processes that the
tests start, not the wall time. The goal is at most 0.7 of the other tree's. Takes as long as both suites.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]


def cpu_seconds(tree: Path, arguments: list[str]) -> tuple[float, str]:
    """User and system seconds of a tree's suite and all it starts, and pytest's last line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(tree)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="lesionflow-suite-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--basetemp", f"{folder}/tests", *arguments],
            cwd=tree, env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else f"exit code {done.returncode}"
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, last


def main() -> None:
    """Measure the other tree, then this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the tree to compare with")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    seconds = {}
    for name, tree in (("other", options.other.absolute()), ("this", HERE)):
        seconds[name], last = cpu_seconds(tree, options.pytest)
        print(f"{name}: {seconds[name]:.0f} CPU seconds; {last}", flush=True)
    print(f"this / other: {seconds['this'] / seconds['other']:.2f}")


if __name__ == "__main__":
    main()
