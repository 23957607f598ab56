"""Scoring jobs as runs: what a run holds, what a failed one does, and what a store that is down costs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image

from lesionflow.api.score import score
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.diagnoses import HAM10000
from lesionflow.tracking.scoring_runs import artifact_name, experiment_of
from tests.conftest import error_line, invoke
from tests.scoring.conftest import write_small_bundle


@pytest.fixture
def store(contenders: Path) -> Path:
    """A folder with a store, a bundle, and a night of six images and a broken one; also the working directory."""
    write_small_bundle(contenders / "bundle")
    (contenders / "night").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (6, 30, 40, 3), dtype=np.uint8)
    for index, pixels in enumerate(noise):
        Image.fromarray(pixels).save(contenders / "night" / f"{index}.jpg")
    (contenders / "night" / "broken.jpg").write_bytes(b"")
    return contenders


def runs_of(experiment: str = f"{DEFAULT_NAME}/scoring") -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


def test_a_job_is_a_run_with_counts_shares_and_histograms(store: Path) -> None:
    out = store / "night.csv"
    result = invoke("score", "night", "--out", str(out), "--model", "bundle", "--log", "--log-report")
    assert result.exit_code == 3, result.output
    (run,) = runs_of()
    assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time
    rows = [row for row in csv.DictReader(out.open()) if row["status"] == "ok"]
    metrics = run.data.metrics
    assert (metrics["images"], metrics["scored"], metrics["failed"], metrics["failed/empty"]) == (7, 6, 1, 1)
    assert metrics["share/failed"] == pytest.approx(1 / 7)
    for name in HAM10000.names:
        assert metrics[f"share/{name}"] == pytest.approx(sum(row["diagnosis"] == name for row in rows) / 6)
    assert metrics["share/malignant"] == pytest.approx(sum(row["malignant"] == "yes" for row in rows) / 6)
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "histogram/p_malignant")
    expected = [0.0] * 20
    for row in rows:
        expected[min(int(float(row["p_malignant"]) * 20), 19)] += 1 / 6
    assert [(point.step, pytest.approx(point.value)) for point in sorted(history, key=lambda point: point.step)] == [
        (5 * index, share) for index, share in enumerate(expected)
    ]
    assert run.data.tags["model"] == rows[0]["model"] and run.data.params["source"] == "night"
    assert {entry.path for entry in client.list_artifacts(run.info.run_id)} == {"night.csv", "summary.json"}
    kept = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="night.csv", dst_path=str(store))
    assert Path(kept).read_bytes() == out.read_bytes()


@pytest.mark.parametrize("name", ["night #1.csv", "50%20 off?.csv", "für ä/ nacht #2"])
def test_a_report_of_any_name_comes_back_whole_from_a_server(name: str, store: Path, served: str) -> None:
    out = store / name.replace("/", "_")
    written = f"{out}/" if "nacht" in name else str(out)
    where = ("--tracking-uri", served)
    result = invoke("score", "night", "--out", written, "--model", "bundle", "--log", "--log-report", *where)
    assert result.exit_code == 3, result.output
    mlflow.set_tracking_uri(served)
    newest = max(runs_of(), key=lambda run: run.info.start_time)
    kept = mlflow.artifacts.download_artifacts(
        run_id=newest.info.run_id, artifact_path=artifact_name(out.name), dst_path=str(store / "back")
    )
    files = [out] if out.is_file() else sorted(out.iterdir())
    back = [Path(kept)] if out.is_file() else sorted(Path(kept).iterdir())
    assert [file.read_bytes() for file in back] == [file.read_bytes() for file in files]


def test_the_share_that_failed_is_of_images_where_a_row_is_a_lesion(store: Path) -> None:
    named = "".join(f"night/{name}.jpg,one\n" for name in (0, 1, "broken"))
    (store / "lesions.csv").write_text(f"path,lesion_id\n{named}")
    asked = ("--out", str(store / "lesions-night.csv"), "--model", "bundle", "--group-by", "lesion_id", "--log")
    assert invoke("score", "lesions.csv", *asked).exit_code == 3
    metrics = runs_of()[0].data.metrics
    assert (metrics["scored"], metrics["failed"], metrics["images_failed"]) == (1, 0, 1)
    assert metrics["share/failed"] == pytest.approx(1 / 3)


def test_a_failed_job_is_a_failed_run_that_says_why(store: Path) -> None:
    result = invoke(
        "score", "night", "--out", str(store / "out.csv"), "--model", "bundle", "--on-error", "fail", "--log"
    )
    assert result.exit_code == 1
    (run,) = runs_of()
    assert run.info.status == "FAILED" and not run.data.metrics
    assert "broken.jpg" in run.data.tags["mlflow.note.content"] in result.stderr


def test_the_parts_of_a_job_are_one_run_of_their_merge(store: Path) -> None:
    out = str(store / "out.csv")
    for part in ("1/2", "2/2"):
        assert invoke("score", "night", "--out", out, "--model", "bundle", "--shard", part).exit_code in (0, 3)
    assert invoke("merge", out, "--log").exit_code == 3
    (run,) = runs_of()
    assert run.data.metrics["images"] == 7
    refused = invoke("score", "night", "--out", "b.csv", "--model", "bundle", "--shard", "1/2", "--log")
    assert refused.exit_code == 2 and "lesionflow merge" in error_line(refused)


def test_a_store_that_is_down_costs_no_report(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, summary = store / "out.csv", store / "summary.json"
    score("night", out, "bundle", summary=summary, log=True, tracking_uri="http://127.0.0.1:9")
    assert json.loads(summary.read_text())["images"] == 7 and len(out.read_text().splitlines()) == 8
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("WARNING: ")]
    assert "the job is not logged" in warning and "nothing answers there" in warning


def test_what_cannot_be_logged_is_refused_before_the_work(store: Path) -> None:
    for options, what in ((("--log-report",), "--log"), (("--log", "--log-report", "--out", "-"), "--out")):
        result = invoke("score", "night", "--out", "out.csv", *options)
        assert result.exit_code == 2 and what in error_line(result)


def test_the_experiment_is_named_like_the_model() -> None:
    assert experiment_of("models:/skin@champion") == experiment_of("models:/skin/3") == "skin/scoring"
    assert experiment_of("pretrained") == experiment_of("/opt/bundle/3") == f"{DEFAULT_NAME}/scoring"
