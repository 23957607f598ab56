"""The site of the documentation is whole: it builds, and says all that the code has to say."""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

import lesionflow
from lesionflow.cli import main
from lesionflow.evaluation.metrics import OF_DIAGNOSIS, overall_metrics
from lesionflow.images.signatures import FORMATS, SUFFIXES
from lesionflow.model.card import Calibration, Card, read_card
from lesionflow.model.columns import report_columns
from lesionflow.model.files import is_shipped, pretrained_folder

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "site"))

import architecture  # type: ignore[import-not-found]  # noqa: E402
import formats  # type: ignore[import-not-found]  # noqa: E402
import reference  # type: ignore[import-not-found]  # noqa: E402


class Page(HTMLParser):
    """What a built page holds."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.texts: list[str] = []
        self.feed(file.read_text())
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.anchors |= {of["id"] or ""} if "id" in of else set()
        if tag in ("script", "img", "iframe", "video", "source") and of.get("src"):
            self.loads.append(of["src"] or "")
        if tag == "link" and of.get("rel") in ("stylesheet", "preconnect", "preload", "icon", "manifest"):
            self.loads.append(of["href"] or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as strictly as MkDocs can: a link that leads nowhere fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    page = Page(site / "reference" / "commands.html")
    for name, command in main.commands.items():
        assert name in page.anchors
        context = click.Context(command, info_name=name)
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for option in (*parameter.opts, *parameter.secondary_opts):
                    if option.startswith("--") and not parameter.hidden:
                        assert reference.option_anchor(name, option) in page.anchors
            else:
                assert parameter.make_metavar(context) in page.text


def test_an_option_that_is_not_explained_is_noticed() -> None:
    @click.command()
    @click.option("--told", help="What it is.")
    @click.option("--untold")
    def command() -> None:
        """A command."""

    ((_, rows),) = reference.option_sections(command, click.Context(command))
    assert dict(rows) == {"--told TEXT": "What it is.", "--untold TEXT": "", "--help": "Show this message and exit."}
    for each in main.commands.values():
        for _, told in reference.option_sections(each, click.Context(each)):
            assert all(meaning for _, meaning in told)


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = Page(site / "reference" / "python.html")
    names = reference.python_names()
    assert {f"lesionflow.{name}" for name in getattr(lesionflow, "__all__", ())} - {"lesionflow.__version__"} <= {
        *names.values()
    }
    for path, name in names.items():
        module, _, own = path.rpartition(".")
        assert path in page.anchors and name in page.text
        assert getattr(importlib.import_module(module), own).__doc__, f"{path} has no docstring"


def test_every_room_is_on_the_page_of_the_architecture(site: Path) -> None:
    rooms = architecture.room_graph(architecture.module_graph())
    assert rooms.keys() == {room for line in architecture.rooms_on_page() for room in line}
    picture = (site / "rooms.svg").read_text()
    assert all(f">{room}<" in picture or f">{room} (" in picture for room in rooms)


@pytest.mark.parametrize(("number", "most"), [(1, 14), (2, 25), (3, 6)])
def test_the_ways_through_the_house_are_short_and_lead_there(number: int, most: int) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (way,) = re.findall(rf"^{number}\. .*?:\n(.*?)(?=^\d\. |^$)", page, re.M | re.S)
    modules = [f"lesionflow.{name}" for name in re.findall(r"`([\w.]+)`", way)]
    graph = architecture.module_graph()
    assert 3 < len(modules) <= most
    for index, module in enumerate(modules[1:], start=1):
        before = modules[:index]
        assert any(module in graph[each] or each in graph[module] for each in before), module


@pytest.mark.parametrize("kind", [Card, Calibration])
def test_every_field_of_the_card_is_explained(site: Path, kind: type) -> None:
    page = Page(site / "reference" / "card.html")
    told = {name: meaning for name, _, meaning in reference.fields_of(kind)}
    assert list(told) == [field.name for field in dataclasses.fields(kind)]
    for name, meaning in told.items():
        assert meaning, f"no comment says what {kind.__name__}.{name} is"
        assert f"{kind.__name__.lower()}-{name}" in page.anchors


def test_every_metric_and_column_is_explained(site: Path) -> None:
    metrics, report = (Page(site / "reference" / f"{name}.html") for name in ("metrics", "report"))
    assert {metric.name for metric in overall_metrics()} | {metric.name for metric in OF_DIAGNOSIS} <= metrics.anchors
    for column in report_columns():
        assert column in report.text or column.startswith("p_")


@pytest.mark.skipif(not is_shipped(), reason="no bundle ships with this checkout")
def test_the_explanations_have_the_metrics_of_the_shipped_bundle() -> None:
    card = read_card(pretrained_folder())
    calibration, test = card.calibrations["single"], card.metrics["test"]
    page = " ".join((ROOT / "docs" / "explanation" / "calibration.md").read_text().split())
    for name in ("before", "of_temperature_alone", "of_prior_correction_alone", "after"):
        assert f"| {calibration.figures[f'ece_{name}']:.3f} |" in page
    assert f"temperature is {calibration.temperature:.2f}" in page and f"is {test['ece'].value:.3f}." in page
    assert f"malignant: on validation, {1 - calibration.figures['specificity_at_the_threshold']:.0%}" in page.replace(
        " %", "%"
    )
    assert f"is {calibration.malignant_threshold:.3f}." in page

    page = " ".join((ROOT / "docs" / "explanation" / "what_the_numbers_cannot_tell.md").read_text().split())
    sensitivity, specificity = (test[f"malignant_{name}"].value for name in ("sensitivity", "specificity"))
    assert f"sensitivity of {sensitivity:.3f} and a specificity of {specificity:.3f}" in page
    for share, told in re.findall(r"\| (\d+) %[^|]*\| (\d+) % \|", page):
        found = int(share) * sensitivity
        assert round(100 * found / (found + (100 - int(share)) * (1 - specificity))) == int(told)


def test_no_page_asks_anybody_else_for_anything(site: Path) -> None:
    pages = [Page(file) for file in site.rglob("*.html")]
    assert len(pages) > 20
    foreign = {place for page in pages for place in page.loads if re.match(r"(\w+:)?//", place)}
    assert not foreign


@pytest.mark.parametrize(
    "page",
    [
        str(page.relative_to(ROOT))
        for page in (
            *ROOT.glob("*.md"),
            *(each for room in ("docs", "batch", "findings", "examples") for each in (ROOT / room).rglob("*.md")),
        )
    ],
)
def test_links_lead_somewhere_where_there_is_no_site(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)", text):
        meant = (ROOT / page).parent / target if target else ROOT / page
        assert meant.exists(), f"{page}: {target}"
        if anchor and meant.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", meant.read_text(), re.M)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in anchors, f"{page}: {target}{anchor}"


def test_the_overview_of_the_reference_has_every_page() -> None:
    told = re.findall(r"^## (.*)$", (ROOT / "docs" / "reference" / "README.md").read_text(), re.M)
    assert told == [place.removeprefix("reference/").removesuffix(".md") for place in reference.pages(ROOT)]


def test_the_site_leads_to_every_page_of_the_reference_and_to_the_notebooks(site: Path) -> None:
    overview = (site / "reference" / "index.html").read_text()
    for place in reference.pages(ROOT):
        assert f'href="{Path(place).stem}.html"' in overview
    for notebook in re.findall(r'href="([^"]*\.ipynb)"', (site / "tutorial.html").read_text()):
        assert (site / notebook).is_file()


def test_without_a_site_a_page_of_the_reference_is_printed() -> None:
    script = ROOT / "scripts" / "site" / "reference.py"
    printed = subprocess.run([sys.executable, script, "presets"], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == reference.pages(ROOT)["reference/presets.md"].strip()
    leads = re.findall(r"\]\((.*?)\)", (ROOT / "docs" / "reference" / "README.md").read_text())
    assert leads and not [lead for lead in leads if lead.endswith(".py")]


def test_the_table_of_formats_names_what_there_is() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert tuple(each.name for each in formats.IMAGE_FORMATS) == FORMATS
    for each in formats.IMAGE_FORMATS:
        assert not each.extra or each.extra in extras
        assert set(each.endings) <= set(SUFFIXES)
