# Sourced by the scripts: pinned packages in a temporary folder, which is removed at the end, and the check.
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

# check [ARGUMENT...]: run try.py with the environment `venv`; if it fails, show the end of its errors and say that something changed.
check() {
    "$folder/venv/bin/python" "$folder/try.py" "$@" 2>"$folder/errors" || {
        tail -n 20 "$folder/errors"
        echo changed
        exit 1
    }
}

# install_node PACKAGE...: install these packages of npm into the folder, where programs in it find them.
install_node() {
    npm install --silent --no-audit --no-fund --prefix "$folder" "$@" >"$folder/npm.log" 2>&1 || {
        cat "$folder/npm.log" >&2
        exit 2
    }
}

# check_node FILE: run a program in the folder with Node.js; if it fails, show the end of its errors and say that something changed.
check_node() {
    node "$folder/$1" 2>"$folder/errors" || {
        tail -n 20 "$folder/errors"
        echo changed
        exit 1
    }
}
