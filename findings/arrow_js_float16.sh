#!/usr/bin/env bash
# Apache Arrow for JavaScript writes numbers above 65,504 as small ones when they become Float16: 70,000 is 2.13 and a million 3.81, without an error, where infinity is right.
# It needs Node.js and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv numpy==2.4.6
install_node apache-arrow@21.2.0
cat >"$folder/try.cjs" <<'J'
const { vectorFromArray, Float16 } = require("apache-arrow");
console.log(`apache-arrow ${JSON.parse(require("fs").readFileSync(`${__dirname}/node_modules/apache-arrow/package.json`)).version}, node ${process.version}`);
const given = JSON.parse(process.argv[2]);
console.log("FOUND " + JSON.stringify(Array.from(vectorFromArray(given, new Float16())).map(String)));
J
cat >"$folder/try.py" <<'P'
import json, subprocess, sys
import numpy as np

folder = sys.argv[1]
given = [0.1, 0.5, 1 / 3, 1000.3, 2049, 2051, 65504, 65520, 65536, 70000, 100000, 131072, 1e6, -70000, 1e-5, 3e-6, 5e-8]
out = subprocess.run(["node", f"{folder}/try.cjs", json.dumps(given)], capture_output=True, text=True, check=True).stdout
print(out.splitlines()[0], "numpy", np.__version__)
found = [float(each.replace("Infinity", "inf")) for each in json.loads(out.split("FOUND ")[1])]
with np.errstate(over="ignore"):
    right = np.array(given).astype(np.float16).astype(float).tolist()
for number, one, other in zip(given, found, right):
    print(f"{number:g}: {one:.7g}" + ("" if one == other else f" instead of {other:.7g}"))
at = dict(zip(given, found))
sys.exit(not (at[0.5] == 0.5 and at[65504] == 65504 and abs(at[70000]) < 10 and abs(at[100000]) < 10))
P
echo "expected: what NumPy makes of the same numbers: infinity above 65,504, and the nearest number below"
check "$folder"
