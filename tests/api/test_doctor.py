"""`lesionflow doctor`, as a program of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def doctor(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "LESIONFLOW_"))}
    path = {"PYTHONPATH": os.pathsep.join([str(folder / "packages"), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-m", "lesionflow", "doctor", *arguments],
        cwd=folder, capture_output=True, text=True, env=ours | path | environment,
    )  # fmt: skip


def test_problems_are_for_machines_and_in_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "packages" / "keras").mkdir(parents=True)
    (tmp_path / "packages" / "keras" / "__init__.py").write_text("raise ImportError('no such symbol: cudnn')")
    done = doctor(tmp_path, "--json", MLFLOW_TRACKING_URI="http://ann:geheim@127.0.0.1:9")
    assert done.returncode == 1 and done.stderr == "", done.stderr
    found = json.loads(done.stdout)
    wrong = {check["what"]: check for check in found["checks"] if check["state"] == "problem"}
    assert set(wrong) == {"Keras", "store"} and found["problems"] == 2
    assert "no such symbol: cudnn" in wrong["Keras"]["found"] and "geheim" not in done.stdout
    assert "nothing answers there" in wrong["store"]["found"] and wrong["store"]["advice"]
    assert [file.name for file in tmp_path.iterdir()] == ["packages"]


def test_plain_text_to_paste_and_no_problem_where_nothing_is_set_up(tmp_path: Path) -> None:
    done = doctor(tmp_path, LESIONFLOW_SCORE_BATCH="9", LESIONFLOW_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok       lesionflow: ") and lines[-1].startswith("0 problems, ")
    assert "; the network alone takes " in done.stdout
    assert "\x1b" not in done.stdout and "not there yet" in done.stdout and "preset " in done.stdout
    unknown = next(place for place, line in enumerate(lines) if "LESIONFLOW_SCORE_BATCH is read by no command" in line)
    assert lines[unknown].startswith("warning ") and "did you mean 'LESIONFLOW_SCORE_BATCH_SIZE'?" in lines[unknown + 1]
    assert [*tmp_path.iterdir()] == []


def test_sigterm_ends_it_and_the_processes_that_it_asked(tmp_path: Path) -> None:
    program = tmp_path / "doctor.py"
    program.write_text(
        "import sys; from lesionflow.api import doctor; from lesionflow.cli import main\n"
        "from lesionflow.health import check\n"
        "doctor.check_store = lambda *_: check.asked_elsewhere('time:sleep', 3600, seconds=3600)  # hangs\n"
        "sys.argv[1:] = ['doctor']\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    asking = False
    while not asking:
        assert process.poll() is None
        asked = psutil.Process(process.pid).children()
        with contextlib.suppress(psutil.Error):  # one of them has ended meanwhile
            asking = any("sleep" in str(each.cmdline()) for each in asked)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=300)[1]
    assert process.returncode == 143 and told == "stopped\n"
    assert psutil.wait_procs(asked, timeout=300)[1] == []
