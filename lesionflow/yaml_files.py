"""Reads YAML files that users write, with uniform error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesionflow.errors import MissingError, UsageError


def read_yaml(file: Path, named: str) -> Any:
    """Return the values of a YAML file.

    Parameters
    ----------
    file : Path
    named : str
        How messages call it, such as `--labels mine.yaml`.

    Raises
    ------
    MissingError
        The file cannot be read.
    UsageError
        It is not YAML, or has a key twice in one table, the first of which would be lost.
    """
    import yaml

    try:
        text = file.read_text(encoding="utf-8-sig")
        values, doubled = yaml.safe_load(text), _doubled_key(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        raise MissingError(f"{named}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise UsageError(f"{named}: not YAML ({' '.join(str(error).split())})") from error
    if doubled:
        raise UsageError(f"{named}: {doubled} is given twice; leave one out")
    return values


def _doubled_key(node: Any) -> str:
    """A key that some table of a document has twice; empty where there is none."""
    if getattr(node, "id", "") != "mapping":
        return ""
    keys = [key.value for key, _ in node.value]
    found = next((str(key) for index, key in enumerate(keys) if key in keys[:index]), "")
    return found or next(filter(None, (_doubled_key(value) for _, value in node.value)), "")
