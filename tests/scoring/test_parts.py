"""N processes that know nothing of each other, and a merge that lets nothing pass that is missing or another's."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lesionflow.api.merge import merge
from lesionflow.api.score import score
from lesionflow.errors import DataError, ReportError, UsageError
from lesionflow.scoring.engines import local
from lesionflow.scoring.shards import JOB_FILE, job_folder
from tests.conftest import invoke
from tests.stores import Bucket

Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
OPTIONS: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "quiet": True}


def do_parts(images: Path, out: Path, bundle: Path, of: int, *numbers: int, **options: Any) -> list[Any]:
    return [score(images, out, str(bundle), shard=f"{number}/{of}", **OPTIONS | options) for number in numbers]


@pytest.fixture
def undisturbed(images: Path, small_bundle: Path, tmp_path: Path) -> bytes:
    """Give the report of a single run."""
    out = tmp_path / "undisturbed.csv"
    score(images, out, str(small_bundle), **OPTIONS)
    content = out.read_bytes()
    out.unlink()
    return content


def test_a_part_without_images_says_so(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    command = ("score", str(images), "--out", str(tmp_path / "results.csv"), "--model", str(small_bundle))
    told = invoke(*command, "--shard", "2/2")  # sixty images are one shard
    assert told.exit_code == 0 and told.stdout.startswith("part 2/2 has nothing to score: other parts have all images")
    assert told.stdout.count("\n") == 1 and "when all are done: lesionflow merge" in told.stdout
    assert "part 1/2 is done; when all are done: lesionflow merge" in invoke(*command, "--shard", "1/2").stdout


@pytest.mark.parametrize("of", [1, 3, 20])
def test_the_report_is_that_of_one_run(
    of: int, images: Path, small_bundle: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    """Also with more parts than shards, of which there are 8."""
    out = tmp_path / "results.csv"
    done = do_parts(images, out, small_bundle, of, *range(of, 0, -1))
    assert sum(summary.scored for summary in done) == 60 and not out.exists()
    assert merge(out).scored == 60
    assert out.read_bytes() == undisturbed
    assert [entry.name for entry in tmp_path.iterdir()] == [out.name]
    with pytest.raises(ReportError, match="is finished"):
        merge(out)
    with pytest.raises(ReportError, match="exists already; remove it"):
        do_parts(images, out, small_bundle, of, 1)
    assert [entry.name for entry in tmp_path.iterdir()] == [out.name]


def test_the_commands(images: Path, small_bundle: Path, command: Command, run: Run, tmp_path: Path) -> None:
    """Options of the report are the merge's; the command that it names does what is missing."""
    folder = tmp_path / "with space"
    shutil.copytree(images, folder)
    (folder / "image0003.jpg").write_bytes(b"")
    arguments = command("with space", "--out", "results.csv", "--shard-size", 8, "--no-recursive")
    one = run([*arguments, "--shard", "1/2", "--tracking-uri", "sqlite:///store.db"], cwd=tmp_path)
    assert one.returncode == 3 and "part 1/2 is done; when all are done: lesionflow merge results.csv" in one.stdout
    merging = [sys.executable, "-m", "lesionflow", "merge", "results.csv", "--top-k", "2", "--summary", "summary.json"]
    early = run(merging, cwd=tmp_path)
    assert early.returncode == 1 and not (tmp_path / "results.csv").exists()
    told = early.stderr.strip()
    missing = told.partition("part 2/2 lacks 4 of 4 shards: ")[2]
    assert missing.startswith("lesionflow score 'with space' --out results.csv") and "--no-recursive" in missing
    assert "--tracking-uri sqlite:///store.db " in missing
    assert run(["bash", "-c", f"'{sys.executable}' -m {missing}"], cwd=tmp_path).returncode == 0
    done = run(merging, cwd=tmp_path)
    assert done.returncode == 3 and "60 images, 59 scored" in done.stdout, done.stderr
    whole = run([*arguments[:-4], "whole.csv", *arguments[-3:], "--top-k", "2"], cwd=tmp_path)
    assert whole.returncode == 3, whole.stderr
    assert (tmp_path / "results.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert json.loads((tmp_path / "summary.json").read_text())["failures"] == {"empty": 1}


def test_parts_may_begin_at_the_same_instant(
    images: Path, small_bundle: Path, command: Command, run: Run, tmp_path: Path, undisturbed: bytes
) -> None:
    out, go = tmp_path / "results.csv", tmp_path / "go"
    program = (
        "import os, sys, onnxruntime\n"
        "from lesionflow.api.score import score\n"
        "from lesionflow.scoring import job\n"
        "source, out, bundle, shard, go = sys.argv[1:]\n"
        "begin = job._put_shared_job\n"
        "def together(*arguments):\n"  # nobody has begun, and all are about to
        "    open(f'{go}{shard[0]}', 'w').close()\n"
        "    while not all(os.path.exists(f'{go}{number}') for number in range(1, 5)): pass\n"
        "    return begin(*arguments)\n"
        "job._put_shared_job = together\n"
        "score(source, out, bundle, shard=shard, shard_size=8, batch_size=4, quiet=True)\n"
    )
    each = [[sys.executable, "-c", program, images, out, small_bundle, f"{number}/4", go] for number in range(1, 5)]
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda arguments: run([*map(str, arguments)]), each))
    assert [process.returncode for process in done] == [0] * 4, [process.stderr for process in done]
    merge(out)
    assert out.read_bytes() == undisturbed


def test_a_killed_part_goes_on(
    images: Path, small_bundle: Path, command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    listed, out = tmp_path / "list.txt", tmp_path / "results.csv"
    listed.write_text("".join(f"{path}\n" for path in sorted(images.iterdir())) * 20)
    arguments = command(f"@{listed}", "--out", out, "--shard-size", 8, "--quiet", "--shard")
    process = subprocess.Popen([*arguments, "1/2"], env=environment)
    while len(list(job_folder(out).glob("shard-*.jsonl"))) < 3:
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)  # it stays at work, however long the others take to notice
    with pytest.raises(ReportError, match="another process is working on part 1/2"):
        score(f"@{listed}", out, str(small_bundle), shard="1/2", shard_size=8, quiet=True)
    with pytest.raises(ReportError, match="a part of this report is being worked on"):
        merge(out)
    with pytest.raises(ReportError, match="or on a part of it"):
        score(f"@{listed}", out, str(small_bundle), resume=True, shard_size=8, quiet=True)
    process.kill()
    process.wait()
    two = score(f"@{listed}", out, str(small_bundle), shard="2/2", shard_size=8, quiet=True)
    assert (two.scored, two.resumed) == (600, 0)
    with pytest.raises(ReportError, match="part 1/2 lacks"):
        merge(out)
    one = score(f"@{listed}", out, str(small_bundle), shard="1/2", shard_size=8, quiet=True)
    assert one.scored == 600 and one.resumed >= 24
    assert merge(out).scored == 1200
    score(f"@{listed}", tmp_path / "undisturbed.csv", str(small_bundle), shard_size=8, quiet=True)
    assert out.read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()


def test_parts_in_a_store(
    bucket: Bucket, images: Path, small_bundle: Path, other_small_bundle: Path, undisturbed: bytes
) -> None:
    out: Any = bucket.url("results.csv")
    do_parts(images, out, small_bundle, 2, 2)
    with pytest.raises(ReportError, match="part 1/2 belongs to another job"):
        do_parts(images, out, other_small_bundle, 2, 1)
    with pytest.raises(ReportError, match=r"part 1/2 lacks 4 of 4 shards: lesionflow score .*s3://"):
        merge(out)
    do_parts(images, out, small_bundle, 2, 1)
    assert merge(out).scored == 60
    assert bucket.get("results.csv") == undisturbed and bucket.listing() == ["results.csv"]


def test_a_part_of_another_job_is_refused(
    images: Path, small_bundle: Path, other_small_bundle: Path, tmp_path: Path, draw: Callable[..., Path]
) -> None:
    out = tmp_path / "results.csv"
    do_parts(images, out, small_bundle, 2, 1)
    before = sorted(entry.name for entry in job_folder(out).iterdir() if not entry.name.startswith("lock"))
    for number, bundle, options, told in (
        (2, other_small_bundle, {}, r"another job than the parts there: model \(small@\w+ then, small@\w+ now\)"),
        (2, small_bundle, {"batch_size": 5}, r"images in a batch \(4 then, 5 now\)"),
        (2, small_bundle, {"pattern": "*[1-9].jpg"}, r"list of images \(image 1: .*image0000.jpg' then"),
        (2, small_bundle, {"shard": "2/3"}, "was started as 2 parts, not as 3 parts"),
    ):
        with pytest.raises(ReportError, match=told):
            score(images, out, str(bundle), **{"shard": f"{number}/2"} | OPTIONS | options)
    names = sorted(entry.name for entry in job_folder(out).iterdir() if not entry.name.startswith("lock"))
    assert names == before


def test_folders_of_machines_without_common_storage_are_copied_into_one(
    images: Path, small_bundle: Path, other_small_bundle: Path, tmp_path: Path, undisturbed: bytes
) -> None:
    outs = [tmp_path / str(number) / "results.csv" for number in (1, 2, 3)]
    for number, out in enumerate(outs, 1):
        out.parent.mkdir()
        do_parts(images, out, small_bundle if number < 3 else other_small_bundle, 3, number)
    for out in outs[1:]:
        shutil.copytree(
            job_folder(out), job_folder(outs[0]), dirs_exist_ok=True, ignore=shutil.ignore_patterns(JOB_FILE)
        )
    with pytest.raises(ReportError, match="part 3/3 is of another job: model"):
        merge(outs[0])
    # Even without what it says of itself, the shards themselves tell that they are another model's.
    (job_folder(outs[0]) / "part-00003-of-00003.json").unlink()
    with pytest.raises(ReportError, match="part 3/3 lacks 2 of 2 shards"):
        merge(outs[0])
    do_parts(images, outs[0], small_bundle, 3, 3)
    merge(outs[0])
    assert outs[0].read_bytes() == undisturbed


def test_parts_of_two_jobs_are_not_merged(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    """Part 1 of 2 twice, once as one of four: shards would be there twice."""
    out, other = tmp_path / "results.csv", tmp_path / "other.csv"
    do_parts(images, out, small_bundle, 2, 1, 2)
    do_parts(images, other, small_bundle, 4, 1)
    shutil.copy(job_folder(other) / "part-00001-of-00004.json", job_folder(out))
    with pytest.raises(ReportError, match="holds part 1 of 4, and parts of 2"):
        merge(out)


def test_a_damaged_shard_is_missing(images: Path, small_bundle: Path, tmp_path: Path, undisturbed: bytes) -> None:
    out = tmp_path / "results.csv"
    do_parts(images, out, small_bundle, 2, 1, 2)
    shard = job_folder(out) / "shard-00000003.jsonl"
    shard.write_bytes(shard.read_bytes()[:-9])
    shutil.copy(job_folder(out) / "shard-00000004.jsonl", job_folder(out) / "shard-00000005.jsonl")
    with pytest.raises(ReportError, match="part 2/2 lacks 2 of 4 shards"):
        merge(out)
    do_parts(images, out, small_bundle, 2, 2)
    merge(out)
    assert out.read_bytes() == undisturbed


def test_a_single_run_ends_what_parts_began(
    images: Path, small_bundle: Path, tmp_path: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results.csv"
    do_parts(images, out, small_bundle, 2, 2)
    summary = score(images, out, str(small_bundle), resume=True, **OPTIONS)
    assert summary.resumed == 28 and out.read_bytes() == undisturbed
    assert [entry.name for entry in tmp_path.iterdir()] == [out.name]

    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "score_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score(images, tmp_path / "other.csv", str(small_bundle), **OPTIONS)
    monkeypatch.undo()
    with pytest.raises(ReportError, match="was started as one run"):
        do_parts(images, tmp_path / "other.csv", small_bundle, 2, 1)
    with pytest.raises(ReportError, match="was started as one run"):
        merge(tmp_path / "other.csv")


def test_a_merge_killed_at_its_end_is_done_again(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    do_parts(images, out, small_bundle, 2, 1, 2)
    shutil.copytree(job_folder(out), tmp_path / "kept")
    merge(out)
    shutil.copytree(tmp_path / "kept", job_folder(out))  # the report is there, and the job not removed yet
    merge(out)
    shutil.copytree(tmp_path / "kept", job_folder(out))
    out.write_text("somebody else's\n")
    with pytest.raises(ReportError, match="exists already"):
        merge(out)
    assert out.read_text() == "somebody else's\n" and merge(out, overwrite=True).scored == 60


def test_failures_are_limited_by_part_and_by_merge(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "results.csv"
    shutil.copytree(images, folder)
    for number in (0, 9):
        (folder / f"image{number:04}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 32 images failed .*at most 0 may.*the same command continues"):
        do_parts(folder, out, small_bundle, 2, 1, on_error="fail")
    assert [summary.failed for summary in do_parts(folder, out, small_bundle, 2, 1, 2, max_failures="1")] == [1, 1]
    with pytest.raises(DataError, match="2 of 60 images failed, but at most 1 may"):
        merge(out, max_failures="1")
    assert merge(out, max_failures="2").failed == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shard": "0/2"}, "as in 3/8"),
        ({"shard": "3/2"}, "as in 3/8"),
        ({"shard": "half"}, "as in 3/8"),
        ({"shard": "1/2", "overwrite": True}, "would remove what other parts have done"),
        ({"shard": "1/2", "top_k": 2}, "--top-k: give it to 'lesionflow merge'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], told: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        score(images, tmp_path / "results.csv", "no model is needed to see it", **options)
    assert not list(tmp_path.iterdir())


def test_nothing_to_merge(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="holds no parts"):
        merge(tmp_path / "results.csv")
    os.mkdir(job_folder(tmp_path / "results.csv"))
    with pytest.raises(ReportError, match="holds no parts"):
        merge(tmp_path / "results.csv")
