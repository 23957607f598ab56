"""Looking a model up on an MLflow server over HTTP, and copying its bundle from there, without MLflow.

Importing MLflow takes many times longer than scoring an image. Only what MLflow would answer the same is answered: at
anything unusual, whatever it is, the answer is to ask MLflow, which also has the message for it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlencode, urlsplit

from lesionflow.registry.local_store import Entry, in_spark, local_bundle
from lesionflow.version import __version__

if TYPE_CHECKING:
    import ssl

# Settings under which MLflow asks in another way, or other things: names in a workspace, signed requests, two parts.
_CHANGING = (
    "MLFLOW_ENABLE_WORKSPACES",
    "MLFLOW_WORKSPACE",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD",
)
_CREDENTIALS_FILE = Path("~/.mlflow/credentials")
_PATIENCE = 10  # seconds without a byte: MLflow, asked next, waits for as long as it is set to
_ARTIFACTS = "mlflow-artifacts/artifacts"

Get = Callable[[str], bytes]  # the content of an address


def fetch_entry(
    name: str,
    alias: str | None,
    number: int | None,
    tracking_uri: str | None,
    download_to: Path,
    files: Sequence[str],
) -> Entry | None:
    """The version of a model by alias or by number, with those files of its bundle; None where MLflow has to be asked.

    A bundle that is a folder on this machine is used where it is, otherwise the files are copied into `download_to`.
    Nothing is checked but that each file came whole: what is in them, whoever reads a bundle compares with digests.
    """
    registry, artifacts = _servers(tracking_uri)
    if registry is None or (alias is not None and alias.lower() == "latest"):  # which MLflow works out
        return None
    import http.client  # not for those who need no server: it brings a reader of mails along

    try:
        get = _opener(secure=any(server and server.startswith("https") for server in (registry, artifacts)))
        if alias is not None:
            asked = f"registered-models/alias?{urlencode({'name': name, 'alias': alias})}"
        else:
            asked = f"model-versions/get?{urlencode({'name': name, 'version': number})}"
        version = json.loads(get(f"{registry}/mlflow/{asked}"))["model_version"]
        number = int(version["version"])
        tags = {tag["key"]: tag["value"] for tag in version["tags"]}
        if version["status"] != "READY" or "card_digest" not in tags:
            return None
        asked = f"model-versions/get-download-uri?{urlencode({'name': name, 'version': number})}"
        location = json.loads(get(f"{registry}/mlflow/{asked}"))["artifact_uri"]
        folder = local_bundle(location)
        if folder is None:
            if artifacts is None:
                return None
            bundle = _bundle_address(location, artifacts, get)
            for file in files:
                (download_to / file).write_bytes(get(f"{bundle}/{file}"))
            folder = download_to
        return Entry(number, folder, str(tags["card_digest"]))
    # No server there, a refusal, a page where an answer was expected, a transfer that breaks off, another API.
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _bundle_address(location: str, artifacts: str, get: Get) -> str:
    """The address of the bundle within a logged model whose artifacts the server hands on."""
    parts = urlsplit(location)
    if parts.scheme != "mlflow-artifacts" or parts.netloc or parts.query or parts.fragment:
        raise ValueError("kept where this server does not hand it on")
    data = f"{parts.path.strip('/')}/data"
    # MLflow keeps what `data_path` named under data/, by its own name; a bundle is one folder there.
    (found,) = json.loads(get(f"{artifacts}/{_ARTIFACTS}?{urlencode({'path': data})}"))["files"]
    if not found["is_dir"] or not re.fullmatch(r"(?!\.\.?$)[^/\\%]+", found["path"]):
        raise ValueError("not one folder")
    return f"{artifacts}/{_ARTIFACTS}/{quote(unquote(data))}/{quote(found['path'])}"


def _servers(tracking_uri: str | None) -> tuple[str | None, str | None]:
    """Where MLflow would ask for versions and for artifacts; None for what is no such server, or not for us to tell."""
    if in_spark() or any(os.environ.get(name) for name in _CHANGING):
        return None, None
    if "mlflow" in sys.modules and not tracking_uri:
        import mlflow  # somebody else has paid for it, and may have told it where to look

        return _server(mlflow.get_registry_uri()), _server(mlflow.get_tracking_uri())
    tracking = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return _server(os.environ.get("MLFLOW_REGISTRY_URI") or tracking), _server(tracking)


def _server(address: str | None) -> str | None:
    """The address of a server's interface, from the one that MLflow is given."""
    parts = urlsplit(address or "")
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/2.0"


def _opener(secure: bool) -> Get:
    """A function that gets the content of an address, with the credentials and certificates that MLflow would use."""
    import urllib.request

    if "all" in urllib.request.getproxies():
        raise ValueError("urllib knows no proxy for every scheme")
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPHandler())
    if secure:
        opener.add_handler(urllib.request.HTTPSHandler(context=_certificates()))
    # Nothing that follows a redirection: where it leads, the credentials must not get to.
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    headers = {"User-Agent": f"lesionflow/{__version__}"} | _authorization()
    patience = min(_PATIENCE, int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or _PATIENCE))

    def get(address: str) -> bytes:
        response = opener.open(urllib.request.Request(address, headers=headers), timeout=patience)
        if response is None:
            raise ValueError(f"no handler for {address}")
        with response:
            return bytes(response.read())  # all at once: then a transfer that breaks off is an error

    return get


def _authorization() -> dict[str, str]:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")}
    if _CREDENTIALS_FILE.expanduser().exists():
        raise ValueError("what it says is MLflow's to read")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _certificates() -> ssl.SSLContext:
    import ssl

    own = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    careless = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower()
    if careless not in ("", "0", "1", "false", "true") or (own and careless in ("1", "true")):
        raise ValueError("which MLflow refuses")
    # The latter two are those of the HTTP client that MLflow uses.
    context = ssl.create_default_context(
        cafile=own or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    )
    if careless in ("1", "true"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
