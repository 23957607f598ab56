from pathlib import Path

import pytest

from lesionflow.health.check import PROBLEM, UnansweredError, asked_elsewhere
from lesionflow.health.devices import check_keras, check_onnxruntime


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
        monkeypatch.setattr("lesionflow.health.devices.SECONDS", 1)
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
