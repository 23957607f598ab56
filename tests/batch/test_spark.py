"""The registered model on Spark: a real session, started once, and the job that `batch/spark` holds."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lesionflow
from lesionflow.diagnoses import BINARY
from lesionflow.errors import UsageError
from lesionflow.model.card import Estimate
from lesionflow.model.columns import report_columns
from tests.conftest import invoke
from tests.scoring.conftest import draw_images, write_small_bundle

pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    pytest.skip("Spark needs Java", allow_module_level=True)

ROOT = Path(__file__).parents[2]
NUMBERS = [column for column in report_columns() if column.startswith("p_") or column == "probability"]
WORDS = ["status", "error", "diagnosis", "malignant", "refer", "model"]


@pytest.fixture(scope="module")
def job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spark_job", ROOT / "batch" / "spark" / "score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    settings: dict[str, bool | float | int | str | None] = {
        "spark.ui.enabled": False,
        "spark.driver.host": "127.0.0.1",
        "spark.pyspark.python": sys.executable,
        "spark.sql.shuffle.partitions": 3,
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",  # begins sooner
    }
    session = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def images(store: Path, demo_folder: Path) -> Path:
    """Twelve good images and four that have errors, in folders below each other."""
    good = sorted(demo_folder.rglob("*.jpg"))[:12]
    folder = store / "images"
    for index, image in enumerate(good):  # Spark would take `site=..` for a column, were it not told
        below = folder / ("clinic 1", "site=back/2026", ".")[index % 3]
        below.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, below / f"{image.stem}.{'JPG' if index == 5 else 'jpg'}")
    (folder / "broken, é.jpg").write_bytes(good[0].read_bytes()[:400])
    (folder / "empty.jpg").write_bytes(b"")
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(3 * 2**30)  # has no blocks on the disk; binaryFile itself fails above 2 GiB
    (folder / "_hidden.jpg").write_bytes(good[0].read_bytes())
    (folder / "notes.txt").write_text("no image")
    return folder


def by_path(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["path"].removeprefix("file:"): row for row in rows}


def test_the_job_says_of_every_image_what_lesionflow_score_says(
    spark: Any, job: ModuleType, store: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("score", str(images), "--out", "report.csv").exit_code == 3
    with open("report.csv", newline="") as file:
        reported = by_path(list(csv.DictReader(file)))
    assert job.main([str(images), str(store / "rows.parquet")]) == 0
    label = next(iter(reported.values()))["model"]
    assert capsys.readouterr().out == f"16 images, 12 scored with {label}, 4 failed\n"
    parts = sorted((store / "rows.parquet").glob("part-*"))
    read = [row.asDict() for part in parts for row in spark.read.parquet(str(part)).collect()]
    assert [row["path"] for row in read] == sorted((row["path"] for row in read), key=str.encode)
    assert [list(row) for row in read] == [list(report_columns())] * 16
    rows = by_path(read)
    assert set(rows) == set(reported) and sum(row["status"] == "ok" for row in read) == 12

    not_read = {f"{images}/{name}.jpg" for name in ("_hidden", "empty", "large")}
    for path, row in rows.items():
        expected = reported[path]
        if path in not_read:
            assert (row["status"], row["error"]) == ("error", job.NOT_READ)
        else:
            assert [row[name] or "" for name in WORDS] == [expected[name] for name in WORDS]
        if row["status"] == "ok":
            numbers, six = [row[name] for name in NUMBERS], [float(expected[name]) for name in NUMBERS]
            np.testing.assert_allclose(numbers, six, rtol=0, atol=5.1e-7)  # half of the sixth decimal
        else:
            assert {row[name] for name in [*NUMBERS, "diagnosis", "malignant", "refer"]} == {None}


def test_as_csv_the_rows_read_like_those_of_a_report(spark: Any, job: ModuleType, store: Path, images: Path) -> None:
    assert job.main([str(images), str(store / "rows.csv"), "--format", "csv", "--pattern", "*[ey0].jpg"]) == 0
    lines: list[dict[str, str]] = []
    for part in sorted((store / "rows.csv").glob("part-*")):
        with part.open(newline="") as file:
            lines += csv.DictReader(file)
    assert list(lines[0]) == list(report_columns())
    assert sorted(line["status"] for line in lines) == ["error", "error", "ok"]
    for line in lines:
        six = [bool(re.fullmatch(r"[01]\.[0-9]{6}", line[name])) for name in NUMBERS]
        assert all(six) if line["status"] == "ok" else {line[name] for name in NUMBERS} == {""}


def test_the_columns_are_those_of_the_models_own_diagnoses(
    spark: Any, job: ModuleType, store: Path, tmp_path: Path
) -> None:
    metrics = {"validation": {"balanced_accuracy": Estimate(0.7, 0.6, 0.8), "ece": Estimate(0.01, 0.0, 0.02)}}
    bundle = write_small_bundle(tmp_path / "binary", labels=BINARY, metrics=metrics)
    lesionflow.register(bundle, registered_model="moles", challenge=False)
    images, rows = draw_images(tmp_path / "drawn", 3), store / "rows.parquet"
    assert job.main([str(images), str(rows), "--model", "models:/moles/1"]) == 0
    (found, *others) = [row.asDict() for row in spark.read.parquet(str(rows)).collect()]
    assert len(others) == 2 and list(found) == list(report_columns(BINARY))
    assert found["p_benign"] + found["p_malignant"] == pytest.approx(1) and found["diagnosis"] in BINARY.names


def test_a_file_that_is_gone_when_its_turn_comes_is_a_row(spark: Any, job: ModuleType, images: Path) -> None:
    job.bound_batches(spark, 2)
    listed = job.list_images(spark, str(images), "DEMO*")
    gone = next((images / "clinic 1").glob("DEMO*.jpg"))
    gone.unlink()
    version = job.find_model("models:/lesionflow@champion")
    rows = job.report(spark, listed, str(images), "DEMO*", version).collect()
    assert {row.path: row.error for row in rows if row.status == "error"} == {f"file:{gone}": job.NOT_READ}
    assert len(rows) == 12


def test_both_ways_of_listing_name_files_as_spark_does(spark: Any, job: ModuleType, tmp_path: Path) -> None:
    """The fast one is taken where Spark hides no file, the slow one where it does."""
    folder = draw_images(tmp_path / "a folder", 3)
    read = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(str(folder))
    named = {row.path for row in read.select("path").collect()}
    assert len(named) == 3 and set(job.list_images(spark, str(folder), None)) == named
    (folder / "_hidden.jpg").write_bytes(b"")
    assert set(job.list_images(spark, str(folder), "image*")) == named


@pytest.mark.parametrize("link", [False, True])
def test_local_files_that_spark_does_not_see_are_named(spark: Any, job: ModuleType, tmp_path: Path, link: bool) -> None:
    folder = draw_images(tmp_path / "images", 3)
    unseen = folder / ("gone.jpg" if link else os.fsdecode(b"caf\xe9.jpg"))
    if link:
        unseen.symlink_to("nowhere.jpg")
    else:
        shutil.copy(folder / "image0000.jpg", unseen)
    with pytest.raises(UsageError, match=r"Spark does not see file:.*(gone|caf).*\.jpg: broken links, or names"):
        job.list_images(spark, str(folder), None)
    assert len(job.list_images(spark, str(folder), "image*")) == 3


def test_what_cannot_be_done_is_refused(
    spark: Any, job: ModuleType, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, out = str(store / "empty"), str(store / "out")
    Path(empty).mkdir()
    assert job.main([empty, out]) == 1
    assert job.main([str(store / "nowhere"), out]) == 1
    assert job.main([empty, out, "--model", "models:/lesionflow@nobody"]) == 1
    told = capsys.readouterr().err.splitlines()
    told = [line for line in told if line.startswith("Error: ")]
    assert "empty: no image files" in told[0] and "nowhere" in told[1] and "no nobody of lesionflow" in told[2]
    with pytest.raises(SystemExit):
        job.main([empty, out, "--batch-size", "0"])
    (store / "out" / "_temporary" / "0").mkdir(parents=True)  # as of a driver that was killed
    assert job.main([empty, out]) == 1 and "is no finished report" in capsys.readouterr().err
    (store / "out" / "_SUCCESS").touch()
    assert job.main([empty, out]) == 1 and "out: exists already; name another folder" in capsys.readouterr().err
