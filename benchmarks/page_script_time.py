"""How long Chromium's scripts take to open the page of a report with 5,000 images, from the disk and without a network.

    python benchmarks/page_script_time.py [--images 5000] [--screenshots FOLDER]

The browser measures: `performance.measure` around the page's script, and the script duration of its own metrics. Needs
Debian's chromium and chromium-driver, and selenium.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
from material import make_pictures

from lesionflow.diagnoses import HAM10000
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring.page import write_page
from lesionflow.scoring.report import ReportLayout
from tests.browser import browser

PICTURES = 200  # files that are drawn; the others are links to them
REPEATS = 5
MEASURES = "return performance.getEntriesByType('measure').map(entry => [entry.name, entry.duration])"


def main() -> None:
    """Write the page, open it several times and print what the browser measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of the page at two widths")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        page = folder / "report.html"
        with page.open("wb") as file:
            write_page(rows(folder / "images", options.images), file, page, ReportLayout("benchmark"))
        print(f"{options.images} images, {page.stat().st_size / 1e6:.1f} MB")
        found = [open_page(page, folder / f"profile{number}") for number in range(REPEATS)]
        for name in found[0]:
            values = [each[name] for each in found]
            print(f"{name}: median {statistics.median(values):.3f} s, greatest {max(values):.3f} s")
        if options.screenshots:
            options.screenshots.mkdir(parents=True, exist_ok=True)
            for width, height in ((1440, 900), (420, 900)):
                take_screenshots(page, folder / f"profile-{width}", options.screenshots, width, height)


def rows(folder: Path, images: int) -> list[Row]:
    """Rows with probabilities drawn at random."""
    make_pictures(folder / "drawn", min(PICTURES, images))
    drawn = sorted((folder / "drawn").iterdir())
    chances = np.random.default_rng(0).dirichlet((0.3, 0.4, 0.8, 0.1, 0.6, 3.0, 0.1), images)
    prior = np.array((0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02))
    found = []
    for number, probabilities in enumerate(chances):
        link = folder / f"clinic{number % 7}" / f"image{number:05}.jpg"
        link.parent.mkdir(exist_ok=True)
        os.link(drawn[number % len(drawn)], link)
        malignant = sum(probabilities[[HAM10000.names.index(name) for name in HAM10000.malignant]])
        said = IndexedPrediction(
            tuple(probabilities.tolist()), int((probabilities / prior).argmax()), bool(malignant > 0.2), "no"
        )
        found.append(Row(str(link), said, format="JPEG"))
    return found


def open_page(page: Path, profile: Path) -> dict[str, float]:
    """Seconds of script time, by what measured it."""
    with browser(profile, 1440, 900) as driver:
        driver.execute_cdp_cmd("Performance.enable", {})
        driver.get(page.as_uri())
        measured = dict(driver.execute_script(MEASURES))
        metrics = {
            each["name"]: each["value"] for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        }
    return {
        "the page's script": measured["lesionflow: script"] / 1000,
        "all scripts (Chromium's ScriptDuration)": metrics["ScriptDuration"],
        "tasks, with layout (TaskDuration)": metrics["TaskDuration"],
    }


def take_screenshots(page: Path, profile: Path, folder: Path, width: int, height: int) -> None:
    """The table, and an image under review."""
    from selenium.webdriver import ActionChains

    with browser(profile, width, height) as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        driver.get(page.as_uri())
        driver.save_screenshot(str(folder / f"table-{width}.png"))
        for key in "r231 6":
            ActionChains(driver).send_keys(key).pause(0.3).perform()
        driver.save_screenshot(str(folder / f"review-{width}.png"))


if __name__ == "__main__":
    main()
