"""Where a report can go: a pipe, a folder of Parquet, the scorer of a challenge; and what is beside its rows."""

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionflow.api.merge import merge
from lesionflow.api.score import score
from lesionflow.errors import ReportError, UsageError
from lesionflow.model.card import read_card
from lesionflow.scoring import publish
from lesionflow.scoring.shards import Job, job_folder
from tests.scoring.conftest import PRIOR, write_small_bundle
from tests.stores import Bucket

Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
OPTIONS: dict[str, Any] = {"shard_size": 8, "batch_size": 4, "quiet": True}


@pytest.fixture
def some(images: Path, tmp_path: Path) -> Path:
    """Give a folder of ten images, one of them empty, and a text."""
    folder = tmp_path / "images"
    folder.mkdir()
    for file in sorted(images.iterdir())[:10]:
        shutil.copy(file, folder)
    (folder / "image0003.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden").write_text("no image")
    return folder


@pytest.mark.parametrize("name", ["", "@"])
def test_a_report_does_not_take_the_place_of_the_list(name: str, some: Path, small_bundle: Path) -> None:
    table = some.parent / "list.csv"
    table.write_text(f"path\n{some}/image0001.jpg\n")
    before = table.read_text()
    with pytest.raises(UsageError, match="is the list of images itself"):
        score(f"{name}{table}", table.parent / "images" / ".." / "list.csv", str(small_bundle), overwrite=True)
    assert table.read_text() == before


def test_standard_output_has_the_report_and_nothing_else(
    some: Path, small_bundle: Path, command: Command, run: Run, tmp_path: Path
) -> None:
    score(some, tmp_path / "results.csv", str(small_bundle), quiet=True)
    done = run(command(some, "--out", "-", "--summary", tmp_path / "summary.json"), cwd=tmp_path)
    assert done.returncode == 3 and done.stdout == (tmp_path / "results.csv").read_text()
    assert (
        "the report is on standard output; summary: " in done.stderr and str(tmp_path / "summary.json") in done.stderr
    )
    assert "10 images, 9 scored" in done.stderr and "left out: 1 .txt, 1 hidden" in done.stderr
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["report"] is None and told["left_out"] == {".txt": 1, "hidden": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["images", "results.csv", "summary.json"]


@pytest.mark.parametrize("out", ["-", "results.csv"])
def test_a_reader_that_has_enough_changes_no_exit_code(
    out: str, some: Path, command: Command, tmp_path: Path, environment: dict[str, str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(some, "--out", out), cwd=tmp_path, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert done.returncode == 3 and "Error" not in done.stderr and "Exception" not in done.stderr, done.stderr
    assert (tmp_path / "results.csv").exists() == (out != "-")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("out", ["-", "results.csv"])
def test_a_full_disk_behind_standard_output_is_one_line(
    out: str, some: Path, command: Command, tmp_path: Path, environment: dict[str, str]
) -> None:
    with open("/dev/full", "w") as full:
        arguments = command(some, "--out", out)
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        *_, line = done.stderr.strip().splitlines()
        assert line == "Error: standard output: cannot be written (No space left on device)"
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr
        quiet = subprocess.run([*command(some, "--out", "r.csv")], cwd=tmp_path, env=environment,
                               stdout=subprocess.PIPE, stderr=full, text=True)  # fmt: skip
    assert quiet.returncode == 3 and "10 images, 9 scored" in quiet.stdout  # nobody hears of progress, and no harm done


def test_what_standard_output_cannot_be(some: Path, small_bundle: Path) -> None:
    for options, told in (
        ({"resume": True}, "stores nothing"),
        ({"shard": "1/2"}, "stores nothing"),
        ({"format": "parquet"}, "takes csv, jsonl, isic"),
    ):
        with pytest.raises(UsageError, match=told):
            score(some, "-", str(small_bundle), **options)


def test_a_folder_of_parquet_has_the_rows_of_the_file(
    some: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(publish, "ROWS_IN_PART", 4)
    options = OPTIONS | {"shard_size": 2}
    score(some, tmp_path / "whole.parquet", str(small_bundle), **options)
    summary = score(some, f"{tmp_path}/parts/", str(small_bundle), **options)
    assert summary.failed == 1 and summary.report == tmp_path / "parts"
    names = sorted(entry.name for entry in (tmp_path / "parts").iterdir())
    assert names == [f"part-0000{index}-of-00003.parquet" for index in range(3)]
    whole = parquet.read_table(tmp_path / "whole.parquet")
    assert parquet.read_table(tmp_path / "parts").equals(whole)
    with pytest.raises(ReportError, match="exists already; add --overwrite"):
        score(some, f"{tmp_path}/parts/", str(small_bundle), **options)
    monkeypatch.setattr(publish, "ROWS_IN_PART", 8)
    score(some, f"{tmp_path}/parts/", str(small_bundle), overwrite=True, **options)
    assert len(list((tmp_path / "parts").iterdir())) == 2
    (tmp_path / "parts" / "mine.txt").touch()
    with pytest.raises(ReportError, match=r"parts/: holds other files \(mine.txt\)"):
        score(some, f"{tmp_path}/parts/", str(small_bundle), overwrite=True, **options)
    with pytest.raises(ReportError, match="a folder; name the file to write"):
        score(some, tmp_path / "parts", str(small_bundle), **options)
    with pytest.raises(UsageError, match="takes parquet"):
        score(some, f"{tmp_path}/other/", str(small_bundle), format="csv", **options)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["images", "parts", "whole.parquet"]


def test_parts_are_merged_elsewhere_and_in_a_store(
    some: Path, small_bundle: Path, tmp_path: Path, bucket: Bucket
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    score(some, tmp_path / "whole.parquet", str(small_bundle), **OPTIONS)
    for out, to in ((tmp_path / "a.csv", f"{tmp_path}/far/"), (bucket.url("a.csv"), bucket.url("parts/"))):
        for number in (1, 2):
            score(some, out, str(small_bundle), shard=f"{number}/2", **OPTIONS)
        summary = merge(out, to=to)
        assert summary.failed == 1 and summary.left_out == {".txt": 1, "hidden": 1}
    whole = parquet.read_table(tmp_path / "whole.parquet")
    assert parquet.read_table(tmp_path / "far").equals(whole)
    assert bucket.listing() == ["parts/part-00000-of-00001.parquet"]
    assert parquet.read_table(io.BytesIO(bucket.get("parts/part-00000-of-00001.parquet"))).equals(whole)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["far", "images", "whole.parquet"]


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl", "results.parquet"])
def test_several_processes_write_what_one_does(
    name: str, some: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken shard is named whichever process finds it."""
    monkeypatch.setattr(publish, "ROWS_IN_GROUP", 4)
    (tmp_path / "one").mkdir()
    score(some, tmp_path / "one" / name, str(small_bundle),
          top_k=2, **OPTIONS | {"shard_size": 2})  # fmt: skip
    monkeypatch.setattr(publish, "MANY_ROWS", 1)
    monkeypatch.setattr(publish, "usable_cores", lambda: 2)
    score(some, tmp_path / name, str(small_bundle), shard="1/1", **OPTIONS | {"shard_size": 2})
    shutil.copytree(job_folder(tmp_path / name), tmp_path / "kept")
    summary = merge(tmp_path / name, top_k=2)
    assert (summary.scored, summary.failed, summary.counts.failures) == (9, 1, {"empty": 1})
    reports = tmp_path / name, tmp_path / "one" / name
    if name.endswith(".parquet"):  # whose metadata know when it was written
        parquet = pytest.importorskip("pyarrow.parquet")
        files = [parquet.ParquetFile(report) for report in reports]
        assert files[0].read().equals(files[1].read())
        groups = [[file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] for file in files]
        assert groups[0] == groups[1] == [4, 4, 2]
    else:
        assert reports[0].read_bytes() == reports[1].read_bytes()
    job = job_folder(tmp_path / name)
    shutil.copytree(tmp_path / "kept", job)
    failures = Job.failures

    def breaking(self: Job, shards: Any = None) -> Any:
        known = failures(self, shards)
        (job / "shard-00000003.jsonl").write_bytes(b"")  # after the merge has looked
        return known

    monkeypatch.setattr(Job, "failures", breaking)
    with pytest.raises(ReportError, match=r"shard-00000003.jsonl: missing or altered"):
        merge(tmp_path / name, overwrite=True)


def test_the_isic_format_is_refused_with_a_failed_image_until_one_says_what_it_is(some: Path, tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "bundle", prior=PRIOR)
    out, options = tmp_path / "answers.csv", OPTIONS | {"format": "isic"}
    with pytest.raises(ReportError, match=r"1 failed: .*image0003.jpg \(empty\).*--failed-as prior.*10 of 10 images"):
        score(some, out, str(bundle), **options)
    assert not out.exists() and job_folder(out).is_dir()
    assert score(some, out, str(bundle), failed_as="omit", resume=True, **options).resumed == 10
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["image"] for row in rows] == [f"image{number:04}" for number in range(10) if number != 3]
    score(some, out, str(bundle), failed_as="prior", overwrite=True, **options)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 10 and rows[3]["image"] == "image0003"
    names = ("AKIEC", "BCC", "BKL", "DF", "MEL", "NV", "VASC")
    assert [float(rows[3][name]) for name in names] == pytest.approx(read_card(bundle).prior)
    with pytest.raises(UsageError, match="--failed-as is for --format isic"):
        score(some, tmp_path / "results.csv", str(bundle), failed_as="omit", **OPTIONS)
    for number in (1, 2):
        score(some, tmp_path / "shared.csv", str(bundle), shard=f"{number}/2", **OPTIONS)
    with pytest.raises(ReportError, match="--failed-as prior or --failed-as omit"):
        merge(tmp_path / "shared.csv", format="isic")
    assert merge(tmp_path / "shared.csv", format="isic", failed_as="omit").failed == 1


def test_format_and_note_on_request(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    from PIL import Image, ImageCms

    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(images / "image0000.jpg", folder / "a.jpg")
    with Image.open(images / "image0001.jpg") as image:
        image.save(folder / "b.png")
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image.save(folder / "c.jpg", icc_profile=b"broken" + lab[:200])
    (folder / "d.jpg").write_bytes(b"")
    score(folder, tmp_path / "results.csv", str(small_bundle), columns="path,format,note,error", quiet=True)
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["format"] for row in rows] == ["JPEG", "PNG", "JPEG", ""]
    assert [bool(row["note"]) for row in rows] == [False, False, True, False], rows
    table = tmp_path / "list.csv"
    table.write_text(f"path,note\n{folder}/a.jpg,of the user's\n")
    score(table, tmp_path / "noted.csv", str(small_bundle), columns="note,format", quiet=True)
    assert (tmp_path / "noted.csv").read_text() == "note,format\nof the user's,JPEG\n"


def test_jobs_of_other_versions_are_refused(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    score(images, out, str(small_bundle), shard="1/1", **OPTIONS)
    job = job_folder(out) / "job.json"
    values = json.loads(job.read_text())
    values["fingerprint"]["job format"] = 3
    job.write_text(json.dumps(values))
    with pytest.raises(ReportError, match=r"begun by another version of lesionflow \(job format 3, this one reads 4\)"):
        merge(out)
    with pytest.raises(ReportError, match=r"an earlier run that differs: job format \(3 then, 4 now\)"):
        score(images, out, str(small_bundle), resume=True, **OPTIONS)
