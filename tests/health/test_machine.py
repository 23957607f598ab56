import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.health import machine
from lesionflow.health.check import PROBLEM, WARNING
from lesionflow.health.machine import check_disks, check_environment, check_machine, core_limits, memory_limit


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cpu.max": "150000 100000", "memory.max": "1073741824"}, 1.5, 2**30),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None, None),
        ({}, None, None),
    ],
)
def test_a_containers_limits_count(
    files: dict[str, str], cores: float | None, memory: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "none")
    whole = memory_limit()
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert core_limits()[1] == cores and memory_limit() == (memory or whole)
    states = {check.what: check.state for check in check_machine()}
    assert (states["memory"] == WARNING) == (memory is not None)
    assert (states["cores"] == WARNING) == (cores is not None and cores < core_limits()[0])


def test_a_full_disk_is_a_problem_whether_or_not_the_folder_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, later, _, artifacts = check_disks(tmp_path / "a" / "b", Path("mlruns"))
    assert here.what == "disk, working folder" and later.found.endswith(f"free in {tmp_path}/a/b")
    assert artifacts.found.endswith(f"{tmp_path}/mlruns") and not [*tmp_path.iterdir()]
    monkeypatch.setattr(machine, "LEAST_DISK", 2**70)
    assert {check.state for check in check_disks(tmp_path)} == {PROBLEM}


def test_names_of_variables_are_told_and_values_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LESIONFLOW_TRAIN_EPOCH", "LESIONFLOW_CACHE", "MLFLOW_TRACKING_PASSWORD", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "geheim")
    checks = check_environment({"LESIONFLOW_CACHE", "LESIONFLOW_TRAIN_EPOCHS"})
    told = " ".join(check.found + check.advice for check in checks)
    assert "geheim" not in told and "HTTPS_PROXY set" in told and "MLFLOW_TRACKING_PASSWORD" in told
    assert "LESIONFLOW_TRAIN_EPOCH is read by no command" in told and "did you mean 'LESIONFLOW_TRAIN_EPOCHS'?" in told
    assert "LESIONFLOW_CACHE is read" not in told


def test_variables_that_lesionflow_sets_itself_are_not_told() -> None:
    program = "from lesionflow.health.machine import check_environment; print(check_environment(())[0].found)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LESIONFLOW_", "MLFLOW_"))}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    said = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert said == "none of LESIONFLOW_* and MLFLOW_* is set\n"
