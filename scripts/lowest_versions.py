"""Install the lowest versions that pyproject.toml admits, or the newest, in a new environment and run the main job.

    python scripts/lowest_versions.py            # the floors
    python scripts/lowest_versions.py --newest   # the newest releases

The main job is what a user does first: draw the demo set, describe it, train, score, evaluate, explain, compare, and
look at the history and the installation. Fails if any step does. Needs the network and a few minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("train", "imagenet", "dicom", "s3")
JOB = (
    "demo moles --images 150",
    "describe moles",
    "train --data moles --model cnn --epochs 2 --image-size 32 --cache cache",
    "promote lesionflow 1 --force --reason versions",
    "score moles/HAM10000_images_part_1 --out results.csv",
    "score moles/HAM10000_images_part_2 --out results.parquet --tta --html page.html --summary summary.json",
    "evaluate models:/lesionflow@champion moles --resamples 200 --out evaluation --cache cache",
    "explain moles/HAM10000_images_part_1 --out pictures --model models:/lesionflow/1",
    "compare models:/lesionflow/1 pretrained",
    "history",
    "doctor",
)


def requirements(extras: tuple[str, ...] = EXTRAS) -> list[str]:
    """What pyproject.toml asks for, with some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]


def lowest(requirement: str) -> str:
    """The requirement at its floor: `numpy>=2.2,<3` becomes `numpy==2.2`."""
    name, floor = re.fullmatch(r"([\w.-]+(?:\[[\w,]+\])?)[>=]=([\w.]+).*", requirement).groups()
    return f"{name}=={floor}"


def main() -> None:
    """Make the environment, install, run the job, and say which versions those were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--newest", action="store_true", help="install the newest releases instead of the lowest")
    parser.add_argument("--keep", type=Path, help="make the environment here, and keep it")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="lesionflow-versions-"))
    try:
        asked = requirements()
        run_in(folder.absolute(), asked if options.newest else [lowest(each) for each in asked])
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def run_in(folder: Path, packages: list[str]) -> None:
    """Install packages into an environment in a folder and run the main job there, with the code of this checkout."""
    python, work = folder / "bin" / "python", folder / "work"
    venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    subprocess.run([python, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"], check=True)
    work.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    for line in JOB:
        print(f"\n$ lesionflow {line}", flush=True)
        done = subprocess.run([python, "-m", "lesionflow", *line.split()], cwd=work, env=environment)
        if done.returncode:
            sys.exit(f"lesionflow {line}: exit code {done.returncode}")
    print("\nthe main job runs with", ", ".join(packages))


if __name__ == "__main__":
    main()
