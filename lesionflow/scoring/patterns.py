"""Patterns of paths and of URLs: `*`, `?`, `[...]`, `**` for any folders; hidden names only if asked for.

Leftovers of Macs and network storage count as hidden.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence

from lesionflow.errors import DataError
from lesionflow.images.discovery import LEFTOVERS
from lesionflow.storage.location import Url
from lesionflow.storage.objects import listed

_MAGIC = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether a text has a sign that stands for others."""
    return not _MAGIC.isdisjoint(text)


def expand_url(pattern: Url) -> Iterator[str]:
    """The objects that match, in the order of their URLs' bytes, as they are listed.

    All below the last folder before the first such sign are listed. Raises `DataError` where they cannot be.
    """
    parts = pattern.key.split("/")
    fixed = next(index for index, part in enumerate(parts) if is_pattern(part))
    folder = Url(pattern.scheme, pattern.bucket, "".join(part + "/" for part in parts[:fixed]))
    try:
        for url in listed(folder):
            if _fits(url.removeprefix(str(folder)).split("/"), parts[fixed:]):
                yield url
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    if not parts or not names:
        return not parts and not names
    name, part = names[0], parts[0]
    hidden = _is_hidden(name) and not part.startswith(".")
    if part == "**":
        if len(parts) == 1:
            return not any(_is_hidden(name) for name in names)
        return _fits(names, parts[1:]) or (not hidden and _fits(names[1:], parts))
    if is_pattern(part) and hidden:
        return False
    return fnmatch.fnmatchcase(name, part) and _fits(names[1:], parts[1:])


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in LEFTOVERS


def expand(pattern: str) -> list[str]:
    """The files that match, in the order of their paths' bytes. Python's `glob` passes over what it cannot list."""
    root = os.sep if pattern.startswith(os.sep) else ""
    return sorted(set(_matches(root, [part for part in pattern.split(os.sep) if part])), key=os.fsencode)


def _matches(folder: str, parts: list[str]) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if not is_pattern(part):
        path = os.path.join(folder, part)
        if rest:
            if os.path.isdir(path):
                yield from _matches(path, rest)
        elif os.path.lexists(path) and not os.path.isdir(path):
            yield path
        return
    anywhere = part == "**"
    if anywhere and rest:
        yield from _matches(folder, rest)
    try:
        with os.scandir(folder or os.curdir) as entries:
            found = [entry for entry in entries if part.startswith(".") or not _is_hidden(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); make it readable or leave it out") from error
    for entry in found:
        path = os.path.join(folder, entry.name)
        if anywhere and entry.is_dir(follow_symlinks=False):
            yield from _matches(path, parts)
        elif anywhere and rest:
            continue
        elif anywhere or fnmatch.fnmatchcase(entry.name, part):
            if rest and os.path.isdir(path):
                yield from _matches(path, rest)
            elif not rest and (os.path.isfile(path) or not os.path.exists(path)):
                yield path
