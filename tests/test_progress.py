"""Progress says what there is to say, where a person or a log can read it, and nothing when asked to be quiet."""

import os
import re
import time

import pytest

from lesionflow import progress
from lesionflow.progress import duration, say, show_progress, show_status, stderr_console, without_notices


def test_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    with show_progress(4000, done=1000, failed=2) as advance:
        advance(500, 1)
        advance(500, 0)
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("scoring: 1,500 of 4,000 images, ")
    assert re.fullmatch(r"scoring: 2,000 of 4,000 images, [\d,]+ a second, .* left, 3 failed", lines[1])


def test_lines_come_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(1000) as advance:
        for _ in range(1000):
            advance(1, 0)
    assert capsys.readouterr().err == ""


def test_what_takes_long_is_told_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    told = ""
    with show_status("reading [a]") as status:
        for doing in ("", "drawing"):
            if doing:
                status(doing)
            while (now := capsys.readouterr().err) == "":
                time.sleep(0.01)
            told += now
    assert told == "reading [a]\ndrawing\n"  # each once, however long it took


def test_what_is_quick_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), show_status("reading") as status:
        status("drawing")
        raise ValueError("wrong")
    assert capsys.readouterr().err == ""


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    with show_progress(10, quiet=True) as advance:
        advance(10, 1)
    assert capsys.readouterr().err == ""


def test_names_in_brackets_are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say("[old]/a.csv: ':smile: [/]' is no diagnosis", console=stderr_console(), warning=True)
    assert capsys.readouterr().err == "WARNING: [old]/a.csv: ':smile: [/]' is no diagnosis\n"


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (7325, "2 h 2 min")])
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_notices_of_libraries_are_dropped_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), without_notices((b"INFO: Created",)):
        os.write(2, b"INFO: Created a delegate.\nERROR: no memory\n")
        raise ValueError("wrong")
    os.write(2, b"INFO: Created another.\n")
    assert capfd.readouterr().err == "ERROR: no memory\nINFO: Created another.\n"
