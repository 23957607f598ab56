"""What goes to a hub of models is what the hub's own library reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard, ModelCardData

from lesionflow.evaluation.model_card import model_card
from lesionflow.model.card import CARD_FILE, HASHES_FILE, ONNX_FILE, TRAINED_ON_FILE, VALIDATION_FILE, read_card
from lesionflow.model.files import check_whole, is_shipped, pretrained_folder, write_arrays
from lesionflow.model.predictor import load_predictor
from lesionflow.pages import markdown_page
from lesionflow.runtimes.description import hub_card
from tests.conftest import invoke
from tests.scoring.conftest import write_small_bundle


@pytest.mark.skipif(not is_shipped(), reason="no bundle ships with this checkout")
def test_the_shipped_bundle_as_a_folder_for_the_hub(tmp_path: Path) -> None:
    done = invoke("export", "pretrained", str(tmp_path / "hub"), "--format", "hub")
    assert done.exit_code == 0, done.output
    card, told = read_card(pretrained_folder()), ModelCard.load(tmp_path / "hub" / "README.md")
    assert isinstance(told.data, ModelCardData)
    assert told.data.license == "cc-by-nc-4.0" and told.data.pipeline_tag == "image-classification"
    results = {result.metric_type: result.metric_value for result in told.data.eval_results or []}
    assert results["balanced_accuracy"] == round(card.metrics["test"]["balanced_accuracy"].value, 4)
    assert len(results) == 5 and told.data.model_name == card.label
    assert {(result.dataset_name, result.dataset_type) for result in told.data.eval_results or []} == {
        ("HAM10000", "ham10000")  # which has the test part; the others only train
    }
    assert told.text.strip() == (pretrained_folder() / "README.md").read_text().strip()
    # Written again by the library, nothing is lost.
    again = ModelCard(str(told)).data.to_dict()
    assert again == told.data.to_dict() and again["model-index"]
    load_predictor(tmp_path / "hub")  # it is a bundle still, and gives the same folder again
    assert invoke("export", str(tmp_path / "hub"), str(tmp_path / "again"), "--format", "hub").exit_code == 0
    for name in ("README.md", "model_card.html"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "hub" / name).read_bytes()
    page = (tmp_path / "hub" / "model_card.html").read_text()
    accuracy = card.metrics["test"]["balanced_accuracy"]
    assert "<h1>efficientnet: a classifier of dermatoscopic images</h1>" in page
    assert f"<td>{accuracy.value:.3f} ({accuracy.low:.3f} to " in page


def test_a_folder_for_the_hub_tells_nothing_of_single_images(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "bundle")
    for name in (VALIDATION_FILE, TRAINED_ON_FILE, HASHES_FILE):
        write_arrays(bundle, read_card(bundle), name, {"lesion_ids": np.array(["patient 7"])})
    assert invoke("export", str(bundle), str(tmp_path / "hub"), "--format", "hub").exit_code == 0
    files = {file.name for file in (tmp_path / "hub").iterdir()}
    assert files == {CARD_FILE, ONNX_FILE, TRAINED_ON_FILE, "README.md", "model_card.html"}
    check_whole(tmp_path / "hub")
    assert invoke("export", str(bundle), str(tmp_path / "copy")).exit_code == 0
    assert (tmp_path / "copy" / VALIDATION_FILE).exists() and (tmp_path / "copy" / HASHES_FILE).exists()


@pytest.mark.parametrize(
    ("told", "terms", "sentence"),
    [
        ({"licence": "CC-0"}, ("cc0-1.0", None), "under CC-0,"),
        ({"licence": "Acme: ask first"}, ("other", "acme-ask-first"), "under Acme: ask first,"),
        ({}, ("other", "unknown"), "Ask the owner of photographs"),
        ({"data_name": "HAM10000"}, ("cc-by-nc-4.0", None), "under CC BY-NC 4.0."),  # as cards of format 2 are
        ({"demo": True}, ("other", "free-to-use"), "free to use"),
    ],
)
def test_a_licence_is_told_as_the_hub_names_it_and_as_the_text_does(
    told: dict[str, Any], terms: tuple[str, str | None], sentence: str, trained_store: Path
) -> None:
    trained = read_card(trained_store / "bundle")
    training = {name: value for name, value in trained.training.items() if name != "ham10000"}  # new in format 4
    plain = dataclasses.replace(trained, demo=False, data_name="photographs", licence="", metrics={}, training=training)
    card = dataclasses.replace(plain, **told)
    page = ModelCard(hub_card(card, model_card(card)))
    data = page.data.to_dict()
    assert (data["license"], data.get("license_name")) == terms and "model-index" not in data
    assert sentence in page.text and ("synthetic-data" in data["tags"]) == card.demo


def test_nothing_in_a_card_becomes_html() -> None:
    page = markdown_page(
        "# a \\<b\\>: a classifier\n\n<script>alert(1)</script> [x](javascript:alert(1))\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert "<h1>a &lt;b&gt;: a classifier</h1>" in page and "<script>" not in page and "href" not in page
    assert "<td>1</td>" in page
