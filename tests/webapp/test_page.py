"""The page in a real browser: what it says is what `lesionflow score` says, and it asks nobody for anything."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.evaluation.heatmaps import occlude
from lesionflow.images.decode import decode
from lesionflow.model.predictor import load_predictor
from lesionflow.webapp.build import INDEX, WORKER
from lesionflow.webapp.runtime import Package
from tests.browser import browser, text_of, wait_for
from tests.conftest import invoke
from tests.scoring.conftest import draw_images
from tests.webapp.conftest import (
    archive_of,
    choose,
    finish,
    needs_browser,
    open_page,
    report_of,
    requests_of,
    serving,
    until,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
SAFARI = {"phone.heic": "HEIC", "scan.tif": "TIFF"}  # the one browser that has decoders for them
# Of which our messages are not those of Python's decoders.
OWN_WORDS = {"cut.jpg", "no_end.jpg", "cut.webp"}


def rows_of(report: str) -> dict[str, dict[str, str]]:
    """The rows of a report by the ends of their paths."""
    return {row["path"].partition("images/")[2]: row for row in csv.DictReader(io.StringIO(report))}


def start_anew(driver: Chrome) -> None:
    driver.find_element("id", "forget").click()
    until(lambda: not driver.find_element("id", "results").is_displayed(), "the results stayed")


def test_calls_rows_and_columns_are_those_of_score(
    driver: Chrome, page: Path, web_bundle: Path, many_formats: Path, tmp_path: Path
) -> None:
    """From the disk, as whoever is sent the folder opens it."""
    requests_of(driver)
    Image.new("RGB", (9000, 6700), (190, 140, 120)).save(many_formats / "sixty_megapixels.jpg")
    open_page(driver, (page / INDEX).as_uri())
    choose(driver, many_formats)
    ours = report_of(driver)
    assert invoke(
        "score", str(many_formats), "--out", str(tmp_path / "score.csv"), "--model", str(web_bundle)
    ).exit_code == 3  # fmt: skip
    theirs = (tmp_path / "score.csv").read_text()
    assert ours.splitlines()[0] == theirs.splitlines()[0]
    found, expected = rows_of(ours), rows_of(theirs)
    assert list(found) == list(expected) and "below/progressive.jpg" in found and "no_ending" in found
    for name, row in expected.items():
        mine = found[name]
        if name in SAFARI:
            assert mine["error"] == f"unsupported: this browser cannot decode {SAFARI[name]}; save it as JPEG or PNG"
            continue
        assert (mine["status"], mine["diagnosis"], mine["malignant"], mine["refer"], mine["model"]) == (
            row["status"], row["diagnosis"], row["malignant"], row["refer"], row["model"],
        ), name  # fmt: skip
        assert mine["error"].partition(":")[0] == row["error"].partition(":")[0], name
        assert mine["error"] == row["error"] or name in OWN_WORDS, name
        for column in row:
            if column.startswith("p_") and row["status"] == "ok":
                assert float(mine[column]) == pytest.approx(float(row[column]), abs=0.005), (name, column)
    asked = requests_of(driver)
    assert asked and all(each.startswith(page.as_uri()) for each in asked)


def test_one_image_is_explained_as_python_explains_it(
    driver: Chrome, address: str, web_bundle: Path, tmp_path: Path
) -> None:
    drawn = draw_images(tmp_path / "images", 1, (90, 60)) / "image0000.jpg"
    image = drawn.rename(drawn.with_name("=1+1.jpg"))
    open_page(driver, address)
    driver.execute_script(
        "state.worker.addEventListener('message', ({ data }) => { if (data.map) window.told = data.map; })"
    )
    choose(driver, image, what="files")
    # By keyboard alone: the button has the focus, Enter opens, and the focus goes to what was opened.
    from selenium.webdriver import ActionChains, Keys

    driver.execute_script("document.querySelector('#rows button').focus()")
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    until(lambda: driver.find_element("id", "map").is_displayed(), "no map")
    assert driver.switch_to.active_element.get_attribute("id") == "detail-heading"
    predictor = load_predictor(web_bundle)
    height, width = predictor.card.height, predictor.card.width
    expected = occlude(predictor.predict, decode(image, height, width))
    found = driver.execute_script("return [told.diagnosis, told.probability, told.lowest, [...told.drop]]")
    assert found[0] == expected.diagnosis
    assert found[1:3] == pytest.approx([expected.probability, expected.lowest], abs=1e-5)
    assert np.abs(np.array(found[3]).reshape(height, width) - expected.drop).max() < 1e-3
    assert "operating point" in text_of(driver)
    assert report_of(driver).splitlines()[1].startswith("'=1+1.jpg,ok,")  # no formula to a spreadsheet
    start_anew(driver)


def test_a_tab_that_was_closed_goes_on_where_it_was(driver: Chrome, address: str, tmp_path: Path) -> None:
    folder = draw_images(tmp_path / "images", 150)
    open_page(driver, address)
    driver.find_element("id", "folder").send_keys(str(folder))
    until(lambda: driver.execute_script("return state.rows.size >= 20"), "nothing was scored")
    driver.refresh()
    wait_for(driver, "html[data-ready]")
    until(lambda: driver.execute_script("return state.restored > 0"), "nothing was kept")
    kept = driver.execute_script("return state.rows.size")
    assert 0 < kept < 150 and f"{kept} results of an earlier visit" in text_of(driver)
    choose(driver, folder)
    assert driver.execute_script("return [state.rows.size, state.number]") == [150, 150 - kept]
    driver.find_element("css selector", "#rows button").click()
    until(lambda: driver.find_element("id", "map").is_displayed(), "its file is not known again")
    start_anew(driver)
    open_page(driver, address)
    assert driver.execute_script("return state.rows.size") == 0


def test_where_nothing_can_be_kept_the_page_says_so_and_goes_on(driver: Chrome, address: str, tmp_path: Path) -> None:
    open_page(driver, address)
    # Chromium's switch for a smaller quota leaves databases alone: what it throws where a disk is full, then.
    driver.execute_script(
        "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    )
    choose(driver, draw_images(tmp_path / "images", 12))
    until(lambda: "no room to keep results (QuotaExceededError)" in text_of(driver), "nobody said so")
    assert "All 12 images are done: 0 failed." in text_of(driver)
    assert len(report_of(driver).splitlines()) == 13
    start_anew(driver)


def test_many_files_of_which_some_are_broken(driver: Chrome, address: str) -> None:
    """Files that the page makes itself: 600, of which every hundredth is cut off; the table holds a page of them."""
    open_page(driver, address)
    driver.execute_script(
        """
        const made = new OffscreenCanvas(96, 72), context = made.getContext("2d");
        return (async () => {
          const found = [];
          for (let i = 0; i < 600; i++) {
            context.fillStyle = `hsl(${i} 60% 50%)`;
            context.fillRect(0, 0, 96, 72);
            const whole = await made.convertToBlob({ type: "image/jpeg" });
            const content = i % 100 === 50 ? whole.slice(0, whole.size / 2) : whole;
            found.push({ path: `many/${i}.jpg`, file: new File([content], `${i}.jpg`, { lastModified: i }) });
          }
          await take(found, true);
        })();
        """
    )
    finish(driver)
    text = text_of(driver)
    assert "All 600 images are done: 6 failed." in text and "1 to 100 of 600" in text
    assert len(driver.find_elements("css selector", "#rows tr")) == 100
    for _ in range(5):
        driver.find_element("id", "next").click()
    assert "501 to 600 of 600" in text_of(driver) and not driver.find_element("id", "next").is_enabled()
    assert text_of(driver).count("damaged") == 6  # what failed comes last
    start_anew(driver)


def test_it_works_without_the_server_once_it_was_there(page: Path, tmp_path: Path) -> None:
    """And with two threads from then on, as on a machine of four cores."""
    images, copy = draw_images(tmp_path / "images", 3), Path(shutil.copytree(page, tmp_path / "copy"))
    worker = (copy / WORKER).read_text()
    assert "navigator.hardwareConcurrency" in worker
    (copy / WORKER).write_text(worker.replace("navigator.hardwareConcurrency", "4"))
    with browser(tmp_path / "profile", logs={"performance": "ALL"}) as driver:
        driver.set_script_timeout(120)
        with serving(copy) as address:
            open_page(driver, address)
            driver.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
            until(lambda: driver.execute_script("return navigator.serviceWorker.controller !== null"), "no control")
        open_page(driver, address)  # the server is gone
        choose(driver, images)
        assert "All 3 images are done: 0 failed." in text_of(driver)
        # Kept files come with the headers that let a browser share memory between threads.
        assert driver.execute_script("return [crossOriginIsolated, document.documentElement.dataset.threads]") == [
            True,
            "2",
        ]
        asked = requests_of(driver)
        assert asked and all(each.startswith(address) for each in asked)


@pytest.mark.parametrize("missing", ["model.js", "runtime.js", "worker-source.js", "page.js"])
def test_a_page_without_its_files_says_which(driver: Chrome, page: Path, missing: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(page, tmp_path / "copy"))
    (copy / missing).unlink()
    driver.get((copy / INDEX).as_uri())
    said = "copy the whole folder" if missing == "page.js" else f"{missing} did not load. Copy the whole folder"
    until(lambda: said in text_of(driver), text_of(driver))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(driver: Chrome, address: str, scheme: str, tmp_path: Path) -> None:
    """axe-core finds nothing, in each language, with results, failures and an explained image."""
    axe = archive_of(AXE)
    from lesionflow.webapp.runtime import read_members

    script = read_members(axe.read_bytes(), ("axe.min.js",))["axe.min.js"].decode()
    folder = draw_images(tmp_path / "images", 4)
    (folder / "broken.jpg").write_bytes(b"nothing")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    open_page(driver, address)
    driver.execute_script(script + ";window.axe = axe;")
    assert violations(driver) == []
    choose(driver, folder)
    driver.find_element("css selector", "#rows button").click()
    until(lambda: driver.find_element("id", "map").is_displayed(), "no map")
    for language in ("de", "es", "en"):
        driver.find_element("css selector", f"#language option[value={language}]").click()
        assert driver.find_element("tag name", "html").get_attribute("lang") == language
        assert violations(driver) == []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    start_anew(driver)


def violations(driver: Chrome) -> list[Any]:
    found = driver.execute_async_script(
        "axe.run(document).then(({ violations }) => arguments[0](violations), (error) => arguments[0]([String(error)]))"
    )
    return [each if isinstance(each, str) else (each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def test_narrow_screens_need_no_sideways_scrolling(driver: Chrome, address: str, tmp_path: Path) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        open_page(driver, address)
        choose(driver, draw_images(tmp_path / "images", 2))
        widths = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1] == 360
        small = driver.execute_script(
            "const found = [...document.querySelectorAll('.buttons button')];"
            "return found.filter((each) => each.offsetHeight && each.offsetHeight < 44)"
        )
        assert small == []
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    start_anew(driver)


def test_every_language_says_everything(driver: Chrome, address: str) -> None:
    open_page(driver, address)
    messages = driver.execute_script("return MESSAGES")
    diagnoses = driver.execute_script("return DIAGNOSES")
    assert set(messages) == {"en", "de", "es"} == set(driver.execute_script("return LANGUAGES"))
    import re

    from lesionflow.diagnoses import BUILT_IN
    from lesionflow.errors import IMAGE_FAILURES

    for language, texts in messages.items():
        assert texts.keys() == messages["en"].keys() and texts.keys() >= IMAGE_FAILURES.keys()
        for name, text in texts.items():
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", messages["en"][name])), (
                language,
                name,
            )
    for labels in BUILT_IN.values():
        assert set(labels.full_names.values()) <= set(diagnoses)
    assert all(set(names) == {"de", "es"} for names in diagnoses.values())


def test_preferred_languages(driver: Chrome, address: str) -> None:
    open_page(driver, address)
    for wanted, language in ((["de-AT", "en"], "de"), (["fr", "es-MX", "en"], "es"), (["fr"], "en"), ([], "en")):
        assert driver.execute_script("return preferredLanguage(arguments[0])", wanted) == language
