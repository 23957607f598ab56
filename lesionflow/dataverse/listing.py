"""What a Dataverse installation says about a published data set: its files, their sizes, digests and addresses.

Source: the guides' "Native API" and "Data Access API", https://guides.dataverse.org/en/latest/api/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from lesionflow.dataverse.web import Web
from lesionflow.errors import DownloadError, UsageError, first_few

SERVER = "https://dataverse.harvard.edu"
HAM10000_DOI = "doi:10.7910/DVN/DBW86T"
_TABLES = (".tab", ".csv", "")  # endings under which a table is published


@dataclass(frozen=True)
class PublishedFile:
    """A file as it was deposited."""

    name: str
    url: str
    size: int | None  # bytes; older installations do not tell it of tables
    digest: str  # `md5:...`, or another algorithm that hashlib knows


@dataclass(frozen=True)
class Published:
    """The latest published version of a data set."""

    doi: str
    server: str
    version: str
    files: tuple[PublishedFile, ...]

    def find(self, name: str) -> PublishedFile:
        """The file of a name, also `part1` for `part_1`; of a table, in whatever form. Raises `DownloadError`."""
        for file in self.files:
            path = PurePosixPath(file.name)
            # The data set's own description writes some names without the underscores that others have.
            if _plain(file.name) == _plain(name) or (
                path.suffix in _TABLES and _plain(path.stem) == _plain(PurePosixPath(name).stem)
            ):
                return file
        names = first_few([file.name for file in self.files], 10) or "none"
        raise DownloadError(f"{self.server}: {self.doi}, version {self.version}, has no {name}; its files are {names}")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def check_server(server: str) -> str:
    """The address of an installation without a slash at its end. Raises `UsageError` for what is none."""
    try:
        address = urlsplit(server)
    except ValueError:
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise UsageError(f"--server {server}: give the address of a Dataverse installation, such as {SERVER}")
    if address.username or address.password:
        raise UsageError("--server: leave name and password out of the address; published data needs none")
    return server.rstrip("/")


def read_listing(server: str, doi: str, web: Web) -> Published:
    """Ask an installation what it has published under an identifier. Raises `DownloadError`."""
    url = f"{server}/api/datasets/:persistentId/?persistentId={quote(doi, safe='')}"
    answer = web.json(url, f"the list of files of {doi}")
    try:
        latest = answer["data"]["latestVersion"]
        version = f"{latest['versionNumber']}.{latest['versionMinorNumber']}"
        files = tuple(_read_file(server, entry) for entry in latest["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise DownloadError(f"{url}: no list of files as Dataverse gives it ({error!r}); is --server right?") from error
    return Published(doi, server, version, files)


def _read_file(server: str, entry: Mapping[str, Any]) -> PublishedFile:
    about = entry["dataFile"]
    url = f"{server}/api/access/datafile/{int(about['id'])}"
    name, size = entry.get("label") or about["filename"], about.get("filesize")
    # A table was turned into a .tab; its digest is of what was deposited (an installation's maintainers say so in
    # https://github.com/IQSS/dataverse/issues/7275), while `filesize` is of the .tab.
    if about.get("originalFileFormat"):
        url += "?format=original"
        name, size = about.get("originalFileName") or name, about.get("originalFileSize")
    if name != PurePosixPath(name).name or name.startswith(".") or "\\" in name:
        raise ValueError(f"{name!r} is no file name")
    if size is not None and int(size) < 0:
        raise ValueError(f"{name} has {size} bytes")
    return PublishedFile(name, url, None if size is None else int(size), _digest(name, about))


def _digest(name: str, about: Mapping[str, Any]) -> str:
    """In the words of hashlib and pooch: `md5:...`. Raises `ValueError` for a file that could not be checked."""
    checksum = about.get("checksum") or {"type": "MD5", "value": about.get("md5")}
    algorithm, value = str(checksum["type"]).lower().replace("-", ""), checksum["value"]
    if algorithm not in hashlib.algorithms_guaranteed or not value:
        raise ValueError(f"{name} has no digest that can be checked")
    return f"{algorithm}:{str(value).lower()}"
