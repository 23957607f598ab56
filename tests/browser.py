"""A real browser without a window: Debian's Chromium, driven through Selenium. Nothing is downloaded for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
REQUIRED = bool(os.environ.get("LESIONFLOW_REQUIRE_CHROMIUM"))  # a test that is skipped for want of it has not passed
PATIENCE = 300  # seconds that a page may take to show something, on a machine that has much to do


@contextlib.contextmanager
def browser(
    profile: Path, width: int = 1700, height: int = 1000, logs: dict[str, str] | None = None
) -> Iterator[Chrome]:
    """A browser that knows nothing yet, with a window wide enough for MLflow's tables; profile: an empty folder.

    logs: by their names what is written down, such as `performance` for requests.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-sync", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        f"--user-data-dir={profile}", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(argument)
    if logs:
        options.set_capability("goog:loggingPrefs", logs)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def text_of(driver: Chrome) -> str:
    """What the page shows."""
    return str(driver.find_element("tag name", "body").text)


def wait_for_text(driver: Chrome, text: str) -> None:
    """Return when the page shows a text."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, PATIENCE).until(lambda _: text in text_of(driver), f"the page never showed {text!r}")


def wait_for(driver: Chrome, selector: str, count: int = 1) -> list[WebElement]:
    """The elements that a CSS selector finds, once there are so many."""
    from selenium.webdriver.support.wait import WebDriverWait

    def found(_: Chrome) -> list[WebElement]:
        elements = driver.find_elements("css selector", selector)
        return elements if len(elements) >= count else []

    return WebDriverWait(driver, PATIENCE).until(found, f"the page never had {count} of {selector}")


def open_comparison(driver: Chrome, address: str, runs: list[str], experiment: str) -> list[str]:
    """Open MLflow's page that compares runs, by their ids; returns the names of the metrics, in the order shown."""
    told = "&".join(f"{name}={json.dumps(ids, separators=(',', ':'))}" for name, ids in (
        ("runs", runs), ("experiments", [experiment]),
    ))  # fmt: skip
    driver.get(f"{address}/#/compare-runs?{told}")
    names = [link.text for link in wait_for(driver, "a[href*='/metric']", 5)]
    for button in driver.find_elements("css selector", "button[aria-label='Close']"):
        button.click()  # the panel of MLflow's assistant, which opens by itself and takes a third of the window
    return names


def scroll_to(driver: Chrome, element: WebElement) -> None:
    """Have an element in the middle of the window."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
