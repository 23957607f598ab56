import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionflow.errors import UsageError
from lesionflow.options import SEPARATOR
from lesionflow.training.config import (
    FROM_A_MODEL,
    NAME_KEYS,
    NETWORKS,
    PRESETS,
    TrainingConfig,
    preset_of,
    read_settings,
    settings_text,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "resnet"), ("balance", "twice"), ("precision", "int8"), ("epochs", 0), ("image_size", 8),
        ("learning_rate", -1.0), ("learning_rate", float("nan")), ("seed", -1), ("label_smoothing", 1.0),
        ("preset", "fast"), ("loss", "hinge"), ("mixup", -0.1), ("averaging", 1.0), ("width", 0.0),
        ("small_first", 1.0), ("small_first", -0.1),
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
        ("efficientnet-lite2,all", ("cnn", "vgg", "efficientnet", "efficientnet-lite2")),  # which all leaves out
    ],
)
def test_networks_are_named_with_commas(model: str, networks: tuple[str, ...]) -> None:
    assert TrainingConfig(model=model).networks == networks


def test_an_unknown_network_is_named_among_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--model resnet: choose from cnn, vgg, efficientnet, .*all, separated"):
        TrainingConfig(model="cnn,resnet")


def test_validation_and_test_leave_something_to_train_on() -> None:
    with pytest.raises(UsageError, match="less than a tenth"):
        TrainingConfig(validation_fraction=0.5, test_fraction=0.45)
    assert sum(TrainingConfig(validation_fraction=0.3).fractions) == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "lacks"), [({"last_layer": "refitted"}, "start_from"), ({"teacher_share": 0.3}, "teacher")]
)
def test_what_is_said_of_a_model_that_is_not_named_is_refused(given: dict[str, Any], lacks: str) -> None:
    with pytest.raises(UsageError, match=f"add --{lacks.replace('_', '-')} MODEL"):
        TrainingConfig(**given)
    named = TrainingConfig(**given | {lacks: "pretrained"}).resolved("efficientnet", "quick")
    assert TrainingConfig.from_parameters({name: str(value) for name, value in named.parameters().items()}) == named


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


def test_values_are_read_as_the_command_line_reads_them() -> None:
    text = "# ours\nlearning-rate: 1e-3\nimage_size: 0064\ndata: no\ndeterministic: yes\nprecision: mixed-float16\n"
    read = read_settings(text + "model: cnn,vgg\nexperiment: '12'\n", "train.yaml")
    assert read == {
        "learning_rate": 0.001, "image_size": 64, "data": "no", "deterministic": True, "precision": "mixed_float16",
        "model": "cnn,vgg", "experiment": "12",
    }  # fmt: skip
    assert read_settings("", "train.yaml") == read_settings("# nothing\n", "train.yaml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3\nepoch: 5", "train.yaml, line 2: unknown key 'epoch' (did you mean 'epochs'?)"),
        ("colour: blue", "train.yaml, line 1: unknown key 'colour'; choose from data, model, preset"),
        ("epochs: 3\n\nepochs: 4", "train.yaml, line 3: epochs is given a second time"),
        ("image-size: 32\nimage_size: 32", "line 2: image_size is given a second time"),
        ("epochs: many", "line 1: epochs: 'many' is not a whole number"),
        ("epochs: 1.5", "line 1: epochs: '1.5' is not a whole number"),
        ("epochs: true", "'true' is not a whole number"),
        ("epochs: 0", "line 1: epochs: 0: must be from 1 to 1000"),
        ("mixup: .nan", "line 1: mixup: '.nan' is not a number"),
        ("mixup: nan", "line 1: mixup: nan: must be from 0 to 10"),
        ("deterministic: perhaps", "'perhaps' is neither true nor false"),
        ("preset: fulll", "choose one of auto, full, quick (did you mean 'full'?)"),
        ("model: vg", "train.yaml: --model vg: choose from cnn, vgg, efficientnet, "),
        ("model: [cnn, vgg]", "line 1: model is a list or a table; write one value"),
        ("epochs:", "line 1: epochs has no value"),
        ("tracking_uri: http://host", "tracking_uri belongs to the command line, as --tracking-uri"),
        ("validation_fraction: 0.5\ntest_fraction: 0.45", "train.yaml: --validation-fraction and --test-fraction"),
        ("- epochs", "write a line for each option"),
        ("epochs", "write a line for each option"),
        ("? [a]\n: b", "write a line for each option"),
        ("a: 1\n---\nb: 2", "train.yaml, line 2: not YAML"),
        ("epochs: 3\n model: cnn", "train.yaml, line 2: not YAML"),
        ("epochs: \x00", "train.yaml: not YAML"),
        ("a: " + "[" * 1000, "train.yaml: not YAML"),
        ("<<: {epochs: 3}", "unknown key '<<'"),
        ("epochs: !!python/object/apply:os.system [exit]", "epochs is a list"),
    ],
)
def test_what_is_wrong_names_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings(text, "train.yaml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_settings(text, "train.yaml")
    except UsageError as error:
        assert str(error).startswith("train.yaml")


def test_what_is_written_is_read_back() -> None:
    config = TrainingConfig(
        data="/some where/nö: #1", model="vgg", learning_rate=1e-9, averaging=0.1 + 0.2, deterministic=True
    )  # fmt: skip
    resolved = config.resolved("vgg", "quick")
    names = dict.fromkeys(NAME_KEYS, "no: yes")
    read = read_settings(settings_text(resolved, names, "about"), "config.yaml")
    assert {name: read.pop(name) for name in NAME_KEYS} == names
    assert TrainingConfig(**read) == resolved
    assert set(read) == {field.name for field in dataclasses.fields(TrainingConfig)} - {
        "diagnoses",
        "extra",
        "labels",
        "start_from",
        "teacher",
    }


def test_imagenet_weights_are_no_teacher() -> None:
    with pytest.raises(UsageError, match=r"--teacher imagenet: .* for --start-from alone"):
        TrainingConfig(teacher="imagenet")


def test_a_relative_folder_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("teacher", "labels", "pretrained"):
        (tmp_path / name).mkdir()
    config = TrainingConfig(start_from="pretrained", teacher="teacher", labels="labels", model="vgg")
    read = read_settings(settings_text(config, {}, ""), "")
    assert (read["start_from"], read["teacher"]) == ("pretrained", str(tmp_path / "teacher"))
    assert read["labels"] == str(tmp_path / "labels")
    assert read_settings(settings_text(TrainingConfig(data="here"), {}, ""), "")["data"].endswith("/here")
    assert read_settings(settings_text(TrainingConfig(), {}, ""), "")["data"] == "demo"
    Path("link").symlink_to("labels")
    Path("away").symlink_to("/")
    config = TrainingConfig(data=f"labels/../here{SEPARATOR}link", extra=f"away/..{tmp_path}/labels")
    read = read_settings(settings_text(config, {}, ""), "")
    assert read["data"] == SEPARATOR.join([f"{tmp_path}/here", f"{tmp_path}/link"])
    assert read["extra"] == os.path.realpath("labels")  # what is above a link is not where the link is


def test_several_data_sets_are_a_list() -> None:
    text = "data: [/a, '/b: c']\nextra: /d\n"
    read = read_settings(text, "train.yaml")
    config = TrainingConfig(**read)
    assert config.data_sets == ("/a", "/b: c") and config.extra_sets == ("/d",)
    assert config == TrainingConfig(data=["/a", "/b: c"], extra="/d")  # type: ignore[arg-type]
    again = TrainingConfig(**read_settings(settings_text(config, {}, "about"), "config.yaml"))
    assert again == config
    with pytest.raises(UsageError, match="data"):
        TrainingConfig(data="")


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


def test_many_images_are_shown_less_often() -> None:
    few, many = (TrainingConfig().resolved("cnn", "quick", images) for images in (639, 7038))
    assert (few.epochs, few.small_epochs, many.epochs, many.small_epochs) == (16, 0, 8, 5)
    assert TrainingConfig(epochs=3, small_first=0).resolved("cnn", "quick", 7038).small_epochs == 0
    assert TrainingConfig(start_from="pretrained").resolved("cnn", "quick", 7038).small_epochs == 0


def test_the_weights_of_a_model_are_trained_with_a_small_rate_on_whole_images() -> None:
    for network, preset in (("efficientnet", "quick"), ("cnn", "full")):
        fresh, imagenet = preset_of(preset, network), TrainingConfig(start_from="imagenet", model="efficientnet")
        further = TrainingConfig(start_from="pretrained").resolved(network, preset)
        assert vars(further) | {"start_from": ""} == vars(TrainingConfig().resolved(network, preset)) | FROM_A_MODEL
        assert further.learning_rate <= fresh["learning_rate"] / 10 and further.small_epochs == 0
        assert (further.keep, fresh["keep"]) == ("last", "best")
        given = {"learning_rate": 3e-4, "small_first": 0.5, "keep": "best"}
        resolved = TrainingConfig(start_from="pretrained", **given).resolved(network, preset)  # type: ignore[arg-type]
        assert {name: getattr(resolved, name) for name in given} == given
        assert (
            imagenet.resolved("efficientnet", preset).learning_rate
            == preset_of(preset, "efficientnet")["learning_rate"]
        )


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
