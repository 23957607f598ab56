import dataclasses

import pytest

from lesionflow.training.config import TrainingConfig
from lesionflow.training.presets import NETWORKS, PRESETS, preset_of

UNSET = {field.name for field in dataclasses.fields(TrainingConfig) if field.default is None}
NOT_GIVEN = {field.name for field in dataclasses.fields(TrainingConfig) if field.default == ""}
BOTH = [(preset, network) for preset in PRESETS for network in NETWORKS]


@pytest.mark.parametrize(("preset", "network"), BOTH)
def test_a_preset_sets_every_option_that_has_no_default_and_no_other(preset: str, network: str) -> None:
    assert set(preset_of(preset, network)) == UNSET
    resolved = TrainingConfig().resolved(network, preset)  # which checks the values, too
    assert (resolved.model, resolved.preset, resolved.networks) == (network, preset, (network,))
    assert set(resolved.parameters()) == {field.name for field in dataclasses.fields(TrainingConfig)} - NOT_GIVEN
    for field in dataclasses.fields(TrainingConfig):
        assert isinstance(getattr(resolved, field.name), field.metadata["kind"]), field.name


@pytest.mark.parametrize(("preset", "network"), BOTH)
def test_what_is_given_stays_even_where_it_counts_as_nothing(preset: str, network: str) -> None:
    given = {"image_size": 16, "epochs": 1, "weight_decay": 0, "balance": "none", "seed": 0}
    resolved = TrainingConfig(**given).resolved(network, preset)  # type: ignore[arg-type]
    expected = preset_of(preset, network) | given
    assert {name: getattr(resolved, name) for name in expected} == expected


def test_parameters_leave_out_what_is_not_chosen_yet() -> None:
    """A run over several networks has no one image size."""
    parameters = TrainingConfig(epochs=3).parameters()
    assert None not in parameters.values() and parameters["epochs"] == 3
    assert set(parameters) == {field.name for field in dataclasses.fields(TrainingConfig)} - UNSET - NOT_GIVEN | {
        "epochs"
    }


def test_quick_is_never_more_work_than_full() -> None:
    for network in NETWORKS:
        quick, full = (preset_of(preset, network) for preset in ("quick", "full"))
        assert quick["epochs"] <= full["epochs"] and quick["image_size"] <= full["image_size"]
