"""Run the commands of docs/tutorial.md, in order, and write their output and screenshots into the page.

    python scripts/make_tutorial.py [FOLDER]

It takes some minutes, and needs the extra `dev` and Chromium with its driver (apt-get install chromium-driver).
FOLDER is an empty folder to run them in and keep. All images are synthetic: no picture on the page shows a person.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mlflow
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import browser, open_comparison, scroll_to, wait_for, wait_for_text  # noqa: E402
from tests.registry.serving import mlflow_server  # noqa: E402

PAGE, PICTURES = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial"
STEP = re.compile(r"^```bash\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)  # commands, and what they said
WINDOW = (1200, 820)  # pixels


def main(folder: Path) -> None:
    """Run all steps in a folder, then look at what they have left there."""
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "LESIONFLOW_CACHE": str(folder / "cache"), "COLUMNS": "110", "NO_COLOR": "1",
    }  # fmt: skip

    def run(step: re.Match[str]) -> str:
        commands = step.group(1)
        print(commands, end="", flush=True)
        command = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True)
        said = "\n".join(line.rstrip() for line in done.stdout.replace(f"{folder}/", "").strip("\n").split("\n"))
        return f"```bash\n{commands}```\n\n```text\n{said}\n```"

    PAGE.write_text(STEP.sub(run, PAGE.read_text()))
    PICTURES.mkdir(exist_ok=True)
    with browser(folder / "profile", *WINDOW) as driver:
        driver.get((folder / "results.html").as_uri())
        wait_for_text(driver, "images scored")
        _keep(driver.get_screenshot_as_png(), "report")
        with mlflow_server(folder) as address:
            mlflow.set_tracking_uri(address)
            found = mlflow.search_runs(search_all_experiments=True, output_format="list")
            runs = {run.info.run_name: run.info for run in found}
            networks = [runs["cnn"], runs["vgg"]]
            open_comparison(driver, address, [run.run_id for run in networks], networks[0].experiment_id)
            scroll_to(driver, wait_for(driver, "a[href*='/metric']")[0])
            _keep(driver.get_screenshot_as_png(), "compare")


def _keep(picture: bytes, name: str) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(PICTURES / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
