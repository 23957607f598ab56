"""What the page makes of a network's outputs is what Python makes of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from lesionflow.model.card import Calibration, read_card
from lesionflow.model.decision import decide
from lesionflow.webapp.build import model_facts
from tests.webapp.conftest import needs_browser, scripts

pytestmark = needs_browser


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_calls_and_marks_are_those_of_python(blank: Chrome, web_bundle: Path, strength: float) -> None:
    random, card = np.random.default_rng(0), read_card(web_bundle)
    prior = tuple(np.linspace(1, 20, len(card.labels)) / np.linspace(1, 20, len(card.labels)).sum())
    calibration = Calibration(0.7, tuple(random.normal(size=len(prior))), 0.3, 0.2, 1.5, {}, strength)
    card = dataclasses.replace(card, prior=prior, calibrations={"single": calibration})
    logits, distances = random.normal(size=(60, len(prior))), random.uniform(0, 3, 60)
    program = (
        scripts("decide.js") + "const [all, distances, model] = arguments;"
        "return all.map((each, i) => decide(calibrated(each, model.calibration), distances[i], model));"
    )
    found = blank.execute_script(program, logits.tolist(), distances.tolist(), model_facts("m", card))
    said = decide(logits, distances, calibration, prior, card.labels)
    assert [each["called"] for each in found] == said.called.tolist()
    assert [each["refer"] for each in found] == said.refer.tolist()
    assert [each["malignant"] for each in found] == said.malignant.tolist()
    np.testing.assert_allclose([each["probabilities"] for each in found], said.probabilities)
