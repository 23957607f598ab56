#!/usr/bin/env bash
# papermill -p takes the lesion 12_3 for the number 123, 0012 for 12 and nan for a number that equals nothing: the notebook reports on another lesion.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv papermill==2.7.0 nbformat==5.11.1 nbclient==0.11.0
cat >"$folder/try.py" <<'P'
import pathlib, subprocess, sys
from importlib.metadata import version
import nbformat

print(f"papermill {version('papermill')}")
folder = pathlib.Path(sys.argv[1])
notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}})
notebook.cells = [nbformat.v4.new_code_cell('lesion = "HAM_1"', metadata={"tags": ["parameters"]})]
nbformat.write(notebook, folder / "report.ipynb")
found = {}
for lesion in ("HAM_12", "12-3", "12_3", "0012", "12e1", "nan"):
    command = ["papermill", "--prepare-only", "-p", "lesion", lesion, "report.ipynb", "filled.ipynb"]
    subprocess.run([folder / "venv/bin" / command[0], *command[1:]], cwd=folder, check=True, capture_output=True)
    (cell,) = (cell for cell in nbformat.read(folder / "filled.ipynb", 4).cells if "injected-parameters" in cell.metadata.get("tags", []))
    found[lesion] = cell.source.splitlines()[-1]
    print(f"-p lesion {lesion}: {found[lesion]}")
expected = {"HAM_12": '"HAM_12"', "12-3": '"12-3"', "12_3": "123", "0012": "12", "12e1": "120.0", "nan": "float('nan')"}
sys.exit(found != {lesion: f"lesion = {value}" for lesion, value in expected.items()})
P
echo 'expected: lesion = "12_3", as for "12-3"'
check "$folder"
