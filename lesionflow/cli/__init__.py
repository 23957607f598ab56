"""The command line: parses options, calls the api, prints results, and turns errors into messages and exit codes.

`mlflow run` works in the project's folder, for a git or zip project a temporary one: paths are made to count from where
it was typed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.compare import compare
from lesionflow.cli.data import demo, describe, download, evaluate
from lesionflow.cli.doctor import completion, doctor
from lesionflow.cli.registry import export, history, move_store, promote, register, rollback
from lesionflow.cli.scoring import explain, merge, monitor, score, web
from lesionflow.cli.streams import STOPPED, end_soon, guarded_streams, stop, stoppable
from lesionflow.cli.training import train
from lesionflow.errors import LesionflowError, MissingError, UsageError, os_errors_as
from lesionflow.version import __version__

if TYPE_CHECKING:
    import psutil

# The sections of `lesionflow --help`, in the order in which commands are used.
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Data and training": (download, demo, describe, train, evaluate),
    "Scoring": (score, explain, web, merge, monitor),
    "Registered models": (compare, register, promote, rollback, history, export, move_store),
    "This installation": (doctor, completion),
}


class _Message(click.ClickException):
    """An error printed as one line after `Error: ` on stderr."""

    def __init__(self, error: LesionflowError):
        super().__init__(str(error))
        self.exit_code = 2 if isinstance(error, UsageError) else 1  # type: ignore[misc]  # Click's own docs do so


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    try:
        yield
    except LesionflowError as error:
        raise _Message(error) from error
    except KeyboardInterrupt as stopped:
        stop(stopped)
    # What Click makes of Ctrl-C at a question, and of an input that ends; and compiled modules while they are imported.
    except (click.Abort, ImportError) as aborted:
        if isinstance(aborted.__context__, KeyboardInterrupt):
            stop(aborted.__context__)
        raise


class _Commands(click.Group):
    """Lists commands in sections; turns lesionflow's errors into one line on stderr and an exit code."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        with guarded_streams(), stoppable(own=args is None):
            try:
                return super().main(args, *others, **extra)
            except SystemExit as ended:
                if args is None and ended.code in STOPPED:  # the words are the process's own: it ends with the command
                    end_soon(ended.code)
                raise

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _messages():  # of --help and --version, which are printed here
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        with _messages():
            work_where_mlflow_run_was_typed()
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # Click names all that are near, in alphabetical order; the first is the nearest.
            nearest = (error.possibilities or [])[:1]
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=nearest, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(len(str(command.name)) for commands in SECTIONS.values() for command in commands)
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (str(command.name).ljust(widest), command.get_short_help_str(formatter.width - widest - 4))
                        for command in commands
                    ]
                )


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # `mlflow run . -P image_size=96` arrives as --image_size
        "token_normalize_func": lambda name: name.replace("_", "-"),
        "auto_envvar_prefix": "LESIONFLOW",
    },
)
@click.version_option(__version__, prog_name="lesionflow", message="%(prog)s %(version)s", allow_from_autoenv=False)
def main() -> None:
    """Train, track, register and use classifiers of dermatoscopic images.

    For research. Not a medical device, not a diagnosis.

    \b
    Example:
      lesionflow train --data demo --model cnn
      lesionflow score ./images --out results.csv
      lesionflow score --help

    Environment variables set options, too: LESIONFLOW_TRAIN_EPOCHS is --epochs of train, LESIONFLOW_CACHE is --cache of
    all commands. MLflow's own variables apply as well, such as MLFLOW_TRACKING_URI.
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        main.add_command(_command)


_SHELLS = ("bash", "sh", "dash", "zsh")  # with which MLflow starts the command


def work_where_mlflow_run_was_typed() -> None:
    """Change to the folder in which `mlflow run` was started, so that relative paths mean the same as elsewhere."""
    with os_errors_as(MissingError, "the current folder cannot be found", "change to another, as with 'cd ~'"):
        project = Path.cwd()
    if "MLFLOW_RUN_ID" not in os.environ or not (project / "MLproject").is_file():
        return
    import psutil

    try:
        mlflow_run = next(process for process in psutil.Process().parents() if process.name() not in _SHELLS)
        _end_with(mlflow_run)
        typed_in = mlflow_run.cwd()
        os.chdir(typed_in)
    except (StopIteration, OSError, psutil.Error):  # then paths are the project's, as MLflow has it
        return
    sys.path[:] = [str(project) if entry == "" else entry for entry in sys.path]
    if Path(__file__).is_relative_to(project):  # processes that are started from here must find lesionflow, too
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(project), os.environ.get("PYTHONPATH", "")]))


def _end_with(mlflow_run: psutil.Process) -> None:
    """Send this process SIGTERM once `mlflow run` has ended: it leaves what it started running when it is killed."""
    import psutil

    def watch() -> None:
        try:
            while mlflow_run.is_running() and mlflow_run.status() != psutil.STATUS_ZOMBIE:
                time.sleep(1)
        except psutil.NoSuchProcess:
            pass
        except psutil.Error:  # it cannot be watched, so that nothing is known of its end
            return
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
