import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from lesionflow.health import packages
from lesionflow.health.check import PROBLEM, WARNING, UnansweredError, asked_elsewhere
from lesionflow.health.packages import EXTRAS, REQUIRED, SECURITY_FLOORS, check_keras, check_onnxruntime, check_packages

PROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text()


def test_knows_what_the_project_needs() -> None:
    project = tomllib.loads(PROJECT)["project"]

    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=!\[ ]", line)[0] for line in lines} - {"lesionflow"}  # an extra that brings another one

    assert set(REQUIRED) == names(project["dependencies"])
    extras = {extra: names(lines) for extra, lines in project["optional-dependencies"].items() if extra != "dev"}
    assert {
        extra: set(of_extra) | ({"mlflow"} if extra == "server" else set()) for extra, of_extra in EXTRAS.items()
    } == extras
    floors = dict(re.findall(r'"([\w-]+)>=([\d.]+)", # security floor', PROJECT))
    assert floors == SECURITY_FLOORS


def test_names_what_is_old_missing_or_there_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {check.state for check in check_packages()} == {"ok"}
    installed = {"pillow": "12.2.9", "keras": "3.15.1rc1", "scipy": None, "tensorflow": None, "pydicom": None}

    def version(name: str) -> str:
        found = installed.get(name, "99")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    checks = check_packages()
    wrong = {check.found: (check.state, check.advice) for check in checks if check.state != "ok"}
    assert wrong == {
        "scipy is not installed": (PROBLEM, "pip install scipy"),
        "pillow 12.2.9 is older than 12.3": (PROBLEM, "it has known security holes: pip install 'pillow>=12.3'"),
        "train lacks tensorflow": (WARNING, "pip install 'lesionflow[train]'"),
    }
    assert any("not installed: dicom (pip install 'lesionflow[dicom]')" in check.found for check in checks)
    assert packages._numbers("12.3.0") >= packages._numbers("12.3") > packages._numbers("9.99.1+cpu5")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("raise ImportError('no such symbol: cudnn')", "ImportError: no such symbol: cudnn"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
    ],
    ids=["raises", "crashes", "hangs"],
)
def test_a_broken_keras_is_a_problem_and_no_end(
    wrong: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text(wrong)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    if "hangs" in told or "1 s" in told:
        monkeypatch.setattr("lesionflow.health.packages.SECONDS", 1)
    (check,) = check_keras()
    assert check.state == PROBLEM and told in check.found and "lesionflow[train]" in check.advice


def test_a_broken_onnxruntime_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("import libcuda_that_is_not_there")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (check,) = check_onnxruntime()
    assert check.state == PROBLEM and "No module named 'libcuda_that_is_not_there'" in check.found


def test_what_a_package_prints_is_no_answer_and_the_working_folder_no_place_for_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise ImportError")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "loud.py").write_text(
        "print('hello')\ndef sum_of(*n): print('{}'); return sum(n)\ndef leave(): exit(3)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=":")
    assert asked_elsewhere("loud:sum_of", 1, 2, seconds=60) == 3
    with pytest.raises(UnansweredError, match="exit code 3"):
        asked_elsewhere("loud:leave", seconds=60)


def test_an_interpreter_that_cannot_be_started_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(UnansweredError, match="/nowhere/python cannot be started: No such file"):
        asked_elsewhere("loud:sum_of", 1, 2, seconds=60)
