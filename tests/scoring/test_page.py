import base64
import hashlib
import html
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.diagnoses import BINARY, HAM10000
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring import page
from lesionflow.scoring.page import PageContext, write_page
from lesionflow.scoring.report import ReportLayout
from tests.browser import BROWSER, REQUIRED

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'.jpg"


class Elements(HTMLParser):
    """The page as a browser reads it: its elements, and the text inside scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.content: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.content.append((self.cdata_elem, data))


def chance(malignant: float, refer: str = "no") -> IndexedPrediction:
    probabilities = (malignant / 2, 0.0, 0.0, 0.0, malignant / 2, 1 - malignant, 0.0)
    return IndexedPrediction(probabilities, 4 if malignant >= 0.2 else 5, malignant >= 0.25, refer)


def picture(file: Path, colour: tuple[int, int, int] = (200, 30, 40)) -> str:
    Image.new("RGB", (60, 40), colour).save(file)
    return str(file)


def write(tmp_path: Path, rows: list[Row], **options: Any) -> str:
    out = tmp_path / "page.html"
    with out.open("wb") as file:
        layout = ReportLayout("m v1 <b>", provenance={"time": "2026-11-30T21:05:00+00:00"})
        write_page(rows, file, out, layout, PageContext(**options))
    return out.read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, Any]:
    return json.loads(next(content for tag, content in Elements(text).content if content.lstrip().startswith("{")))


def test_columns_of_the_diagnoses_leave_room_for_the_names_of_files(tmp_path: Path) -> None:
    for labels, width in (HAM10000, 730 + 7 * 72), (BINARY, 730 + 2 * 72):
        with (tmp_path / "page.html").open("wb") as file:
            layout, context = ReportLayout("m", labels=labels), PageContext(store="sqlite:///a b.db")
            write_page([], file, tmp_path / "page.html", layout, context)
        text = (tmp_path / "page.html").read_text()
        assert f"(max-width: {width}px) {{ .each {{ display: none; }} }}" in text
        assert data_of(text)["store"] == "sqlite:///a b.db"


def test_the_most_suspicious_come_first_with_their_pictures(tmp_path: Path) -> None:
    rows = [
        Row(picture(tmp_path / f"{number}.png", (number * 50, 0, 0)), chance(number / 10)) for number in (1, 4, 2, 0)
    ]
    rows.insert(2, Row("gone.jpg", chance(0.3, "unfamiliar")))
    found = data_of(write(tmp_path, rows))
    assert [Path(name).stem for name, *_ in found["rows"]] == ["4", "gone", "2", "1", "0"]
    assert found["malignant_shares"] == [400_000, 300_000, 200_000, 100_000, 0]
    assert found["rows"][0][1] == [200_000, 0, 0, 0, 200_000, 600_000, 0]
    assert [decided for _, _, *decided, _ in found["rows"]] == [[4, 1, 0], [4, 1, 2], [4, 0, 0], [5, 0, 0], [5, 0, 0]]
    assert (found["malignant_count"], found["referred"]) == (2, {"uncertain": 0, "unfamiliar": 1})
    for (name, *_, thumbnail), red in zip(found["rows"], (200, None, 100, 50, 0), strict=True):
        if red is None:
            assert thumbnail == "", name
        else:
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(thumbnail))).convert("RGB"))
            assert pixels.shape == (96, 96, 3) and abs(int(pixels[48, 48, 0]) - red) <= 4


def test_equals_stay_in_order(tmp_path: Path) -> None:
    found = data_of(write(tmp_path, [Row(f"{number}.jpg", chance(0.5)) for number in range(9)]))
    assert [name for name, *_ in found["rows"]] == [f"{number}.jpg" for number in range(9)]


def test_failures_have_their_own_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAXIMUM_FAILURES", 2)
    rows = [Row(f"{number}.jpg", None, "damaged", "broken") for number in range(3)]
    found = data_of(write(tmp_path, rows))
    assert found["failures"] == [["0.jpg", "damaged: broken"], ["1.jpg", "damaged: broken"]]
    assert (found["failed"], found["scored"], found["rows"]) == (3, 0, [])


def test_hostile_names_are_text(tmp_path: Path) -> None:
    rows = [Row(HOSTILE, chance(0.5)), Row("\udcff\u2028", chance(0.4)), Row(HOSTILE, None, "damaged", HOSTILE)]
    text = write(tmp_path, rows)
    plain = Elements(write(tmp_path, []))
    assert [tag for tag, _ in Elements(text).tags] == [tag for tag, _ in plain.tags]  # not one element more
    assert "alert(1)</script>" not in text and "<img" not in text
    found = data_of(text)
    assert found["rows"][0][0] == HOSTILE and found["failures"] == [[HOSTILE, f"damaged: {HOSTILE}"]]
    assert found["rows"][1][0] == "\\udcff\u2028" and found["model"] == "m v1 <b>"
    script = Elements(text).content[-1][1]
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert dangerous not in script


def test_nothing_but_the_pages_own_parts_may_run_or_be_fetched(tmp_path: Path) -> None:
    text = write(tmp_path, [Row("a.jpg", chance(0.1))])
    elements = Elements(text)
    policy = next(
        attrs["content"] for tag, attrs in elements.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None and policy.startswith("default-src 'none'; img-src data: file: 'self';")
    parts = {tag: content for tag, content in elements.content if not content.lstrip().startswith("{")}
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        digest = base64.b64encode(hashlib.sha256(parts[tag].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not any({"src", "href"} & set(attrs) for _, attrs in elements.tags)
    assert not any(name.startswith("on") or name == "style" for _, attrs in elements.tags for name in attrs)


def test_it_says_what_it_is_and_marks_demo_models(tmp_path: Path) -> None:
    assert "For research. Not a medical device, not a diagnosis." in write(tmp_path, [])
    assert data_of(write(tmp_path, []))["demo"] is False
    assert data_of(write(tmp_path, [], demo=True))["demo"] is True


def test_only_the_most_suspicious_of_very_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAXIMUM_IMAGES", 3)
    found = data_of(write(tmp_path, [Row(f"{number}.jpg", chance(number % 10 / 10)) for number in range(30)]))
    assert [name for name, *_ in found["rows"]] == ["9.jpg", "19.jpg", "29.jpg"] and found["scored"] == 30


def test_five_thousand_images_make_less_than_twenty_megabytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8)  # nothing compresses worse
    file = tmp_path / ("n" * 200 + ".png")
    Image.fromarray(noise).save(file)
    text = write(tmp_path, [Row(str(file), chance(0.5))] * 40)
    each = (len(text) - len(write(tmp_path, []))) / 40
    assert each > 500 and 5_000 * each < 20e6


@pytest.mark.skipif(BROWSER is None and not REQUIRED, reason="needs Chromium")
def test_a_browser_shows_the_rows_in_view_and_runs_nothing_else(tmp_path: Path) -> None:
    assert BROWSER is not None
    colours = [picture(tmp_path / f"{number}.png", (number * 20, 0, 0)) for number in range(10)]
    attack = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
    rows = [Row(attack, chance(0.90051, "uncertain")), Row("b.jpg", None, "damaged", attack)]
    rows += [Row(colours[number % 10], chance(number / 1000)) for number in range(500)]
    write(tmp_path, rows)
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1280,900", "--virtual-time-budget=3000", "--dump-dom", (tmp_path / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    shown = Elements(done.stdout)
    assert "<title>lesionflow report</title>" in done.stdout
    lines = [attrs for tag, attrs in shown.tags if tag == "tr" and attrs.get("class") == "row"]
    assert 5 < len(lines) < 60
    assert [tag for tag, _ in shown.tags].count("script") == 2
    images = [attrs["src"] for tag, attrs in shown.tags if tag == "img"]
    assert len(images) == len(lines) - 1  # the file of the first row is not there
    assert all(source is not None and source.startswith("data:image/jpeg;base64,") for source in images)
    assert "501 images scored, 1 failed." in done.stdout
    assert "Model: m v1 &lt;b&gt;; scored 2026-11-30 21:05 UTC</p>" in done.stdout
    assert "90.1 %" in done.stdout and "90.0 %" not in done.stdout  # as of the report's 0.900510
    assert "Malignant at the operating point: 251. Refer: 1 uncertain, 0 unfamiliar." in done.stdout
    assert (
        '<span class="mark full">yes</span>' in done.stdout
        and '<span class="mark uncertain">uncertain</span>' in done.stdout
    )
    buttons = re.findall(r'<td class="file"><button type="button" title="([^"]*)"', done.stdout)
    assert html.unescape(buttons[0]) == attack and html.unescape(buttons[1]) == colours[9]
