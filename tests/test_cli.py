import contextlib
import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import click
import pytest

from lesionflow import __version__
from lesionflow.api.train import Trained
from lesionflow.cli import main
from lesionflow.cli.help import Option
from lesionflow.cli.streams import Terminated, stoppable
from lesionflow.cli.training import _print
from lesionflow.errors import RegistryError, UsageError
from lesionflow.model.card import read_card
from lesionflow.model.files import pretrained_folder
from lesionflow.registry.gates import Verdict
from lesionflow.registry.versions import Version
from lesionflow.training.config import TrainingConfig
from tests.conftest import error_line, invoke

COMMANDS = sorted(main.commands.items())


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_command_and_option_is_documented_with_an_example(name: str, command: click.Command) -> None:
    assert command.help and "Example:" in command.help and f"lesionflow {name}" in command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help and parameter.help[0].isupper(), parameter.name
    shown = invoke(name, "--help")
    assert shown.exit_code == 0 and max(map(len, shown.stdout.splitlines())) <= 80
    if len(command.params) > 8:
        assert shown.stdout.count(":\n  -") > 2, "in groups"


@pytest.mark.parametrize("width", [None, "40", "80"])
def test_no_number_of_a_training_is_cut(width: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    card = dataclasses.replace(read_card(pretrained_folder()), network="a-network-of-a-name-that-is-rather-long")
    trained = Trained((version := Version("moles", 1, card),), version, Verdict(True, "fine"), "sqlite:///my work/x.db")
    if width is not None:
        monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
        monkeypatch.setenv("COLUMNS", width)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        _print(trained)
    told = out.getvalue()
    assert "mlflow ui --backend-store-uri 'sqlite:///my work/x.db'\n" in told  # as a shell takes it
    assert "\N{HORIZONTAL ELLIPSIS}" not in told and f"{card.metrics['test']['balanced_accuracy'].value:.3f}" in told
    assert any(card.network in row and "validation" in row for row in told.splitlines()) == (width is None)


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name, _ in COMMANDS:
        assert f"lesionflow {name}" in readme


def test_version_and_module_and_help_are_quick_on_imports() -> None:
    assert invoke("--version").stdout == f"lesionflow {__version__}\n"
    program = (
        "import sys; sys.argv = ['lesionflow', '--help']\n"
        "import runpy\n"
        "try: runpy.run_module('lesionflow', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'tensorflow', 'mlflow', 'pandas', 'sklearn', 'onnxruntime', 'matplotlib'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "train" in done.stdout and done.stdout.strip().endswith("loaded []")


def test_networks_of_options_that_are_given_again_add_up() -> None:
    train = main.commands["train"]
    for arguments in (["--model", "cnn", "--model", "vgg"], ["--model", "cnn,vgg"]):
        assert train.make_context("train", arguments).params["model"] == "cnn,vgg"
    assert train.make_context("train", []).params["model"] == "all"


@pytest.mark.parametrize(
    ("variable", "value", "option"),
    [
        ("TRAIN_DATA", "/my moles/a", "data"),
        ("TRAIN_EXTRA", "/my moles/b", "extra"),
        ("TRAIN_MODEL", "cnn, vgg", "model"),
        ("SCORE_COLUMNS", "path, refer", "columns"),
    ],
)
def test_a_variable_is_split_at_no_space(
    variable: str, value: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LESIONFLOW_{variable}", value)
    name = variable.partition("_")[0].lower()
    arguments = ["images", "--out", "out.csv"] if name == "score" else []
    with click.Context(main, info_name="lesionflow", auto_envvar_prefix="LESIONFLOW") as parent:
        assert main.commands[name].make_context(name, arguments, parent=parent).params[option] == value


def test_a_flag_of_train_takes_the_value_that_mlflow_run_gives_it() -> None:
    train = main.commands["train"]
    for arguments, value in ([], False), (["--deterministic"], True), (["--deterministic", "true"], True):
        assert train.make_context("train", [*arguments, "--epochs", "2"]).params["deterministic"] is value


def test_the_main_help_lists_every_command_once_and_cuts_nothing() -> None:
    shown = invoke("--help").stdout
    assert "..." not in shown.partition("Options:")[2] and max(map(len, shown.splitlines())) <= 80
    assert sorted(re.findall(r"^  ([a-z]\S*) ", shown.partition("Options:")[2], re.M)) == [name for name, _ in COMMANDS]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["scor"], "score"),
        (["train", "--epochz", "3"], "--epochs"),
        (["train", "--balance", "sqr"], "sqrt"),
        (["train", "--model", "cnn,vg"], "vgg"),
        (["score", ".", "--out", "x.csv", "--format", "parqet"], "parquet"),
        (["completion", "bsh"], "bash"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_is_known(arguments: list[str], meant: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2 and re.search(f"[Dd]id you mean '{meant}'\\?\\)?$", result.stderr.strip())


def variables() -> dict[str, set[str]]:
    """Every environment variable that gives an option -> the options, as `train --epochs`."""
    found: dict[str, set[str]] = {}
    context = main.make_context("lesionflow", [], resilient_parsing=True)
    for name, command in COMMANDS:
        within = click.Context(command, parent=context, info_name=name)
        for parameter in command.params:
            if isinstance(parameter, Option):
                for variable in parameter.variables(within):
                    found.setdefault(variable, set()).add(f"{name} {parameter.opts[0]}")
            else:
                assert isinstance(parameter, click.Argument), f"{name}: {parameter.name} is no option of cli/help.py"
    return found


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "--data", "moles"], "--data is not an option: give the value alone"),
        (["explain", "--images", "a.png"], " explain [OPTIONS] IMAGE...'"),
        (["train", "--quiet"], "No such option '--quiet'."),
    ],
)
def test_no_option_is_taken_for_another_one(arguments: list[str], told: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2 and told in result.stderr and "mean" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["score", "moles", "--output", "results.csv"], "No such option '--output'. Did you mean '--out'?"),
        (["train", "--epoch", "3"], "No such option '--epoch'. Did you mean '--epochs'?"),
        (["score", "moles", "--tracking", "sqlite:///a.db"], "Did you mean '--tracking-uri'?"),
    ],
)
def test_the_option_that_another_program_words_longer_or_shorter_is_suggested(arguments: list[str], told: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2 and told in result.stderr


def test_of_a_pattern_that_the_shell_made_thousands_of_only_the_first_are_told() -> None:
    result = invoke("score", *(f"moles/{number:05}.jpg" for number in range(5000)), "--out", "results.csv")
    assert result.exit_code == 2 and "(moles/00001.jpg" in result.stderr and len(result.stderr) < 1000
    assert " ...); put a pattern in quotation marks" in result.stderr


def test_variables_are_of_one_option_or_meant_for_several() -> None:
    shared = {name: options for name, options in variables().items() if len(options) > 1}
    assert set(shared) == {"LESIONFLOW_CACHE", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"}
    for options in shared.values():
        assert len({option.split()[1] for option in options}) == 1


def test_variables_of_tests_and_scripts_are_no_options() -> None:
    root, used = Path(__file__).parents[1], set[str]()
    for folder in ("tests", "scripts", "batch", ".ci", "benchmarks"):
        for file in (root / folder).rglob("*"):
            if file.suffix in (".py", ".sh", "") and file.is_file() and file != Path(__file__):
                used |= set(re.findall(r"\bLESIONFLOW_[A-Z_]+\b", file.read_text(errors="ignore")))
    assert {"LESIONFLOW_CACHE", "LESIONFLOW_REQUIRE_POSTGRES"} <= used
    meant = ("LESIONFLOW_TRAIN_", "LESIONFLOW_DOWNLOAD_SERVER", "LESIONFLOW_SCORE_")  # by tests of variables
    assert {name for name in used & set(variables()) if not name.startswith(meant)} == {"LESIONFLOW_CACHE"}


def test_a_wrong_value_names_the_variable_that_it_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESIONFLOW_TRAIN_EPOCHS", "0")
    monkeypatch.setenv("LESIONFLOW_VERSION", "1.2")  # which images of containers have, and which is no option
    result = invoke("train")
    assert (
        result.exit_code == 2 and "'--epochs' (from the environment variable LESIONFLOW_TRAIN_EPOCHS)" in result.stderr
    )
    assert "0 is not in the range from 1 to 1000" in result.stderr
    assert "environment" not in invoke("train", "--epochs", "1001").stderr
    monkeypatch.setenv("LESIONFLOW_CACHE", "http://x")
    for command in (("describe", "demo"), ("train", "--epochs", "1")):
        told = "--cache http://x: has to be on this machine; give a path; --cache is from the environment variable"
        result = invoke(*command)
        assert result.exit_code == 2 and f"{told} LESIONFLOW_CACHE" in result.stderr
    assert "environment" not in invoke("describe", "demo", "--cache", "http://y").stderr


def test_the_command_line_comes_before_variables_and_those_before_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def remember(config: TrainingConfig, **others: object) -> None:
        asked.append({"config": config, **others})
        raise RegistryError("enough")

    monkeypatch.setattr("lesionflow.api.train.train", remember)
    for name, value in {
        "LESIONFLOW_CACHE": "shared", "LESIONFLOW_TRAIN_BATCH_SIZE": "8", "LESIONFLOW_TRAIN_SEED": "2",
        "LESIONFLOW_TRAIN_DETERMINISTIC": "true", "MLFLOW_EXPERIMENT_NAME": "moles", "MLFLOW_TRACKING_URI": "sqlite:///a.db",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    file = tmp_path / "train.yaml"
    file.write_text("epochs: 20\nbatch_size: 16\nseed: 1\nexperiment: spots\nregistered-model: naevi\nmodel: cnn\n")
    result = invoke("train", "--config", str(file), "--seed", "3", "--model", "cnn")
    assert result.stderr.splitlines()[0] == f"{file}: overruled by what was given: seed"
    config = TrainingConfig(model="cnn", epochs=20, batch_size=8, seed=3, deterministic=True)
    assert asked == [
        {
            "config": config, "experiment": "moles", "registered_model": "naevi", "cache": Path("shared"),
            "tracking_uri": "sqlite:///a.db", "migrate": False,
        }
    ]  # fmt: skip
    monkeypatch.setenv("LESIONFLOW_TRAIN_CACHE", "own")
    invoke("train", "--config", str(file))
    assert asked[1]["cache"] == Path("own")

    file.write_text("epoch: 20\n")
    result = invoke("train", "--config", str(file))
    assert result.exit_code == 2 and error_line(result).endswith("unknown key 'epoch' (did you mean 'epochs'?)")
    file.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in error_line(invoke("train", "--config", str(file)))
    assert "Is a directory" in error_line(invoke("train", "--config", str(tmp_path)))


def test_draws_a_demo_set_into_a_new_folder_only(tmp_path: Path) -> None:
    assert invoke("demo", str(tmp_path / "set"), "--images", "100").exit_code == 0
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 100
    again = invoke("demo", str(tmp_path / "set"), "--images", "100")
    assert again.exit_code == 1 and "choose a new folder" in again.stderr


# What each command with a folder to write into fails with, after the folder was found to be good.
FAILING = {
    "describe": ("nothing", "--out", "{out}"),
    "evaluate": ("pretrained", "nothing", "--out", "{out}"),
    "explain": ("nothing.jpg", "--model", "nothing", "--out", "{out}"),
    "web": ("pretrained", "--archives", "nothing", "--out", "{out}"),
    "monitor": ("nothing.csv", "--out", "{out}"),
    "export": ("pretrained", "{out}", "--format", "onnx", "--data", "nothing"),
    "demo": ("{out}", "--images", "100", "--diagnoses", "nothing"),
}


def folders_to_write(command: click.Command) -> list[str]:
    kinds = [(each.name, each.type) for each in command.params if each.name in ("out", "folder")]
    return [str(name) for name, kind in kinds if isinstance(kind, click.Path) and not (kind.exists or name == "file")]


def test_what_has_to_be_on_this_machine_may_be_a_file_url_and_no_url_of_a_store(tmp_path: Path) -> None:
    here = [each for _, command in COMMANDS for each in command.params if isinstance(each.type, click.Path)]
    assert len(here) > 15
    for each in here:
        assert Path(each.type.convert((tmp_path / "a ü").as_uri(), each, None)) == tmp_path / "a ü"
        with pytest.raises(UsageError, match="has to be on this machine"):
            each.type.convert("s3://bucket/x", each, None)
        with pytest.raises(UsageError, match=r"is an empty text"):  # of a script's variable that is not set
            each.type.convert("", each, None)


def test_an_option_with_an_empty_text_is_not_one_that_is_left_out() -> None:
    given = [(name, each) for name, command in COMMANDS for each in command.params if isinstance(each, click.Option)]
    for name, each in given:
        if not each.is_flag:
            result = invoke(name, each.opts[0], "")
            assert result.exit_code == 2 and f"Error: {each.opts[0]}: is an empty text" in result.output, (name, each)


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert "there is none at sqlite:///" in invoke("history").output


def test_a_command_that_fails_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nothing.jpg").write_bytes(b"nothing")
    # A download is kept, so that the next one goes on with it.
    assert {name for name, command in COMMANDS if folders_to_write(command)} == {*FAILING, "download"}
    before = sorted(tmp_path.rglob("*"))
    later = ("--report", "nothing.csv", "--truth", "nothing.csv", "--out", "{out}")
    for name, arguments in (*FAILING.items(), ("evaluate", later)):
        result = invoke(name, *(each.format(out="some/new/folder") for each in arguments))
        assert result.exit_code in (1, 2), (name, result.output)
        assert sorted(tmp_path.rglob("*")) == before, name


def test_a_folder_that_was_there_or_is_not_empty_stays(tmp_path: Path) -> None:
    from lesionflow.atomic import output_folder

    (tmp_path / "there").mkdir()
    for folder, wrote in ((tmp_path / "there", False), (tmp_path / "new" / "folder", True)):
        with pytest.raises(KeyError), output_folder(folder, ["page.html"], False):
            if wrote:
                (folder / "page.html").write_text("whole")
            raise KeyError
        assert folder.is_dir() and len(list(folder.iterdir())) == wrote
    with pytest.raises(RegistryError), output_folder(tmp_path / "another" / "one", [], False):
        raise RegistryError
    assert not (tmp_path / "another").exists()


# What is named is not there, or cannot be written; the words are right.
NOT_THERE: dict[str, tuple[str, ...]] = {
    "download": ("there/file/folder", "--accept-licence"),
    "demo": ("there",),
    "describe": ("nothing",),
    "train": ("--config", "nothing.yaml"),
    "evaluate": ("nothing", "there"),
    "score": ("there", "--out", "o.csv", "--model", "nothing"),
    "explain": ("there", "--out", "pictures", "--model", "nothing"),
    "web": ("nothing", "--out", "page"),
    "merge": ("nothing.csv",),
    "monitor": ("nothing.csv",),
    "compare": ("--report", "nothing.csv", "--truth", "nothing.csv"),
    "register": ("nothing",),
    "promote": ("lesionflow", "1", "--report", "nothing.csv", "--truth", "nothing.csv"),
    "rollback": ("lesionflow",),
    "history": ("lesionflow",),
    "export": ("nothing", "--out", "bundle"),
    "move-store": ("there", "nothing"),
}
REFUSED = [
    (("evaluate", "pretrained", "demo", "--experiment", "x"), "--experiment: is about --log; add --log"),
    (("describe", "--labels", "--out", "d"), "--out: --labels without a file prints one"),
    (("describe", "demo", "--labels", "--overwrite"), "--overwrite: --labels without a file prints one"),
    (("score", "x", "--out", "r.csv", "--summary", "-"), "--summary -: takes no standard stream"),
    (("evaluate", "pretrained", "demo", "--out", "-"), "--out -: takes no standard stream"),
    (("train", "--model", "efficientnet", "--width", "2"), "--width: is for cnn and vgg"),
    (("train", "--start-from", "pretrained", "--width", "2"), "has a width of 1.0; leave out --width"),
]
OPTIONS_FROM_FILES = [
    ("describe", "there", "--labels", "nothing.yaml"),
    ("describe", "there", "--diagnoses", "nothing.yaml"),
    ("monitor", "nothing.csv", "--limits", "nothing.yaml"),
    ("web", "pretrained", "--out", "page", "--archives", "nothing"),
    ("score", "there", "--out", "o.csv", "--model", "pretrained", "--also", "nothing"),
    ("explain", "there", "--out", "there/file", "--model", "pretrained"),
]


def test_what_is_not_there_ends_every_command_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("no folder")
    (tmp_path / "there" / "image.jpg").write_bytes(b"\xff\xd8\xff")
    assert set(NOT_THERE) == set(main.commands) - {"doctor", "completion"}
    for words in [(name, *words) for name, words in NOT_THERE.items()] + OPTIONS_FROM_FILES:
        result = invoke(*words)
        assert result.exit_code == 1 and "Error: " in result.stderr, (words, result.output)


def test_a_folder_that_was_deleted_while_a_shell_is_in_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deleted := tmp_path / "deleted").mkdir()
    monkeypatch.chdir(deleted)
    deleted.rmdir()
    for words in [(name, *words) for name, words in NOT_THERE.items()] + [("doctor",), ("completion", "bash")]:
        result = invoke(*words)
        assert result.exit_code == 1 and "the current folder cannot be found" in error_line(result), words


@pytest.mark.parametrize(("arguments", "told"), REFUSED)
def test_an_option_that_would_do_nothing_or_something_else_is_refused(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2 and told in error_line(result)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", main.commands)
def test_wrong_words_end_every_command_with_2(name: str) -> None:
    assert invoke(name, "--no-such-option").exit_code == 2
    assert invoke(name, *["one"] * 9).exit_code == 2 or main.commands[name].params[0].nargs == -1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_for_a_full_disk_is_one_line(option: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lesionflow", option], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "Error: standard output: cannot be written (No space left on device)\n"


@pytest.mark.parametrize(
    ("closed", "words", "code", "out", "error"),
    [
        ("<&- 2>&-", "completion bash", 0, "complete", ""),
        (">&- 2>&- <&-", "completion bash", 0, "", ""),
        ("<&-", "score - --out results.csv --model pretrained", 1, "", "Error: standard input holds no paths"),
    ],
)
def test_a_standard_stream_that_is_closed_is_an_empty_one(
    closed: str, words: str, code: int, out: str, error: str, tmp_path: Path
) -> None:
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "lesionflow", *words.split()]
    done = subprocess.run(shell, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, bool(done.stdout)) == (code, bool(out)) and out in done.stdout
    assert error in done.stderr and bool(done.stderr) == bool(error)


def test_processes_that_a_command_starts_have_all_standard_streams() -> None:
    child = "import os; os.fstat(0), os.fstat(1), os.fstat(2)"
    program = f"""
import subprocess, sys
from lesionflow.cli.streams import guarded_streams
with guarded_streams():
    sys.exit(subprocess.call([sys.executable, "-c", {child!r}]))
"""
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program]
    assert subprocess.run(shell).returncode == 0


def test_a_name_that_the_output_has_no_letters_for_is_escaped(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1:strict"}
    command = [sys.executable, "-m", "lesionflow", "demo", "märz ☃", "--images", "100"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "100 synthetic images in märz \\u2603\n".encode("latin-1"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", main.commands)
def test_every_command_that_is_stopped_says_so_in_one_line(
    name: str, number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main.commands[name], "parse_args", lambda ctx, words: [])
    monkeypatch.setattr(main.commands[name], "invoke", lambda ctx: signal.raise_signal(number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    try:
        stopped = invoke(name)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (stopped.exit_code, stopped.output) == (code, "stopped\n")


@pytest.mark.parametrize(("cause", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143), (OSError(), 1)])
def test_a_stop_while_a_compiled_module_is_imported_is_one(
    cause: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(ctx: object) -> None:
        try:
            raise cause
        except BaseException as error:
            raise ImportError("initialization failed") from error  # as pybind11 does it

    monkeypatch.setattr(main.commands["doctor"], "invoke", import_module)
    stopped = invoke("doctor")
    assert (stopped.exit_code, stopped.output) == (code, "stopped\n" if code > 1 else "")
    assert isinstance(stopped.exception, SystemExit if code > 1 else ImportError)


def test_a_second_stop_while_the_first_ends_the_work_leaves_what_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(ctx: object) -> None:
        try:
            raise KeyboardInterrupt("stopped; to continue: so")
        finally:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(main.commands["doctor"], "invoke", work)
    stopped = invoke("doctor")
    assert (stopped.exit_code, stopped.output) == (143, "stopped; to continue: so\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_is_stopped_while_it_imports_the_command_line(number: int, code: int) -> None:
    scripts = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["lesionflow"].split(":")
    program = f"""
import os, signal, sys

class Finder:
    def find_spec(name, *_):
        if name == "lesionflow.cli.data":
            os.kill(os.getpid(), {int(number)})

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder)
from {module} import {name}
{name}()
"""
    done = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "stopped\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_waits_for_a_list_is_stopped(tmp_path: Path, number: int, code: int) -> None:
    waits = tmp_path / "list"
    os.mkfifo(waits)
    process = subprocess.Popen(
        [sys.executable, "-m", "lesionflow", "explain", f"@{waits}", "--model", "pretrained", "--out", "pictures"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with open(waits, "wb"):  # once it reads the list
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (code, "stopped")


def test_another_interrupt_while_a_stopped_process_waits_for_its_threads_is_none() -> None:
    program = """
import os, signal, threading
from lesionflow.cli import main

def linger():
    threading.main_thread().join()  # which is when Python begins to wait for the others
    os.kill(os.getpid(), signal.SIGINT)

def work(ctx):
    threading.Thread(target=linger).start()
    raise KeyboardInterrupt

main.commands["doctor"].invoke = work
main()
"""
    done = subprocess.run([sys.executable, "-c", program, "doctor"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_that_comes_in_a_destructor_still_stops_the_command(number: int, raised: type[BaseException]) -> None:
    class Signalled:
        def __del__(self) -> None:
            signal.raise_signal(number)
            self.reached = True  # where Python looks for signals at the latest

    with pytest.raises(raised), stoppable(own=True):
        Signalled()
        time.sleep(60)
