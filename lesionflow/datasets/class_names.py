"""Hugging Face's class labels: numbers in a table, whose names its data set's card or its Parquet schema has.

See https://huggingface.co/docs/datasets/about_dataset_features#classlabel. Without names, numbers are never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

CARD = "README.md"
_LEVELS = 3  # folders in which the card of a table may lie: the table's, such as data/train, and those above it
_NO_LABEL = -1  # as the library `datasets` writes it


def names_in_card(file: Path) -> tuple[Path, dict[str, list[str]]]:
    """The data set's card of a table, and the names of classes by column; none where no card has any."""
    folder = file.absolute().parent
    for card in [above / CARD for above in (folder, *folder.parents)][:_LEVELS]:
        info = _front_matter(card).get("dataset_info")
        found: dict[str, list[str]] = {}
        differing = set()
        for config in info if isinstance(info, list) else [info]:
            features = config.get("features") if isinstance(config, dict) else None
            for feature in features if isinstance(features, list) else ():
                if isinstance(feature, dict) and (names := _names(feature.get("dtype"), "class_label")):
                    column = str(feature.get("name"))
                    differing |= {column} if found.setdefault(column, names) != names else set()
        if found:
            return card, {column: names for column, names in found.items() if column not in differing}
    return file, {}


def names_in_schema(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The names of classes by column, from the schema of a Parquet file that `datasets` has written."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        found = {column: _names({column: feature}, column) for column, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if names}


def with_class_names(table: pd.DataFrame, names: Mapping[str, list[str]], source: Path) -> pd.DataFrame:
    """A table with names in place of the numbers of classes; a column of anything else stays.

    source: where the names are. Raises `DataError` for numbers that have no name.
    """
    for column in [name for name in table.columns if name in names]:
        values = table[column].str.removesuffix(".0")
        if not values.where(values != "", "0").str.fullmatch(r"-?[0-9]+").all():
            continue
        known = {str(number): name for number, name in enumerate(names[column])} | {str(_NO_LABEL): "", "": ""}
        if unknown := sorted({*values} - {*known}):
            raise DataError(
                f"{source}: has no name for {first_few(unknown)} in the column {column}, only for 0 to "
                f"{len(names[column]) - 1}; add it, or correct these rows"
            )
        table = table.assign(**{column: [known[value] for value in values]})
    return table


def _names(holder: Any, key: str) -> list[str]:
    """The names of a class label, by number, or in order; empty for anything else."""
    label = holder.get(key) if isinstance(holder, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        numbered = {str(number): name for number, name in names.items()}
        names = [numbered.get(str(number)) for number in range(len(numbered))]
    return [str(name) for name in names] if isinstance(names, list) and None not in names else []


def _front_matter(card: Path) -> dict[str, Any]:
    """The YAML at the beginning of a card; empty where there is none."""
    import yaml

    try:
        head, _, rest = card.read_text("utf-8-sig").partition("\n")
        values = yaml.safe_load(rest.partition("\n---")[0]) if head.strip() == "---" else {}
    except (OSError, yaml.YAMLError, ValueError, RecursionError):  # whose numbers stay unknown then
        return {}
    return values if isinstance(values, dict) else {}
