"""Scoring from and to an object store: as with folders, but for the addresses."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionflow.images import read_bytes as contents
from lesionflow.storage import objects
from tests.conftest import error_line, invoke
from tests.scoring.conftest import draw_images, write_small_bundle
from tests.stores import KEY, SECRET, Bucket, S3Server

CHECKOUT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_small_bundle(tmp_path_factory.mktemp("bundle") / "small"))


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images in two folders, two of them broken."""
    folder = draw_images(tmp_path_factory.mktemp("disk") / "images", 20)
    for file in draw_images(folder / "below", 8).iterdir():
        file.rename(file.with_name(f"ä {file.name}"))
    (folder / "image0007.jpg").write_bytes(b"")
    (folder / "image0009x.png").write_text("no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


@pytest.fixture
def filled(bucket: Bucket, on_disk: Path) -> Bucket:
    return fill(bucket, on_disk)


def fill(bucket: Bucket, folder: Path) -> Bucket:
    for file in folder.rglob("*.*"):
        bucket.put(f"images/{file.relative_to(folder)}", file.read_bytes())
    return bucket


def start(server: S3Server, model: str, *arguments: object) -> "subprocess.Popen[str]":
    environment = os.environ | server.environment
    environment["PYTHONPATH"] = os.pathsep.join([CHECKOUT, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "lesionflow", "score", "--model", model, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "isic.csv"])
def test_a_report_is_byte_for_byte_that_of_a_folder(
    name: str, filled: Bucket, on_disk: Path, model: str, tmp_path: Path
) -> None:
    options: tuple[str, ...] = ("--model", model)
    if name == "isic.csv":
        options += ("--format", "isic", "--no-recursive", "--failed-as", "omit")
    here = invoke("score", str(on_disk), "--out", str(tmp_path / name), *options)
    there = invoke("score", filled.url("images"), "--out", filled.url(f"reports/{name}"), *options)
    assert here.exit_code == there.exit_code == 3, there.output
    expected = (tmp_path / name).read_text().replace(f"{on_disk}/", filled.url("images/"))
    assert filled.get(f"reports/{name}").decode() == expected
    assert filled.listing("reports/") == [f"reports/{name}"]  # nothing of the job is left


def test_page_summary_and_parquet(filled: Bucket, model: str, tmp_path: Path) -> None:
    from pyarrow import parquet

    others = ("--html", filled.url("reports/page.html"), "--summary", filled.url("reports/summary.json"))
    result = invoke("score", filled.url("images"), "--out", filled.url("reports/r.parquet"), "--model", model, *others)
    assert result.exit_code == 3, result.output
    table = parquet.read_table(io.BytesIO(filled.get("reports/r.parquet")))
    assert table.num_rows == 29 and table["path"][0].as_py() == filled.url("images/below/ä image0000.jpg")
    summary = json.loads(filled.get("reports/summary.json"))
    assert summary["report"] == filled.url("reports/r.parquet")
    assert summary["provenance"]["options"]["html"] == filled.url("reports/page.html")
    assert filled.get("reports/page.html").count(b"/9j/") == 27  # how a thumbnail begins
    assert len(filled.listing("reports/")) == 3


def test_lists_and_tables_mix_places(filled: Bucket, on_disk: Path, model: str, tmp_path: Path) -> None:
    table = f"path,site\n{filled.url('images/image0001.jpg')},arm\n{on_disk}/image0001.jpg,leg\nfile://{on_disk}/image0001.jpg,ear\n"
    filled.put("table.csv", table.encode())
    result = invoke("score", filled.url("table.csv"), "--out", str(tmp_path / "r.csv"), "--model", model)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert [row["site"] for row in rows] == ["arm", "leg", "ear"]
    assert len({row["p_nv"] for row in rows}) == 1
    result = invoke("score", f"file://{on_disk}", "--out", f"file://{tmp_path}/f.csv", "--model", model)
    assert result.exit_code == 3
    assert f"file://{on_disk}/below/ä image0000.jpg,ok" in (tmp_path / "f.csv").read_text()


def test_what_is_wrong_with_an_object_is_a_row(
    filled: Bucket, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["image0000.jpg", "vanished.jpg", "image0001.jpg", "image0002.jpg", "image0007.jpg", "large.jpg"]
    filled.put("images/large.jpg", bytes(300_000))
    filled.put("list.txt", "".join(f"{filled.url('images/' + name)}\n" for name in names).encode())
    filled.forbid("images/image0001.jpg")
    filled.server.broken.add(f"/{filled.name}/images/image0002.jpg")
    monkeypatch.setattr(contents, "MAXIMUM_BYTES", 200_000)
    result = invoke("score", f"@{filled.url('list.txt')}", "--out", filled.url("r.csv"), "--model", model)
    assert result.exit_code == 3, result.output
    rows = list(csv.DictReader(io.StringIO(filled.get("r.csv").decode())))
    assert [row["path"] for row in rows] == [filled.url("images/" + name) for name in names]
    assert [row["error"].split(":")[0] for row in rows] == [
        "", "not_found", "no_permission", "unreadable", "empty", "too_large",
    ]  # fmt: skip


def test_an_existing_report_stays_without_overwrite(filled: Bucket, model: str) -> None:
    filled.put("r.csv", b"precious")
    command = ("score", filled.url("images"), "--out", filled.url("r.csv"), "--model", model)
    result = invoke(*command)
    assert result.exit_code == 1 and "--overwrite" in error_line(result)
    assert filled.get("r.csv") == b"precious"
    assert invoke(*command, "--overwrite").exit_code == 3
    assert filled.get("r.csv").count(b"\n") == 30
    result = invoke(*command, "--resume")
    assert result.exit_code == 1 and "nothing is left to resume" in error_line(result)


def test_errors_are_one_line(filled: Bucket, model: str, tmp_path: Path) -> None:
    for source, out, told in (
        ("s3://no-such-bucket/images", str(tmp_path / "r.csv"), "no such bucket"),
        (filled.url("images"), "s3://no-such-bucket/r.csv", "no such bucket"),
        (filled.url("imagine"), str(tmp_path / "r.csv"), "no such object"),
    ):
        result = invoke("score", source, "--out", out, "--model", model)
        assert result.exit_code == 1 and told in error_line(result)
    assert not list(tmp_path.iterdir())


def killed(process: "subprocess.Popen[str]", bucket: Bucket, shards: int) -> None:
    """Kill a run when so many shards are there."""
    while len(bucket.listing("reports/.r.csv.job/shard-")) < shards:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_runs_go_on_from_the_shards_in_the_store(
    filled: Bucket, model: str, tmp_path: Path, s3_server: S3Server
) -> None:
    options = ("--shard-size", 2, "--batch-size", 2)
    assert invoke(
        "score", filled.url("images"), "--out", str(tmp_path / "undisturbed.csv"), "--model", model, *map(str, options)
    ).exit_code == 3  # fmt: skip
    s3_server.delay = 0.03
    try:
        command = (filled.url("images"), "--out", filled.url("reports/r.csv"), "--resume", *options)
        killed(start(s3_server, model, *command), filled, 5)
        assert "reports/r.csv" not in filled.listing()
        damaged = "reports/.r.csv.job/shard-00000001.jsonl"
        filled.put(damaged, filled.get(damaged)[:-5])
        filled.remove("reports/.r.csv.job/shard-00000002.jsonl")
    finally:
        s3_server.delay = 0
    refused = invoke("score", *map(str, command[:3]), "--model", model)
    assert refused.exit_code == 1 and "--resume" in error_line(refused)
    another = invoke("score", *map(str, command), "--model", model, "--pattern", "*8.jpg")
    assert another.exit_code == 1 and "an earlier run that differs" in error_line(another)
    s3_server.requests.clear()
    result = invoke("score", *map(str, command), "--model", model)
    assert result.exit_code == 3, result.output
    assert filled.get("reports/r.csv") == (tmp_path / "undisturbed.csv").read_bytes()
    assert filled.listing("reports/") == ["reports/r.csv"]
    read_again = [path for method, path in s3_server.requests if method == "GET" and path.endswith((".jpg", ".png"))]
    assert len(read_again) <= 29 - 2 * (5 - 2)


def test_a_server_that_goes_stops_the_run_which_goes_on_when_it_is_back(
    on_disk: Path, model: str, tmp_path: Path
) -> None:
    server = S3Server()
    try:
        filled = fill(server.bucket(), on_disk)
        server.delay = 0.05
        command = (filled.url("images"), "--out", filled.url("reports/r.csv"), "--shard-size", 2, "--batch-size", 1)
        process = start(server, model, *command, "--workers", 2)
        while len(filled.listing("reports/.r.csv.job/shard-")) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        server.stop()
        _, told = process.communicate(timeout=120)
        assert process.returncode == 1
        left_out, line = told.strip().splitlines()
        assert left_out == "left out: 1 .txt"
        assert line.startswith("Error: ") and "out of reach" in line and "--resume" in line
        server.delay = 0
        server.start()
        assert "reports/r.csv" not in filled.listing()
        process = start(server, model, *command, "--resume")
        _, told = process.communicate(timeout=120)
        assert process.returncode == 3, told
        report = filled.get("reports/r.csv").decode()
    finally:
        server.stop()
    assert invoke("score", str(on_disk), "--out", str(tmp_path / "r.csv"), "--model", model).exit_code == 3
    assert report == (tmp_path / "r.csv").read_text().replace(f"{on_disk}/", filled.url("images/"))


def test_no_secret_gets_anywhere(on_disk: Path, model: str, tmp_path: Path) -> None:
    server = S3Server()
    try:
        bucket = fill(server.bucket(), on_disk)
        bucket.forbid("images/image0001.jpg")
        server.broken.add(f"/{bucket.name}/images/image0002.jpg")
        others = ("--html", bucket.url("r/page.html"), "--summary", bucket.url("r/summary.json"))
        process = start(server, model, bucket.url("images"), "--out", bucket.url("r/r.csv"), *others)
        told = list(process.communicate())
        assert process.returncode == 3
        server.delay = 0.05
        job = (bucket.url("images"), "--out", bucket.url("reports/r.csv"), "--shard-size", 2, "--batch-size", 1)
        process = start(server, model, *job)
        killed(process, bucket, 2)
        server.delay = 0
        for arguments in (
            (f"s3://{KEY}:{SECRET}@{bucket.name}/images", "--out", str(tmp_path / "r.csv")),
            (bucket.url("images"), "--out", f"s3://{KEY}:{SECRET}@{bucket.name}/r.csv"),
            (bucket.url(f"images/image0000.jpg?X-Amz-Credential={KEY}&X-Amz-Signature={SECRET}"), "--out", "r.csv"),
        ):
            refused = invoke("score", *arguments, "--model", model)
            assert refused.exit_code == 2
            told.append(refused.output)
        kept = {key: bucket.get(key).decode("latin-1") for key in bucket.listing("r")}
        server.stop()
        process = start(server, model, bucket.url("images"), "--out", tmp_path / "r.csv")
        told += process.communicate()
        assert process.returncode == 1
    finally:
        server.stop()
    assert {"r/page.html", "r/r.csv", "r/summary.json", "reports/.r.csv.job/job.json"} <= set(kept)
    for text in (*told, *kept.values(), *kept):
        assert KEY not in text and SECRET not in text and SECRET.split("/")[0] not in text
        assert f"127.0.0.1:{server.port}" not in text  # an address may hold a password
        assert "Traceback" not in text


def test_objects_are_fetched_many_at_once(filled: Bucket, model: str, tmp_path: Path, s3_server: S3Server) -> None:
    s3_server.delay, s3_server.most_at_once = 0.1, 0
    try:
        result = invoke(
            "score", filled.url("images"), "--out", str(tmp_path / "r.csv"), "--model", model, "--batch-size", "1"
        )
    finally:
        s3_server.delay = 0
    assert result.exit_code == 3
    assert s3_server.most_at_once >= 12


@pytest.fixture
def in_memory(on_disk: Path) -> Iterator[str]:
    import fsspec

    fsspec.filesystem("memory").put(f"{on_disk}/", "/store/images/", recursive=True)
    yield "memory://store"
    fsspec.filesystem("memory").rm("/store", recursive=True)


def test_other_implementations_of_fsspec(in_memory: str, on_disk: Path, model: str, tmp_path: Path) -> None:
    options = ("--model", model, "--shard-size", "4")
    assert invoke("score", f"{in_memory}/images", "--out", f"{in_memory}/r.csv", *options).exit_code == 3
    assert invoke("score", str(on_disk), "--out", str(tmp_path / "r.csv"), *options).exit_code == 3
    report = objects.read(objects.Url.of(f"{in_memory}/r.csv")).decode()
    assert report == (tmp_path / "r.csv").read_text().replace(f"{on_disk}/", f"{in_memory}/images/")
    assert list(objects.names(objects.Url.of(in_memory))) == ["r.csv"]


def test_paths_need_no_package_of_stores(on_disk: Path, model: str, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom lesionflow.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print([name for name in ('fsspec', 's3fs', 'gcsfs', 'aiohttp', 'botocore') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, "score", str(on_disk), "--out", str(tmp_path / "r.csv"), "--model", model]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([CHECKOUT, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr
