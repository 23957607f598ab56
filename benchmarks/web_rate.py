"""The page of `lesionflow web` in headless Chromium against `lesionflow score`, on the same files, all on one core.

CPU seconds an image, of the browser with all its processes once it is warm, and of the scoring process less its start.
Also the start of the page until its model has answered once, the page's memory over many images, and how its answers
differ; with LiteRT and with ONNX Runtime Web. Needs `chromium` with its driver and `pip install -e ".[dev]"`.

    python benchmarks/web_rate.py [--model BUNDLE] [--images 400] [--folder IMAGES]
        [--runtime litert,onnx] [--archives FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from material import CHECKOUT, machine, make_pictures, measure, score_command

sys.path.insert(0, str(CHECKOUT))
RATE = 0.35  # of the native rate
START = 1.5  # seconds until the first answer
A_MINUTE = 200  # images
WARM = 60  # images until the browser has compiled what it will
LOOKS = 5  # at its memory


def main() -> None:
    """Measure, and print rates, the start, memory and differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pretrained")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="images to take in place of drawn ones")
    parser.add_argument("--runtime", default="litert,onnx", help="of the page, several with commas between them")
    parser.add_argument("--archives", help="folder with npm's archives of the runtimes")
    options = parser.parse_args()
    import lesionflow

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images, one, began = options.folder or folder / "images", folder / "one", machine()
        origin = str(images) if options.folder else make_pictures(images, options.images)
        one.mkdir()
        shutil.copy(next(file for file in sorted(images.iterdir()) if file.is_file()), one)
        native, start = (
            measure(score_command(each, folder / f"{each.name}.csv", options.model)) for each in (images, one)
        )
        with open(folder / f"{images.name}.csv", newline="") as file:
            theirs = {Path(row["path"]).name: row for row in csv.DictReader(file)}
        each = (native.cpu_seconds - start.cpu_seconds) / (len(theirs) - 1)
        print(f"{len(theirs)} images ({origin}), {began}")
        print(f"lesionflow score {1000 * each:7.1f} CPU ms an image")
        for runtime in options.runtime.split(","):
            page = lesionflow.web(options.model, folder / runtime, runtime=runtime, archives=options.archives).folder
            found = in_browser(page / "index.html", images, folder / f"profile-{runtime}")
            print(f"the page with {runtime}:")
            print_page(found, theirs, each)


def print_page(found: dict[str, Any], theirs: dict[str, Any], native: float) -> None:
    """Print a page's rate against the native CPU seconds an image, its start and memory, and how its answers differ."""
    print(
        f"  {1000 * found['each']:.1f} CPU ms an image: {60 / found['each']:.0f} a minute and core (goal: {A_MINUTE}), "
        f"{native / found['each']:.2f} of the native rate (goal: {RATE:g})"
    )
    print(f"  first answer after {min(found['starts']):.2f} s of {len(found['starts'])} (goal: {START:g})")
    memory = ", ".join(f"{used:.0f} after {done}" for done, used in found["memory"])
    print(f"  memory in MiB by images: {memory}")
    print_differences({Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(found["report"]))}, theirs)


def print_differences(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Print how many calls differ, and the largest difference of a probability."""
    scored = [name for name, row in theirs.items() if row["status"] == "ok" == ours[name]["status"]]
    other = sum(ours[name]["diagnosis"] != theirs[name]["diagnosis"] for name in scored)
    most = max(
        abs(float(ours[name][column]) - float(theirs[name][column]))
        for name in scored for column in ours[name] if column.startswith("p_")
    )  # fmt: skip
    status = sum(ours[name]["status"] != row["status"] for name, row in theirs.items())
    print(f"  {other} calls differ, probabilities by {most:.6f} at most; {status} images fail in one of the two only")


def in_browser(page: Path, images: Path, profile: Path) -> dict[str, Any]:
    """CPU seconds an image once the page is warm, seconds to each first answer, MiB, and the report."""
    from tests.browser import browser, wait_for

    with browser(profile) as driver:
        starts = []
        for _ in range(5):
            driver.get(page.as_uri())
            wait_for(driver, "html[data-ready]")
            starts.append(driver.execute_script("return Number(document.documentElement.dataset.ready)") / 1000)
        driver.find_element("id", "folder").send_keys(str(images))
        waiting = "return state.queue.length + state.asked.size"
        done = 0
        while done < WARM:
            time.sleep(0.2)
            done = driver.execute_script("return state.rows.size")
        before, cpu, memory = done, cpu_seconds(driver), [(done, mebibytes(driver))]
        while driver.execute_script(waiting):
            time.sleep(0.5)
            done = driver.execute_script("return state.rows.size")
            if done >= memory[-1][0] + len(os.listdir(images)) / LOOKS:
                memory.append((done, mebibytes(driver)))
        spent, done = cpu_seconds(driver) - cpu, driver.execute_script("return state.rows.size")
        report = driver.execute_script("return csvReport([...state.rows.values()], state.model)")
        return {
            "each": spent / (done - before), "starts": starts, "report": report,
            "memory": [*memory, (done, mebibytes(driver))],
        }  # fmt: skip


def processes(driver: Any) -> list[Any]:
    """The browser's processes."""
    import psutil

    return [each for each in psutil.Process(driver.service.process.pid).children(recursive=True) if each.is_running()]


def cpu_seconds(driver: Any) -> float:
    """What all processes of the browser have used so far."""
    return sum(sum(each.cpu_times()[:2]) for each in processes(driver))


def mebibytes(driver: Any) -> float:
    """The memory of the process that shows the page."""
    pages = [each for each in processes(driver) if "--type=renderer" in each.cmdline()]
    return max(each.memory_info().rss for each in pages) / 2**20


if __name__ == "__main__":
    main()
