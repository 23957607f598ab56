import subprocess
import sys
from pathlib import Path

import click
import pytest

from lesionflow import __version__
from lesionflow.cli import main
from tests.conftest import invoke

COMMANDS = sorted(main.commands.items())


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_and_option_is_documented_with_an_example(name: str, command: click.Command) -> None:
    assert command.help and "Example:" in command.help and f"lesionflow {name}" in command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help and parameter.help[0].isupper(), parameter.name
    assert invoke(name, "--help").exit_code == 0


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name, _ in COMMANDS:
        assert f"lesionflow {name}" in readme


def test_version_and_module_and_help_are_quick_on_imports() -> None:
    assert invoke("--version").stdout.strip().endswith(__version__)
    program = (
        "import sys; sys.argv = ['lesionflow', '--help']\n"
        "import runpy\n"
        "try: runpy.run_module('lesionflow', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'tensorflow', 'mlflow', 'pandas', 'sklearn', 'onnxruntime', 'matplotlib'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout and done.stdout.strip().endswith("loaded []")


def test_a_flag_of_train_takes_the_value_that_mlflow_run_gives_it() -> None:
    train = main.commands["train"]
    for arguments, value in ([], False), (["--deterministic"], True), (["--deterministic", "true"], True):
        assert train.make_context("train", [*arguments, "--epochs", "2"]).params["deterministic"] is value


def test_draws_a_demo_set_into_a_new_folder_only(tmp_path: Path) -> None:
    assert invoke("demo", str(tmp_path / "set"), "--images", "100").exit_code == 0
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 100
    again = invoke("demo", str(tmp_path / "set"), "--images", "100")
    assert again.exit_code == 2 and "choose a new folder" in again.stderr
