"""What the tutorial and the how-to pages tell people to do works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest

from lesionflow.cli import main
from tests.conftest import invoke

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "batch" / "README.md", *DOCS.rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S)


def commands(text: str) -> Iterator[list[str]]:
    """Every `lesionflow` command among lines of a shell: its words."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:&&|\|\|?)\s", line):
            if re.match(r"\s*lesionflow [a-z]", part):
                yield shlex.split(part, comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one_that_the_command_line_takes(page: Path) -> None:
    fences = re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.M | re.S)
    inline = re.findall(r"`(lesionflow [a-z][^`]*)`", page.read_text())
    for name, *words in commands("\n".join([*fences, *(" ".join(each.split()) for each in inline)])):
        command = main.commands[name]
        required = {"--out"} if name == "score" else set()
        if not words or (words == ["--help"]):
            continue  # it is only named
        if name == "score" and not required & set(words):
            words += ["--out", "results.csv"]
        context = command.make_context(name, [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in words])
        assert isinstance(context, click.Context)
