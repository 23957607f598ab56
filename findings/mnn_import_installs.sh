#!/usr/bin/env bash
# Importing MNN's converter runs `pip install -U aliyun-log-python-sdk`, with whichever pip comes first in the PATH: the packages of another Python are changed, in an environment that was not activated, and nothing asks.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mnn==3.6.1 numpy==2.4.6
mkdir "$folder/bin" # a pip that only writes down what it was asked for
printf '#!/bin/sh\necho "pip $*" >>"%s/asked"\n' "$folder" >"$folder/bin/pip"
chmod +x "$folder/bin/pip"
cat >"$folder/try.py" <<'P'
import os, subprocess, sys
from importlib.metadata import requires, version
from pathlib import Path

folder = Path(sys.argv[1])
print(f"mnn {version('mnn')}, which requires {requires('mnn')}")
asked = {}
for name in ("MNN", "MNN.tools.mnnconvert"):
    (folder / "asked").unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-c", f"import {name}"], env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}, capture_output=True, text=True)
    asked[name] = (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []
    print(f"import {name}: ran {asked[name] or 'nothing'}; exit status {done.returncode}; said {done.stdout.strip().splitlines()[-1:]} {done.stderr.strip().splitlines()[-1:]}")
print("the pip of the environment that imported it:", Path(sys.executable).parent / "pip", "- not asked")
sys.exit(not (asked["MNN"] == [] and set(asked["MNN.tools.mnnconvert"]) == {"pip install -U aliyun-log-python-sdk"}))
P
echo "expected: an import installs nothing; what is missing is an ImportError"
check "$folder"
