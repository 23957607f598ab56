"""Completion as bash asks for it, by the script that `lesionflow completion bash` prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import invoke


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
        'COMP_WORDS=(lesionflow "$@"); COMP_CWORD=$#; _lesionflow_completion lesionflow; '
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


def test_other_shells_have_scripts_that_ask_the_same_program() -> None:
    assert invoke("completion", "zsh").stdout.startswith("#compdef lesionflow")
    for shell in ("zsh", "fish"):
        assert f"_LESIONFLOW_COMPLETE={shell}_complete" in invoke("completion", shell).stdout
