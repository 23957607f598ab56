#!/usr/bin/env bash
# OpenVINO makes an id of its user and counts uses when it is imported, without a question where there is no terminal.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6
mkdir "$folder/home"
cat >"$folder/try.py" <<'P'
import openvino
print("OpenVINO", openvino.__version__)
P
cd "$folder"
echo "expected: to import a library keeps nothing about who does it"
env -u CI HOME="$folder/home" venv/bin/python try.py </dev/null
echo "true, below the home: $(cd home && find . -type f | sort | tr '\n' ' ')"
[[ -s home/intel/openvino_ga_cid ]] || { echo changed; exit 1; }
