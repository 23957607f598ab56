"""A training's configuration as a YAML file: what a user writes, and what a run keeps so that it can be repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionflow.diagnoses import BUILT_IN
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import SEPARATOR, read_option
from lesionflow.training.config import TrainingConfig

if TYPE_CHECKING:
    import yaml

CONFIG_FILE = "config.yaml"  # among a run's artifacts
NAMES = ("experiment", "registered_model")  # keys that are no field of the configuration, but belong to a training
_ELSEWHERE = ("tracking_uri", "cache", "resume", "config")  # of one machine, or of one call
_FIELDS = {field.name: field for field in dataclasses.fields(TrainingConfig)}


def read_settings(text: str, file: str) -> dict[str, Any]:
    """The values of a configuration file by the names of their options, which it may write with dashes.

    Every value is read as the command line would read it, whatever YAML takes it for: `1e-3` is a number, `no` a name.
    Raises `UsageError`, which names file, line and key, for what is unknown, doubled, of another type or out of range.
    """
    import yaml

    values: dict[str, Any] = {}
    for key, node in _entries(text, file):
        name, where = key.value.replace("-", "_"), f"{file}, line {key.start_mark.line + 1}"
        if name in _ELSEWHERE:
            raise UsageError(f"{where}: {key.value} belongs to the command line, as --{name.replace('_', '-')}")
        if name not in _FIELDS and name not in NAMES:
            known = (*_FIELDS, *NAMES)
            hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key.value!r}{hint}")
        if name in values:
            raise UsageError(f"{where}: {key.value} is given a second time; leave one out")
        value: Any = node.value
        if isinstance(node, yaml.SequenceNode) and name in _FIELDS and _FIELDS[name].metadata["repeated"]:
            value = SEPARATOR.join(str(each.value) for each in value)
        if not isinstance(value, str):
            raise UsageError(
                f"{where}: {key.value} is a list or a table; write one value, networks with commas between"
            )
        if not value:
            raise UsageError(f"{where}: {key.value} has no value; write one, or leave the line out")
        try:
            values[name] = read_option(_FIELDS[name], value) if name in _FIELDS else value
        except UsageError as error:
            raise UsageError(f"{where}: {key.value}: {error}") from None
    try:
        TrainingConfig(**{name: value for name, value in values.items() if name in _FIELDS})
    except UsageError as error:  # values that do not go together
        raise UsageError(f"{file}: {error}") from None
    return values


def settings_text(config: TrainingConfig, names: Mapping[str, str], about: str) -> str:
    """The file that `read_settings` reads this configuration from; about: a line to begin with.

    Data that are no built-in set are where they were: the path is a whole one.
    """
    import yaml

    values: dict[str, Any] = config.parameters() | dict(names)
    if config.starts_from_bundle and Path(config.start_from).is_dir():
        values["start_from"] = str(Path(config.start_from).absolute())
    if config.diagnoses not in BUILT_IN:
        values["diagnoses"] = str(Path(config.diagnoses).absolute())
    for name, given in (("data", config.data_sets), ("extra", config.extra_sets)):
        whole = [path if path == "demo" else str(Path(path).absolute()) for path in given]
        values |= {name: whole if len(whole) > 1 else whole[0]} if whole else {}
    return f"# {about}\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _entries(text: str, file: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys and values of the file, as nodes, which know their lines; nothing of it is made into objects."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file}{line}: no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file}: no YAML: {(str(error).splitlines() or ['nested too deeply'])[0]}") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise UsageError(f"{file}: write a line for each option, such as 'epochs: 20'")
    return list(root.value)
