"""Every input becomes a row, the same whatever its neighbours are, in every kind of report."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.api.score import score
from lesionflow.errors import DataError, MissingError, ReportError, UsageError
from lesionflow.images.decode import decode
from lesionflow.model.prediction import IndexedPrediction
from lesionflow.model.predictor import load_predictor
from lesionflow.scoring.engines import local
from lesionflow.scoring.engines.local import Batch, score_batches
from lesionflow.storage.location import parse_location
from tests.conftest import invoke

Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def rows_of(report: Path) -> list[dict[str, str]]:
    with report.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers_by_path(report: Path) -> dict[str, tuple[str, ...]]:
    return {row["path"]: tuple(value for name, value in row.items() if name != "path") for row in rows_of(report)}


@pytest.fixture
def zoo(images: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Give a folder of everything that turns up in such folders, and the word that each is to get."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    good = (images / "image0000.jpg").read_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8)
    colour, expected = Image.fromarray(pixels[..., :3]), {}

    def add(name: bytes | str, content: bytes | Image.Image, word: str = "ok", **options: Any) -> None:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        if isinstance(content, bytes):
            with open(path, "wb") as file:
                file.write(content)
        else:
            content.save(os.fsdecode(path), **options)
        expected[os.fsdecode(path).encode("utf-8", "backslashreplace").decode()] = word

    add("truncated.jpg", good[: len(good) // 2], "damaged")
    add("zero.jpg", b"", "empty")
    add("text.jpg", b"not an image, whatever the name says", "not_an_image")
    add("program.png", b"#!/bin/sh\nrm -rf /\n", "not_an_image")
    add("page.jpg", b"<html></html>", "not_an_image")
    add("wrong-ending.png", good)
    add("upper.JPG", good)
    add("cmyk.jpg", colour.convert("CMYK"))
    add("grey16.png", Image.fromarray(pixels[..., 0].astype(np.uint16) << 8))
    add("palette.png", colour.quantize(16))
    add("alpha.png", Image.fromarray(pixels))
    add("bits.png", colour.convert("1"))
    add("grey.jpg", colour.convert("L"))
    add("float.tiff", Image.fromarray(pixels[..., 0].astype(np.float32)), "unsupported")
    frames = [colour.rotate(turn) for turn in (90, 180)]
    add("animated.webp", colour, save_all=True, append_images=frames)
    add("animated.png", colour, save_all=True, append_images=frames)
    add("document.tiff", colour, save_all=True, append_images=frames)
    exif = Image.Exif()
    exif[0x0112] = 6
    add("turned.jpg", colour, exif=exif)
    add("one.png", Image.new("RGB", (1, 1), "red"))
    add("bomb.png", Image.new("1", (10_000, 10_000)), "too_large")
    for name in (
        "with space.jpg",
        "with,comma.jpg",
        'with"quote.jpg',
        "with'quote.jpg",
        "with\nnewline.jpg",
        "with\rreturn.jpg",
        "with\ttab.jpg",
        b"not-utf8-\xff\xe9.jpg",
        "=cmd().jpg",
        "-minus.jpg",
        "ümläut-皮膚.jpg",
        "trailing .jpg",
        "%s{0}.jpg",
    ):
        add(name, good)
    for name, target in (("dead.jpg", "nowhere"), ("loop.jpg", "loop.jpg")):
        (folder / name).symlink_to(target)
    expected[str(folder / "dead.jpg")] = "not_found"
    expected[str(folder / "loop.jpg")] = "unreadable"
    return folder, expected


def test_every_input_is_a_row(zoo: tuple[Path, dict[str, str]], small_bundle: Path, tmp_path: Path) -> None:
    folder, expected = zoo
    summary = score(folder, tmp_path / "results.csv", str(small_bundle), quiet=True)
    rows = rows_of(tmp_path / "results.csv")
    assert {row["path"]: row["error"].split(":")[0] or row["status"] for row in rows} == expected
    assert len(rows) == len(expected) == summary.scored + summary.failed
    assert [row["path"] for row in rows] == [
        os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
        for path in sorted(os.path.join(os.fsencode(folder), name) for name in os.listdir(os.fsencode(folder)))
    ]
    for row in rows:
        numbers = [row[name] for name in row if name.startswith("p_")]
        if row["status"] == "ok":
            assert abs(sum(map(float, numbers[:7])) - 1) < 1e-5
        else:
            assert not any(numbers) and row["error"].count(": ") >= 1


def test_the_same_file_by_any_name_gives_the_same_numbers(
    zoo: tuple[Path, dict[str, str]], small_bundle: Path, tmp_path: Path
) -> None:
    folder, _ = zoo
    score(folder, tmp_path / "results.csv", str(small_bundle), quiet=True)
    found = numbers_by_path(tmp_path / "results.csv")
    same = {found[path] for path in found if os.path.basename(path).startswith(("with", "=", "wrong", "upper"))}
    assert len(same) == 1


def test_source_report_and_model_may_be_file_urls_with_escapes(
    images: Path, small_bundle: Path, tmp_path: Path
) -> None:
    folder, bundle, there = tmp_path / "my ümages", tmp_path / "a 50%20 bundle", tmp_path / "réports #1"
    shutil.copytree(small_bundle, bundle)
    for number, name in enumerate(["a b.jpg", "100%25.jpg", "ü?.jpg"]):
        folder.mkdir(exist_ok=True)
        shutil.copy(images / f"image{number:04}.jpg", folder / name)
    there.mkdir()
    score(folder.as_uri(), (there / "by url.csv").as_uri(), model=bundle.as_uri(), quiet=True)
    score(folder, tmp_path / "plain.csv", model=bundle, quiet=True)
    found, plain = rows_of(there / "by url.csv"), rows_of(tmp_path / "plain.csv")
    assert [parse_location(row["path"]) for row in found] == [Path(row["path"]) for row in plain]
    assert [row["p_nv"] for row in found] == [row["p_nv"] for row in plain]
    (tmp_path / "again.txt").write_text("".join(f"{row['path']}\n" for row in found))  # the rows name their files
    score(f"@{(tmp_path / 'again.txt').as_uri()}", tmp_path / "again.csv", model=bundle, quiet=True)
    assert rows_of(tmp_path / "again.csv") == found


@pytest.mark.parametrize("seed", range(3))
def test_neighbours_change_nothing(
    seed: int, zoo: tuple[Path, dict[str, str]], images: Path, small_bundle: Path, tmp_path: Path
) -> None:
    folder, _ = zoo
    listed = [os.fsencode(path) for each in (images, folder) for path in each.iterdir()]
    whole, shuffled, alone = tmp_path / "whole.csv", tmp_path / "shuffled.csv", tmp_path / "alone.csv"
    for out, batch_size in ((whole, 16), (shuffled, random.Random(seed).randint(2, 40)), (alone, 1)):
        random.Random(seed).shuffle(listed)
        (tmp_path / "list").write_bytes(b"\0".join(listed) + b"\0")
        score(f"@{tmp_path / 'list'}", out, str(small_bundle), batch_size=batch_size, shard_size=30, quiet=True)
    assert numbers_by_path(whole) == numbers_by_path(shuffled) == numbers_by_path(alone)


def test_neither_workers_nor_broken_neighbours_change_a_bit(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    predictor = load_predictor(small_bundle, threads=1)
    paths = tuple(sorted(map(str, images.iterdir()))[:16])
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"broken")

    def decisions(paths: tuple[str, ...], workers: int) -> list[IndexedPrediction | None]:
        batches = [Batch(0, first, paths[first : first + 8]) for first in (0, 8)]
        rows = [row for _, scored in score_batches([predictor], batches, workers) for row in scored]
        assert [place for place, _ in rows] == list(range(16))
        return [row.prediction for _, row in rows]

    undisturbed = decisions(paths, 1)
    assert decisions(paths, 5) == undisturbed
    disturbed = decisions((*paths[:3], str(broken), *paths[4:]), 2)
    assert disturbed[3] is None
    assert disturbed[:3] + disturbed[4:] == undisturbed[:3] + undisturbed[4:]
    # And they are what the network says of that image alone.
    alone = predictor.predict(decode(paths[5], 24, 24)[None]).probabilities[0]
    assert undisturbed[5] is not None and np.abs(alone - undisturbed[5].probabilities).max() < 1e-6


def test_a_file_that_vanishes_after_it_was_listed(
    images: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(images, folder)
    decode_frames = local.decode_frames_in_sizes

    def vanishing(path: str, sizes: Any) -> Iterator[Any]:
        if path.endswith("7.jpg"):
            os.unlink(path)
        return decode_frames(path, sizes)

    monkeypatch.setattr(local, "decode_frames_in_sizes", vanishing)
    summary = score(folder, tmp_path / "results.csv", str(small_bundle), quiet=True)
    assert summary.counts.failures == {"not_found": 6}
    assert len(rows_of(tmp_path / "results.csv")) == 60


def bound_by_permissions(arguments: list[str]) -> list[str]:
    """The command of a user who is not the superuser, to whom everything is permitted."""
    if os.geteuid() != 0:
        return arguments
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is needed to give up the superuser's rights")
    # Without its capabilities, the superuser is bound by permissions like anybody else.
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all", *arguments]


def test_what_lies_in_a_folder_that_may_not_be_entered(
    images: Path, small_bundle: Path, tmp_path: Path, command: Command, run: Run
) -> None:
    shut, out = tmp_path / "shut", tmp_path / "results.csv"
    shutil.copytree(small_bundle, shut / "bundle")
    shutil.copy(images / "image0000.jpg", shut)
    shut.chmod(0)
    unwritable = f"{shut}/bundle: cannot be written (Permission denied); choose another place"
    no_card = f"{shut}/bundle/card.json: cannot be read (Permission denied); a bundle needs it"
    image, unreadable = f"{shut}/image0000.jpg", "cannot be read (permission denied)"
    base = [sys.executable, "-m", "lesionflow"]
    cases = [
        (
            [*command(images, "--out", out), "--model", f"{shut}/bundle"],
            f"{shut}/bundle/card.json: cannot be read (Per",
        ),
        ([*base, "register", f"{shut}/bundle"], no_card),
        (command(images, "--out", f"{shut}/bundle"), unwritable),
        (command(images, "--out", f"{shut}/bundle", "--resume"), unwritable),
        ([*base, "export", str(small_bundle), f"{shut}/bundle"], unwritable),
        (command(image, "--out", out), f"{image}: {unreadable}"),
        (command(f"{image}#2", "--out", out), f"{image}#2: {unreadable}"),
    ]
    try:
        for arguments, told in cases:
            done = run(bound_by_permissions(arguments))
            assert done.returncode == 1 and done.stderr.startswith(f"Error: {told}"), done.stderr
            assert done.stderr.count("\n") == 1
    finally:
        shut.chmod(0o700)


def test_files_that_may_not_be_read(
    images: Path, small_bundle: Path, tmp_path: Path, command: Command, run: Run
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(images, folder)
    (folder / "image0003.jpg").chmod(0)
    shutil.copytree(images, folder / "sub" / "deeper")
    (folder / "sub").chmod(0)
    arguments = bound_by_permissions(command(folder, "--out", tmp_path / "results.csv"))
    done = run(arguments)
    assert done.returncode == 3, done.stderr
    rows = rows_of(tmp_path / "results.csv")
    assert [(row["path"], row["error"]) for row in rows if row["status"] == "error"] == [
        (str(folder / "image0003.jpg"), "no_permission: permission denied"),
        (str(folder / "sub"), "no_permission: a folder, whose images are not scored (permission denied)"),
    ]
    assert len(rows) == 61
    named = run([*arguments, "--out", str(tmp_path / "isic.csv"), "--format", "isic", "--failed-as", "prior"])
    assert named.returncode == 1 and f"a folder that cannot be listed: {folder}/sub; make it" in named.stderr
    folder.chmod(0)
    try:
        unlisted = run([*arguments, "--overwrite"])
        assert unlisted.returncode == 1 and "cannot be listed" in unlisted.stderr
    finally:
        folder.chmod(0o700)
        (folder / "sub").chmod(0o700)


def test_a_table_carries_columns_into_the_report(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    table = tmp_path / "images.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "path"])
        writer.writerows([[f"P{n}", images / f"image{n:04}.jpg"] for n in (5, 3, 99)])
    score(table, tmp_path / "results.csv", str(small_bundle), quiet=True)
    rows = rows_of(tmp_path / "results.csv")
    assert [(row["patient"], row["status"]) for row in rows] == [("P5", "ok"), ("P3", "ok"), ("P99", "error")]
    assert list(rows[0])[:2] == ["path", "patient"]


@pytest.mark.parametrize(
    ("options", "failed", "message"),
    [
        ({"max_failures": "2"}, 3, "3 of 60 images failed .*at most 2 may; .*or raise --max-failures$"),
        ({"max_failures": "4%"}, 3, "3 of 60 images failed .*at most 2 may"),
        ({"on_error": "fail"}, 1, "1 of 60 images failed .*image0004.jpg: empty.*or leave out --on-error fail$"),
    ],
)
def test_too_many_failures_stop_the_run(
    options: dict[str, Any], failed: int, message: str, images: Path, small_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(images, folder)
    for number in range(4, 4 + failed):
        (folder / f"image{number:04}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=message):
        score(folder, tmp_path / "results.csv", str(small_bundle), quiet=True, **options)
    assert not (tmp_path / "results.csv").exists()
    if failed > 1:
        (folder / "image0004.jpg").write_bytes((images / "image0004.jpg").read_bytes())
        assert score(folder, tmp_path / "results.csv", str(small_bundle), quiet=True, **options).failed == failed - 1


@pytest.mark.parametrize(
    "options",
    [
        {"max_failures": "many"},
        {"max_failures": "101%"},
        {"max_failures": "-1"},
        {"on_error": "skip"},
        {"batch_size": 0},
        {"workers": 0},
        {"shard_size": 0},
        {"device": "tpu"},
        {"top_k": 0},
        {"format": "xlsx"},
        {"html": Path("same"), "summary": Path("same")},
    ],
)
def test_bad_values_are_refused_before_anything_is_done(options: dict[str, Any], images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        score(images, tmp_path / "results.csv", "no model is needed to see it", **options)
    assert not list(tmp_path.iterdir())


def test_cuda_is_not_replaced_in_silence(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime knows CUDA")
    with pytest.raises(MissingError, match="onnxruntime-gpu"):
        score(images, tmp_path / "results.csv", str(small_bundle), device="cuda", quiet=True)
    assert not list(tmp_path.iterdir())


def test_images_that_the_isic_format_cannot_tell_apart(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for part in ("a", "b"):
        shutil.copytree(images, folder / part)
    with pytest.raises(ReportError, match="score them apart"):
        score(folder, tmp_path / "results.csv", str(small_bundle), format="isic", quiet=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_report_with_a_long_name(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / ("n" * 245 + ".csv")
    assert score(images, out, str(small_bundle), quiet=True).scored == 60
    assert [entry.name for entry in tmp_path.iterdir()] == [out.name]


def test_every_output_at_once(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    outputs: dict[str, Any] = {"html": tmp_path / "page.html", "summary": tmp_path / "summary.json"}
    score(images, tmp_path / "results.parquet", str(small_bundle), quiet=True, **outputs)
    assert {entry.name for entry in tmp_path.iterdir()} == {"results.parquet", "page.html", "summary.json"}
    assert "image0059.jpg" in (tmp_path / "page.html").read_text()
    with pytest.raises(ReportError, match=r"page.html: exists already"):
        score(images, tmp_path / "other.csv", str(small_bundle), quiet=True, **outputs)


def test_a_report_that_exists_stays(images: Path, small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("old\n")
    with pytest.raises(ReportError, match="exists already"):
        score(images, tmp_path / "results.csv", str(small_bundle), quiet=True)
    assert (tmp_path / "results.csv").read_text() == "old\n"
    assert score(images, tmp_path / "results.csv", str(small_bundle), overwrite=True, quiet=True).scored == 60
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.csv"]


def test_the_command(images: Path, command: Command, run: Run, tmp_path: Path) -> None:
    listed = "\n".join(str(path) for path in sorted(images.iterdir(), reverse=True))
    done = run(
        command("-", "--out", "results.jsonl", "--summary", "summary.json", "--top-k", 2),
        cwd=tmp_path,
        input=listed,
    )
    assert done.returncode == 0, done.stderr
    assert "60 images, 60 scored with small@" in done.stdout and done.stderr == ""
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == listed.splitlines()
    assert json.loads((tmp_path / "summary.json").read_text())["scored"] == 60
    quiet = run(command("-", "--out", "results.csv", "--quiet"), cwd=tmp_path, input=listed)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    wrong = run(command(images, "--out", "results.csv", "--max-failures", "x"), cwd=tmp_path)
    assert wrong.returncode == 2 and "--max-failures x" in wrong.stderr
    nothing = run(command("missing", "--out", "new.csv"), cwd=tmp_path)
    assert nothing.returncode == 1 and "no such file or folder" in nothing.stderr


HEAVY = (
    "mlflow",
    "pandas",
    "sklearn",
    "keras",
    "tensorflow",
    "torch",
    "jax",
    "matplotlib",
    "pyarrow",
    "rich",
    "scipy",
)


def test_scoring_from_a_folder_imports_nothing_heavy(
    images: Path, small_bundle: Path, run: Run, tmp_path: Path
) -> None:
    arguments = ["score", str(images), "--out", str(tmp_path / "r.csv"), "--model", str(small_bundle)]
    program = (
        "import sys\n"
        "from lesionflow.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('heavy:', sorted(name for name in sys.modules if name in {HEAVY!r}))\n"
    )
    done = run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_a_live_bar_on_a_terminal(
    images: Path, command: Callable[..., list[str]], environment: dict[str, str], tmp_path: Path
) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    arguments = command(images, "--out", tmp_path / "results.csv")
    process = subprocess.Popen(arguments, env=environment | {"TERM": "xterm"}, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # on Linux, the end of a terminal
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert b"scoring" in shown and b"60/60" in shown and b"0 failed" in shown, shown


def test_where_no_file_of_a_list_is_found_it_is_said_from_where_paths_count(small_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na.jpg\nb.jpg\n")
    result = invoke(
        "score", str(tmp_path / "list.csv"), "--model", str(small_bundle), "--out", str(tmp_path / "results.csv")
    )
    assert result.exit_code == 3
    assert "nothing was found: paths of a list are relative to the folder where the command was run" in result.stdout
