"""A real web server that publishes a data set as a Dataverse installation does, and can be told to behave badly."""

import hashlib
import io
import json
import re
import socket
import ssl
import struct
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

Misbehaviour = Callable[["Handler", bytes], None]  # answers a request for some content in its own way


def archive_of(folder: Path) -> bytes:
    """A zip archive of a folder's files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return content.getvalue()


class Dataverse:
    """An installation with one data set. `misbehave[name]` is how the next requests for a file are answered."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        tables: Iterable[str] = (),
        redirect: bool = True,
        tls: ssl.SSLContext | None = None,
    ):
        self.names = list(files)
        self.contents = dict(files)
        self.tables = set(tables)  # turned into .tab when they were deposited
        self.redirect = redirect
        self.entries = [self.entry(name) for name in self.names]
        self.listing_status = 200
        self.misbehave: dict[str, list[Misbehaviour]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []  # paths and headers
        self.reached = threading.Event()  # a request has come that `hold` answers
        self.release = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"dataverse": self}))
        self.server.daemon_threads = True
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def entry(self, name: str) -> dict[str, Any]:
        """What the list of files says of one."""
        content = self.contents[name]
        md5 = hashlib.md5(content).hexdigest()
        about = {"id": 100 + self.names.index(name), "filename": name, "filesize": len(content), "md5": md5}
        about["checksum"] = {"type": "MD5", "value": md5}
        if name not in self.tables:
            return {"label": name, "restricted": False, "dataFile": about}
        label = f"{name.removesuffix('.csv')}.tab"
        about |= {"filename": label, "filesize": len(self.tab(name)), "originalFileFormat": "text/csv"}
        about |= {"originalFileName": name, "originalFileSize": len(content), "UNF": "UNF:6:made=="}
        return {"label": label, "restricted": False, "dataFile": about}

    def tab(self, name: str) -> bytes:
        return self.contents[name].replace(b",", b"\t")

    def asked_for(self, name: str) -> list[dict[str, str]]:
        """The headers of the requests that reached a file's content."""
        number = 100 + self.names.index(name)
        path = rf"/store/{number}\b.*" if self.redirect else rf"/api/access/datafile/{number}\b.*"
        return [headers for asked, headers in self.requests if re.fullmatch(path, asked)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dataverse: Dataverse

    def do_GET(self) -> None:
        self.dataverse.requests.append((self.path, {name.title(): value for name, value in self.headers.items()}))
        if self.path.startswith("/api/datasets/:persistentId/?persistentId=doi%3A10.7910%2FDVN%2FDBW86T"):
            latest = {"versionNumber": 4, "versionMinorNumber": 0, "files": self.dataverse.entries}
            answer = {"status": "OK", "data": {"latestVersion": latest}}
            self.give("the list", json.dumps(answer).encode())
            return
        if self.path == "/a/round":
            self.give("a round", b"")
            return
        asked = re.fullmatch(r"/(api/access/datafile|store)/(\d+)(\?format=original)?(\?signature=1)?", self.path)
        if not asked or int(asked[2]) - 100 >= len(self.dataverse.names):
            self.answer(404, b"")
            return
        name = self.dataverse.names[int(asked[2]) - 100]
        content = self.dataverse.contents[name]
        if name in self.dataverse.tables and asked[1] != "store" and not asked[3]:
            content = self.dataverse.tab(name)
        if asked[1] == "store" or not self.dataverse.redirect:
            self.give(name, content)
        else:
            self.answer(303, b"", {"Location": f"/store/{asked[2]}?signature=1"})

    def give(self, name: str, content: bytes) -> None:
        """Content as a good server gives it, or as it was told to."""
        waiting = self.dataverse.misbehave.get(name)
        if waiting:
            waiting.pop(0)(self, content)
        else:
            self.serve(content)

    def serve(self, content: bytes, ranges: bool = True) -> None:
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not start or not ranges:
            self.answer(200, content)
        elif int(start[1]) >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            told = f"bytes {start[1]}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[int(start[1]) :], {"Content-Range": told})

    def answer(
        self, status: int, content: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def fails(status: int, **headers: str) -> Misbehaviour:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, content: handler.answer(status, b"no", given)


def breaks_off(handler: Handler, content: bytes) -> None:
    """The middle comes, then the connection is closed."""
    handler.answer(200, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def resets(handler: Handler, content: bytes) -> None:
    """The connection is reset, as by a machine that fell over."""
    handler.answer(200, content[: len(content) // 3], length=len(content))
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def says_nothing(handler: Handler, content: bytes) -> None:
    handler.close_connection = True


def tells_less(handler: Handler, content: bytes) -> None:
    """Content-Length is less than the file has, and so much comes."""
    handler.answer(200, content[: len(content) // 2])


def tells_more(handler: Handler, content: bytes) -> None:
    """Content-Length is more than the file has."""
    handler.answer(200, content, length=len(content) + 1000)
    handler.close_connection = True


def redirects_for_ever(handler: Handler, content: bytes) -> None:
    handler.dataverse.misbehave["a round"] = [redirects_for_ever]
    handler.answer(302, b"", {"Location": "/a/round"})


def sends_more(handler: Handler, content: bytes) -> None:
    """More comes than was published."""
    handler.answer(200, content + b"more")


def ignores_range(handler: Handler, content: bytes) -> None:
    handler.serve(content, ranges=False)


def wrong_range(handler: Handler, content: bytes) -> None:
    """Another part than was asked for."""
    handler.answer(206, content[1:], {"Content-Range": f"bytes 1-{len(content) - 1}/{len(content)}"})


def other_size(handler: Handler, content: bytes) -> None:
    """The rest of a file that has become another."""
    handler.answer(206, b"abc", {"Content-Range": "bytes 10-12/13"})


def wrong_bytes(handler: Handler, content: bytes) -> None:
    handler.serve(bytes(len(content)))


def hold(handler: Handler, content: bytes) -> None:
    """The first third comes, and the rest when the server is told."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 3])
    handler.dataverse.reached.set()
    handler.dataverse.release.wait(60)
    handler.wfile.write(content[len(content) // 3 :])


def carry(source: socket.socket, target: socket.socket) -> None:
    """Hand on whatever comes, until it ends."""
    with suppress(OSError):
        while content := source.recv(65_536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def certificate(file: Path) -> ssl.SSLContext:
    """A new certificate of 127.0.0.1, signed by itself, in a file; and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    file.with_suffix(".key").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, file.with_suffix(".key"))
    return context


def waits(handler: Handler, content: bytes) -> None:
    """Nothing comes until the server is told."""
    handler.dataverse.release.wait(60)


@contextmanager
def proxy(password: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A forward proxy: its address, and the list of what it was asked for. With password it asks for one."""
    asked: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            import http.client
            from urllib.parse import urlsplit

            asked.append(self.path)
            if password and "Proxy-Authorization" not in self.headers:
                self.send_response(407)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            target = urlsplit(self.path)
            connection = http.client.HTTPConnection(str(target.hostname), target.port)
            connection.request("GET", self.path.partition(target.netloc)[2], headers=dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name not in ("Server", "Date"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_CONNECT(self) -> None:
            asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as target:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=carry, args=(target, self.connection), daemon=True)
                back.start()
                carry(self.connection, target)
                back.join()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
