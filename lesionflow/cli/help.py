"""Commands whose help lists options in groups, and options that say where a wrong value came from."""

from __future__ import annotations

import contextlib
import difflib
import functools
import getpass
import os
import re
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from lesionflow.cli.streams import warn
from lesionflow.cli.values import Number
from lesionflow.errors import MissingError, UsageError, add_to_message
from lesionflow.images.discovery import cache_folder
from lesionflow.options import check_needed
from lesionflow.storage.location import file_path

_ALIKE = 0.8  # from which similarity on an option is suggested: --quiet is not --quality
_WIDEST_EXTRA = 200  # characters of a message that lists the arguments too many, of which a pattern makes thousands
_WIDEST = 30  # characters of a name before its description goes on the next line; Click's own


class Option(click.Option):
    """An option in a help group; unset: what help shows as its default; needs: the option it is nothing without.

    Its environment variable is made from the command's name and its own; that comes before one that several commands
    or programs read.
    """

    def __init__(self, *names: Any, group: str = "", unset: str = "", needs: str = "", **described: Any):
        super().__init__(*names, **described)
        self.group = group
        self.unset = unset
        self.needs = needs

    def variables(self, ctx: click.Context) -> list[str]:
        """The environment variables of the option; the first one with a value counts."""
        shared = [self.envvar] if isinstance(self.envvar, str) else list(self.envvar or ())
        return [f"{ctx.auto_envvar_prefix}_{str(self.name).upper()}", *shared]

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of the first variable that has one."""
        return next((os.environ[name] for name in self.variables(ctx) if os.environ.get(name)), None)

    def handle_parse_result(self, ctx: click.Context, opts: Any, args: list[str]) -> tuple[Any, list[str]]:
        """Refuse an empty text, as of a script's variable that is not set; empty environment variables are not set."""
        given = opts.get(self.name)
        if "" in (given if isinstance(given, list) else [given]) and not ctx.resilient_parsing:
            raise UsageError(f"{self.opts[0]}: is an empty text; give a value, or leave the option out")
        with self.telling_variable(ctx):
            return super().handle_parse_result(ctx, opts, args)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The option's name in messages, with the variable if the value is from there."""
        variable = "" if ctx is None else self.set_by(ctx)
        return super().get_error_hint(ctx) + (f" (from the environment variable {variable})" if variable else "")

    @contextlib.contextmanager
    def telling_variable(self, ctx: click.Context) -> Iterator[None]:
        """Say in a message about this option which variable set it: its user has no option to leave out."""
        try:
            yield
        except UsageError as error:
            if (variable := self.set_by(ctx)) and re.search(rf"{self.opts[0]}(?![\w-])", str(error)):
                add_to_message(error, f"{self.opts[0]} is from the environment variable {variable}")
            raise

    def set_by(self, ctx: click.Context) -> str:
        """The environment variable that the value is from; empty if it is from none."""
        if ctx.get_parameter_source(str(self.name)) is not ParameterSource.ENVIRONMENT:
            return ""
        return next(name for name in self.variables(ctx) if os.environ.get(name))

    def get_help_extra(self, ctx: click.Context) -> Any:
        """The text in brackets after the description."""
        extra = super().get_help_extra(ctx)
        if self.unset:
            extra["default"] = self.unset
        if isinstance(self.type, Number) and self.type.range:
            extra["range"] = self.type.range
        return extra


def _find_temporary_folder(out: object, needed: bool) -> None:
    """If no usual temporary folder is writable, use that of `--out`. Raises `MissingError` where it is not either."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        folder = Path(file_path(os.fspath(out))).absolute().parent if isinstance(out, str | Path) else None
        if folder is not None and _is_writable(folder):
            tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        elif needed:
            raise MissingError("no temporary folder is writable; name one that is in TMPDIR") from error


def _is_writable(folder: Path) -> bool:
    """Checked by trying: `os.access` does not know the capabilities of a process."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _find_home(cache: Path) -> None:
    """Keep files of Keras and matplotlib in lesionflow's cache unless there are some in the home folder."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # MLflow asks for a name, too
        os.environ["USER"] = "unknown"
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and a user id that no table knows, as in many containers; MLflow asks for one
        os.environ["HOME"] = str(cache)
        return
    if not (home / ".cache" / "matplotlib").exists():
        os.environ.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))
    if not (home / ".keras").exists():
        os.environ.setdefault("KERAS_HOME", str(cache / "keras"))


def _meant(typed: str, options: Sequence[str]) -> list[str]:
    """The options that one may have been meant for: slips of the pen, not others with some of the letters.

    Another program's longer or shorter word for it counts, too: --output for --out.
    """
    alike = difflib.get_close_matches(typed, options, cutoff=_ALIKE)
    if len(typed.lstrip("-")) < 3:
        return alike
    begun = [each for each in options if each.startswith("--") and (each.startswith(typed) or typed.startswith(each))]
    return [*alike, *(each for each in begun if each not in alike)]


class Command(click.Command):
    """A command whose help has a section for each group of options, in order of first appearance.

    Options of no group are what a command is about, and come first; where all have one but --help, that comes last.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Explain how to give a pattern that the shell has expanded, and an argument that was typed as an option."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").replace("-", "_")
            if any(isinstance(each, click.Argument) and each.name == name for each in self.params):
                usage = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
                told = f"{error.option_name} is not an option: give the value alone, as in '{usage}'"
                raise click.UsageError(told, error.ctx) from error
            alike = _meant(error.option_name, [name for each in self.get_params(ctx) for name in each.opts])
            raise click.NoSuchOption(error.option_name, error.message, alike, error.ctx) from error
        except click.UsageError as error:
            takes_pattern = any(each.name == "source" for each in self.params)
            if takes_pattern and error.message.startswith("Got unexpected extra argument"):
                told = "put a pattern in quotation marks, or list many files in one and write @FILE"
                extra = textwrap.shorten(error.message, _WIDEST_EXTRA, placeholder=" ...)")
                raise click.UsageError(f"{extra}; {told}", error.ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command in an environment that has a temporary folder and a home."""
        needed = self.name not in ("doctor", "score")  # score says itself where it needs one
        _find_temporary_folder(ctx.params.get("out"), needed)
        with contextlib.suppress(OSError):  # doctor reports that no folder is writable
            _find_home(cache_folder(ctx.params.get("cache")))
        options = [each for each in self.params if isinstance(each, Option)]
        known = {name for each in options for name in each.variables(ctx)}
        ours = {name for name in os.environ if name.startswith(f"{ctx.auto_envvar_prefix}_")}
        if ctx.auto_envvar_prefix and (unread := ours - known):
            from lesionflow.health.machine import check_variables

            warn(f"{each.found}: {each.advice}" for each in check_variables(unread, known))
        with contextlib.ExitStack() as stack:
            for each in options:
                stack.enter_context(each.telling_variable(ctx))
                typed = ctx.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
                elsewhere = ctx.params.get("config") or ctx.params.get("resume")  # which may have the other option
                if each.needs and typed and not elsewhere:
                    check_needed(each.opts[0], each.needs, ctx.params)
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; the descriptions of all begin in the same column."""
        groups: dict[str, list[tuple[str, str]]] = {"": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", ""), []).append(record)
        width = min(_WIDEST, max(len(name) for records in groups.values() for name, _ in records))
        if len(groups) > 1 and len(groups[""]) == 1:
            groups["Other options"] = groups.pop("")
        for heading, records in groups.items():
            with formatter.section(heading or "Options"):
                formatter.write_dl([(name.ljust(width), about) for name, about in records], _WIDEST)


command = functools.partial(click.command, cls=Command)
option = functools.partial(click.option, cls=Option)
