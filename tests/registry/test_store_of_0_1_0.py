"""A store that 0.1.0 wrote, with two versions that carry its code: moved here, scored, promoted, loaded and served.

Its bundles are of a small drawn network; `store_of_0_1_0.tar.xz` was made by `lesionflow register` of 0.1.0.
"""

import csv
import os
import subprocess
import sys
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lesionflow.tracking.client import mlflow
from tests.conftest import error_line, invoke, working_in

STORE = Path(__file__).with_name("store_of_0_1_0.tar.xz")
WHERE = "/home/ana/experiments"  # where it was made, which is not here

# What is imported already stays: a process that has this lesionflow uses it for an old version. The two processes are
# children of one that has imported MLflow.
LOAD = """
import multiprocessing, sys
import mlflow, pandas as pd
address, image, ours = sys.argv[1:]

def load(after_ours):
    if after_ours:
        sys.path.insert(0, ours)
        import lesionflow.model.pyfunc
    mlflow.set_tracking_uri(address)
    model = mlflow.pyfunc.load_model("models:/lesionflow/1")
    import lesionflow.registry.pyfunc as module
    answers = model.predict(pd.DataFrame({"image": [image, "no image"]}))
    print(module.__file__, *answers["p_mel"], *answers["status"])

for after_ours in False, True:
    process = multiprocessing.get_context("fork").Process(target=load, args=[after_ours])
    process.start()
    process.join()
    assert process.exitcode == 0
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(STORE) as archive:
        archive.extractall(folder)  # ours; Python 3.11.2, which Debian has, knows no filter
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Iterator[Path]:
    """The working directory, with a copy of the database; its artifacts are in `unpacked`."""
    with working_in(tmp_path, like=unpacked):
        moved = invoke("move-store", WHERE, str(unpacked))
        assert moved.exit_code == 0, moved.output
        yield tmp_path


@pytest.fixture
def image(demo_folder: Path) -> Path:
    return min(demo_folder.rglob("*.jpg"))


def test_it_says_that_it_was_moved_and_how_to_mend_that(unpacked: Path, image: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(unpacked)
        address = f"sqlite:///{unpacked}/mlflow.db"
        before = (unpacked / "mlflow.db").read_bytes()
        for command in (
            ("score", str(image), "--out", "results.csv"), ("compare", "models:/lesionflow/1", "models:/lesionflow/2"),
            ("promote", "lesionflow", "2"), ("train", "--data", "demo", "--epochs", "1"),
        ):  # fmt: skip
            refused = invoke(*command, "--tracking-uri", address)
            assert refused.exit_code == 1, refused.output
            assert f"lesionflow move-store {WHERE} {unpacked}" in refused.stderr.splitlines()[-1]
        nothing = invoke("move-store", "/elsewhere", str(unpacked), "--tracking-uri", address)
        assert nothing.exit_code == 1 and f"its artifacts are in {WHERE}" in error_line(nothing)
        assert (unpacked / "mlflow.db").read_bytes() == before


def test_it_is_scored_promoted_and_exported(old: Path, image: Path) -> None:
    scored = invoke("score", str(image), "--out", "results.csv")
    assert scored.exit_code == 0, scored.output
    (row,) = csv.DictReader(Path("results.csv").read_text().splitlines())
    assert row["model"] == "lesionflow/1 (demo data)" and row["status"] == "ok"
    promoted = invoke("promote", "lesionflow", "2")
    assert promoted.exit_code == 0 and "is the champion now" in promoted.stdout, promoted.output
    client = mlflow.MlflowClient()
    run_id = client.get_model_version("lesionflow", "2").run_id
    (model_id,) = (logged.model_id for logged in client.search_logged_models(["1"]) if logged.source_run_id == run_id)
    downloaded = mlflow.artifacts.download_artifacts("models:/lesionflow/2", dst_path=str(old / "downloaded"))
    exported = invoke("export", "models:/lesionflow@champion", "exported")
    assert exported.exit_code == 0 and "model.onnx" in exported.stdout, exported.output
    numbers = []
    for model in (
        "models:/lesionflow@champion", "models:/lesionflow/2", "models:/lesionflow/latest", f"models:/{model_id}",
        f"runs:/{run_id}/model", downloaded, "exported",
    ):  # fmt: skip
        scored = invoke("score", str(image), "--out", "of each.csv", "--overwrite", "--model", model)
        assert scored.exit_code == 0, (model, scored.output)
        (row,) = csv.DictReader(Path("of each.csv").read_text().splitlines())
        numbers.append(row["p_mel"])
        compared = invoke("compare", model, "models:/lesionflow/1")
        assert compared.exit_code == 0, (model, compared.output)
    assert len(set(numbers)) == 1
    again = invoke("register", downloaded)
    assert again.exit_code == 0 and "is already registered as lesionflow/2 (demo data) (small)" in again.stdout
    rolled = invoke("rollback")
    assert rolled.exit_code == 0 and "lesionflow/1 is the champion again" in rolled.stdout


def test_it_is_evaluated(old: Path, demo_folder: Path, cache: Path) -> None:
    done = invoke(
        "evaluate", "models:/lesionflow@champion", str(demo_folder), "--resamples", "100", "--cache", str(cache)
    )
    assert done.exit_code == 0, done.output


def test_it_loads_with_the_code_that_it_carries_and_with_this(old: Path, image: Path) -> None:
    scored = invoke("score", str(image), "--out", "results.csv", "--model", "models:/lesionflow/1")
    assert scored.exit_code == 0, scored.output
    (row,) = csv.DictReader(Path("results.csv").read_text().splitlines())
    given = str(mlflow.get_tracking_uri()), b64encode(image.read_bytes()).decode(), str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *given],
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        cwd=old,
    )
    assert done.returncode == 0, done.stderr
    for line, its_own in zip(done.stdout.splitlines(), (True, False), strict=True):
        module, right, wrong, *status = line.split()
        assert ("code" in Path(module).parts) == its_own, module
        assert float(right) == pytest.approx(float(row["p_mel"]), abs=2e-6) and np.isnan(float(wrong))
        assert status == ["ok", "error"]
