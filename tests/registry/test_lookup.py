"""Over HTTP, too, a model's name leads to the bundle that was registered, without MLflow where that is possible."""

import datetime
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lesionflow.errors import BundleError, RegistryError
from lesionflow.model.predictor import load_predictor
from lesionflow.registry import versions
from lesionflow.registry.lookup import Entry, fetch_entry
from lesionflow.registry.versions import SCORING_FILES, resolve
from lesionflow.tracking import client as tracking_client
from lesionflow.tracking import runs as tracking
from tests.registry.champions import set_champion
from tests.registry.serving import Door, door
from tests.registry.test_resolution import write_bundle

NAME = "lesions & more"
ELSEWHERE = "elsewhere"


@pytest.fixture(scope="module")
def server(served: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the address of a server with two versions of which the second is the champion, and one kept on S3."""
    folder = tmp_path_factory.mktemp("bundles")
    mlflow.set_tracking_uri(served)
    try:
        for number, graph in enumerate((b"first", b"second"), 1):
            card = write_bundle(folder / f"bundle {number}", graph)
            with tracking.run(f"run {number}", "kept by the server", system_metrics=False):
                version = versions.register_bundle(folder / f"bundle {number}", card, NAME, b"an image")
        set_champion(version, "a test")
        client = mlflow.MlflowClient()
        client.create_registered_model(ELSEWHERE)
        client.create_model_version(ELSEWHERE, "s3://bucket/model", tags={"card_digest": card.digest})
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    return served


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Take away what the machine that the tests run on may be set to."""
    for name in os.environ:
        if name.startswith("MLFLOW_TRACKING_") or name == "MLFLOW_REGISTRY_URI" or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(tracking_client, "_CREDENTIALS_FILE", tmp_path / "credentials")
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture
def front(server: str) -> Iterator[Door]:
    with door(server) as opened:
        yield opened


def fetch(
    address: str, folder: Path, alias: str | None = "champion", number: int | None = None, name: str = NAME
) -> Entry | None:
    return fetch_entry(name, alias, number, address, folder, SCORING_FILES)


@pytest.mark.parametrize(("alias", "number"), [("champion", None), (None, 1), (None, 2)])
def test_the_short_way_gives_what_mlflow_gives(
    alias: str | None, number: int | None, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    entry = fetch(server, short, alias, number)
    assert entry is not None and entry.bundle == short
    asked = versions._ask(NAME, alias, number, server, long, versions.SCORING_FILES)
    assert (entry.number, entry.card_digest) == (asked.number, asked.card_digest)
    assert sorted(path.name for path in short.iterdir()) == sorted(path.name for path in long.iterdir())
    assert all((short / file).read_bytes() == (long / file).read_bytes() for file in SCORING_FILES)


def test_resolving_on_a_server_imports_no_mlflow(server: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lesionflow.registry.versions import resolve\n"
        f"print(resolve('models:/{NAME}@champion', Path('.')).label)\n"
        "print('mlflow' in sys.modules, 'requests' in sys.modules)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "MLFLOW_TRACKING_URI": server}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{NAME}/2 (demo data)", "False True"]
    assert (tmp_path / "model.onnx").read_bytes() == b"second"


def test_where_the_server_is_found(server: str, front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow.set_tracking_uri(server)
    assert fetch_entry(NAME, "champion", None, None, tmp_path, SCORING_FILES) is not None
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", front.address + "/")
    assert fetch(server, tmp_path) is not None
    # Versions are the registry's to know; artifacts come through the tracking server.
    assert front.asked and not any("artifacts/" in path for path, _ in front.asked)
    assert fetch("sqlite:///mlflow.db", tmp_path) is None


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "sécret"}, "Basic YW5uOnPDqWNyZXQ="),
        ({"MLFLOW_TRACKING_TOKEN": "abc"}, "Bearer abc"),
        (
            {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "b", "MLFLOW_TRACKING_TOKEN": "abc"},
            "Basic YW5uOmI=",
        ),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_TOKEN": "abc"}, "Bearer abc"),
    ],
)
def test_credentials_are_those_that_mlflow_sends(
    settings: dict[str, str], sent: str | None, front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert fetch(front.address, tmp_path) is not None
    assert len(front.asked) == 5 and {authorization for _, authorization in front.asked} == {sent}
    front.asked.clear()
    versions._ask(NAME, "champion", None, front.address, tmp_path, versions.SCORING_FILES)
    assert {authorization for _, authorization in front.asked} == {sent}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_ENABLE_WORKSPACES", "true"),
        ("MLFLOW_TRACKING_AWS_SIGV4", "true"),
        ("MLFLOW_TRACKING_CLIENT_CERT_PATH", "some.pem"),
        ("MLFLOW_ALLOW_HTTP_REDIRECTS", "false"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon"),
        ("ALL_PROXY", "socks5://localhost:1"),
    ],
)
def test_settings_that_are_left_to_mlflow(
    name: str, value: str, front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert fetch(front.address, tmp_path) is None and not front.asked


def test_credentials_in_a_file_or_an_address_are_left_to_mlflow(front: Door, tmp_path: Path) -> None:
    assert fetch(front.address.replace("//", "//ann:secret@"), tmp_path) is None
    tracking_client._CREDENTIALS_FILE.write_text("[mlflow]\nmlflow_tracking_username = ann\n")
    assert fetch(front.address, tmp_path) is None and not front.asked


def test_a_proxy_is_asked(server: str, front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", front.address)
    front.behind = ""  # a proxy is sent whole addresses
    assert fetch(server, tmp_path) is not None
    assert front.asked[0][0].startswith(server)
    front.asked.clear()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(server, tmp_path) is not None and not front.asked


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")  # asked for, with INSECURE_TLS
def test_a_certificate_of_its_own(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(self_signed("127.0.0.1"))
    with door(server, certificate) as front:
        assert fetch(front.address, tmp_path) is None and not front.asked
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        assert fetch(front.address, tmp_path) is not None
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")  # MLflow refuses both together
        assert fetch(front.address, tmp_path) is None
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        assert fetch(front.address, tmp_path) is not None
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "0")
        assert fetch(front.address, tmp_path) is None
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "missing.pem"))
        assert fetch(front.address, tmp_path) is None


def self_signed(address: str) -> bytes:
    """Make a certificate for an address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return kept + signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    "asked",
    [
        {"alias": "latest"},
        {"alias": "runner-up"},
        {"alias": None, "number": 9},
        {"name": "nobody's"},
        {"name": ELSEWHERE, "alias": None, "number": 1},
    ],
)
def test_what_the_server_does_not_hold_is_left_to_mlflow(asked: dict, server: str, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, **asked) is None
    assert not any(tmp_path.iterdir())


def test_what_mlflow_then_says(server: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=f"no runner-up of {NAME}"):
        resolve(f"models:/{NAME}@runner-up", tmp_path, server)
    with pytest.raises(RegistryError, match=f"no version 9 of {NAME}"):
        resolve(f"models:/{NAME}/9", tmp_path, server)


def test_a_server_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with door("http://127.0.0.1:1") as closed:
        address = closed.address
    assert fetch(address, tmp_path) is None
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    with pytest.raises(RegistryError) as raised:
        resolve(f"models:/{NAME}@champion", tmp_path, address)
    assert address in str(raised.value) and "secret" not in str(raised.value)


def test_a_redirection_is_followed_without_the_credentials(
    front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc")
    with door(front.behind) as another:
        front.leads_to = another.address
        assert fetch(front.address, tmp_path) is not None
        assert {authorization for _, authorization in front.asked} == {"Bearer abc"}
        assert {authorization for _, authorization in another.asked} == {None}


def test_a_transfer_that_breaks_off_is_none(front: Door, tmp_path: Path) -> None:
    front.breaks_off = True
    assert fetch(front.address, tmp_path) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Please log in</html>",
        b"[]",
        b"{}",
        b'{"model_version": {"version": "2", "status": "PENDING_REGISTRATION", "tags": []}}',
        b'{"model_version": {"version": "2", "status": "READY", "tags": []}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_an_unusual_answer_is_left_to_mlflow(answer: bytes, front: Door, tmp_path: Path) -> None:
    front.spoil = lambda _, content: (200, answer)
    assert fetch(front.address, tmp_path) is None


@pytest.mark.parametrize(
    "files",
    [
        [],
        [{"path": "bundle", "is_dir": False}],
        [{"path": "..", "is_dir": True}],
        [{"path": "a/../../b", "is_dir": True}],
        [{"path": "one", "is_dir": True}, {"path": "two", "is_dir": True}],
    ],
)
def test_a_folder_that_no_bundle_lies_in(files: list[dict[str, object]], front: Door, tmp_path: Path) -> None:
    front.spoil = lambda path, content: (200, json.dumps({"files": files}).encode() if "?path=" in path else content)
    assert fetch(front.address, tmp_path) is None
    assert not any(tmp_path.iterdir())


def test_altered_artifacts_are_refused(front: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_ask", None)  # nothing of it may be taken for unusual
    front.spoil = lambda path, content: (200, content[:-1] if path.endswith("model.onnx") else content)
    resolved = resolve(f"models:/{NAME}@champion", tmp_path, front.address)
    with pytest.raises(BundleError, match="altered"):
        load_predictor(resolved.folder)
    other = write_bundle(tmp_path / "other", b"whole and valid, but another one")
    card = (tmp_path / "other" / "card.json").read_bytes()
    assert other.digest in card.decode()
    front.spoil = lambda path, content: (200, card if path.endswith("card.json") else content)
    with pytest.raises(RegistryError, match="not the one that was registered"):
        resolve(f"models:/{NAME}@champion", tmp_path, front.address)
