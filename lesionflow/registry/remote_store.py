"""A registered version looked up on an MLflow server by MLflow's REST calls; at anything unusual MLflow is asked."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lesionflow.model.files import bundle_of_logged_model
from lesionflow.registry.local_store import Entry
from lesionflow.tracking.client import default_addresses

_SERVER = re.compile(r"https?://[^/@?#]+(/[^@?#]*)?")
# Settings that change requests in ways that only MLflow knows.
_MLFLOWS_OWN = ["TRACKING_AUTH", "TRACKING_AWS_SIGV4", "TRACKING_CLIENT_CERT_PATH", "ALLOW_HTTP_REDIRECTS"]
_CREDENTIALS_FILE = Path("~/.mlflow/credentials")


def fetch_entry(
    name: str, alias: str | None, number: int | None, tracking_uri: str | None, download_to: Path, files: Sequence[str]
) -> Entry | None:
    """Find a version by alias or number, and copy files of its bundle that is not on this machine; None: ask MLflow."""
    servers = default_addresses(tracking_uri)
    if not all(map(_SERVER.fullmatch, servers)) or any(os.environ.get(f"MLFLOW_{name}") for name in _MLFLOWS_OWN):
        return None
    versions, artifacts = (f"{server.rstrip('/')}/api/2.0/mlflow" for server in servers)
    try:
        asked = f"{versions}/model-versions/get" if alias is None else f"{versions}/registered-models/alias"
        version = _get(asked, name=name, version=number, alias=alias).json()["model_version"]
        if version["status"] != "READY" or str(alias).lower() == "latest":  # which MLflow works out
            return None
        number, digests = int(version["version"]), {tag["key"]: tag["value"] for tag in version["tags"]}
        location = _get(f"{versions}/model-versions/get-download-uri", name=name, version=number).json()["artifact_uri"]
        if folder := bundle_of_logged_model(location):
            return Entry(number, folder, digests["card_digest"])
        (model,) = re.fullmatch("mlflow-artifacts:/+([^?#%]+)", location).groups()  # type: ignore[union-attr]
        (bundle,) = _get(f"{artifacts}-artifacts/artifacts", path=f"{model}/data").json()["files"]
        if not bundle["is_dir"] or not re.fullmatch(r"(?!\.\.?$)[^/\\%]+", bundle["path"]):
            return None
        for file in files:
            asked = f"{artifacts}-artifacts/artifacts/{quote(model)}/data/{quote(bundle['path'])}/{file}"
            (download_to / file).write_bytes(_get(asked).content)
        return Entry(number, download_to, digests["card_digest"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # no server, another API, ...
        return None


def _get(address: str, **parameters: Any) -> Any:
    """Ask a server with the credentials, certificates and patience that MLflow would have."""
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
    response = requests.get(address, parameters, headers=headers, verify=own or not trusting, timeout=timeout)
    response.raise_for_status()
    return response
