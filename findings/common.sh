# Sourced by the scripts: an environment of their own with pinned packages, in a temporary folder that goes with them.
# shellcheck shell=bash
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH

# install NAME PACKAGE...: make the environment NAME with these packages; `$folder/NAME/bin/python` is its interpreter.
install() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check "${@:2}" 2>"$folder/pip.log" || {
        cat "$folder/pip.log" >&2
        exit 2
    }
}
