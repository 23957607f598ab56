"""A team's registry as docs/team_registry.md sets it up: PostgreSQL, proxied artifacts, users with passwords."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from lesionflow.registry import versions
from lesionflow.registry.history import read_state
from tests.conftest import PLAIN, error_line, invoke
from tests.contenders import answers, write_bundle
from tests.registry.postgres import REQUIRED, Cluster, binaries, postgres
from tests.registry.serving import free_port, server_environment, wait_for

pytestmark = pytest.mark.skipif(
    binaries() is None and not REQUIRED, reason="no PostgreSQL on this machine: apt-get install postgresql"
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "team_registry.md").read_text()
PASSWORD = "a password of 24 letters"


def commands(name: str) -> str:
    """The commands that the page has under a name."""
    (found,) = re.findall(rf"^```{name}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(found)


def bash(script: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start commands of the page in a session of their own; what they say goes to `said.txt` in the folder."""
    paths = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    with open(folder / "said.txt", "wb") as said:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder, env=server_environment() | paths | environment, stdout=said, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    """Run commands to their end, which has to be a good one; returns what they said."""
    folder.mkdir(exist_ok=True)
    code = bash(script, folder, environment).wait()
    said = (folder / "said.txt").read_text()
    assert code == 0, said
    return said


@dataclass
class Team:
    """A server that can be killed and started again, and its users."""

    folder: Path
    address: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = bash(commands("server"), self.folder, self.environment)
        wait_for(self.address, self.process, self.folder / "said.txt")

    def kill(self) -> None:
        """As when its machine loses power."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def of(self, user: str, password: str = PASSWORD) -> dict[str, str]:
        """The environment of a user."""
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
        }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def team(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    port, of_admin, of_database = free_port(), secrets.token_hex(12), secrets.token_hex(24)
    path = os.pathsep.join([str(cluster.programs), os.environ["PATH"]])
    run(commands("database"), folder, cluster.environment | {"PATH": path, "DATABASE_PASSWORD": of_database})
    address = f"http://127.0.0.1:{port}"
    team = Team(
        folder,
        address,
        {
            "DATABASE": f"127.0.0.1:{cluster.port}", "DATABASE_PASSWORD": of_database, "HOST": "127.0.0.1",
            "PORT": str(port), "ALLOWED_HOSTS": f"127.0.0.1:{port}", "MLFLOW_AUTH_ADMIN_PASSWORD": of_admin,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(24), "MLFLOW_WORKERS": "1",
        },
    )  # fmt: skip
    try:
        team.start()
        for name in ("ana", "ben"):
            asked = team.environment | {"MLFLOW_TRACKING_URI": address, "NEW": name, "PASSWORD": PASSWORD}
            run(commands("people"), folder / "people", asked)
        eve = json.dumps({"username": "eve", "password": PASSWORD}).encode()
        request = urllib.request.Request(f"{address}/api/2.0/mlflow/users/create", eve)
        request.add_header("Authorization", "Basic " + b64encode(f"admin:{of_admin}".encode()).decode())
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=30).close()
        yield team
    finally:
        team.kill()


@contextlib.contextmanager
def signed_in(team: Team, user: str, password: str = PASSWORD) -> Iterator[None]:
    """Have this process ask the server as a user."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # none: the working directory's
    with pytest.MonkeyPatch.context() as patch:
        for name, value in team.of(user, password).items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(team.address)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(team: Team, demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run what the page says for everybody, as ana, with less to trace; gives the folder and what was said."""
    folder = tmp_path_factory.mktemp("ana")
    (folder / "images").mkdir()
    for image in sorted(demo_folder.rglob("*.jpg"))[:5]:
        shutil.copy(image, folder / "images")
    given = shlex.join(["--data", str(demo_folder), *PLAIN])
    script = commands("everybody").replace("--data demo", given)
    return folder, run(script, folder, team.of("ana") | {"LESIONFLOW_CACHE": str(cache)})


def test_a_user_trains_and_scores_by_alias(trained: tuple[Path, str], team: Team, cluster: Cluster) -> None:
    folder, said = trained
    assert "is the champion now" in said and f"see the runs: {team.address}" in said
    rows = (folder / "results.csv").read_text().splitlines()[1:]
    assert len(rows) == 5 and all(row.endswith("lesionflow/1 (demo data)") for row in rows)
    assert PASSWORD not in said and not (folder / "mlruns").exists() and not (folder / "mlflow.db").exists()
    assert [*(team.folder / "artifacts").rglob("model.onnx")]
    asked = [str(cluster.programs / "psql"), "-At", "-d", "mlflow", "-c", "SELECT name, version FROM model_versions"]
    assert subprocess.check_output(asked, env=os.environ | cluster.environment, text=True) == "lesionflow|1\n"
    with signed_in(team, "eve"):
        listed = invoke("history", "lesionflow")
    assert listed.exit_code == 0 and "lesionflow/1 promoted by ana" in listed.stdout


def test_two_promote_at_once(team: Team, tmp_path: Path) -> None:
    with signed_in(team, "ben"), pytest.MonkeyPatch.context() as patch:
        # Nothing loads them, and each file of their code would be a request of its own.
        patch.setattr(versions, "_copy_code", lambda package, into: shutil.copytree(package / "storage", into / "code"))
        for number, right in enumerate((0.75, 0.9), start=1):
            write_bundle(tmp_path / str(number), answers(right))
            put_in = invoke("register", str(tmp_path / str(number)), "--registered-model", "moles", "--no-challenge")
            assert put_in.exit_code == 0 and f"registered as moles/{number} " in put_in.stdout, put_in.output
    racing = []
    for user, number in ("ana", 1), ("ben", 2):
        folder = tmp_path / user
        folder.mkdir()
        racing.append(bash(f"lesionflow promote moles {number}", folder, team.of(user)))
    codes = [promoting.wait() for promoting in racing]
    said = [(tmp_path / user / "said.txt").read_text() for user in ("ana", "ben")]
    with signed_in(team, "eve"):
        standing = read_state("moles")
    assert standing.agrees and standing.champion in (1, 2), said
    for code, number, who, told in zip(codes, (1, 2), ("ana", "ben"), said, strict=True):
        changes = [change for change in standing.changes if change.version == number and change.who == who]
        assert (code == 0 and changes) or (code == 1 and "does not become champion" in told), told
    assert codes[standing.champion - 1] == 0 or standing.changes[-1].decision == "given back"


def test_who_may_not_is_told_before_any_work(trained: tuple[Path, str], team: Team, tmp_path: Path) -> None:
    with signed_in(team, "ana", "not her password"):
        for command in (
            ("train", "--data", str(tmp_path)),
            ("promote", "lesionflow", "1"),
            ("score", str(trained[0] / "images"), "--out", str(tmp_path / "results.csv")),
        ):
            wrong = invoke(*command)
            assert wrong.exit_code == 1 and "authentication failed; set MLFLOW_TRACKING_USERNAME" in error_line(wrong)
            assert "not her password" not in wrong.output
    with signed_in(team, "eve"):
        scored = invoke("score", str(trained[0] / "images"), "--out", str(tmp_path / "results.csv"))
        assert scored.exit_code == 0, scored.output
        refused = invoke("promote", "lesionflow", "1", "--force", "--reason", "I would like to")
        assert refused.exit_code == 0 and "is the champion already" in refused.stdout  # nothing to change
        other = {1: "2", 2: "1"}[
            read_state("moles").champion or 1
        ]  # the promotions at once end with the one or the other
        refused = invoke("promote", "moles", other, "--force", "--reason", "I would like to")
        assert refused.exit_code == 1 and "eve has no permission for it, or" in error_line(refused)


@pytest.mark.slow
def test_a_server_that_loses_power_while_a_network_trains(
    trained: tuple[Path, str], team: Team, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    """The training ends with its bundle on disk, all commands say that nothing answers, and it is put in afterwards."""
    command = [
        "lesionflow",
        "train",
        "--data",
        str(demo_folder),
        "--model",
        "vgg",
        "--epochs",
        "20",
        "--image-size",
        "32",
    ]
    of_ben = team.of("ben") | {"LESIONFLOW_CACHE": str(cache)}
    training = bash(shlex.join(command), tmp_path, of_ben)
    while "vgg epoch 1/20" not in (tmp_path / "said.txt").read_text():
        assert training.poll() is None, (tmp_path / "said.txt").read_text()
        time.sleep(0.01)
    team.kill()
    with signed_in(team, "ana"):
        for asked in (
            ("train", "--data", str(demo_folder)), ("promote", "lesionflow", "1"), ("history", "lesionflow"),
            ("score", str(demo_folder), "--out", str(tmp_path / "results.csv")), ("compare", "models:/lesionflow/1"),
        ):  # fmt: skip
            down = invoke(*asked)
            assert down.exit_code == 1 and f"at {team.address}: nothing answers there" in error_line(down)
    code, told = training.wait(), (tmp_path / "said.txt").read_text()
    assert code == 1 and "; training continues, and what is missing is written later" in told, told
    later = told.splitlines()[-1].partition("to register it later: ")[2]
    assert later.startswith(f"lesionflow register {tmp_path}/lesionflow-kept/vgg-"), told
    assert PASSWORD not in told

    team.start()
    done = run(later, tmp_path, of_ben)
    assert "registered as lesionflow/2 (demo data) (vgg), in run " in done and "which trained it" in done
    with signed_in(team, "eve"):
        client = mlflow.MlflowClient()
        run_id = client.get_model_version("lesionflow", "2").run_id or ""
        assert client.get_run(run_id).info.status == "FINISHED"
        epochs = [point.step for point in client.get_metric_history(run_id, "epoch/train_loss")]
        kept = {entry.path: entry.file_size for entry in client.list_artifacts(run_id, "checkpoint")}
        compared = invoke("compare", "models:/lesionflow/1", "models:/lesionflow/2")
    assert epochs == [*range(1, 1 + len(epochs))] and len(epochs) > 1
    assert not any(kept.values()), "ben may not delete artifacts, and empties them"
    assert compared.exit_code == 0, compared.output
