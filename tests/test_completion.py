"""Completion as bash asks for it, by the script that `lesionflow completion bash` prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from tests.conftest import invoke
from tests.contenders import NAME


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `lesionflow` as a program, which says on stderr what heavy packages it has imported."""
    folder = tmp_path_factory.mktemp("programs")
    program = folder / "lesionflow"
    program.write_text(
        f"#!{sys.executable}\nimport atexit, sys\nfrom lesionflow.cli import main\n"
        "heavy = {'keras', 'tensorflow', 'mlflow', 'pandas', 'sklearn', 'onnxruntime', 'matplotlib', 'scipy'}\n"
        "atexit.register(lambda: print('loaded', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "main(prog_name='lesionflow')\n"
    )
    program.chmod(0o755)
    return folder


def completed(programs: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words; `default` and `dirnames` are files and folders."""
    script = invoke("completion", "bash").stdout
    program = script + (
        'COMP_WORDS=(lesionflow "$@"); COMP_CWORD=$#; COMP_LINE="lesionflow $*"; COMP_POINT=${#COMP_LINE}; '
        "_lesionflow_words lesionflow; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", "compopt() { echo \"$2\"; }\n" + program, "bash", *words],
        capture_output=True, text=True, env=os.environ | {"PATH": path},
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "loaded []\n", done.stderr
    return set(done.stdout.split("\n")) - {""}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sco"], {"score"}),
        (["train", "--valid"], {"--validation-fraction"}),
        (["train", "--preset", ""], {"auto", "full", "quick"}),
        (["train", "--model", "cnn,v"], {"cnn,vgg"}),
        (["train", "--diagnoses", "m"], {"default", "malignant", "mel"}),
        (["evaluate", "--diagnoses", "bkl,mel,n"], {"default", "bkl,mel,nv"}),
        (["train", "--diagnoses", "scc,a"], {"default", "scc,ak", "scc,ack"}),
        (["train", "--data", "de"], {"default", "demo"}),
        (["train", "--config", "ru"], {"default", "runs:/"}),
        (["score", "./images", "--columns", "path,p_m"], {"path,p_mel", "path,p_malignant"}),
        (["score", "./images", "--model", "pre"], {"dirnames", "pretrained"}),
        (["score", "./im"], {"default"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(programs: Path, words: list[str], offered: set[str]) -> None:
    assert completed(programs, *words) == offered


def test_names_of_registered_models_come_from_a_database_on_this_machine(programs: Path, contenders: Path) -> None:
    assert NAME in completed(programs, "promote", "")
    assert completed(programs, "history", NAME[:3]) == {NAME}
    assert completed(programs, "history", "--tracking-uri", "http://127.0.0.1:9", NAME[:3]) == set()
    (contenders / "mlflow.db").write_text("no database")
    assert completed(programs, "rollback", "") == set()


def test_addresses_of_models_come_from_a_database_on_this_machine(programs: Path, contenders: Path) -> None:
    mlflow.MlflowClient().set_registered_model_alias(NAME, "runner-up", "2")
    named = {f"models:/{NAME}@runner-up", *(f"models:/{NAME}/{number}" for number in range(1, 7))}
    assert named < completed(programs, "score", "x", "--model", "models")
    assert named < completed(programs, "export", "mo")
    # What stands before the last : or @ is on the line already.
    assert completed(programs, "score", "x", "--model", f"models:/{NAME}@r") == {"runner-up", "dirnames"}
    assert completed(programs, "score", "x", f"--also=models:/{NAME}/6") == {f"/{NAME}/6", "dirnames"}
    (contenders / "mlflow.db").unlink()
    assert not named & completed(programs, "score", "x", "--model", "models")
    assert not (contenders / "mlflow.db").exists()


def test_other_shells_have_scripts_that_ask_the_same_program() -> None:
    assert invoke("completion", "zsh").stdout.startswith("#compdef lesionflow")
    for shell in ("zsh", "fish"):
        assert f"_LESIONFLOW_COMPLETE={shell}_complete" in invoke("completion", shell).stdout
    # Of --model=pre, zsh would put the value alone in place of the whole word.
    zsh = invoke("completion", "zsh").stdout
    assert "compset -P '--*='\n" in zsh and "compadd -U" not in zsh


AS_TYPED = [
    ("score x --model pre", "--model pretrained"),
    ("score x --model=pre", "--model=pretrained"),
    ("train --model=cnn,v", "--model=cnn,vgg"),
]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(("typed", "line"), AS_TYPED)
def test_fish_completes_a_word_with_what_stands_before_the_value(programs: Path, typed: str, line: str) -> None:
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    script = f"lesionflow completion fish | source; complete -C 'lesionflow {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True, timeout=300
    )
    assert line.split(" ")[-1] in done.stdout.split("\n")
