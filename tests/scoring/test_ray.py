"""A real cluster of several nodes on this machine: whatever becomes of a node, the report is the local engine's."""

import csv
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionflow.api.score import score
from lesionflow.diagnoses import ISIC2019
from lesionflow.errors import DataError, EngineError, UsageError
from lesionflow.scoring.engines import ray as ray_engine
from lesionflow.scoring.shards import job_folder
from tests.scoring.conftest import interrupt_before_batch, write_small_bundle
from tests.stores import Bucket

# As many nodes killed, among 5,000 images each, as one has time for; unset, one among a few hundred.
NODE_KILLS = os.environ.get("LESIONFLOW_NODE_KILLS")
CHECKOUT = Path(__file__).parents[2]
BUNDLE = str(CHECKOUT / "batch" / "example" / "bundle")
DEADLY_SIZE = (13, 17)  # of images that end the process which opens them, on the nodes of these tests
DEADLY = f"""
import os, signal, PIL.PngImagePlugin
_open = PIL.PngImagePlugin.PngImageFile._open
def _open_or_die(image):
    _open(image)
    if image.size == {DEADLY_SIZE}:
        os.kill(os.getpid(), signal.SIGKILL)
PIL.PngImagePlugin.PngImageFile._open = _open_or_die
"""
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a cluster of one node with one core; what its processes import is this checkout."""
    faults = tmp_path_factory.mktemp("faults")
    (faults / "sitecustomize.py").write_text(DEADLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "120")  # a machine may have other things to do
        patch.setenv("PYTHONPATH", os.pathsep.join([str(faults), str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
        from ray.cluster_utils import Cluster

        # A node counts as dead after 3 s instead of 30.
        watching = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 1000}
        watching |= {"health_check_failure_threshold": 3, "health_check_timeout_ms": 5000}
        head = NODE | {"include_dashboard": False, "_system_config": watching}
        cluster = patiently(Cluster, initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def on_ray(cluster: Any) -> Callable[..., Any]:
    """Give `score` with the cluster and the bundle of the example."""

    def on_ray(source: Path | str, out: Path, **options: Any) -> Any:
        asked = {"model": BUNDLE, "engine": "ray", "ray_address": cluster.address, "quiet": True} | options
        return score(source, out, **asked)

    return on_ray


def patiently(start: Callable[..., Any], **options: Any) -> Any:
    """Ray waits half a minute for a node, which is not enough where a machine has much else to do."""
    for tries in range(5):
        try:
            return start(**options)
        except Exception as error:
            if "timed out during startup" not in str(error) or tries == 4:
                raise


def shards_of(out: Path) -> list[Path]:
    return list(job_folder(out).glob("shard-????????.jsonl"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., Path]) -> tuple[Path, bytes, dict[str, Any]]:
    """Give a folder of images, some broken, the local engine's report of it, and with which options."""
    folder = tmp_path_factory.mktemp("many")
    images = draw(folder / "images", 5000 if NODE_KILLS else 300)
    for number in range(0, 300, 37):
        (images / f"image{number:04}.jpg").write_bytes(b"\xff\xd8 broken")
    options: dict[str, Any] = {"shard_size": 50 if NODE_KILLS else 5, "batch_size": 4}
    score(images, folder / "local.csv", BUNDLE, quiet=True, **options)
    return images, (folder / "local.csv").read_bytes(), options


def test_two_models_are_asked_on_the_nodes(
    on_ray: Callable[..., Any], draw: Callable[..., Path], tmp_path: Path
) -> None:
    images, other = draw(tmp_path / "images", 20), write_small_bundle(tmp_path / "other", seed=1)
    (images / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    options: dict[str, Any] = {"shard_size": 5, "batch_size": 4, "also": str(other)}
    score(images, tmp_path / "local.csv", BUNDLE, quiet=True, **options)
    on_ray(images, tmp_path / "ray.csv", **options)
    assert b"also_p_mel" in (tmp_path / "ray.csv").read_bytes()
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


@pytest.mark.parametrize("attempt", range(int(NODE_KILLS or 1)))
def test_a_node_that_dies(
    attempt: int,
    cluster: Any,
    on_ray: Callable[..., Any],
    many: tuple[Path, bytes, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, expected, options = many
    hand_out, handed_out = ray_engine._Tasks.hand_out, []

    def counting(self: Any, attempt: Any) -> None:
        hand_out(self, attempt)
        handed_out.append(len(self.pending))

    monkeypatch.setattr(ray_engine._Tasks, "hand_out", counting)
    out, node, told = tmp_path / "ray.csv", patiently(cluster.add_node, **NODE), []
    moment = random.Random(time.time_ns() if NODE_KILLS else 0).randint(5, 40)

    def kill() -> None:
        while len(shards_of(out)) < moment:
            time.sleep(0.01)
        told.append(len(shards_of(out)))
        cluster.remove_node(node, allow_graceful=False)

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    summary = on_ray(images, out, **options)
    killing.join(timeout=30)
    shards = -(-(summary.scored + summary.failed) // options["shard_size"])
    assert told and told[0] < shards, "the node outlived the job"
    assert out.read_bytes() == expected
    assert summary.failed == 9 and not job_folder(out).exists()
    assert len(handed_out) >= shards and max(handed_out) <= 8  # however many there are


def test_an_image_that_ends_the_process_is_a_row(
    on_ray: Callable[..., Any], draw: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths besides: the cluster's processes work in another folder."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "images", 22)
    score("images", tmp_path / "local.csv", BUNDLE, shard_size=4, batch_size=2, quiet=True)
    # A PNG, whatever its name: Pillow opens it, which is where the nodes of these tests set their trap.
    Image.new("RGB", DEADLY_SIZE).save("images/image0006.jpg", "PNG")
    summary = on_ray("images", Path("ray.csv"), shard_size=4, batch_size=2)
    assert summary.counts.failures == {"crash": 1} and summary.scored == 21
    with open("local.csv") as one, open("ray.csv") as other:
        undisturbed, rows = list(csv.DictReader(one)), list(csv.DictReader(other))
    assert rows[6]["path"] == "images/image0006.jpg" and rows[6]["error"].startswith("crash: decoding it ended")
    assert rows[:6] + rows[7:] == undisturbed[:6] + undisturbed[7:]


def test_what_one_engine_began_the_other_ends(
    on_ray: Callable[..., Any], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"shard_size": 8, "batch_size": 4}
    score(images, tmp_path / "local.csv", BUNDLE, quiet=True, **options)
    out = tmp_path / "results.csv"
    interrupt_before_batch(7, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="24 of 60 images are done"):
        score(images, out, BUNDLE, workers=1, quiet=True, **options)
    monkeypatch.undo()
    assert on_ray(images, out, resume=True, **options).resumed == 24
    assert out.read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_nodes_know_the_diagnoses_of_the_model(on_ray: Callable[..., Any], images: Path, tmp_path: Path) -> None:
    bundle = str(write_small_bundle(tmp_path / "bundle", labels=ISIC2019))
    local, summary = tmp_path / "local.csv", on_ray(images, tmp_path / "ray.csv", model=bundle)
    score(images, local, bundle, quiet=True)
    assert (tmp_path / "ray.csv").read_bytes() == local.read_bytes()
    assert list(summary.counts.diagnoses) == list(ISIC2019.names)


def test_too_many_failures_stop_the_cluster(on_ray: Callable[..., Any], images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(images, folder)
    (folder / "image0020.jpg").write_bytes(b"")
    out = tmp_path / "results.csv"
    options: dict[str, Any] = {"shard_size": 8, "batch_size": 4}
    with pytest.raises(DataError, match=r"1 of 60 images failed .*image0020.jpg: empty.*at most 0 may"):
        on_ray(folder, out, on_error="fail", **options)
    assert not out.exists() and "shard-00000002.jsonl" not in {file.name for file in shards_of(out)}
    shutil.copy(images / "image0020.jpg", folder)
    assert on_ray(folder, out, on_error="fail", resume=True, **options).failed == 0
    score(folder, tmp_path / "local.csv", BUNDLE, quiet=True, **options)
    assert out.read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_signals_stop_a_cluster_job_and_this_machine_ends_it(
    cluster: Any, images: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    listed, out = tmp_path / "list.txt", tmp_path / "results.csv"
    listed.write_text("".join(f"{path}\n" for path in sorted(images.iterdir())) * 80)
    command = [sys.executable, "-m", "lesionflow", "score", f"@{listed}", "--out", str(out), "--model", BUNDLE]
    command += ["--shard-size", "50"]
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = len(shards_of(out))
        process = subprocess.Popen(
            [*command, "--engine", "ray", "--ray-address", cluster.address, "--resume"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while len(shards_of(out)) == before:
            time.sleep(0.05)
            assert process.poll() is None
        process.send_signal(number)
        printed, told = process.communicate(timeout=60)
        assert process.returncode == code, told
        assert "of 4,800 images are done; the same command with --resume" in told
        assert "Traceback" not in told and printed == "" and not out.exists()
    summary = score(f"@{listed}", out, BUNDLE, resume=True, shard_size=50, quiet=True)
    assert summary.resumed >= 50 and summary.scored == 4800
    score(f"@{listed}", tmp_path / "local.csv", BUNDLE, shard_size=50, quiet=True)
    assert out.read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_a_node_that_does_not_see_the_images_makes_no_rows(
    on_ray: Callable[..., Any], cluster: Any, images: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A node in a name space of its own, where the folder is there and empty: a share that is not mounted."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    folder, out = tmp_path / "share", tmp_path / "results.csv"
    shutil.copytree(images, folder)
    start = "import ray.scripts.scripts as ray; ray.main()"
    program = f"mount -t tmpfs none '{folder}' && exec '{sys.executable}' -c '{start}' start --block --num-cpus=2"
    program += f" --address={cluster.address} --object-store-memory=80000000"
    elsewhere = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", program],
        env=environment | {"RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    import ray

    try:
        # A process that has joined the cluster already is asked to score.
        ray.init(cluster.address, logging_level=logging.ERROR, log_to_driver=False)
        while sum(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]) < 3:
            time.sleep(0.2)
        with pytest.raises(DataError, match=r"node .*: does not see the images as they were listed, .*image0000.jpg"):
            on_ray(folder, out, shard_size=2, cpus_per_task=2)
        assert ray.is_initialized()
    finally:
        ray.shutdown()
        elsewhere.send_signal(signal.SIGTERM)
        elsewhere.wait(timeout=60)
    assert not out.exists() and not shards_of(out)


def test_images_and_report_in_a_store(cluster: Any, bucket: Bucket, images: Path, tmp_path: Path) -> None:
    """The nodes get what they need to ask the store in Ray's own way."""
    import ray

    for file in sorted(images.iterdir())[:20]:
        bucket.put(f"images/{file.name}", file.read_bytes())
    source = bucket.url("images/")
    options: dict[str, Any] = {"shard_size": 4, "batch_size": 2, "workers": 2, "quiet": True}
    score(source, tmp_path / "local.csv", BUNDLE, **options)
    needed = {"env_vars": bucket.server.environment}
    ray.init(cluster.address, runtime_env=needed, logging_level=logging.ERROR, log_to_driver=False)
    try:
        assert score(source, bucket.url("results.csv"), BUNDLE, engine="ray", **options).scored == 20
    finally:
        ray.shutdown()
    assert bucket.get("results.csv") == (tmp_path / "local.csv").read_bytes()
    assert set(bucket.listing()) == {"results.csv", *(f"images/image{number:04}.jpg" for number in range(20))}


def test_a_cluster_that_cannot_be_reached(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for address, told in (("127.0.0.1:1", "no Ray cluster answers there"), ("nowhere.invalid:6379", "no Ray cluster")):
        with pytest.raises(EngineError, match=told):
            score(images, tmp_path / "results.csv", BUNDLE, engine="ray", ray_address=address, quiet=True)
    for address in ("ray://127.0.0.1:10001", "6379", "host:port"):
        with pytest.raises(UsageError, match="--ray-address"):
            score(images, tmp_path / "results.csv", BUNDLE, engine="ray", ray_address=address, quiet=True)
    assert not list(tmp_path.iterdir())


def test_ray_is_an_extra(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'lesionflow\[ray\]'"):
        score(images, tmp_path / "results.csv", BUNDLE, engine="ray", quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cpus_per_task": 2}, "--cpus-per-task is for --engine ray"),
        ({"engine": "ray", "device": "cuda"}, "--gpus-per-task 1"),
        ({"engine": "ray", "device": "cpu", "gpus_per_task": 1.0}, "leave one of the two out"),
        ({"engine": "ray", "cpus_per_task": 0}, "--cpus-per-task 0"),
        ({"engine": "spark"}, "choose one of local, ray"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], told: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        score(images, tmp_path / "results.csv", "no model is needed to see it", **options)
