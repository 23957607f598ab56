"""Answers of a web server, asked for with patience: what may pass is tried again, what will not is said at once."""

from __future__ import annotations

import contextlib
import email.utils
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lesionflow.errors import DownloadError
from lesionflow.version import __version__

if TYPE_CHECKING:
    import requests

_PASSING = {408, 425, 429}  # statuses after which another try may succeed, beside those of a server in trouble
_BY_HAND = "fetch it with a browser and put it into the folder, or name a mirror with --server"
_REFUSED = {
    401: "the server asks who you are; these files are not open there: name another with --server",
    403: f"the server refuses; {_BY_HAND}",
    404: "the server knows no such thing; is --server right?",
    407: "the proxy asks who you are: HTTPS_PROXY=http://name:password@host:port",
    410: "the server has removed it; name another with --server",
}


class TransientError(Exception):
    """What another try may cure; `wait`: the seconds that the server asks for before it, or None."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class Cancelled(Exception):  # noqa: N818 (it is no error)
    """Somebody has called `Web.stop`."""


@dataclass(frozen=True)
class Patience:
    """How often and how long to wait for a server; the waits double from the first to the longest."""

    tries: int = 7  # in a row of which none brings anything: with the waits below, they take two minutes
    first_wait: float = 2.0  # seconds
    longest_wait: float = 60.0
    longest_asked: float = 600.0  # a server that asks for more (Retry-After) is not waited for
    timeout: float = 60.0  # without a byte


class Web:
    """Asks servers; several threads may use it. Proxies and certificates come from the environment, as Requests has it.

    note: told in a sentence of each wait.
    """

    def __init__(self, patience: Patience | None = None, note: Callable[[str], None] = lambda text: None):
        self.patience = patience or Patience()
        self.note = note
        self._stopped = threading.Event()
        self._own = threading.local()

    def stop(self) -> None:
        """Let whoever waits or reads end with `Cancelled`."""
        self._stopped.set()

    def go_on(self) -> None:
        """Raise `Cancelled` after `stop`; to be called between two steps of long work."""
        if self._stopped.is_set():
            raise Cancelled

    @contextlib.contextmanager
    def answer(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """One try: the answer, of status 200, 206 or 416, with its content still to be read in the block.

        Raises `TransientError`, also for what fails while the block reads, and `DownloadError` where no try would help.
        """
        import requests

        if not hasattr(self._own, "session"):  # a session is no thing for two threads
            self._own.session = requests.Session()
        own = {"User-Agent": f"lesionflow/{__version__}", "Accept-Encoding": "identity"}  # sizes are of the content
        self.go_on()
        try:
            with self._own.session.get(
                url, headers={**own, **(headers or {})}, stream=True, timeout=self.patience.timeout
            ) as response:
                _check(response, url)
                yield response
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"{url}: the server's certificate cannot be verified; behind a proxy that replaces it, name the "
                "proxy's own in REQUESTS_CA_BUNDLE"
            ) from error
        except requests.exceptions.ProxyError as error:
            raise TransientError("the proxy that the environment names does not answer") from error
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            silent = isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error)
            told = f"nothing came for {self.patience.timeout:g} s" if silent else "the connection failed or broke off"
            raise TransientError(told) from error
        except requests.exceptions.Timeout as error:
            raise TransientError(f"nothing came for {self.patience.timeout:g} s") from error
        except requests.exceptions.RequestException as error:  # its text could hold a proxy's password
            raise DownloadError(f"{url}: cannot be asked for ({type(error).__name__})") from error

    def wait_after(self, trouble: TransientError, failures: int, what: str) -> None:
        """Wait before the next try; failures: how many tries in a row have brought nothing, this one included.

        Raises `DownloadError` where there have been too many.
        """
        patience = self.patience
        if failures >= patience.tries:
            raise DownloadError(f"{what}: {trouble}, {failures} times in a row; try again later") from trouble
        if trouble.wait is not None and trouble.wait > patience.longest_asked:
            raise DownloadError(f"{what}: {trouble}; try again then") from trouble
        seconds = min(patience.first_wait * 2 ** max(failures - 1, 0), patience.longest_wait)
        if trouble.wait is not None:
            seconds = max(trouble.wait, 0.0)
        self.note(f"{what}: {trouble}; next try in {seconds:.0f} s")
        if self._stopped.wait(seconds):
            raise Cancelled

    def json(self, url: str, what: str) -> Any:
        """The JSON that a server answers with, tried as often as patience has it. Raises `DownloadError`."""
        failures = 0
        while True:
            try:
                with self.answer(url, {"Accept": "application/json"}) as response:
                    content = response.content
                return json.loads(content)
            except ValueError:
                trouble = TransientError("the answer is no JSON")
            except TransientError as passing:
                trouble = passing
            failures += 1
            self.wait_after(trouble, failures, what)


def _check(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in (200, 206, 416):
        return
    answer = f"{status} {response.reason or ''}".rstrip()
    # What lies behind a redirection is an address that was signed for minutes: the next try is given a new one.
    if status in _PASSING or status >= 500 or (status in (401, 403) and response.history):
        wait = _asked_wait(response.headers.get("Retry-After"))
        asks = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        raise TransientError(f"the server answers {answer}{asks}", wait)
    raise DownloadError(f"{url}: {_REFUSED.get(status, f'no file comes; {_BY_HAND}')} ({answer})")


def _asked_wait(header: str | None) -> float | None:
    """Seconds of a Retry-After: a number, or a date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(email.utils.parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
