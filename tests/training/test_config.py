import dataclasses

import pytest

from lesionflow.errors import UsageError
from lesionflow.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "resnet"), ("balance", "twice"), ("precision", "int8"), ("epochs", 0), ("image_size", 8),
        ("learning_rate", -1.0), ("learning_rate", float("nan")), ("seed", -1), ("label_smoothing", 1.0),
        ("preset", "fast"), ("loss", "hinge"), ("mixup", -0.1), ("averaging", 1.0), ("width", 0.0),
        ("model", ""), ("model", "cnn,"), ("model", "cnn,resnet"), ("model", "cnn vgg"), ("model", "CNN"),
    ],
)  # fmt: skip
def test_values_out_of_range_name_their_option(field: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + field.replace("_", "-")):
        TrainingConfig(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "networks"),
    [
        ("all", ("cnn", "vgg", "efficientnet")),
        ("vgg", ("vgg",)),
        ("vgg,cnn", ("vgg", "cnn")),  # trained in the order that was asked for
        ("cnn,vgg,cnn", ("cnn", "vgg")),
        ("vgg,all", ("cnn", "vgg", "efficientnet")),
    ],
)
def test_networks_are_named_with_commas(model: str, networks: tuple[str, ...]) -> None:
    assert TrainingConfig(model=model).networks == networks


def test_an_unknown_network_is_named_among_the_known_ones() -> None:
    with pytest.raises(UsageError, match="--model resnet: choose from cnn, vgg, efficientnet, all, separated by comm"):
        TrainingConfig(model="cnn,resnet")


def test_validation_and_test_leave_something_to_train_on() -> None:
    with pytest.raises(UsageError, match="less than a tenth"):
        TrainingConfig(validation_fraction=0.5, test_fraction=0.45)
    assert sum(TrainingConfig(validation_fraction=0.3).fractions) == pytest.approx(1)


def test_comes_back_from_what_a_run_holds_of_it() -> None:
    given = TrainingConfig(data="there", model="cnn,vgg", learning_rate=1e-3, epochs=7, deterministic=True)
    held = {name: str(value) for name, value in given.parameters().items()} | {"registered_model": "moles"}
    assert TrainingConfig.from_parameters(held) == given
    # `mlflow run` keeps what was typed.
    typed = {"learning_rate": "1e-3", "deterministic": "true"}
    assert TrainingConfig.from_parameters(typed) == TrainingConfig(learning_rate=0.001, deterministic=True)


def test_every_field_says_what_it_means() -> None:
    for field in dataclasses.fields(TrainingConfig):
        assert field.metadata["help"].endswith("."), field.name
