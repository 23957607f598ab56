"""The array's script and the one after it, run as Slurm runs them: from a copy, with its variables."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.batch.places import BATCH, ROOT, Places

SCRIPTS = [BATCH / "slurm" / name for name in ("shards.sbatch", "merge.sbatch")]


def run(script: Path, places: Places, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    spooled = shutil.copy(script, places.images.parent / "slurm_script")
    environment = places.environment | {"SLURM_SUBMIT_DIR": str(ROOT)} | variables
    return subprocess.run(["bash", spooled, *arguments], capture_output=True, text=True, env=environment)


def test_the_shards_become_one_report(places: Places) -> None:
    report = places.reports / "archive.csv"
    asked = [str(places.images), str(report), "2", "--model", "models:/lesionflow/1", "--shard-size", "3"]
    for shard in "12":
        done = run(SCRIPTS[0], places, *asked, SLURM_ARRAY_TASK_ID=shard)
        assert done.returncode == 0, done.stderr  # or the merging, which waits for success, would never begin
    assert not report.exists()
    done = run(SCRIPTS[1], places, str(report))
    assert done.returncode == 0, done.stderr
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows].count("ok") == 7 and len(rows) == 8
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_without_arguments_says_how_it_is_used(script: Path, places: Places) -> None:
    done = run(script, places)
    assert done.returncode == 2 and "usage: sbatch" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_slurm_reads_stands_before_the_first_command(script: Path) -> None:
    lines = script.read_text().splitlines()
    told = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert told and max(told) < first
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", lines[number]) for number in told)


@pytest.mark.parametrize("script", [*SCRIPTS, BATCH / "as-job.sh", BATCH / "score.sh"], ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck")
    done = subprocess.run([shellcheck, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
