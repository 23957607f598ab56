import dataclasses

import numpy as np
import pytest

from lesionflow.errors import UsageError
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.registry.compared_model import ComparedModel
from lesionflow.registry.config import PromotionConfig
from lesionflow.registry.gates import LabelledNight, Verdict, reach_verdict
from tests.contenders import answers, card_of


def contender(said: LabelledPredictions, label: str = "lesions/2", **changes: object) -> ComparedModel:
    return ComparedModel(label, card_of(said, **changes), said)


CHAMPION = contender(answers(0.6), "lesions/1")


def failed(decision: Verdict) -> list[str]:
    return [gate.name for gate in decision.gates if not gate.passed]


def test_a_better_calibrated_model_passes_every_gate_and_the_reason_has_the_figures() -> None:
    decision = reach_verdict(contender(answers(0.75)), CHAMPION)
    assert decision.promote and [gate.name for gate in decision.gates] == [
        "data", "balanced accuracy", "melanoma sensitivity", "calibration",
    ]  # fmt: skip
    assert "0.7500 against 0.6000" in decision.reason and "same data and split as lesions/1" in decision.reason
    assert "validation ECE 0.0000, at most 0.0500 is allowed" in decision.reason


def test_a_first_champion_that_is_hardly_better_than_drawing_lots_is_told() -> None:
    poor, good = (reach_verdict(contender(answers(right)), None) for right in (0.15, 0.75))
    assert poor.promote and "is hardly above 0.143, that of guessing" in poor.warning
    assert poor.reason.endswith(poor.warning.rstrip("."))  # what follows it begins with a semicolon
    assert good.promote and not good.warning


def test_each_gate_fails_alone() -> None:
    assert failed(reach_verdict(contender(answers(0.6, confidence=0.6)), CHAMPION)) == ["balanced accuracy"]
    worse_at_melanomas = reach_verdict(contender(answers(0.8, melanomas=0.5)), CHAMPION)
    assert failed(worse_at_melanomas) == ["melanoma sensitivity"]
    assert "melanoma sensitivity differs from that of lesions/1 by -0.1000" in worse_at_melanomas.reason
    too_sure = reach_verdict(contender(answers(0.75, confidence=0.95)), CHAMPION)
    assert failed(too_sure) == ["calibration"] and "validation ECE 0.2000, at most 0.0500 is allowed" in too_sure.reason
    for changes in ({"split_digest": "another"}, {"data_digest": "another"}):
        assert failed(reach_verdict(contender(answers(0.9), **changes), CHAMPION)) == ["data"]


def test_a_model_that_is_not_better_or_the_same_is_no_champion() -> None:
    for right in (0.6, 0.5):
        decision = reach_verdict(contender(answers(right)), CHAMPION)
        assert "balanced accuracy" in failed(decision) and not decision.promote
    same = reach_verdict(contender(answers(0.6)), CHAMPION, PromotionConfig(probability=0.5))
    assert failed(same) == ["balanced accuracy"]  # always equal is better with a probability of a half
    assert same.reason.endswith("probability of 0.5000, at least 0.5 is required, and a difference above 0")


def test_a_difference_without_an_interval_is_said_to_have_none() -> None:
    one_lesion = dataclasses.replace(answers(0.6), lesion_ids=np.full(len(answers(0.6)), "L"))
    decision = reach_verdict(contender(one_lesion), contender(one_lesion, "lesions/1"))
    assert "difference +0.0000 (no interval), better with" in decision.reason


def test_the_options_move_the_limits() -> None:
    challenger = contender(answers(0.8, melanomas=0.5, confidence=0.9))
    assert failed(reach_verdict(challenger, CHAMPION)) == ["melanoma sensitivity", "calibration"]
    assert reach_verdict(challenger, CHAMPION, PromotionConfig(melanoma_margin=0.1, ece_ceiling=0.2)).promote
    gates = {gate.name: gate for gate in reach_verdict(challenger, CHAMPION).gates}
    assert gates["melanoma sensitivity"].limit == -0.02 and gates["balanced accuracy"].limit == 0.95
    with pytest.raises(UsageError, match="--ece-ceiling 2: must be from 0 to 1"):
        PromotionConfig(ece_ceiling=2)


def test_a_difference_within_noise_is_not_better_enough() -> None:
    said = answers(0.6)
    order = np.roll(np.arange(len(said)), 210)  # diagnoses repeat every seven images: right as often, on others
    elsewhere = ComparedModel("lesions/1", card_of(said), dataclasses.replace(said, called=said.called[order]))
    challenger = contender(answers(0.6 + 2 / 60))
    decision = reach_verdict(challenger, elsewhere)
    assert failed(decision) == ["balanced accuracy"] and "not shown to be better than lesions/1" in decision.reason
    value = decision.gates[1].value
    assert value is not None and 0.5 < value < 0.95
    assert reach_verdict(challenger, elsewhere, PromotionConfig(probability=0.5)).promote


def test_the_first_champion_is_only_asked_for_its_calibration() -> None:
    decision = reach_verdict(contender(answers(0.3)), None)
    assert decision.promote and decision.reason.startswith("no champion yet; validation balanced accuracy 0.3000")
    assert failed(reach_verdict(contender(answers(0.3, confidence=0.5)), None)) == ["calibration"]


def test_real_data_outranks_demo_data_but_has_to_be_calibrated() -> None:
    demo = contender(answers(0.9), "lesions/1", demo=True, data_digest="demo")
    decision = reach_verdict(contender(answers(0.3)), demo)
    assert decision.promote and "real data outranks demo data, on which lesions/1 was trained" in decision.reason
    assert failed(reach_verdict(contender(answers(0.3, confidence=0.5)), demo)) == ["calibration"]
    refused = reach_verdict(contender(answers(0.9), demo=True, data_digest="demo"), CHAMPION)
    assert failed(refused) == ["data"] and "demo data does not outrank real data" in refused.reason
    other_demo = contender(answers(0.95), demo=True, data_digest="demo", split_digest="another")
    assert "not comparable" in reach_verdict(other_demo, demo).reason


def test_where_nothing_is_compared_the_gate_says_that_a_night_is_not_used() -> None:
    demo, night = contender(answers(0.9), "lesions/1", demo=True, data_digest="demo"), LabelledNight("night.csv", {})
    for challenger, champion in ((CHAMPION, None), (CHAMPION, demo), (demo, CHAMPION)):
        assert reach_verdict(challenger, champion, night=night).gates[0].reason.endswith("; night.csv is not used")
        assert "not used" not in reach_verdict(challenger, champion).reason


def test_without_its_answers_a_model_is_not_comparable() -> None:
    for pair in (
        (dataclasses.replace(contender(answers(0.9)), validation=None), CHAMPION),
        (contender(answers(0.9)), dataclasses.replace(CHAMPION, validation=None)),
    ):
        decision = reach_verdict(*pair)
        assert failed(decision) == ["data"] and "came without validation.npz" in decision.reason


def test_answers_about_other_images_under_the_same_digest_are_not_compared() -> None:
    said = answers(0.9)
    renamed = dataclasses.replace(said, image_ids=np.array([f"{name}x" for name in said.image_ids]))
    assert failed(reach_verdict(contender(renamed), CHAMPION)) == ["data"]


def test_on_few_images_chance_is_allowed_for_and_said() -> None:
    few = answers(0.6, confidence=0.75).take(np.arange(21))
    decision = reach_verdict(contender(few), None)
    gate = decision.gates[-1]
    assert gate.limit is not None and gate.limit > 0.05
    assert "what a perfectly calibrated model gets by chance on 21 images" in gate.reason
    assert decision.promote and gate.value is not None and 0.05 < gate.value <= gate.limit
    assert not reach_verdict(contender(answers(0.6, confidence=0.75)), None).promote


def test_stability_is_a_gate_where_it_is_asked_for() -> None:
    moved = {"worst_calls": Estimate(0.08, 0.05, 0.11)}

    def asked(ceiling: float | None, **stability: object) -> Verdict:
        challenger = contender(answers(0.75))
        metrics = challenger.card.metrics | stability
        challenger = dataclasses.replace(challenger, card=dataclasses.replace(challenger.card, metrics=metrics))  # type: ignore[arg-type]
        return reach_verdict(challenger, CHAMPION, PromotionConfig(stability_ceiling=ceiling))

    assert "stability" not in [gate.name for gate in asked(None, stability=moved).gates]
    assert asked(0.08, stability=moved).promote
    refused = asked(0.04, stability=moved)
    assert failed(refused) == ["stability"] and "alters 0.0800 of the calls, at most 0.04 is allowed" in refused.reason
    assert "states no stability" in asked(0.5).reason
    with pytest.raises(UsageError, match="--stability-ceiling"):
        PromotionConfig(stability_ceiling=1.5)


def test_a_model_built_on_one_that_was_trained_on_validation_images_is_only_compared_with_its_like() -> None:
    leak = "LEAK: models:/skin/3 was TRAINED on 4 of the images for validation and test"
    flattered = contender(answers(0.75), training={"warnings": [leak]})
    flattered_champion = contender(answers(0.6), "lesions/1", training={"warnings": [leak]})
    for challenger, champion in ((flattered, CHAMPION), (contender(answers(0.75)), flattered_champion)):
        decision = reach_verdict(challenger, champion)
        assert failed(decision) == ["data"] and leak in decision.reason and "lesionflow compare" in decision.reason
    assert reach_verdict(flattered, flattered_champion).promote
    first = reach_verdict(flattered, None)
    assert first.promote and first.warning == leak and first.reason.startswith(f"no champion yet; {leak}; validation")
    assert first.reason.count(leak) == 1 and first.gates[0].reason == f"no champion yet; {leak}"
    assert reach_verdict(flattered, CHAMPION).reason.count(leak) == 1
    unknown = {"warnings": ["models:/skin/3 does not say which lesions trained it"]}
    assert reach_verdict(contender(answers(0.75), training=unknown), CHAMPION).promote
