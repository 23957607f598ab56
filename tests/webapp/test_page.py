"""The page in a real browser: what it says is what `lesionflow score` says, and it asks nobody for anything."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.diagnoses import BUILT_IN
from lesionflow.errors import IMAGE_FAILURES
from lesionflow.evaluation.heatmaps import occlude
from lesionflow.images.decode import decode
from lesionflow.images.discovery import LEFTOVERS
from lesionflow.images.signatures import FORMATS, SUFFIXES
from lesionflow.model.card import sha256
from lesionflow.model.predictor import load_predictor
from lesionflow.webapp.build import INDEX, MODEL, PAGE_FILES, RUNTIME_FILE, SERVICE_WORKER, WORKER, WORKER_FILES
from lesionflow.webapp.runtime import LITERT, ONNX, Package, read_members
from tests.browser import text_of
from tests.conftest import invoke
from tests.scoring.conftest import draw_images
from tests.webapp.conftest import (
    UNSUPPORTED,
    archive_of,
    choose,
    finish,
    needs_browser,
    open_page,
    report_of,
    requests_of,
    scripts,
    serving,
    start_anew,
    until,
    until_said,
    until_shown,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
# Of which our messages are not those of Python's decoders.
OWN_WORDS = {"cut.jpg", "no_end.jpg", "cut.webp"}


def rows_of(report: str) -> dict[str, dict[str, str]]:
    """The rows of a report by the ends of their paths."""
    return {row["path"].partition("images/")[2]: row for row in csv.DictReader(io.StringIO(report))}


def test_calls_rows_and_columns_are_those_of_score(
    driver: Chrome, page: Path, web_bundle: Path, many_formats: Path, tmp_path: Path
) -> None:
    """From the disk, as whoever is sent the folder opens it."""
    requests_of(driver)
    Image.new("RGB", (9000, 6700), (190, 140, 120)).save(many_formats / "sixty_megapixels.jpg")
    open_page(driver, (page / INDEX).as_uri())
    choose(driver, many_formats)
    ours = report_of(driver)
    reasons, details = zip(
        *(row["error"].split(": ", 1) for row in rows_of(ours).values() if row["error"]), strict=True
    )
    said = said_failures(driver)
    assert said["en"] == [*details] and report_of(driver) == ours
    for reason, *told in zip(reasons, *said.values(), strict=True):
        assert len({*told}) == 3 or reason == "damaged", told  # much of what is damaged is told in English alone
    assert invoke(
        "score", str(many_formats), "--out", str(tmp_path / "score.csv"), "--model", str(web_bundle)
    ).exit_code == 3  # fmt: skip
    theirs = (tmp_path / "score.csv").read_text()
    assert ours.splitlines()[0] == theirs.splitlines()[0]
    found, expected = rows_of(ours), rows_of(theirs)
    assert list(found) == list(expected) and "below/progressive.jpg" in found and "no_ending" in found
    for name, row in expected.items():
        mine = found[name]
        if name in UNSUPPORTED:
            assert mine["error"] == f"unsupported: {UNSUPPORTED[name]}"
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


def said_failures(driver: Chrome) -> dict[str, list[str]]:
    """The details that the page tells of images that failed, by language."""
    found: dict[str, list[str]] = driver.execute_script("""
        const failed = [...state.rows.values()].filter(({ error }) => error).sort((a, b) => byBytes(a.path, b.path));
        const said = Object.keys(LANGUAGES).map((each) => {
          language = each;
          return [each, failed.map(({ error }) => failureSaid(error).replace(/^.*?: /, ""))];
        });
        language = "en";
        return Object.fromEntries(said);
    """)
    return found


def test_one_image_is_explained_as_python_explains_it(opened: Chrome, web_bundle: Path, tmp_path: Path) -> None:
    drawn = draw_images(tmp_path / "images", 1, (90, 60)) / "image0000.jpg"
    image = drawn.rename(drawn.with_name("=1+1.jpg"))
    opened.execute_script(
        "state.worker.addEventListener('message', ({ data }) => { if (data.map) window.told = data.map; })"
    )
    choose(opened, image, what="files")
    # By keyboard alone: the button has the focus, Enter opens, and the focus goes to what was opened.
    from selenium.webdriver import ActionChains, Keys

    opened.execute_script("document.querySelector('#rows button').focus()")
    ActionChains(opened).send_keys(Keys.ENTER).perform()
    until_shown(opened, "map")
    assert opened.switch_to.active_element.get_attribute("id") == "detail-heading"
    predictor = load_predictor(web_bundle)
    height, width = predictor.card.height, predictor.card.width
    expected = occlude(predictor.predict, decode(image, height, width))
    found = opened.execute_script("return [told.diagnosis, told.probability, told.lowest, [...told.drop]]")
    assert found[0] == expected.diagnosis
    assert found[1:3] == pytest.approx([expected.probability, expected.lowest], abs=1e-5)
    assert np.abs(np.array(found[3]).reshape(height, width) - expected.drop).max() < 1e-3
    assert "operating point" in text_of(opened)
    assert report_of(opened).splitlines()[1].startswith("'=1+1.jpg,ok,")  # no formula to a spreadsheet


def test_a_tab_that_was_closed_goes_on_where_it_was(driver: Chrome, page: Path, tmp_path: Path) -> None:
    """At the first visit: after that the page comes with other headers, so that a browser ends the process it was in,
    half a second after the page has gone; here that is busy for longer."""
    folder = draw_images(tmp_path / "images", 40)
    with serving(page) as address:
        open_page(driver, address)
        until(driver, "navigator.serviceWorker.controller && !crossOriginIsolated")
        # Held in the middle, where the tab is closed.
        driver.execute_script("const go = ask; ask = () => { if (state.rows.size < 20) go(); };")
        driver.find_element("id", "folder").send_keys(str(folder))
        until(driver, "state.rows.size >= 20 && !state.asked.size && state.kept.database")
        driver.execute_script("""
            const busy = () => { for (const start = performance.now(); performance.now() < start + 1500;); };
            addEventListener("visibilitychange", busy, { capture: true });
            sessionStorage.scored = state.rows.size;
        """)
        driver.refresh()  # though rows are gathered before they are written
        until(driver, "state.ready && state.restored")
        assert driver.execute_script("return Number(sessionStorage.scored) === state.rows.size")
        kept = driver.execute_script("return state.rows.size")
        assert 20 <= kept < 40 and f"Results of an earlier visit: {kept}." in text_of(driver)
        choose(driver, folder)
        assert driver.execute_script("return [state.rows.size, state.number]") == [40, 40 - kept]
        driver.find_element("css selector", "#rows button").click()
        until_shown(driver, "map")  # its file is known again
        driver.find_element("id", "forget").click()
        start_anew(driver)  # returns when the first one is done as well
        open_page(driver, address)
        assert driver.execute_script("return state.rows.size") == 0


def test_where_nothing_can_be_kept_the_page_says_so_and_goes_on(driver: Chrome, address: str, tmp_path: Path) -> None:
    open_page(driver, address)
    # Chromium's switch for a smaller quota leaves databases alone: what it throws where a disk is full, then.
    driver.execute_script(
        "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    )
    choose(driver, draw_images(tmp_path / "images", 12))
    until_said(driver, "no room to keep results (QuotaExceededError)")
    assert "Done. Images: 12, failed: 0." in text_of(driver)
    assert len(report_of(driver).splitlines()) == 13
    start_anew(driver)


def test_files_that_only_their_content_tells_apart_are_each_scored(
    driver: Chrome, address: str, tmp_path: Path
) -> None:
    """BMP files of the same name, size and time, in two folders of the same name."""
    drawn = draw_images(tmp_path / "drawn", 2)
    for number, file in enumerate(sorted(drawn.iterdir())):
        moles = tmp_path / str(number) / "moles"
        moles.mkdir(parents=True)
        Image.open(file).save(moles / "mole.bmp")
        os.utime(moles / "mole.bmp", (10**9, 10**9))
    open_page(driver, address)
    for visit in range(2):
        for number in (0, 1, 0):
            choose(driver, tmp_path / str(number) / "moles")
        rows = report_of(driver).splitlines()[1:]
        assert len(rows) == len({*rows}) == 2 and all(row.startswith("moles/mole.bmp,ok,") for row in rows)
        assert driver.execute_script("return state.number") == (2 if visit == 0 else 0)
        until(driver, "!state.kept.writing")
        open_page(driver, address)
        until(driver, "state.restored === 2")
    start_anew(driver)


def test_a_file_that_could_not_be_read_is_read_when_it_is_chosen_again(
    driver: Chrome, address: str, tmp_path: Path
) -> None:
    """One that changes after it was chosen, as where it is still being copied."""
    folder = draw_images(tmp_path / "images", 2)
    file, whole = folder / "image0000.jpg", (folder / "image0000.jpg").read_bytes()
    file.write_bytes(whole[:500])
    open_page(driver, address)
    driver.execute_script("window.held = ask; ask = () => {};")
    driver.find_element("id", "folder").send_keys(str(folder))
    until(driver, "state.queue.length === 2")
    file.write_bytes(whole)
    driver.execute_script("ask = held; ask();")
    finish(driver)
    row = rows_of(report_of(driver))["image0000.jpg"]
    assert row["error"] == "unreadable: the file cannot be read, or has changed since it was chosen"
    for _ in range(2):
        choose(driver, folder)
        assert [row["status"] for row in csv.DictReader(io.StringIO(report_of(driver)))] == ["ok", "ok"]
        until(driver, "!state.kept.writing")
        open_page(driver, address)  # what could not be read was not kept
        until(driver, "state.restored === 2")
    start_anew(driver)


def test_the_keyboard_stays_where_it_is_while_rows_are_drawn_anew(opened: Chrome, tmp_path: Path) -> None:
    choose(opened, draw_images(tmp_path / "images", 3))
    focused = "const all = [...document.querySelectorAll('#rows button')]; return all.indexOf(document.activeElement);"
    opened.execute_script("document.querySelectorAll('#rows button')[1].focus(); refresh(true);")
    assert opened.execute_script(focused) == 1
    opened.find_element("id", "forget").click()
    assert opened.switch_to.active_element.get_attribute("data-input") == "files"


def test_many_files_of_which_some_are_broken(opened: Chrome) -> None:
    """Files that the page makes itself: 250, of which every fiftieth is cut off; the table holds a page of them."""
    opened.execute_script(
        """
        const made = new OffscreenCanvas(96, 72), context = made.getContext("2d");
        const encoded = Array.from({ length: 250 }, (_, i) => {
          context.fillStyle = `hsl(${i} 60% 50%)`;
          context.fillRect(0, 0, 96, 72);
          return made.convertToBlob({ type: "image/jpeg" }); // which waits for an idle moment, each up to a second
        });
        return (async () => {
          const found = (await Promise.all(encoded)).map((whole, i) => {
            const content = i % 50 === 25 ? whole.slice(0, whole.size / 2) : whole;
            return { path: `many/${i}.jpg`, file: new File([content], `${i}.jpg`, { lastModified: i }) };
          });
          found.push({ path: "many/notes.txt", file: new File(["notes"], "notes.txt") });
          for (let chosen = 0; chosen < 2; chosen++) await take(found, true); // the same folder again adds nothing
        })();
        """
    )
    finish(opened)
    text = text_of(opened)
    assert "Done. Images: 250, failed: 5. Files skipped because they are not images: 1." in text
    assert "1 to 100 of 250" in text
    assert len(opened.find_elements("css selector", "#rows tr")) == 100
    for _ in range(2):
        opened.find_element("id", "next").click()
    assert "201 to 250 of 250" in text_of(opened) and not opened.find_element("id", "next").is_enabled()
    assert text_of(opened).count("damaged") == 5  # what failed comes last


def test_what_was_dropped_and_cannot_be_read_is_a_row(opened: Chrome) -> None:
    rows = opened.execute_async_script("""
        const done = arguments[0], gone = (_, reject) => reject(new DOMException("gone", "NotReadableError"));
        const file = { isFile: true, name: "a.jpg", fullPath: "/moles/a.jpg", file: gone };
        const text = { isFile: true, name: "b.txt", fullPath: "/moles/b.txt",
          file: (resolve) => resolve(new File(["words"], "b.txt")) };
        const closed = { name: "closed", fullPath: "/moles/closed", createReader: () => ({ readEntries: gone }) };
        const left = [[file, text, closed], []], readEntries = (give) => give(left.shift());
        const moles = { name: "moles", fullPath: "/moles", createReader: () => ({ readEntries }) };
        droppedFiles([{ webkitGetAsEntry: () => moles }]).then((found) => take(found, true)).then(() =>
          done([[...state.rows.values()].map(({ path, error }) => [path, error.reason]), state.leftOut.size]));
    """)
    assert rows == [[["moles/a.jpg", "unreadable"], ["moles/closed", "unreadable"]], 1]


def replace_file(page: Path, name: str, content: bytes) -> None:
    """Have a page with another file, as if it had been made with that."""
    script, before = (page / SERVICE_WORKER).read_text(), sha256((page / name).read_bytes())
    script = script.replace(f'"{before}"', f'"{sha256(content)}"').replace('VERSION = "', 'VERSION = "x')
    (page / SERVICE_WORKER).write_text(script)
    (page / name).write_bytes(content)


def test_it_works_without_the_server_once_it_was_there(
    driver: Chrome, page: Path, runtime: str, tmp_path: Path
) -> None:
    """And from then on ONNX Runtime Web with two threads, as on a machine of four cores."""
    images, copy = draw_images(tmp_path / "images", 3), Path(shutil.copytree(page, tmp_path / "copy"))
    worker = (copy / WORKER).read_text()
    assert ("navigator.hardwareConcurrency" in worker) == (runtime == ONNX)
    replace_file(copy, WORKER, worker.replace("navigator.hardwareConcurrency", "4").encode())
    requests_of(driver)
    with serving(copy) as address:
        open_page(driver, address)
        driver.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
        until(driver, "navigator.serviceWorker.controller")
    open_page(driver, address)  # the server is gone
    choose(driver, images)
    assert "Done. Images: 3, failed: 0." in text_of(driver)
    # Kept files come with the headers that let a browser share memory between threads.
    told = driver.execute_script("return [crossOriginIsolated, document.documentElement.dataset.threads]")
    assert told == [True, {LITERT: "1", ONNX: "2"}[runtime]]
    asked = requests_of(driver)
    assert asked and all(each.startswith(address) for each in asked)
    start_anew(driver)


def test_a_new_page_is_kept_only_where_all_of_it_is_there(driver: Chrome, page: Path, tmp_path: Path) -> None:
    """While it is being copied, a visit may find its service worker beside the earlier model."""
    copy = Path(shutil.copytree(page, tmp_path / "copy"))
    one_cache = """
        const look = async () => (await caches.keys()).length === 1 ? arguments[0]() : setTimeout(look, 20);
        look();
    """  # until it fails, what the visit tries again has one of its own
    update = """
        const told = arguments[0];
        navigator.serviceWorker.getRegistration().then(async (registration) => {
          await registration.update();
          const worker = registration.installing ?? registration.waiting ?? registration.active;
          const isDone = () => ["activated", "redundant"].includes(worker.state);
          const look = () => (isDone() ? told(worker.state) : setTimeout(look, 20));
          look();
        });
    """
    with serving(copy) as address:
        open_page(driver, address)
        until(driver, "navigator.serviceWorker.controller")
        earlier = (copy / MODEL).read_bytes()
        label = driver.find_element("id", "model").text
        replace_file(copy, MODEL, earlier.replace(label.encode(), b"a new model"))
        now = (copy / MODEL).read_bytes()
        for model, state, shown in ((earlier, "redundant", label), (now, "activated", "a new model")):
            (copy / MODEL).write_bytes(model)
            assert driver.execute_async_script(update) == state
            open_page(driver, address)
            assert driver.find_element("id", "model").text == shown
            driver.execute_async_script(one_cache)


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_page_without_its_files_says_which(driver: Chrome, page: Path, damage: str, tmp_path: Path) -> None:
    """Of the three large ones, which are looked at only for whether they are there, it has empty ones."""
    for name in PAGE_FILES:
        shutil.copy(page / name, tmp_path)
    for name, constant in ((WORKER, "WorkerSource"), (RUNTIME_FILE, "Runtime"), (MODEL, "Bundle")):
        (tmp_path / name).write_text(f'const lesionflow{constant} = "";')
    for file in sorted(tmp_path.glob("*.js")):
        whole = file.read_bytes()
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(whole[: len(whole) // 2])
        driver.get((tmp_path / INDEX).as_uri())
        by_name = file.name not in ("page.js", "messages.js")  # which say so themselves
        until_said(driver, f"{file.name} did not load. Copy the whole folder" if by_name else "copy the whole folder")
        assert not driver.find_element("id", "status").is_displayed() or not driver.find_element("id", "status").text
        file.write_bytes(whole)


def test_a_page_whose_model_was_altered_says_so(driver: Chrome, page: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(page, tmp_path / "copy"))
    content = bytearray((copy / MODEL).read_bytes())
    content[-1000:-900] = b"A" * 100
    (copy / MODEL).write_bytes(content)
    driver.get((copy / INDEX).as_uri())
    until_said(driver, f"{MODEL} did not load. Copy the whole folder")


def test_a_browser_that_reads_no_files_says_so(driver: Chrome, page: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(page, tmp_path / "copy"))
    refusing = json.dumps("Blob.prototype.arrayBuffer = async () => { throw new TypeError('NotReadableError'); };")
    worker = (copy / WORKER).read_text().removesuffix(";\n")
    (copy / WORKER).write_text(f"{worker} + {refusing};\n")
    driver.get((copy / INDEX).as_uri())
    until_said(driver, "put the folder on a web server")


def test_two_tabs_at_once_keep_each_result_once(opened: Chrome) -> None:
    found = opened.execute_async_script(
        """
        const told = arguments[0], opened = () => new KeptRows("another model", told);
        const tabs = [opened(), opened()];
        const kept = async () => (await opened().open()).length;
        (async () => {
          await Promise.all(tabs.map((tab) => tab.open()));
          for (let i = 0; i < 6; i++) for (const tab of tabs) tab.add({ key: `${i}.jpg`, path: `${i}.jpg` });
          await Promise.all(tabs.map((tab) => tab.writing));
          const before = await kept();
          await tabs[0].clear();
          told([before, await kept(), tabs.some(({ failed }) => failed)]);
        })();
        """
    )
    assert found == [6, 0, False]


def test_starting_over_removes_what_the_page_kept_of_an_earlier_model(opened: Chrome) -> None:
    found = opened.execute_async_script(
        """
        const told = arguments[0], names = ["earlier", "now", "elsewhere"];
        (async () => {
          const [earlier, now, elsewhere] = names.map((name) => new KeptRows(`model ${name}`, told));
          elsewhere.place = "/another page/";
          for (const each of [earlier, now, elsewhere]) {
            await each.open();
            for (let i = 0; i < 3; i++) each.add({ key: `${i}.jpg`, path: `${i}.jpg` });
            await each.writing;
          }
          await now.clear();
          const left = await Promise.all([earlier, now, elsewhere].map(async (each) => (await each.open()).length));
          await elsewhere.clear();
          told(left);
        })();
        """
    )
    assert found == [0, 0, 3]


def test_results_of_other_scripts_are_not_taken_for_the_pages_own(opened: Chrome, page: Path) -> None:
    """A page that was made again reads some files otherwise; its address and its model are the same."""
    digest, model, scripts_of = opened.execute_script(
        "return [state.kept.digest, state.model.digest, lesionflowBundle.scripts]"
    )
    assert scripts_of == hashlib.sha256((page / WORKER).read_bytes()).hexdigest()[:16]
    assert digest == f"{model} {scripts_of}"


def test_everybody_can_use_it(opened: Chrome, tmp_path: Path) -> None:
    """axe-core finds nothing, in each language, with results, failures and an explained image; in the dark as well."""
    axe = archive_of(AXE)
    script = read_members(axe.read_bytes(), ("axe.min.js",))["axe.min.js"].decode()
    folder = draw_images(tmp_path / "images", 2)
    (folder / "broken.jpg").write_bytes(b"nothing")
    opened.execute_script(script + ";window.axe = axe;")
    assert violations(opened) == []
    choose(opened, folder)
    opened.find_element("css selector", "#rows button").click()
    until_shown(opened, "map")
    for language in ("de", "es", "en"):
        opened.find_element("css selector", f"#language option[value={language}]").click()
        assert opened.find_element("tag name", "html").get_attribute("lang") == language
        caption = {"de": "Was für ", "es": "Lo que apunta a ", "en": "What supports "}[language]
        assert opened.find_element("css selector", "#map figcaption").text.startswith(caption)
        assert violations(opened) == []
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert opened.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert violations(opened) == []
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def violations(driver: Chrome) -> list[Any]:
    found = driver.execute_async_script(
        "axe.run(document).then(({ violations }) => arguments[0](violations), (error) => arguments[0]([String(error)]))"
    )
    return [each if isinstance(each, str) else (each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def test_narrow_screens_need_no_sideways_scrolling(opened: Chrome, tmp_path: Path) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        folder = draw_images(tmp_path / "images", 2)
        (folder / "a photograph from a phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(500))
        (folder / f"{'m' * 240}.jpg").touch()
        choose(opened, folder)
        opened.find_element("css selector", "#rows button").click()
        until_shown(opened, "map")
        opened.execute_script("for (const { said } of state.rows.values()) if (said) said.refer = UNFAMILIAR_WORD;")
        for language in ("de", "es", "en"):
            opened.find_element("css selector", f"#language option[value={language}]").click()
            widths = opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert widths[0] <= widths[1] == 360
            tables = opened.execute_script(
                "return [...document.querySelectorAll('.wide')].map((each) => [each.scrollWidth, each.clientWidth])"
            )
            assert len(tables) == 2 and all(needed <= there for needed, there in tables), (language, tables)
        small = opened.execute_script(
            "const found = [...document.querySelectorAll('.buttons button')];"
            "return found.filter((each) => each.offsetHeight && each.offsetHeight < 44)"
        )
        assert small == []
        opened.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 900, "height": 740, "deviceScaleFactor": 1, "mobile": False}
        )
        for media in ("screen", "print"):
            opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
            assert opened.find_element("id", "drop").is_displayed() == (media == "screen")
            assert opened.execute_script("return document.documentElement.scrollWidth") == 900
            tables = opened.execute_script(
                "return [...document.querySelectorAll('.wide')].map((each) => [each.scrollWidth, each.clientWidth])"
            )
            assert len(tables) == 2 and all(needed <= there for needed, there in tables), (media, tables)
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dicom_without_a_preamble_is_called_dicom(blank: Chrome) -> None:
    program = scripts(*WORKER_FILES[:-1]) + (
        "const told = arguments[0], file = new File(['\\x08\\x00\\x05\\x00CS'], 'scan.DCM');"
        "decodeImage(file, 24, 24).then(told, ({ message }) => told(message));"
    )
    assert blank.execute_async_script(program) == "unsupported: DICOM in a browser; 'lesionflow score' reads it"


def test_names_are_listed_as_in_python(blank: Chrome) -> None:
    listed = blank.execute_script(scripts("signatures.js") + "return [[...LEFTOVERS], [...SUFFIXES], FORMATS];")
    assert [set(each) for each in listed] == [set(LEFTOVERS), set(SUFFIXES), set(FORMATS)]


def test_every_language_says_everything(blank: Chrome) -> None:
    told = blank.execute_script(scripts("messages.js") + "return [MESSAGES, DIAGNOSES, LANGUAGES];")
    messages, diagnoses, languages = told
    assert set(messages) == {"en", "de", "es"} == set(languages)
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


def test_preferred_languages(blank: Chrome) -> None:
    for wanted, language in ((["de-AT", "en"], "de"), (["fr", "es-MX", "en"], "es"), (["fr"], "en"), ([], "en")):
        program = scripts("messages.js") + "return preferredLanguage(arguments[0]);"
        assert blank.execute_script(program, wanted) == language
