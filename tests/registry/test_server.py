"""Against a real `mlflow server`, over HTTP, with artifacts proxied."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from lesionflow.bundle.card import read_card
from lesionflow.registry import champion, tracking, versions
from tests.conftest import invoke


@pytest.fixture
def server(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server over a copy of the trained store's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{store}/mlflow.db", "--artifacts-destination", str(store / "served"),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with (
        (store / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, (store / "server.log").read_text()
                    time.sleep(0.5)
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            mlflow.set_tracking_uri(address)
            yield address
        finally:
            process.terminate()


def test_register_promote_and_score_over_http(server: str, bundle: Path, demo_folder: Path, tmp_path: Path) -> None:
    example = next(demo_folder.rglob("*.jpg")).read_bytes()
    tracking.connect(server)
    with tracking.run("remote", "over http"):
        version = versions.register_bundle(bundle, read_card(bundle), "remote", example)
    _, decision, _ = champion.crown_the_better([version])
    assert decision.promote
    by_alias = invoke("score", str(demo_folder), "--out", "remote.csv", "--model", "models:/remote@champion")
    assert by_alias.exit_code == 0, by_alias.output
    invoke("score", str(demo_folder), "--out", "local.csv", "--model", str(bundle))
    remote, local = (Path(name).read_text().splitlines() for name in ("remote.csv", "local.csv"))
    assert [line.rsplit(",", 1)[0] for line in remote] == [line.rsplit(",", 1)[0] for line in local]
    assert remote[1].endswith("remote/1 (demo data)")
