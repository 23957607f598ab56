"""The review mode of the report's page, in a real browser: by keyboard, kept, saved, and then read by training."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lesionflow.datasets.combined import read_data_sets
from lesionflow.diagnoses import HAM10000
from tests.browser import BROWSER, DRIVER, REQUIRED, browser, text_of, wait_for_text
from tests.conftest import invoke
from tests.scoring.conftest import draw_images

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER) and not REQUIRED, reason="no browser on this machine: apt-get install chromium-driver"
)
NAMES = HAM10000.names


@pytest.fixture(scope="module")
def report(deciding_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of twelve images and its page, `report.html` beside it."""
    folder = tmp_path_factory.mktemp("review it's")  # an apostrophe, for the command that the page shows
    images = draw_images(folder / "moles", 12, (600, 450))
    result = invoke(
        "score", str(images), "--out", str(folder / "report.csv"), "--html", str(folder / "report.html"),
        "--model", str(deciding_bundle),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder / "report.csv"


@pytest.fixture
def driver(report: Path, tmp_path: Path) -> Iterator[Chrome]:
    """A browser that shows the page from the disk and saves into `tmp_path`."""
    with browser(tmp_path / "profile", 1280, 900) as driver:
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        driver.get(report.with_suffix(".html").as_uri())
        yield driver


def press(driver: Chrome, *keys: str) -> None:
    """Press keys, one after the other, wherever the focus is."""
    from selenium.webdriver import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def until(driver: Chrome, happens: object, message: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, 60).until(happens, message)  # type: ignore[arg-type]


def saved(driver: Chrome, folder: Path) -> list[dict[str, str]]:
    """Press s; the rows of the file that the browser then saves."""
    file = folder / "labels.csv"
    press(driver, "s")
    until(driver, lambda _: file.exists(), "nothing was saved")
    with open(file, newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_ten_images_are_reviewed_by_keyboard_saved_evaluated_and_read_by_training(
    driver: Chrome, report: Path, deciding_bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    with open(report, newline="", encoding="utf-8") as text:
        order = sorted(csv.DictReader(text), key=lambda row: -float(row["p_malignant"]))
    driver.find_element("id", "reviewer").send_keys("=R. Viewer, MD")
    driver.find_element("tag name", "h1").click()  # keys are the page's again
    press(driver, "r")
    where = driver.find_element("id", "where")
    assert where.text == "1 of 12, 0 reviewed"
    until(
        driver,
        lambda _: driver.execute_script("return document.querySelector('#picture img').naturalWidth") > 96,
        "the file itself is never shown",
    )
    press(driver, "z")
    assert "scale(2)" in str(driver.find_element("css selector", "#picture img").get_attribute("style"))

    answers = [NAMES[number % len(NAMES)] for number in range(10)]
    press(driver, "1", "2")
    assert where.text == "3 of 12, 2 reviewed"
    press(driver, " ")  # left out, and come back to
    assert where.text == "4 of 12, 2 reviewed"
    press(driver, Keys.ARROW_LEFT, "7", Keys.ARROW_LEFT, Keys.BACKSPACE)
    assert where.text == "3 of 12, 2 reviewed"
    press(driver, *(str(NAMES.index(name) + 1) for name in answers[2:]))
    assert where.text == "11 of 12, 10 reviewed"
    press(driver, Keys.ARROW_LEFT, "n", *'a "note", 1 2', Keys.ESCAPE)  # digits in a note are no diagnoses
    assert where.text.startswith("10 of 12")
    press(driver, Keys.ARROW_RIGHT, "n", "x", Keys.ESCAPE, Keys.ESCAPE)

    driver.refresh()  # the browser has kept it all
    wait_for_text(driver, "10 of 12 reviewed")
    told = driver.find_element("id", "reviewed").text
    assert "10 not saved to a file yet" in told and "1 notes without a diagnosis" in told
    rows = saved(driver, tmp_path)
    assert list(rows[0]) == ["path", "diagnosis", "reviewer", "time", "note"]
    assert [row["path"] for row in rows] == [row["path"] for row in order[:10]]
    assert [row["diagnosis"] for row in rows] == answers
    assert {row["reviewer"] for row in rows} == {"'=R. Viewer, MD"}  # text to a spreadsheet, as in the report
    assert [row["note"] for row in rows] == [""] * 9 + ['a "note", 1 2']
    assert all(row["time"].endswith("Z") for row in rows)
    assert "all saved to a file" in text_of(driver)

    labels = str(tmp_path / "labels.csv")
    measured = invoke("evaluate", str(deciding_bundle), labels, "--cache", str(cache), "--resamples", "100")
    assert measured.exit_code == 0, measured.output
    joined = invoke("evaluate", "--report", str(report), "--truth", labels, "--resamples", "100")
    assert joined.exit_code == 0, joined.output
    assert "10" in joined.output and "12" in joined.output
    read = read_data_sets([str(demo_folder)], [labels], cache)  # as `train --data ... --extra ...` does
    extra = read.table[read.table["extra"]]
    said = {Path(row["path"]).name: row["diagnosis"] for row in rows}
    assert {Path(path).name: name for path, name in zip(extra["path"], extra["dx"], strict=True)} == said


def test_what_is_saved_has_the_answers_of_every_window(driver: Chrome, report: Path, tmp_path: Path) -> None:
    """The same page twice: each window has an answer, one takes an answer of the other back, and one of them saves."""
    from selenium.webdriver.common.keys import Keys

    windows = [driver.current_window_handle]
    driver.switch_to.new_window("tab")
    driver.get(report.with_suffix(".html").as_uri())
    windows.append(driver.current_window_handle)
    driver.switch_to.window(windows[0])
    press(driver, "r", "1", "1", Keys.ESCAPE)
    driver.switch_to.window(windows[1])
    wait_for_text(driver, "2 of 12 reviewed")
    press(driver, "r")
    assert driver.find_element("id", "where").text.startswith("3 of 12")  # the first that is left
    press(driver, "2", Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.BACKSPACE, Keys.ESCAPE)
    driver.switch_to.window(windows[0])
    assert [row["diagnosis"] for row in saved(driver, tmp_path)] == [NAMES[0], NAMES[1]]
    wait_for_text(driver, "2 of 12 reviewed")


def test_a_file_of_a_review_goes_on_and_one_of_another_report_is_refused(driver: Chrome, report: Path) -> None:
    with open(report, newline="", encoding="utf-8") as text:
        paths = [row["path"] for row in csv.DictReader(text)]
    folder = report.parent
    (folder / "other.csv").write_text(f"path,diagnosis,reviewer,time,note\n{paths[0]},mel,,,\nelsewhere.jpg,nv,,,\n")
    (folder / "unknown.csv").write_text(f"path,diagnosis\n{paths[0]},melanom\n")
    (folder / "none.csv").write_text("image,dx\na,nv\n")
    (folder / "good.csv").write_text(f'path,diagnosis,reviewer,time,note\n{paths[0]},mel,A,,"b, ""c"""\n')
    told = driver.find_element("id", "reviewed")
    for name, message in (
        ("other", "is of another report: 1 of its 2 images are not on this page, the first elsewhere.jpg"),
        ("unknown", "melanom is none of akiec, bcc"),
        ("none", "needs the columns path and diagnosis"),
        ("good", "1 taken from good.csv"),
        ("good", "0 taken from good.csv, 1 were reviewed here already"),
    ):
        driver.find_element("id", "load").send_keys(str(folder / f"{name}.csv"))
        until(driver, lambda _, message=message: message in told.text, f"the page never said {message!r}")
        assert told.text.startswith(f"{int(name == 'good')} of 12 reviewed")


def test_the_answer_hides_until_asked_for_and_shows_call_and_most_probable(driver: Chrome, report: Path) -> None:
    with open(report, newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    differ = [row for row in rows if float(row["probability"]) < max(float(row[f"p_{name}"]) for name in NAMES)]
    assert differ  # or this test shows nothing
    search = driver.find_element("id", "search")
    search.send_keys(Path(differ[0]["path"]).name)
    assert "most probable: " in driver.find_element("css selector", "td.called").text
    driver.find_element("id", "blind").click()
    driver.find_element("css selector", "tr.row").click()
    said = driver.find_element("id", "said")
    assert said.text == "The model's answer shows when yours is given."
    press(driver, "5")
    assert said.text.startswith("Called: ") and "\nMost probable: " in said.text
    assert (
        "times its share of the training images" in said.text
        and "would be most probable if all were equally frequent" in said.text
    )


def test_pictures_drawn_at_once_are_found_and_shown_after_the_own_answer(
    report: Path, deciding_bundle: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    for number, folder in enumerate(("left", "right")):  # of one name, so that pictures are called after the folders
        (tmp_path / "moles" / folder).mkdir(parents=True)
        shutil.copy(
            report.parent / "moles" / os.listdir(report.parent / "moles")[number], tmp_path / "moles" / folder / "1.jpg"
        )
    model = ("--model", str(deciding_bundle))
    page = tmp_path / "night.html"
    for command in (
        ("score", str(tmp_path / "moles"), "--out", str(tmp_path / "night.csv"), "--html", str(page)),
        ("explain", str(tmp_path / "moles"), "--out", str(tmp_path / "night_explanations")),
    ):
        result = invoke(*command, *model)
        assert result.exit_code == 0, result.output
    with browser(tmp_path / "profile", 420, 860) as driver:
        driver.get(page.as_uri())
        driver.find_element("id", "blind").click()
        press(driver, "r")
        driver.find_element("css selector", "#explained button").click()
        assert "when your diagnosis is given" in driver.find_element("id", "explained").text
        press(driver, "1", Keys.ARROW_LEFT)
        folder = "left" if "left" in driver.find_element("id", "name").text else "right"
        press(driver, "e")
        image = "document.querySelector('#explained img')"
        until(driver, lambda _: driver.execute_script(f"return {image}?.naturalWidth > 300"), "no picture is shown")
        source = str(driver.execute_script(f"return {image}.src"))
        assert source.endswith(f"night_explanations/{folder}_1.jpg.png")
        seen = f"return {image}.getBoundingClientRect().top < innerHeight"
        assert driver.execute_script(seen), "the picture is out of view"


def test_an_explanation_is_the_command_that_draws_it_and_then_its_picture(
    driver: Chrome, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    press(driver, "r", "e")
    explained = driver.find_element("id", "explained")
    until(driver, lambda _: "lesionflow explain" in explained.text, "no command is shown")
    program, *arguments = shlex.split(explained.find_element("tag name", "code").text)
    assert program == "lesionflow"
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    press(driver, "e")
    until(
        driver,
        lambda _: driver.execute_script("return document.querySelector('#explained img')?.naturalWidth") or 0 > 300,
        "the picture is never shown",
    )
