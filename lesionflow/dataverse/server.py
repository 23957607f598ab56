"""Client of a Dataverse installation: lists its published files, and retries when that may help.

Source: the guides' "Native API" and "Data Access API", https://guides.dataverse.org/en/latest/api/.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, Retry
from urllib3 import exceptions as urllib3_errors

from lesionflow.errors import DownloadError, first_few
from lesionflow.version import __version__

if TYPE_CHECKING:
    import requests

_Result = TypeVar("_Result")
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})  # statuses after which another try may succeed
_BY_HAND = "fetch it with a browser and put it into the folder, or name a mirror with --server"
_PROXY_PASSWORD = "the proxy requires authentication: HTTPS_PROXY=http://name:password@host:port"
_REFUSED = {
    401: "the server requires authentication: its files are not public; name another with --server",
    403: f"the server refuses; {_BY_HAND}",
    404: "the server has nothing at this address; is --server right?",
    407: _PROXY_PASSWORD,
    410: "the server has removed it; name another with --server",
}
HAM10000_DOI = "doi:10.7910/DVN/DBW86T"
_TABLES = (".tab", ".csv", "")  # endings under which a table is published


class TransientError(Exception):
    """A failure that may not recur."""


class Cancelled(Exception):  # noqa: N818 (it is no error)
    """Raised after `Web.stop`."""


@dataclass(frozen=True)
class Patience:
    """How often and how long to wait for a server; the waits double up to the longest."""

    tries: int = 7  # failures in a row without progress: with the waits below, they take two minutes
    first_wait: float = 2.0  # seconds; the first retry after a failure comes at once, as urllib3 does it
    longest_wait: float = 60.0
    longest_asked: float = 600.0  # a server that asks for more (Retry-After) is not waited for
    timeout: float = 60.0  # without a byte


class _Retry(Retry):
    """urllib3's retry policy, which announces each wait, and ends it when the download is stopped.

    The same object counts the failures within a request, which requests hands to it, and those while its content is
    read. Raises `DownloadError` if there have been too many, or a retry would not help.
    """

    web: Web
    what: str  # is requested, for messages

    def new(self, **changed: Any) -> _Retry:
        """A copy with other counts."""
        other = super().new(**changed)
        other.web, other.what = self.web, self.what
        return other

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        *others: Any,
        **named: Any,
    ) -> _Retry:
        """Count a failure and announce the wait that follows."""
        patience = self.web.patience
        asked = self.get_retry_after(response) if response is not None else None
        trouble = str(error) if isinstance(error, TransientError) else _told(error, response, asked, patience.timeout)
        if asked is not None and asked > patience.longest_asked:
            raise DownloadError(f"{self.what}: {trouble}; try again then")
        try:
            after = super().increment("GET", url, response, error or TransientError(trouble))
        except urllib3_errors.MaxRetryError as exhausted:
            failures = len(self.history) + 1
            raise DownloadError(f"{self.what}: {trouble}, {failures} times in a row; try again later") from exhausted
        self.web.note(f"{self.what}: {trouble}; next try in {after.seconds(response):.0f} s")
        return after

    def seconds(self, response: BaseHTTPResponse | None = None) -> float:
        """How long to wait: as long as the server asks for, or longer with each failure."""
        asked = self.get_retry_after(response) if response is not None else None
        return self.get_backoff_time() if asked is None else asked

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next try. Raises `Cancelled`."""
        if self.web.stopped.wait(self.seconds(response)):
            raise Cancelled

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds that a server asks for; None if it does not, or not readably."""
        try:
            return super().get_retry_after(response)
        except urllib3_errors.InvalidHeader:
            return None


def _told(error: Exception | None, response: BaseHTTPResponse | None, asked: float | None, timeout: float) -> str:
    """Describe the failure of a request. Raises `DownloadError` if a retry would not help."""
    if response is not None:
        wait = f" and asks to wait {asked:.0f} s" if asked is not None else ""
        return f"the server answers {f'{response.status} {response.reason or chr(32)}'.rstrip()}{wait}"
    if isinstance(error, urllib3_errors.SSLError):
        raise DownloadError(
            "the server's certificate cannot be verified; behind a proxy that replaces it, name the proxy's own in "
            "REQUESTS_CA_BUNDLE"
        ) from error
    if isinstance(error, urllib3_errors.ProxyError):
        if "failed: 407" in str(error.original_error):  # of the tunnel; an object's address may contain 407, too
            raise DownloadError(_PROXY_PASSWORD) from error
        return "the proxy that the environment names does not answer"
    refused = isinstance(error, urllib3_errors.NewConnectionError)  # which urllib3 counts among timeouts
    if isinstance(error, urllib3_errors.TimeoutError) and not refused:
        return f"nothing came for {timeout:g} s"
    return "the connection failed or broke off"


class Web:
    """An HTTP client for several threads. Proxies and certificates come from the environment, as Requests takes them.

    note: called with a sentence about each wait.
    """

    def __init__(self, patience: Patience | None = None, note: Callable[[str], None] = lambda text: None):
        self.patience = patience or Patience()
        self.note = note
        self.stopped = threading.Event()
        self._own = threading.local()  # a thread's session, and its count of failures in a row

    def stop(self) -> None:
        """Make threads that wait or read end with `Cancelled`."""
        self.stopped.set()

    def go_on(self) -> None:
        """Raise `Cancelled` after `stop`; to be called between two steps of long work."""
        if self.stopped.is_set():
            raise Cancelled

    def persist(self, what: str, work: Callable[[], _Result], arrived: Callable[[], int] = lambda: 0) -> _Result:
        """Do work that requests with `answer`, again after each `TransientError`, as often as patience allows.

        arrived: how much there is so far; when that grows, failures are counted from zero. Raises `DownloadError`.
        """
        self._own.retry = self._retry(what)
        while True:
            before = arrived()
            try:
                return work()
            except TransientError as trouble:
                if arrived() > before:
                    self._own.retry = self._retry(what)
                self._own.retry = self._own.retry.increment(error=trouble)
                self._own.retry.sleep()

    def _retry(self, what: str) -> _Retry:
        patience = self.patience
        retry = _Retry(
            patience.tries - 1, status_forcelist=_TRANSIENT, backoff_factor=patience.first_wait,
            backoff_max=patience.longest_wait,
        )  # fmt: skip
        retry.web, retry.what = self, what
        return retry

    @contextlib.contextmanager
    def answer(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """The answer, of status 200, 206 or 416, with its content still to be read in the block; within `persist`.

        Raises `TransientError` for failures while the block reads, and `DownloadError` if no retry would help.
        """
        import requests

        if not hasattr(self._own, "session"):  # sessions are not thread-safe
            self._own.session = requests.Session()
        own = {"User-Agent": f"lesionflow/{__version__}", "Accept-Encoding": "identity"}  # sizes are of the content
        self.go_on()
        try:
            for adapter in self._own.session.adapters.values():
                adapter.max_retries = self._own.retry
            with self._own.session.get(
                url, headers={**own, **(headers or {})}, stream=True, timeout=self.patience.timeout
            ) as response:
                self._own.retry = response.raw.retries
                _check(response, url)
                yield response
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            told = f"nothing came for {self.patience.timeout:g} s" if "timed out" in str(error) else ""
            raise TransientError(told or "the connection failed or broke off") from error
        except requests.exceptions.RequestException as error:  # its text could hold a proxy's password
            told = f"cannot be requested ({type(error).__name__}); check the address, and the proxy's"
            raise DownloadError(f"{url}: {told}") from error

    def json(self, url: str, what: str) -> Any:
        """The JSON that a server answers with, retried as often as patience allows. Raises `DownloadError`."""

        def ask() -> Any:
            with self.answer(url, {"Accept": "application/json"}) as response:
                content = response.content
            try:
                return json.loads(content)
            except ValueError as error:
                raise TransientError("the answer is not JSON") from error

        return self.persist(what, ask)


def _check(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in (200, 206, 416):
        return
    answer = f"{status} {response.reason or ''}".rstrip()
    # A redirection leads to an address that is signed for minutes only: the next attempt needs a new one.
    if status in (401, 403) and response.history:
        raise TransientError(f"the server answers {answer}")
    raise DownloadError(f"{url}: {_REFUSED.get(status, f'the server sends no file; {_BY_HAND}')} ({answer})")


@dataclass(frozen=True)
class PublishedFile:
    """A file as it was deposited."""

    name: str
    url: str
    size: int | None  # bytes; older installations do not state it for tables
    digest: str  # `md5:...`, or another algorithm that hashlib knows


@dataclass(frozen=True)
class Published:
    """The latest published version of a data set."""

    doi: str
    server: str
    version: str
    files: tuple[PublishedFile, ...]

    def find(self, name: str) -> PublishedFile:
        """The file of a name, also `part1` for `part_1`, and a table in any form. Raises `DownloadError`."""
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


def read_listing(server: str, doi: str, web: Web) -> Published:
    """List the files that an installation has published under an identifier. Raises `DownloadError`."""
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
