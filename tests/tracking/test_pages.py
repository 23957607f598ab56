"""MLflow's own pages, in a real browser: what they show of two trained networks is what one has to see to decide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest

from lesionflow.evaluation.metrics import Place, shown_at
from tests.browser import (
    BROWSER,
    DRIVER,
    REQUIRED,
    browser,
    open_comparison,
    scroll_to,
    text_of,
    wait_for,
    wait_for_text,
)
from tests.conftest import working_in
from tests.registry.serving import mlflow_server

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER) and not REQUIRED, reason="no browser on this machine: apt-get install chromium-driver"
)


@pytest.fixture(scope="module")
def address(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over a copy of the store with both networks."""
    folder = tmp_path_factory.mktemp("pages")
    with working_in(folder, like=trained_store), mlflow_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def test_comparing_both_runs_shows_what_decides_first_and_pictures(address: str, driver: Chrome) -> None:
    found = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")
    runs = {run.info.run_name: run for run in found}
    cnn, vgg = runs["cnn"], runs["vgg"]
    names = open_comparison(driver, address, [cnn.info.run_id, vgg.info.run_id], cnn.info.experiment_id)
    first = sorted(f"deciding/{metric.name}" for metric in shown_at(Place.DECIDING))
    assert names[: len(first)] == first

    # One sees them without scrolling in the table, with the figures of both.
    links = wait_for(driver, "a[href*='/metric']", len(first))
    scroll_to(driver, links[0])
    shown = text_of(driver)
    for name, link in zip(first, links, strict=False):
        assert link.is_displayed() and link.text == name
        for run in (cnn, vgg):
            assert f"{run.data.metrics[name]:.3f}".rstrip("0").rstrip(".") in shown

    node = wait_for(driver, "[data-testid='artifact-tree-node'][artifact-name='confusion_matrix_test.png']")[0]
    scroll_to(driver, node)
    node.click()
    wait_for(driver, "img[src^='blob:']", 2)
    widths = "return [...document.querySelectorAll(\"img[src^='blob:']\")].map(i => [i.src, i.naturalWidth])"
    pictures = dict(driver.execute_script(widths))
    assert len(pictures) == 2 and all(width > 500 for width in pictures.values())


def test_the_page_of_a_version_shows_its_card_alias_and_tags(address: str, driver: Chrome) -> None:
    version = mlflow.MlflowClient().get_model_version_by_alias("lesionflow", "champion")
    driver.get(f"{address}/#/models/lesionflow/versions/{version.version}")
    wait_for_text(driver, "Calibration and operating point")
    shown = text_of(driver)
    assert "champion" in shown
    for told in (
        f"{version.tags['network']}: a classifier of dermatoscopic images", "For research. Not a medical device",
        "Trained on synthetic demo data", "macro AUC, each diagnosis against the rest", "With 95% intervals",
    ):  # fmt: skip
        assert told in shown
    for name in ("decision", "gate_calibration", "validation_balanced_accuracy", "card_digest"):
        assert name in shown and version.tags[name] in shown

    driver.get(f"{address}/#/models/lesionflow")
    wait_for_text(driver, "Version 1")
    assert "champion" in text_of(driver) and version.tags["card_digest"] in text_of(driver)
