"""Run the commands of docs/tutorial.md, in order, and write what they said and what there was to see into the page.

    python scripts/make_tutorial.py

It takes some minutes, and needs the extra `dev` and Chromium with its driver (apt-get install chromium-driver).
Everything is drawn: no picture of the page shows a person.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import browser, compare_page, wait_for_text  # noqa: E402
from tests.registry.serving import mlflow_server  # noqa: E402

PAGE, PICTURES = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial"
STEP = re.compile(r"^```bash\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)  # commands, and what they said
WIDTH = 1200  # of a picture, in pixels


def main() -> None:
    """Run all steps in a new folder, then look at what they have left."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
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
            said = "\n".join(line.rstrip() for line in done.stdout.replace(str(folder), ".").strip("\n").split("\n"))
            return f"```bash\n{commands}```\n\n```text\n{said}\n```"

        text = STEP.sub(run, PAGE.read_text())
        PICTURES.mkdir(exist_ok=True)
        with browser(folder / "profile", width=WIDTH, height=820) as driver:
            driver.get((folder / "results.html").as_uri())
            wait_for_text(driver, "images scored")
            _keep(driver.get_screenshot_as_png(), "report")
            with mlflow_server(folder) as address:
                driver.get(compare_page(address, folder))
                wait_for_text(driver, "balanced_accuracy")
                _keep(driver.get_screenshot_as_png(), "compare")
        PAGE.write_text(text)


def _keep(picture: bytes, name: str) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(PICTURES / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
