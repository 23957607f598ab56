"""Stores asked as MLflow would ask them, without MLflow, whose import takes seconds: an SQLite file, a server.

Whoever meets anything unusual here leaves it to MLflow.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

# What a call below raises where it is not answered as expected: no server, another API, ...
UNUSUAL = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, sqlite3.Error)
_SERVER = re.compile(r"https?://[^/@?#]+(/[^@?#]*)?")
# Settings that change requests in ways that only MLflow knows.
_MLFLOWS_OWN = ["TRACKING_AUTH", "TRACKING_AWS_SIGV4", "TRACKING_CLIENT_CERT_PATH", "ALLOW_HTTP_REDIRECTS"]
_CREDENTIALS_FILE = Path("~/.mlflow/credentials")


def is_plain_file(address: str) -> bool:
    """Whether an address is that of an SQLite file, and nothing else."""
    return address.startswith("sqlite:///") and not any(mark in address for mark in "?#%")


@contextlib.contextmanager
def open_file(address: str, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    """Open the SQLite file of an address, which is not made. Writers begin their transactions themselves."""
    file = f"file:{quote(os.path.abspath(address.removeprefix('sqlite:///')))}?mode={mode}"
    waits = 1 if mode == "ro" else 20
    with contextlib.closing(sqlite3.connect(file, uri=True, timeout=waits, isolation_level=None)) as database:
        yield database


def is_plain_server(address: str) -> bool:
    """Whether an address is that of a server that is asked with a user or token of the environment at most."""
    return bool(_SERVER.fullmatch(address)) and not any(os.environ.get(f"MLFLOW_{name}") for name in _MLFLOWS_OWN)


def ask(method: str, address: str, **arguments: Any) -> Any:
    """Ask a server with the credentials, certificates and patience that MLflow would have.

    arguments: what `requests.request` takes besides. Raises one of `UNUSUAL` where it refuses.
    """
    import requests

    names = ("USERNAME", "PASSWORD", "TOKEN", "SERVER_CERT_PATH", "INSECURE_TLS")
    user, password, token, own, insecure = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in names)
    trusting = {None: False, "0": False, "false": False, "1": True, "true": True}[insecure and insecure.lower()]
    if (own and trusting) or (not (user and password) and _CREDENTIALS_FILE.expanduser().exists()):
        raise ValueError("MLflow refuses the one, and reads the other itself")
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    authorization = f"Basic {credentials}" if user and password else f"Bearer {token}" if token else None
    timeout = min(10, int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 10))
    headers = {"Authorization": authorization} if authorization else {}
    verify = own or not trusting
    response = requests.request(method, address, headers=headers, verify=verify, timeout=timeout, **arguments)
    response.raise_for_status()
    return response
