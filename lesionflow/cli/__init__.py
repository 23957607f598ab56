"""The command line: options in, library verbs called, results printed, errors turned into messages and exit codes."""

from __future__ import annotations

from typing import Any

import click

from lesionflow import __version__
from lesionflow.cli.evaluation import demo, describe, evaluate
from lesionflow.cli.explanation import explain
from lesionflow.cli.registry import compare, history, promote, register, rollback
from lesionflow.cli.scoring import merge, score
from lesionflow.cli.training import train
from lesionflow.errors import LesionflowError, UsageError


class _Message(click.ClickException):
    """What is wrong and what to do, after `Error: ` on stderr."""

    def __init__(self, error: LesionflowError):
        super().__init__(str(error))
        self.exit_code = 2 if isinstance(error, UsageError) else 1  # type: ignore[misc]  # Click's own docs do so


class _Commands(click.Group):
    """Turns lesionflow's errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LesionflowError as error:
            raise _Message(error) from error


def _with_dashes(name: str) -> str:
    """`mlflow run . -P image_size=96` arrives as --image_size."""
    return name.replace("_", "-")


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _with_dashes}
)
@click.version_option(__version__)
def main() -> None:
    """Train, track, register and use classifiers of dermatoscopic images.

    Research use, not a diagnosis.
    """


for command in (train, score, explain, merge, describe, evaluate, compare, register, promote, rollback, history, demo):
    main.add_command(command)
