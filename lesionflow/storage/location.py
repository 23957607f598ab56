"""`Location`: a path on this machine, or the URL of an object in a store. Neither may contain a secret.

Nothing here asks a store anything: what reads and writes is in `storage.objects`.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lesionflow.errors import MissingError, UsageError

_FILE = re.compile("file:/", re.IGNORECASE)  # the rest of such a URL is a path with escapes; Spark writes one slash
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_QUERY = re.compile(r"\?[\w.%~-]+=")
# By scheme: the package that reads it, what brings that along, and where it takes credentials from.
_STORES = {
    "s3": ("s3fs", "lesionflow[s3]", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE,"),
    "s3a": ("s3fs", "lesionflow[s3]", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE,"),
    "gs": ("gcsfs", "lesionflow[gs]", "GOOGLE_APPLICATION_CREDENTIALS"),
    "gcs": ("gcsfs", "lesionflow[gs]", "GOOGLE_APPLICATION_CREDENTIALS"),
    "memory": ("fsspec", "fsspec", "nothing"),  # within one process
}


@dataclass(frozen=True)
class Url:
    """An object of a store, or a prefix of its objects' names; its parts are named as in `pathlib.Path`.

    What is in front of the first slash is the bucket. There is no escaping: a name is what the store calls the object.
    """

    scheme: str
    bucket: str
    key: str

    @classmethod
    def of(cls, text: str) -> Url:
        """The URL of a text, of a store or not: for objects found in one, whose names may have any character."""
        match = _URL.fullmatch(text)
        if match is None:
            raise ValueError("not a URL")
        bucket, _, key = match[2].partition("/")
        return cls(match[1], bucket, key)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def __truediv__(self, name: str) -> Url:
        return Url(self.scheme, self.bucket, self.prefix + name)

    @property
    def prefix(self) -> str:
        """The prefix of the keys below it, if it is a folder."""
        return self.key if self.key.endswith("/") or not self.key else self.key + "/"

    @property
    def store(self) -> str:
        """The bucket as a URL."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def credentials(self) -> str:
        """The environment's variables from which this kind of store takes credentials."""
        return _STORES[self.scheme][2]

    @property
    def name(self) -> str:
        """The name after the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return os.path.splitext(self.name)[1]

    @property
    def parent(self) -> Url:
        """The location before the last slash."""
        return Url(self.scheme, self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Url:
        """Another object beside this one."""
        return Url(self.scheme, self.bucket, self.key.removesuffix(self.name) + name)

    def is_dir(self) -> bool:
        """Whether it can only be a folder: a bucket, or a name that ends with a slash."""
        return not self.name


Location = Path | Url


def is_url(text: str) -> bool:
    """Whether a text is meant as a URL: letters, then `://`, or `file:` in any spelling."""
    return ("://" in text and _URL.fullmatch(text) is not None) or is_file_url(text)


def is_file_url(text: str) -> bool:
    """Whether a text is the URL of a file on this machine, with which everything is done as with its path."""
    return _FILE.match(text) is not None


def is_store(scheme: str) -> bool:
    """Whether URLs with this scheme are of a supported store."""
    return scheme in _STORES


def file_path(text: str) -> str:
    """The path of a `file://` URL; any other text as it is."""
    if not is_file_url(text):
        return text
    rest = text[len("file:") :]
    path = rest[2:].removeprefix("localhost") if rest.startswith("//") else rest
    if not path.startswith("/"):
        raise UsageError(f"{text}: write three slashes and the whole path, as in file:///data/images")
    return unquote(path, errors="surrogateescape")


def file_url(path: str) -> str:
    """The `file://` URL of a path, escaped only where the path itself would be taken for escaped."""
    return "file://" + path.replace("%", "%25")


def local_path(address: str) -> str | None:
    """The path that MLflow takes an address for, which sees escapes in plain paths too; None if it is elsewhere."""
    if address.startswith("file:"):
        parts = urlsplit(address)
        return unquote(parts.path) if parts.netloc in ("", "localhost") else None
    return unquote(address) if os.path.isabs(address) else None


def local_address(path: Path) -> str:
    """The address that MLflow takes for an absolute path: the path itself, or if that seems escaped, a URI."""
    return str(path) if local_path(str(path)) == str(path) else path.as_uri()


def is_denied(path: str | os.PathLike[str]) -> bool:
    """Whether a path is inaccessible because a folder on the way may not be entered."""
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    except ValueError:  # a null byte in the path
        return False
    return False


def is_no_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is no such folder; False if permissions leave it open."""
    return not os.path.isdir(path) and not is_denied(path)


def location_text(given: str | os.PathLike[str], name: str) -> str:
    """The text of a path or an address that a program or the command line gives; name: of the argument.

    Raises `UsageError` for what is neither, and for an empty text, which a path would take for the working directory.
    """
    if not isinstance(given, str | os.PathLike):
        raise UsageError(
            f"{name}: is of type {type(given).__name__}; give one path or address, as text or a pathlib.Path"
        )
    if not (text := os.fspath(given)) or "\0" in text:
        told = "a text with a null byte" if text else "an empty text"
        raise UsageError(f"{name}: is {told}; give a path or an address")
    return text


def path_here(given: str | os.PathLike[str], name: str) -> Path:
    """The path on this machine that a user names, also as `file:///folder`; name: of the argument.

    Raises `UsageError` for a URL of a store, which a path would take for a folder of that name.
    """
    text = location_text(given, name)
    if is_url(text) and not is_file_url(text):
        raise UsageError(f"{name} {text}: has to be on this machine; give a path")
    return Path(file_path(text))


def parse_location(text: Location | str | os.PathLike[str]) -> Location:
    """The location that a user names: a path, also as `file:///folder`, or the URL of a store.

    Raises `UsageError` for a kind of URL that is not read, and for one with credentials or
    a query, which would be kept in reports and logs.
    """
    if isinstance(text, Url):
        return text
    text = location_text(text, "the location")
    match = _URL.fullmatch(text)
    if match is None or is_file_url(text):
        return Path(file_path(text))
    scheme, rest = match[1], match[2]
    if not is_store(scheme):
        raise UsageError(f"{scheme}://: such URLs are not read; use paths, file://, s3:// or gs://")
    package, extra, variables = _STORES[scheme]
    authority = rest.partition("/")[0]
    # A secret key may hold slashes, so that the @ that ends it comes after the first of them.
    if "@" in authority or (":" in authority and not authority.startswith("arn:")):
        raise UsageError(
            f"{scheme}://: credentials in a URL stay in logs and in the shell's history; leave them out, and set "
            f"{variables} in the environment"
        )
    if query := _QUERY.search(rest):
        raise UsageError(
            f"{scheme}://{rest[: query.start()]}: a query (?...=) is not used, and a signature in it would be a "
            f"secret; leave it out, and set {variables} in the environment"
        )
    if not authority and scheme != "memory":
        raise UsageError(f"{text}: names no bucket; write {scheme}://BUCKET/NAME")
    if importlib.util.find_spec(package) is None:
        raise MissingError(f"{scheme}:// needs {package}: pip install '{extra}'")
    return Url.of(text)
