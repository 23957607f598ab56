"""Reads YAML files that users write, with uniform error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesionflow.errors import MissingError, UsageError

_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
MAXIMUM_SETTINGS_BYTES = 2**20  # of settings; parsing that many takes half a minute


def read_yaml(file: Path, named: str) -> Any:
    """Return the values of a YAML file. Keys are text as it is written: YAML makes false of `no`, and 8 of `010`.

    named: how messages call it, such as `--labels mine.yaml`. Raises `MissingError` where the file cannot be read;
    `UsageError` where it is not YAML, is too large for settings, refers to a table or list by name, as values without
    end do, or has a key twice in one table, the first of which would be lost.
    """
    import yaml

    try:
        text = read_settings_text(file, named)
        document = yaml.compose(text, Loader=yaml.SafeLoader)
        if fault := _fault(document, set()):
            raise UsageError(f"{named}: {fault}")
        return None if document is None else yaml.SafeLoader("").construct_document(document)
    except OSError as error:
        raise MissingError(f"{named}: cannot be read ({error.strerror}); give a YAML file") from error
    except RecursionError as error:
        raise UsageError(
            f"{named}: not settings (tables and lists in each other, hundreds deep); give a YAML file"
        ) from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # of 2026-13-45 or `!!bool x`
        raise UsageError(f"{named}: not YAML ({' '.join(str(error).split())}); correct it") from error


def read_settings_text(file: Path, named: str) -> str:
    """The text of a file of settings. Raises OSError, UnicodeError, and `UsageError` for one without end."""
    with open(file, "rb") as stream:
        content = stream.read(MAXIMUM_SETTINGS_BYTES + 1)
    if len(content) > MAXIMUM_SETTINGS_BYTES:
        raise UsageError(
            f"{named}: more than {MAXIMUM_SETTINGS_BYTES // 2**20} MiB, too large for settings; give a YAML file"
        )
    return content.decode("utf-8-sig")


def _fault(node: Any, seen: set[int]) -> str:
    """The fault of a document that cannot be intended; empty if there is none. Its keys become text."""
    if getattr(node, "id", "") not in ("mapping", "sequence"):
        return ""
    if id(node) in seen:
        return "refers to a table or list by name (*); write it out"
    seen.add(id(node))
    values = node.value
    if node.id == "mapping":
        keys = [key.value for key, _ in node.value]
        if doubled := next((str(key) for index, key in enumerate(keys) if key in keys[:index]), ""):
            return f"{doubled} is given twice; leave one out"
        values = [value for _, value in node.value]
        for key, _ in node.value:
            if key.id == "scalar" and key.tag != _MERGE:
                key.tag = _TEXT
    return next(filter(None, (_fault(value, seen) for value in values)), "")
