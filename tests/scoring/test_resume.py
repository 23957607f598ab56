"""Whatever stops a run, at whatever moment: the resumed report is the undisturbed one, byte for byte."""

import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lesionflow.api.score import score
from lesionflow.errors import DataError, LesionflowError, ReportError
from lesionflow.model.card import read_card
from lesionflow.scoring.engines import local
from lesionflow.scoring.shards import JOB_FILE, LOCK_FILE, MANIFEST_FILE, Job, job_folder

Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Environment = dict[str, str]

KILLS = int(os.environ.get("LESIONFLOW_KILLS", "4"))  # as many random moments as one has time for


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., Path]) -> Path:
    """Draw images, some broken: enough for many shards, large enough to take a moment."""
    folder = draw(tmp_path_factory.mktemp("many") / "folder", 120, (600, 450))
    for number in range(0, 120, 17):
        (folder / f"image{number:04}.jpg").write_bytes(b"\xff\xd8 broken")
    return folder


@pytest.fixture(scope="module")
def undisturbed(many: Path, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the report of these images as a run writes it that nothing disturbs; batches and shards change nothing."""
    out = tmp_path_factory.mktemp("undisturbed") / "results.csv"
    assert score(many, out, str(small_bundle), quiet=True).failed == 8
    return out.read_bytes()


def stop_after(monkeypatch: pytest.MonkeyPatch, shards: int, error: BaseException) -> None:
    """Let that many shards be written, then raise."""
    write_shard = Job.write_shard
    written: list[int] = []

    def write(self: Job, shard: int, rows: list[object]) -> None:
        if len(written) == shards:
            raise error
        write_shard(self, shard, rows)  # type: ignore[arg-type]
        written.append(shard)

    monkeypatch.setattr(Job, "write_shard", write)


@pytest.fixture
def unfinished(images: Path, small_bundle: Path, tmp_path: Path) -> Path:
    """Give the path of a report of 60 images in shards of 8, of which 3 are done."""
    out = tmp_path / "results.csv"
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        kept = r"24 of 60 images are done; .*; only whole shards are kept \(--shard-size 8\)"
        with pytest.raises(KeyboardInterrupt, match=kept):
            score(images, out, str(small_bundle), shard_size=8, batch_size=4, quiet=True)
    assert not out.exists()
    return out


@pytest.mark.parametrize("attempt", range(KILLS))
def test_killed_at_any_moment(
    attempt: int,
    many: Path,
    undisturbed: bytes,
    command: Command,
    tmp_path: Path,
    run: Run,
    environment: Environment,
) -> None:
    options = (
        "--shard-size",
        10,
        "--batch-size",
        4,
        "--html",
        tmp_path / "page.html",
        "--summary",
        tmp_path / "summary.json",
    )
    out = tmp_path / "results.csv"
    moments = random.Random(attempt if "LESIONFLOW_KILLS" not in os.environ else time.time_ns())
    kills = 0
    for _ in range(3):
        arguments = command(many, "--out", out, "--resume", *options)
        process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        shards = moments.randint(0, 12)  # the last of these moments is while the report and the page are written
        while process.poll() is None and len(list(job_folder(out).glob("shard-*.jsonl"))) < shards:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.4 if shards in (0, 12) else 0.04))
        if process.poll() is None:
            process.kill()
            kills += 1
        if process.wait() == 3:
            break
        # A report is never there in part, whatever the moment.
        assert not out.exists() or out.read_bytes() == undisturbed
    if not out.exists() or job_folder(out).exists():
        nothing_left = out.exists() and not (job_folder(out) / JOB_FILE).exists()  # killed while it removed the job
        finished = run(command(many, "--out", out, "--resume", *options))
        assert finished.returncode == (1 if nothing_left else 3), finished.stderr
    assert out.read_bytes() == undisturbed, f"{kills} kills"
    assert kills or "LESIONFLOW_KILLS" in os.environ
    assert not job_folder(out).exists()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["scored"], summary["failed"]) == (112, 8)


def test_killed_at_every_step(images: Path, small_bundle: Path, tmp_path: Path, run: Run) -> None:
    """Random moments hardly hit the instructions around a rename: here a process dies at each in turn."""
    program = Path(__file__).with_name("die_at_every_step.py")
    done = run([sys.executable, str(program), str(images), str(small_bundle), str(tmp_path), "20"])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20  # shards, list, job, report and their removal take that many


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_at_once_and_say_how_to_go_on(
    number: int, code: int, many: Path, command: Command, tmp_path: Path, environment: Environment
) -> None:
    out = tmp_path / "results.csv"
    # A thousand entries for each image: a run that would go on for minutes.
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in sorted(many.iterdir())) * 1000)
    process = subprocess.Popen(
        command(f"@{listed}", "--out", out, "--shard-size", 5),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs, perhaps these tests, with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not any(job_folder(out).glob("shard-*.jsonl")):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(number)
    _, told = process.communicate(timeout=60)  # a small part of what is left to do
    assert process.returncode == code
    assert "--resume" in told and "of 120,000 images are done" in told
    assert "Traceback" not in told
    assert not out.exists() and (job_folder(out) / JOB_FILE).exists()


def test_resumes_where_it_was_stopped(
    unfinished: Path, images: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []
    score_batches = local.score_batches

    def counting(*arguments: Any) -> Iterator[Any]:
        for batch, rows in score_batches(*arguments):
            scored.extend(batch.paths)
            yield batch, rows

    monkeypatch.setattr(local, "score_batches", counting)
    summary = score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True)
    assert (len(scored), summary.resumed, summary.scored) == (36, 24, 60)
    score(images, tmp_path / "undisturbed.csv", str(small_bundle), shard_size=8, batch_size=4, quiet=True)
    assert unfinished.read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()
    assert not job_folder(unfinished).exists()


def test_an_unfinished_run_is_not_passed_over(unfinished: Path, images: Path, small_bundle: Path) -> None:
    with pytest.raises(ReportError, match=r"--resume .*--overwrite"):
        score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, quiet=True)
    summary = score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, overwrite=True, quiet=True)
    assert (summary.resumed, summary.scored) == (0, 60)


def test_a_second_model_that_was_not_there_before_is_named(unfinished: Path, images: Path, small_bundle: Path) -> None:
    card = read_card(small_bundle)
    with pytest.raises(ReportError, match=rf"--also \(none then, {card.label}\w* now\)"):
        score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, also=str(small_bundle), resume=True)


def test_to_overwrite_and_resume_continues_unfinished_work(unfinished: Path, images: Path, small_bundle: Path) -> None:
    again = {"shard_size": 8, "batch_size": 4, "resume": True, "overwrite": True, "quiet": True}
    assert score(images, unfinished, str(small_bundle), **again).resumed == 24  # type: ignore[arg-type]
    assert score(images, unfinished, str(small_bundle), **again).resumed == 0  # type: ignore[arg-type]


def test_resume_without_an_earlier_run_begins_one(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    assert score(images, tmp_path / "results.csv", str(small_bundle), resume=True, quiet=True).scored == 60


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"batch_size": 5}, r"images in a batch \(4 then, 5 now\)"),
        ({"shard_size": 9}, r"images in a shard \(8 then, 9 now\)"),
        (
            {"pattern": "*[0-8].jpg"},
            r"images \(60 then, 54 now\), list of images \(image 10: .*image0009.jpg' then, .*10.jpg' now",
        ),
    ],
)
def test_another_job_is_refused(
    unfinished: Path, images: Path, small_bundle: Path, changed: dict[str, Any], differing: str
) -> None:
    before = sorted(entry.name for entry in job_folder(unfinished).iterdir())
    options: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "resume": True, "quiet": True} | changed
    with pytest.raises(ReportError, match=differing):
        score(
            images,
            unfinished,
            str(small_bundle),
            **options,
        )
    assert sorted(entry.name for entry in job_folder(unfinished).iterdir()) == before


def test_another_model_is_refused_and_the_one_before_named(
    unfinished: Path, images: Path, small_bundle: Path, other_small_bundle: Path
) -> None:
    """As where an alias has moved, and the same command means another version."""
    told = rf"model \(.*; repeat that command with --resume and --model {re.escape(shlex.quote(str(small_bundle)))}, or"
    with pytest.raises(ReportError, match=told):
        score(images, unfinished, str(other_small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True)


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"\x00" * 100])
def test_a_damaged_shard_is_scored_again(
    unfinished: Path, images: Path, small_bundle: Path, tmp_path: Path, damage: bytes
) -> None:
    (job_folder(unfinished) / "shard-00000001.jsonl").write_bytes(damage)
    summary = score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True)
    assert summary.resumed == 16
    score(images, tmp_path / "undisturbed.csv", str(small_bundle), shard_size=8, batch_size=4, quiet=True)
    assert unfinished.read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()


def test_one_changed_digit_in_a_shard_is_noticed(unfinished: Path, images: Path, small_bundle: Path) -> None:
    shard = job_folder(unfinished) / "shard-00000001.jsonl"
    content = shard.read_bytes()
    shard.write_bytes(content[:-10] + bytes([content[-10] ^ 1]) + content[-9:])
    assert (
        score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True).resumed == 16
    )


def test_a_file_that_is_too_large_for_the_disk(
    many: Path, undisturbed: bytes, command: Command, tmp_path: Path, run: Run
) -> None:
    """A limit on the size of files stands in for a full disk: the same step fails, by another number."""
    out = tmp_path / "results.csv"

    def limit() -> None:
        # The list and each shard fit, the report does not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    full = run(command(many, "--out", out, "--shard-size", 10), preexec_fn=limit)
    assert full.returncode == 1
    assert (
        "cannot be written" in full.stderr and "120 of 120 images are done" in full.stderr and "--resume" in full.stderr
    )
    assert "Traceback" not in full.stderr and not out.exists()
    assert run(command(many, "--out", out, "--shard-size", 10, "--resume")).returncode == 3
    assert out.read_bytes() == undisturbed


def test_a_disk_that_is_full(many: Path, undisturbed: bytes, command: Command, tmp_path: Path, run: Run) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = (
        shutil.which("mount") and run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]).returncode == 0
    )
    if not mounted:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        out = small / "results.csv"
        full = run(command(many, "--out", out, "--shard-size", 10))
        assert full.returncode == 1 and "No space left" in full.stderr and "--resume" in full.stderr
        assert "Traceback" not in full.stderr and not out.exists()
        assert run(["mount", "-o", "remount,size=4m", str(small)]).returncode == 0
        assert run(command(many, "--out", out, "--shard-size", 10, "--resume")).returncode == 3
        assert out.read_bytes() == undisturbed
    finally:
        run(["umount", str(small)])


def test_two_runs_of_one_report_do_not_mix(
    many: Path, command: Command, tmp_path: Path, run: Run, environment: Environment
) -> None:
    out, listed = tmp_path / "results.csv", tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in sorted(many.iterdir())) * 1000)
    first = subprocess.Popen(
        command(f"@{listed}", "--out", out, "--shard-size", 5), env=environment, stderr=subprocess.PIPE
    )
    try:
        while not any(job_folder(out).glob("shard-*.jsonl")):
            time.sleep(0.02)
            assert first.poll() is None
        second = run(command(f"@{listed}", "--out", out, "--shard-size", 5, "--resume"))
        assert second.returncode == 1 and "another process" in second.stderr
    finally:
        first.kill()
        first.communicate()


def test_a_run_that_only_begins_is_not_resumed_by_another(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    """Until its images are listed, a run has no job file, but a lock that others have to respect."""
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "results.csv"
    job_folder(out).mkdir()
    with open(job_folder(out) / LOCK_FILE, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (job_folder(out) / MANIFEST_FILE).write_text("being listed")
        for _ in range(2):
            with pytest.raises(ReportError, match="another process is working on this report"):
                score(images, out, str(small_bundle), resume=True, quiet=True)
            out.write_text("of an earlier run")
            with pytest.raises(ReportError, match="is finished; nothing is left to resume"):
                score(images, out, str(small_bundle), resume=True, quiet=True)
            out.unlink()
        assert {file.name for file in job_folder(out).iterdir()} == {LOCK_FILE, MANIFEST_FILE}
    assert score(images, out, str(small_bundle), resume=True, quiet=True).scored == 60
    assert not job_folder(out).exists()


def test_a_file_that_no_job_wrote_stays(unfinished: Path, images: Path, small_bundle: Path) -> None:
    (job_folder(unfinished) / "mine.txt").write_text("keep")
    score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True)
    assert [entry.name for entry in job_folder(unfinished).iterdir()] == ["mine.txt"]


def test_an_existing_report_is_not_resumed_over(unfinished: Path, images: Path, small_bundle: Path) -> None:
    unfinished.write_text("somebody else's\n")
    with pytest.raises(ReportError, match="exists already"):
        score(images, unfinished, str(small_bundle), shard_size=8, batch_size=4, resume=True, quiet=True)
    assert unfinished.read_text() == "somebody else's\n"


def test_failures_of_the_first_part_count_in_the_second(many: Path, small_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    options: dict[str, Any] = {"shard_size": 10, "batch_size": 5, "quiet": True}
    with pytest.raises(DataError, match=r"4 of 120 images failed.*at most 3 may.*50 of 120 images are done"):
        score(many, out, str(small_bundle), max_failures="3", **options)
    with pytest.raises(DataError, match="6 of 120 images failed"):
        score(many, out, str(small_bundle), max_failures="5", resume=True, **options)
    assert score(many, out, str(small_bundle), max_failures="8", resume=True, **options).failed == 8


def test_a_lost_share_makes_no_rows(
    images: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "share", tmp_path / "results.csv"
    shutil.copytree(images, folder)
    options: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "workers": 1, "quiet": True}
    write_shard = Job.write_shard

    def unmount(self: Job, shard: int, rows: Any) -> None:
        write_shard(self, shard, rows)
        if shard == 2:  # what an unmounted share leaves is an empty folder
            folder.rename(tmp_path / "elsewhere")
            folder.mkdir()

    monkeypatch.setattr(Job, "write_shard", unmount)
    with pytest.raises(DataError, match=r"share: was removed .* of 60 images are done; the same command with --resume"):
        score(folder, out, str(small_bundle), **options)
    monkeypatch.undo()
    folder.rmdir()
    (tmp_path / "elsewhere").rename(folder)
    summary = score(folder, out, str(small_bundle), resume=True, **options)
    assert (summary.scored, summary.failed) == (60, 0) and 24 <= summary.resumed < 60


def test_nothing_is_left_of_a_run_that_did_nothing(many: Path, small_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionflowError, match=r"image0000.jpg: not_an_image|damaged"):
        score(many, tmp_path / "results.csv", str(small_bundle), on_error="fail", quiet=True)
    assert not list(tmp_path.iterdir())
