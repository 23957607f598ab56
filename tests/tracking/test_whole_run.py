"""A run written without MLflow is, to MLflow, the one that it would have written; what is unusual is left to it."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from lesionflow.tracking.scoring_runs import WholeRun, _write_with_mlflow, write_plainly
from tests.scoring.conftest import write_small_bundle

RUN = WholeRun(
    "skin ärea/scoring",
    "score 2026-03-01 02:00",
    1_772_330_400_123,
    "FINISHED",
    (
        ("images", 7.0, 0),
        ("share/mel", 1 / 3, 0),
        *(("histogram/p_mel", step / 210, step) for step in range(0, 100, 5)),
    ),
    {"source": "/data/nights/Träger 1", "report": "out.csv"},
    {"model": "skin/3", "note": "a 'quoted' %s"},
    {"summary.json": '{"images": 7, "of": "ä"}'},
)


@pytest.fixture(params=["file", "server"])
def address(request: pytest.FixtureRequest, contenders: Path) -> str:
    """A store that has the experiment of `RUN`, with one run that MLflow wrote."""
    own = f"sqlite:///{contenders}/mlflow.db"
    asked: str = request.getfixturevalue("served") if request.param == "server" else own
    _write_with_mlflow(RUN, asked, None)
    return asked


def experiment_of(client: mlflow.MlflowClient, name: str = RUN.experiment) -> mlflow.entities.Experiment:
    found = client.get_experiment_by_name(name)
    assert found is not None
    return found


def runs_in(address: str) -> list[dict[str, Any]]:
    """What MLflow says of the experiment's runs, the newest first, but for what differs between any two of them."""
    client = mlflow.MlflowClient(address)
    experiment = experiment_of(client)
    found = []
    for run in client.search_runs([experiment.experiment_id], order_by=["attributes.end_time DESC"]):
        run_id, said = run.info.run_id, run.to_dictionary()
        own = {name: said["info"].pop(name) for name in ("run_id", "artifact_uri", "end_time")}
        assert own["artifact_uri"] == f"{experiment.artifact_location}/{run_id}/artifacts"
        assert abs(own["end_time"] / 1000 - time.time()) < 3600
        points = [
            sorted((point.step, point.value, point.timestamp) for point in client.get_metric_history(run_id, name))
            for name in sorted(run.data.metrics)
        ]
        mlflow.set_tracking_uri(address)
        text = mlflow.artifacts.load_text(f"{own['artifact_uri']}/summary.json")
        found.append({"run": said, "points": points, "text": text})
    return found


def test_it_is_the_run_that_mlflow_writes(address: str) -> None:
    before = len(runs_in(address))
    assert write_plainly(RUN, address)
    plain, by_mlflow, *_ = runs_in(address)
    assert plain == by_mlflow
    assert len(runs_in(address)) == before + 1


def test_a_failed_run_without_metrics_and_files_is_one(address: str) -> None:
    failed = replace(RUN, status="FAILED", metrics=(), files={})
    assert write_plainly(failed, address)
    client = mlflow.MlflowClient(address)
    (run,) = client.search_runs([experiment_of(client).experiment_id], "attributes.status = 'FAILED'")
    assert run.data.params == RUN.parameters and not run.data.metrics
    client.delete_run(run.info.run_id)


def test_what_the_store_does_not_have_is_left_to_mlflow(address: str) -> None:
    assert not write_plainly(replace(RUN, experiment="another"), address)


def spoil(statement: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
            database.execute(statement)
            database.commit()

    return act


def test_a_run_that_mlflow_run_has_begun_is_left_to_mlflow(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert not write_plainly(RUN, address)


@pytest.mark.parametrize(
    "act",
    [
        spoil("ALTER TABLE runs ADD COLUMN reviewed BOOLEAN"),
        spoil("UPDATE experiments SET lifecycle_stage = 'deleted'"),
        spoil("UPDATE experiments SET artifact_location = 's3://bucket/1'"),
        spoil("UPDATE experiments SET artifact_location = '/moved/mlruns/1'"),
        lambda folder: (folder / "mlflow.db").unlink(),
        lambda folder: (folder / "mlflow.db").write_bytes(b"no database"),
    ],
    ids=["another column", "deleted", "artifacts in a store", "moved", "no file", "no database"],
)
def test_an_unusual_file_is_left_to_mlflow_as_it_is(act: Callable[[Path], None], contenders: Path) -> None:
    address, file = f"sqlite:///{contenders}/mlflow.db", contenders / "mlflow.db"
    _write_with_mlflow(RUN, address, None)
    act(contenders)
    before = file.read_bytes() if file.exists() else None
    assert not write_plainly(RUN, address)
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.parametrize("location", ["{0}/50%20off", "file://{0}/50%2520off", "file://{0}/a%20b"])
def test_files_lie_where_mlflow_looks_for_them(location: str, contenders: Path) -> None:
    for name in ("50%20off", "50 off", "a b"):
        (contenders / name).mkdir()
    address = f"sqlite:///{contenders}/mlflow.db"
    client = mlflow.MlflowClient(address)
    experiment = client.create_experiment("another", location.format(contenders))
    assert write_plainly(replace(RUN, experiment="another"), address)
    (run,) = client.search_runs([experiment])
    mlflow.set_tracking_uri(address)
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/summary.json") == RUN.files["summary.json"]


def test_what_cannot_be_written_beside_a_run_takes_the_run_back(contenders: Path) -> None:
    address = f"sqlite:///{contenders}/mlflow.db"
    _write_with_mlflow(RUN, address, None)
    assert not write_plainly(replace(RUN, files={"no/such/folder.json": ""}), address)
    assert len(runs_in(address)) == 1


def test_a_run_that_a_server_refuses_half_way_is_deleted(contenders: Path, served: str) -> None:
    _write_with_mlflow(RUN, served, None)
    before = len(runs_in(served))
    assert not write_plainly(replace(RUN, metrics=(("no\nname", 1.0, 0),)), served)
    assert len(runs_in(served)) == before


def test_from_the_second_job_on_nothing_of_mlflow_is_imported(contenders: Path, tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "bundle")
    _write_with_mlflow(replace(RUN, experiment="lesionflow/scoring"), f"sqlite:///{contenders}/mlflow.db", None)
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "broken.jpg").write_bytes(b"")
    program = (
        "import sys, lesionflow\n"
        f"lesionflow.score('night', 'out.csv', model={str(tmp_path / 'bundle')!r}, log=True, quiet=True)\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    client = mlflow.MlflowClient(f"sqlite:///{contenders}/mlflow.db")
    assert len(client.search_runs([experiment_of(client, "lesionflow/scoring").experiment_id])) == 2
