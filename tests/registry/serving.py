"""A real `mlflow server`, and a door in front of it that notes who knocks and can spoil what comes out."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ANSWERING = 600  # seconds that a server may take to begin


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def server_environment() -> dict[str, str]:
    """The environment of a server: it asks no other server, and starts no processes for jobs, of which we have none."""
    ours = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return ours | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when a server answers."""
    for _ in range(2 * ANSWERING):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
    raise AssertionError(f"no answer within {ANSWERING} seconds: {log.read_text()}")


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """The address of a server over the database and the artifacts in a folder, artifacts proxied."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "served"),
    ]  # fmt: skip
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=server_environment()) as process,
    ):
        try:
            wait_for(address, process, folder / "server.log")
            yield address
        finally:
            process.terminate()


class Door(http.server.ThreadingHTTPServer):
    """Hands requests on to a server; `spoil` may change what comes back: (path, content) to (status, content)."""

    daemon_threads = True

    def __init__(self, behind: str):
        super().__init__(("127.0.0.1", 0), _Handing)
        self.behind, self.scheme = behind, "http"
        self.asked: list[tuple[str, str | None]] = []  # path, Authorization
        self.spoil: Callable[[str, bytes], tuple[int, bytes]] = lambda _, content: (200, content)
        self.breaks_off = False  # announces a byte more than it sends
        self.leads_to: str | None = None  # an address to go to instead
        self.answers: int | None = None  # a status that all get, without the server being asked
        self.says = b"said the door"  # with that status
        self.swallows: str | None = None  # what changes at such a path is answered with {}, and goes nowhere
        self.hangs = False  # takes every request, and says nothing
        self.closed = threading.Event()

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that did not like the certificate."""


class _Handing(http.server.BaseHTTPRequestHandler):
    server: Door

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        if self.server.hangs:
            self.server.closed.wait()
            return
        if self.server.leads_to is not None:
            self.send_response(302)
            self.send_header("Location", self.server.leads_to + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) or None
        request = urllib.request.Request(self.server.behind + self.path, body, method=self.command)
        request.add_header("Content-Type", self.headers["Content-Type"] or "application/json")
        if self.server.answers:
            self._answer(self.server.answers, self.server.says)
            return
        if self.server.swallows and self.command != "GET" and self.path.endswith(self.server.swallows):
            self._answer(200, b"{}")
            return
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, content = self.server.spoil(self.path, response.read())
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        self._answer(status, content)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + self.server.breaks_off))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the names that the base class looks for)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def door(behind: str, certificate: Path | None = None) -> Iterator[Door]:
    """A door, open while the block lasts; with a certificate and its key in a file, one for HTTPS."""
    with Door(behind) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.closed.set()
            server.shutdown()
            thread.join()
