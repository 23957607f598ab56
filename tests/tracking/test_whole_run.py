"""A run written through the REST API is the one that MLflow's client writes; what is unusual is left to the client."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from lesionflow.tracking.scoring_runs import WholeRun, _write_with_mlflow, write_by_rest
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


@pytest.fixture
def address(contenders: Path, served: str) -> str:
    """A server that has the experiment of `RUN`, with one run that MLflow's client wrote."""
    _write_with_mlflow(RUN, served, None)
    return served


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
    assert write_by_rest(RUN, address)
    by_rest, by_client, *_ = runs_in(address)
    assert by_rest == by_client
    assert len(runs_in(address)) == before + 1


def test_a_failed_run_without_metrics_and_files_is_one(address: str) -> None:
    failed = replace(RUN, status="FAILED", metrics=(), files={})
    assert write_by_rest(failed, address)
    client = mlflow.MlflowClient(address)
    (run,) = client.search_runs([experiment_of(client).experiment_id], "attributes.status = 'FAILED'")
    assert run.data.params == RUN.parameters and not run.data.metrics
    client.delete_run(run.info.run_id)


def test_what_the_store_does_not_have_is_left_to_mlflow(address: str) -> None:
    assert not write_by_rest(replace(RUN, experiment="another"), address)


def test_a_run_that_mlflow_run_has_begun_is_left_to_mlflow(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert not write_by_rest(RUN, address)


def test_an_experiment_with_files_elsewhere_is_left_to_mlflow(address: str) -> None:
    client = mlflow.MlflowClient(address)
    experiment = client.create_experiment("elsewhere", "s3://bucket/1")
    assert not write_by_rest(replace(RUN, experiment="elsewhere"), address)
    assert not client.search_runs([experiment])


def test_a_deleted_experiment_is_left_to_mlflow(address: str) -> None:
    client = mlflow.MlflowClient(address)
    experiment = client.create_experiment("deleted")
    client.delete_experiment(experiment)
    assert not write_by_rest(replace(RUN, experiment="deleted"), address)
    assert not client.search_runs([experiment])


def test_an_sqlite_file_is_left_to_mlflow_as_it_is(contenders: Path) -> None:
    store, file = f"sqlite:///{contenders}/mlflow.db", contenders / "mlflow.db"
    _write_with_mlflow(RUN, store, None)
    before = file.read_bytes()
    assert not write_by_rest(RUN, store)
    assert file.read_bytes() == before


def test_a_run_that_a_server_refuses_half_way_is_deleted(address: str) -> None:
    before = len(runs_in(address))
    assert not write_by_rest(replace(RUN, metrics=(("no\nname", 1.0, 0),)), address)
    assert len(runs_in(address)) == before


def test_from_the_second_job_on_mlflow_is_not_imported_for_a_server(served: str, tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "bundle")
    _write_with_mlflow(replace(RUN, experiment="lesionflow/scoring"), served, None)
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "broken.jpg").write_bytes(b"")
    options = f"model={str(tmp_path / 'bundle')!r}, log=True, quiet=True, tracking_uri={served!r}"
    program = (
        f"import sys, lesionflow\nlesionflow.score('night', 'out.csv', {options})\nassert 'mlflow' not in sys.modules\n"
    )
    client = mlflow.MlflowClient(served)
    experiment = experiment_of(client, "lesionflow/scoring").experiment_id
    before = len(client.search_runs([experiment]))
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    assert len(client.search_runs([experiment])) == before + 1
