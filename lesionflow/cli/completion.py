"""The command that prints what makes a shell complete the others."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lesionflow.cli.help import command
from lesionflow.cli.values import Choice

PROGRAM, VARIABLE = "lesionflow", "_LESIONFLOW_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@command(short_help="Print the script that has a shell complete commands.")
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that has a shell complete lesionflow's commands, options and values.

    The shell's start file runs it: ~/.bashrc, ~/.zshrc (after compinit) or ~/.config/fish/config.fish.

    \b
    Example:
      echo 'eval "$(lesionflow completion bash)"' >> ~/.bashrc
      echo 'eval "$(lesionflow completion zsh)"' >> ~/.zshrc
      echo 'lesionflow completion fish | source' >> ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"Click has always known {shell}"
    click.echo(kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
