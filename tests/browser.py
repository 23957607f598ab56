"""Real browsers without a window: Chromium, driven through Selenium, and Firefox. Nothing is downloaded for them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
# Ubuntu's own is a script that starts a snap, which sees no folder of a test.
_FOUND = filter(None, map(shutil.which, ("firefox-esr", "firefox")))
FIREFOX = next((file for file in _FOUND if b"/snap/" not in Path(file).read_bytes()[:4096]), None)
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


class Firefox:
    """Firefox through WebDriver BiDi, which it speaks itself: Selenium asks for a driver that Debian does not have."""

    def __init__(self, address: str) -> None:
        import websocket

        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._asked = 0
        self.ask("session.new", capabilities={})
        self._tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to a command."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._asked:
            pass  # events
        assert answer["type"] == "success", answer
        return dict(answer["result"])

    def open(self, address: str) -> None:
        """Open a page and return when it is loaded."""
        self.ask("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def run(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        found = self.ask("script.evaluate", expression=expression, target={"context": self._tab}, awaitPromise=True)
        assert found["type"] == "success", found
        return found["result"].get("value")

    def choose(self, selector: str, files: list[Path]) -> None:
        """Give files to the input that a CSS selector finds."""
        locator = {"type": "css", "value": selector}
        (node,) = self.ask("browsingContext.locateNodes", context=self._tab, locator=locator)["nodes"]
        element = {"sharedId": node["sharedId"]}
        self.ask("input.setFiles", context=self._tab, element=element, files=[str(file) for file in files])


@contextlib.contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox that knows nothing yet; profile: an empty folder."""
    command = [FIREFOX or "", "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told, last = profile / "WebDriverBiDiServer.json", time.monotonic() + PATIENCE
        while not (told.exists() and told.read_text().strip().endswith("}")):
            assert process.poll() is None and time.monotonic() < last, "Firefox did not start"
            time.sleep(0.1)
        server = json.loads(told.read_text())
        yield Firefox(f"ws://{server['ws_host']}:{server['ws_port']}/session")
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
