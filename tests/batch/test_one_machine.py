"""cron and systemd: what they are told is well-formed, and the command in it does the night's work."""

from __future__ import annotations

import configparser
import csv
import datetime
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from cronsim import CronSim

from tests.batch.places import BATCH, Places


def check_tonight(places: Places) -> None:
    """A report with today's date has a row for each image."""
    (report,) = places.reports.glob("*.csv")
    assert abs((datetime.date.fromisoformat(report.stem) - datetime.date.today()).days) <= 1
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows].count("ok") == 7 and len(rows) == 8


def test_the_cron_line_scores_every_night_and_says_nothing(places: Places) -> None:
    lines = (BATCH / "cron" / "lesionflow").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    (entry,) = (line for line in lines if not re.match(r"[A-Z_]+=", line))
    *schedule, user, command = entry.split(maxsplit=6)
    nights = CronSim(" ".join(schedule), datetime.datetime(2026, 12, 31, 12))
    assert [next(nights) for _ in range(2)] == [datetime.datetime(2027, 1, day, 2, 15) for day in (1, 2)]
    assert user == "lesionflow"
    assert not re.search(r"(?<!\\)%", command)  # would end the command and begin its standard input
    command = places.here(command.replace("\\%", "%"))
    environment = places.environment | {"PATH": settings["PATH"], "PYTHON": places.here(settings["PYTHON"])}
    done = subprocess.run([settings["SHELL"], "-c", command], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    check_tonight(places)


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(BATCH / "systemd" / name)
    return parsed


def test_the_service_scores_and_takes_rows_with_errors_for_success(places: Places) -> None:
    service = unit("lesionflow.service")["Service"]
    command = [places.here(word.replace("%%", "%")) for word in shlex.split(service["ExecStart"])]
    done = subprocess.run(command, capture_output=True, text=True, env=places.environment)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert service["SuccessExitStatus"] == "3" and service["RestartPreventExitStatus"] == "2"
    assert "/srv/lesionflow/reports" in command[-1] or str(places.reports) in command[-1]
    assert service["ReadWritePaths"] == "/srv/lesionflow/reports" and service["User"] != "root"
    check_tonight(places)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here to ask")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in ("lesionflow.service", "lesionflow.timer"):
        shutil.copy(BATCH / "systemd" / name, tmp_path)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    asked = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert (asked.returncode, [line for line in asked.stderr.splitlines() if "lesionflow" in line]) == (0, [])
    (tmp_path / "lesionflow.timer").write_text("[Timer]\nOnCalendar=nightly\n")
    asked = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert "lesionflow.timer" in asked.stderr  # it does look
