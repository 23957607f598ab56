#!/usr/bin/env bash
# Hydra reads patient=0012 on the command line as text, in a configuration file as the octal number 10; "no" is a word here and False there.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv hydra-core==1.3.8 omegaconf==2.3.1
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
from hydra import compose, initialize_config_dir

print(*(f"{name} {version(name)}" for name in ("hydra-core", "omegaconf")))
file = pathlib.Path(sys.argv[1]).resolve() / "config.yaml"
found = {}
for value in ("12", "1e-3", "0012", "0x10", "12:30", "[mel, no]"):
    file.write_text(f"in_file: {value}\non_line: null\n")
    with initialize_config_dir(str(file.parent), version_base=None):
        config = compose("config", overrides=[f"on_line={value}"])
    found[value] = config.in_file, config.on_line
    print(f"{value}: {config.in_file!r} in the file, {config.on_line!r} on the command line")
same = found["12"] == (12, 12) and found["1e-3"] == (0.001, 0.001)
other = [found[value] for value in ("0012", "0x10", "12:30", "[mel, no]")]
sys.exit(not (same and other == [(10, "0012"), (16, "0x10"), (750, "12:30"), (["mel", False], ["mel", "no"])]))
P
echo "expected: the same value in both places"
check "$folder"
