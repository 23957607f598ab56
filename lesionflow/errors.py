"""Exceptions that say what is wrong and what to do. Only `cli` turns them into exit codes."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterable, Iterator, Sequence


class LesionflowError(Exception):
    """A failure that the user can act on: one line of what is wrong and what to do."""


class UsageError(LesionflowError):
    """Options or arguments are invalid, whatever the state of files and servers."""


class MissingError(LesionflowError):
    """A file, a package or a device that options ask for is not there, or cannot be read."""


class DataError(LesionflowError):
    """A data set is missing, incomplete or inconsistent."""


class DownloadError(LesionflowError):
    """A published data set cannot be downloaded."""


class BundleError(LesionflowError):
    """A trained model on disk is incomplete, altered or of another format."""


class TrainingError(LesionflowError):
    """Training failed, or did not lead to a usable model."""


class RegistryError(LesionflowError):
    """The tracking server or registry is unreachable, or does not have what was asked for."""


class ReportError(LesionflowError):
    """A report cannot be written."""


class EngineError(LesionflowError):
    """The cluster is unreachable, or cannot do the work."""


class StoreError(LesionflowError, OSError):
    """An object store is unreachable or denies access, which is not the failure of a single object.

    Also an `OSError`, so that handlers of a broken disk handle a broken store.
    """

    def __init__(self, message: str):
        super().__init__(message)
        self.strerror = message


def add_to_message(error: BaseException, told: str) -> None:
    """Append what is done and how to go on to the message of an error, or of Ctrl-C, which has none."""
    error.args = (f"{str(error) or 'stopped'}; {told}",)


@contextlib.contextmanager
def os_errors_as(kind: Callable[[str], LesionflowError], told: str, advice: str = "") -> Iterator[None]:
    """Raise an error of the operating system or of a store as one of ours: what failed, why, and what to do.

    A full disk and a used-up quota need room, whatever else the advice is.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        todo = ", or ".join(filter(None, ("make room" if full else "", advice)))
        raise kind(f"{told} ({error.strerror or error}){todo and '; '}{todo}") from error


# What can be wrong with one image, as the first word of a report's `error` column.
IMAGE_FAILURES = {
    "not_found": "the file is not there, or no longer",
    "no_permission": "the file may not be read",
    "empty": "the file has no bytes",
    "not_an_image": "the content is not of an accepted image format, whatever the name says",
    "too_large": "the image has more pixels, bytes or progressive scans than are decoded",
    "damaged": "the content breaks off, or its decoder complains: a hole, a cut or spliced scan, a wrong checksum",
    "unsupported": "the pixels are of a kind that is not decoded, such as 32-bit floats, or need what the row names",
    "unreadable": "the operating system or the store reports another failure",
    "crash": "decoding it ends the process, by a fault in an image library or for want of memory (`--engine ray`)",
}


class ImageError(LesionflowError):
    """One image cannot be decoded; `reason` is a word of `IMAGE_FAILURES`."""

    def __init__(self, reason: str, detail: str):
        if reason not in IMAGE_FAILURES:
            raise ValueError(f"{reason!r} is not one of the documented image failures")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


_LONGEST = 500  # characters of a name in a message; cells of a table may hold whole texts


def first_few(names: Sequence[object], count: int = 3, separator: str = ", ") -> str:
    """Name the first few of many things, for a message: `a, b, c and 7 more`."""
    texts = [text if len(text := str(name)) <= _LONGEST else f"{text[:_LONGEST]}..." for name in names[:count]]
    shown = separator.join(texts)
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"


def enumerated(names: Iterable[object]) -> str:
    """Name all of some things, for a message: `a, b and c`."""
    *before, last = ["", *map(str, names)]
    return " and ".join(filter(None, [", ".join(before[1:]), last]))


def counted(count: int, thing: str, verb: str = "", verbs: str = "", of: int | None = None) -> str:
    """A count for a message; verb, verbs: its singular and plural verb; of: the total.

    Examples
    --------
    >>> counted(1200, "image"), counted(1, "row of a.csv", "has", "have"), counted(1, "image", "is", "are", of=5)
    ('1,200 images', '1 row of a.csv has', '1 of 5 images is')
    """
    named = thing if (count if of is None else of) == 1 else plural(thing)
    does = verb if count == 1 else verbs
    return " ".join(filter(None, (f"{count:,}", f"of {of:,}" if of is not None else "", named, does)))


def plural(thing: str) -> str:
    """The plural: `images`, `rows of a.csv`, `groups by mole`."""
    first, *rest = re.split("(?= (?:of|by) )", thing, maxsplit=1)
    return "".join((f"{first[:-2]}es" if first.endswith("sis") else f"{first}s", *rest))


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The end of a message about an unknown word: ` (did you mean 'score'?)`, or empty."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
