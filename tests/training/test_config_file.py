import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionflow.errors import UsageError
from lesionflow.training.config import TrainingConfig
from lesionflow.training.config_file import NAMES, read_settings, settings_text


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
        ("epochs: 3\nepoch: 5", "train.yaml, line 2: unknown key 'epoch'; did you mean 'epochs'?"),
        ("colour: blue", "train.yaml, line 1: unknown key 'colour'; known: data, model, preset"),
        ("epochs: 3\n\nepochs: 4", "train.yaml, line 3: epochs is given a second time"),
        ("image-size: 32\nimage_size: 32", "line 2: image_size is given a second time"),
        ("epochs: many", "line 1: epochs: 'many' is no whole number"),
        ("epochs: 1.5", "line 1: epochs: '1.5' is no whole number"),
        ("epochs: true", "'true' is no whole number"),
        ("epochs: 0", "line 1: epochs: 0: must be from 1 to 1000"),
        ("mixup: .nan", "line 1: mixup: '.nan' is no number"),
        ("mixup: nan", "line 1: mixup: nan: must be from 0 to 10"),
        ("deterministic: perhaps", "'perhaps' is neither true nor false"),
        ("preset: fulll", "choose one of auto, full, quick; did you mean 'full'?"),
        ("model: vg", "train.yaml: --model vg: choose from cnn, vgg, efficientnet, all"),
        ("model: [cnn, vgg]", "line 1: model is a list or a table; write one value"),
        ("epochs:", "line 1: epochs has no value"),
        ("tracking_uri: http://host", "tracking_uri belongs to the command line, as --tracking-uri"),
        ("validation_fraction: 0.5\ntest_fraction: 0.45", "train.yaml: --validation-fraction and --test-fraction"),
        ("- epochs", "write a line for each option"),
        ("epochs", "write a line for each option"),
        ("? [a]\n: b", "write a line for each option"),
        ("a: 1\n---\nb: 2", "train.yaml, line 2: no YAML"),
        ("epochs: 3\n model: cnn", "train.yaml, line 2: no YAML"),
        ("epochs: \x00", "train.yaml: no YAML"),
        ("a: " + "[" * 1000, "train.yaml: no YAML"),
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
    names = dict.fromkeys(NAMES, "no: yes")
    read = read_settings(settings_text(resolved, names, "about"), "config.yaml")
    assert {name: read.pop(name) for name in NAMES} == names
    assert TrainingConfig(**read) == resolved
    assert set(read) == {field.name for field in dataclasses.fields(TrainingConfig)} - {
        "extra",
        "labels",
        "start_from",
        "teacher",
    }


def test_a_relative_folder_is_written_whole() -> None:
    assert read_settings(settings_text(TrainingConfig(data="here"), {}, ""), "")["data"].endswith("/here")
    assert read_settings(settings_text(TrainingConfig(), {}, ""), "")["data"] == "demo"


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
