import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from lesionflow.health import packages
from lesionflow.health.check import PROBLEM, WARNING
from lesionflow.health.packages import EXTRAS, REQUIRED, SECURITY_FLOORS, check_packages

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
