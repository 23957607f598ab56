"""Commands about the installation: doctor and completion."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from lesionflow.cli.help import Option, command, option
from lesionflow.cli.options import cache_option, registered_model_option, tracking_uri_option
from lesionflow.cli.values import Choice
from lesionflow.errors import counted

_COLOURS = {"ok": None, "warning": "yellow", "problem": "red"}


@command(short_help="Check this installation, with advice.")
@option("--json", "for_machines", is_flag=True, help="Print JSON.")
@registered_model_option
@tracking_uri_option
@cache_option
@click.pass_context
def doctor(
    ctx: click.Context, for_machines: bool, registered_model: str, tracking_uri: str | None, cache: Path | None
) -> None:
    """Check this installation (versions, devices, the tracking store, the champion, disks) and give advice.

    Changes nothing and prints no passwords: paste the output into bug reports. A server that hangs takes a minute.
    Exits with 1 if there is a problem; warnings do not count.

    \b
    Example:
      lesionflow doctor
    """
    from lesionflow.api.doctor import doctor
    from lesionflow.health.check import PROBLEM, WARNING

    checks = doctor(
        tracking_uri=tracking_uri, registered_model=registered_model, cache=cache, known_variables=_variables(ctx)
    )
    counts = Counter(check.state for check in checks)
    if for_machines:
        found = {"problems": counts[PROBLEM], "warnings": counts[WARNING]}
        click.echo(json.dumps(found | {"checks": [dataclasses.asdict(check) for check in checks]}, indent=2))
    else:
        for check in checks:
            state = click.style(f"{check.state:8}", fg=_COLOURS[check.state])
            click.echo(f"{state} {check.what}: {check.found}")
            if check.advice:
                click.echo(f"{'':8} -> {check.advice}")
        click.echo(f"{counted(counts[PROBLEM], 'problem')}, {counted(counts[WARNING], 'warning')}")
    if counts[PROBLEM]:
        ctx.exit(1)


def _variables(ctx: click.Context) -> set[str]:
    """The names of all environment variables that set an option of any command."""
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    found: set[str] = set()
    for name, its in group.commands.items():
        within = click.Context(its, parent=ctx.find_root(), info_name=name)
        for parameter in its.params:
            found |= set(parameter.variables(within)) if isinstance(parameter, Option) else set()
    return found


PROGRAM, VARIABLE = "lesionflow", "_LESIONFLOW_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
# Bash ends words at : and @, and puts what is offered in place of what follows the last of them.
_BASH_WORDS = r"""
_lesionflow_words() {
    local line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##*[[:space:]]}"
    word="${word#--*=}"
    if [[ $word == *[:@]* ]]; then
        local -a COMP_WORDS
        read -ra COMP_WORDS <<< "$line"
        local COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    fi
    _lesionflow_completion "$@"
    local before="${word%"${word##*[:@]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o nosort -F _lesionflow_words lesionflow
"""
_FISH_WORDS = r"""
function _lesionflow_words
    set -l before (string replace -r -- '^(--[^=]+=)?.*' '$1' (commandline -ct))
    _lesionflow_completion | string replace -r -- '^' $before
end
"""
# Zsh puts a value in place of the whole word --option=value, fish offers none there, and none with a comma.
_CHANGED = {
    "zsh": {"    for type key": "    compset -P '--*='\n    for type key", "compadd -U": "compadd"},
    "fish": {'string split ","': 'string split -m 1 ","', "(_lesionflow_completion)": "(_lesionflow_words)"},
}


@command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete lesionflow's commands, options and values.

    Run it from the shell's startup file: ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish.

    \b
    Example:
      echo 'eval "$(lesionflow completion bash)"' >> ~/.bashrc
      echo 'eval "$(lesionflow completion zsh)"' >> ~/.zshrc
      echo 'lesionflow completion fish | source' >> ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"Click has always known {shell}"
    script = kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source()
    for words, changed in _CHANGED.get(shell, {}).items():
        script = script.replace(words, changed)
    click.echo(script + {"bash": _BASH_WORDS, "fish": _FISH_WORDS}.get(shell, ""))
