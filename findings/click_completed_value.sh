#!/usr/bin/env bash
# Click's scripts for completion lose the option of `--network=v` in zsh, complete nothing there in fish, and cut fish's values at a comma.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv click==8.5.1
cat >"$folder/try.py" <<'P'
import os, sys
from importlib.metadata import version
import click
from click.shell_completion import CompletionItem, get_completion_class

print(f"click {version('click')}")
NETWORKS = ("resnet,vgg", "vgg")


def complete(ctx, param, typed):
    return [CompletionItem(name) for name in NETWORKS if name.startswith(typed)]


@click.command()
@click.option("--network", shell_complete=complete)
def prog(network):
    pass


def answer(shell, *words):
    """What the program tells the script of a shell when the last word is to be completed."""
    number = words[-1] if shell == "fish" else str(len(words) - 1)
    os.environ |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": number}
    return get_completion_class(shell)(prog, {}, "prog", "_PROG_COMPLETE").complete().splitlines()


def fish(*words):
    """What is offered: of each line what stands between the first commas, as the script has it, if it continues the word."""
    separated = [line.split(",")[1] for line in answer("fish", *words)]
    return [name for name in separated if name.startswith(words[-1])]


scripts = {shell: get_completion_class(shell)(prog, {}, "prog", "_PROG_COMPLETE").source() for shell in ("zsh", "fish")}
assert "compadd -U" in scripts["zsh"] and "compset" not in scripts["zsh"]  # -U: in place of the whole word
assert 'string split "," $completion' in scripts["fish"] and "echo $metadata[2]" in scripts["fish"]
zsh = " ".join(["prog", answer("zsh", "prog", "--network=v")[1]])
offered = {words: fish("prog", *words.split()) for words in ("--network v", "--network=v", "--network res")}
print(f"zsh: prog --network=v becomes {zsh}")
for words, names in offered.items():
    print(f"fish: prog {words} is offered {names}")
sys.exit(not (zsh == "prog vgg" and [*offered.values()] == [["vgg"], [], ["resnet"]]))
P
echo "expected: --network=vgg, in both shells, and resnet,vgg"
check
