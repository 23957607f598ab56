"""Against a real `mlflow server`, over HTTP, with artifacts proxied."""

from pathlib import Path

import mlflow
import pytest

from lesionflow.model.card import read_card
from lesionflow.registry import champion, versions
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.tracking_store import connect
from tests.conftest import invoke


@pytest.fixture
def server(store: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of a server, and make it the one that is asked; `store` is where reports go, and tidies up."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served)
    mlflow.set_tracking_uri(served)
    return served


def test_register_promote_and_score_over_http(server: str, bundle: Path, demo_folder: Path, tmp_path: Path) -> None:
    example = next(demo_folder.rglob("*.jpg")).read_bytes()
    connect(server)
    with tracking.run("remote", "over http"):
        version = versions.register_bundle(bundle, read_card(bundle), "remote", example)
    _, decision = champion.promote_best([version])
    assert decision.promote
    by_alias = invoke("score", str(demo_folder), "--out", "remote.csv", "--model", "models:/remote@champion")
    assert by_alias.exit_code == 0, by_alias.output
    invoke("score", str(demo_folder), "--out", "local.csv", "--model", str(bundle))
    remote, local = (Path(name).read_text().splitlines() for name in ("remote.csv", "local.csv"))
    assert [line.rsplit(",", 1)[0] for line in remote] == [line.rsplit(",", 1)[0] for line in local]
    assert remote[1].endswith("remote/1 (demo data)")
