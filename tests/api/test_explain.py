import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import lesionflow
from lesionflow.api.explain import Explained, picture_names
from lesionflow.errors import ImageError
from lesionflow.evaluation.explanation import Explanation, explanation_picture
from lesionflow.images.decode import decode, decode_frames
from lesionflow.images.read_bytes import NO_MEMORY
from tests.conftest import error_line, invoke
from tests.images.test_dicom import dicom
from tests.scoring.conftest import draw_images, write_small_bundle


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_small_bundle(tmp_path_factory.mktemp("bundles") / "small"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of the same name, one that is cut off, and a file of two frames."""
    folder = tmp_path / "images"
    for side in ("left", "right"):
        draw_images(folder / side, 1)
    shutil.copy(folder / "left" / "image0000.jpg", folder / "left" / "other.jpg")
    (folder / "right" / "cut.jpg").write_bytes((folder / "left" / "image0000.jpg").read_bytes()[:400])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 40), dtype=np.uint8)
    (folder / "right" / "frames.dcm").write_bytes(dicom(pixels, "MONOCHROME2", frames=2))
    return folder


def test_every_image_gets_its_own_picture_or_a_line_that_says_why_not(small: str, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "pictures"
    result = invoke("explain", str(images), str(images / "left" / "other.jpg"), "--out", str(out), "--model", small)
    assert result.exit_code == 3, result.output
    names = ["left_image0000.jpg.png", "other.jpg.png", "right_image0000.jpg.png", "frames.dcm.png", "frames.dcm#2.png"]
    assert sorted(result.stdout.splitlines()) == sorted(str(out / name) for name in names)
    assert sorted(os.listdir(out)) == sorted(names)
    wrong, total = result.stderr.splitlines()
    assert wrong.startswith(f"{images}/right/cut.jpg: damaged: ") and total == "5 drawn, 1 failed"
    for name in names:
        with Image.open(out / name) as picture:
            assert picture.format == "PNG" and picture.width > 800 and np.asarray(picture.convert("L")).std() > 10


def test_one_frame_is_asked_for_by_its_name_in_reports(small: str, images: Path, tmp_path: Path) -> None:
    file, out = f"{images}/right/frames.dcm", tmp_path / "pictures"
    result = invoke("explain", f"{file}#2", f"{file}#3", "--out", str(out), "--model", small)
    assert result.stdout == f"{out}/frames.dcm#2.png\n", result.output
    assert result.stderr == f"{file}#3: not_found: the file has no frame 3\n1 drawn, 1 failed\n"
    shutil.copy(f"{images}/left/other.jpg", f"{file}#3")  # a file of that very name comes first
    for source in (file, f"{file}#2", f"{file}#3"):
        assert invoke("score", source, "--out", f"{tmp_path / source[-2:]}.csv", "--model", small).exit_code == 0
    whole, second, own = ((tmp_path / f"{end}.csv").read_text().splitlines() for end in ("cm", "#2", "#3"))
    assert second[1:] == whole[2:] and second[1].startswith(f"{file}#2,ok,")
    assert own[1].startswith(f"{file}#3,ok,") and own[1] not in whole
    assert invoke("score", f"{file}#1", "--out", f"{tmp_path}/first.csv", "--model", small).exit_code == 0
    assert (tmp_path / "first.csv").read_text().splitlines()[1:] == [whole[1].replace(file, f"{file}#1", 1)]
    (said,) = lesionflow.load(small).predict(f"{file}#2")
    assert said.diagnosis == second[1].split(",")[3]
    for read in (lambda path: decode(path, 8, 8), lambda path: list(decode_frames(path, 8, 8))):
        with pytest.raises(ImageError, match="no frame 2"):
            read(f"{images}/left/other.jpg#2")


def test_a_picture_that_is_there_is_refused_before_anything_is_drawn(small: str, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    (out / "other.jpg.png").write_text("mine")
    asked = ["explain", str(images / "left"), "--out", str(out), "--model", small]
    refused = invoke(*asked)
    assert refused.exit_code == 1 and "other.jpg.png: exists already; add --overwrite" in error_line(refused)
    assert os.listdir(out) == ["other.jpg.png"] and (out / "other.jpg.png").read_text() == "mine"
    assert invoke(*asked, "--overwrite").exit_code == 0
    assert sorted(os.listdir(out)) == ["image0000.jpg.png", "other.jpg.png"]
    assert (out / "other.jpg.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_run_goes_on_and_names_every_image_again(small: str, images: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "pictures", list[Explained]()

    def stop(done: Explained) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped; 1 of 5 files is done; the same command with --resume"):
        lesionflow.explain(images, out, small, on_image=stop)
    kept = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    assert len(kept) == 2
    refused = invoke("explain", str(images), "--out", str(out), "--model", small)
    assert refused.exit_code == 1 and "exists already" in error_line(refused)
    other = invoke("explain", str(images), "--out", str(out), "--model", small, "--resume", "--target", "mel")
    assert other.exit_code == 1 and "of another model or --target: " in error_line(other)
    assert {file.name: file.stat().st_mtime_ns for file in out.iterdir()} == kept

    result = invoke("explain", str(images), "--out", str(out), "--model", small, "--resume")
    assert result.exit_code == 3 and result.stderr.endswith("3 drawn, 2 kept, 1 failed\n")
    assert (
        sorted(result.stdout.splitlines()) == sorted(map(str, out.iterdir())) and len(result.stdout.splitlines()) == 5
    )
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    again = lesionflow.explain(images, out, small, resume=True)
    assert dataclasses.replace(seen[0], kept=True) in again
    assert all(each.said is not None for each in again if each.picture)

    (out / "other.jpg.png").write_text("mine")  # what explain did not draw is not replaced
    Image.new("RGB", (40, 30), "white").save(images / "left" / "image0000.jpg")  # and what changed is drawn anew
    before = (out / "left_image0000.jpg.png").read_bytes()
    refused = invoke("explain", str(images), "--out", str(out), "--model", small, "--resume")
    assert "other.jpg.png: exists already" in error_line(refused)
    (out / "other.jpg.png").unlink()
    assert invoke("explain", str(images), "--out", str(out), "--model", small, "--resume").exit_code == 3
    assert (out / "left_image0000.jpg.png").read_bytes() != before


def test_an_image_for_which_memory_does_not_suffice_fails_alone(
    small: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(about: Explanation, *others: Any) -> Figure:
        if "other" in about.name:
            raise MemoryError
        return explanation_picture(about, *others)

    def decoded(data: bytes, *others: int) -> np.ndarray:
        if data == dicom_file:
            raise ImageError(*NO_MEMORY)
        return decode(data, *others)

    dicom_file = (images / "right" / "frames.dcm").read_bytes()
    monkeypatch.setattr("lesionflow.api.explain.explanation_picture", drawn)
    monkeypatch.setattr("lesionflow.api.explain.decode", decoded)
    result = invoke("explain", str(images), "--out", str(tmp_path / "pictures"), "--model", small)
    assert result.exit_code == 3 and result.stderr.splitlines()[-1] == "2 drawn, 4 failed"
    wanting = [line.partition(": ")[0] for line in result.stderr.splitlines() if line.endswith(": ".join(NO_MEMORY))]
    assert wanting == [f"{images}/{name}" for name in ("left/other.jpg", "right/frames.dcm", "right/frames.dcm#2")]
    assert sorted(os.listdir(tmp_path / "pictures")) == ["left_image0000.jpg.png", "right_image0000.jpg.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.jpg"], 1, "nowhere.jpg: no such file or folder"),
        (["--target", "melanoma", "images"], 2, " (did you mean 'mel'?)"),
        (["--target", "nevus", "images"], 2, "--target nevus: 'nevus' is not a diagnosis of ham10000, which has akiec"),
        (["images", "--model", "nowhere"], 1, "no such bundle folder"),
        (["empty"], 1, "empty: no image files"),
    ],
)
def test_what_makes_no_sense_is_refused(
    small: str, images: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(images.parent)
    Path("empty").mkdir()
    result = invoke("explain", "--out", "pictures", "--model", small, *arguments)
    assert result.exit_code == code and message in result.stderr


def test_from_python_another_diagnosis_is_explained_and_progress_told(small: str, images: Path, tmp_path: Path) -> None:
    file, told = images / "left" / "image0000.jpg", list[Explained]()
    (call,) = lesionflow.explain([file], tmp_path / "call", small, on_image=told.append)
    assert call.said is not None and len(repr(call)) < 1000  # as a notebook shows it
    assert f"called={call.said.labels.names[call.said.called]!r}" in repr(call)
    (mel,) = lesionflow.explain([file, file], tmp_path / "mel", small, target="mel")
    assert told == [call] and call.said == mel.said and call.picture and mel.picture
    (prediction,) = lesionflow.load(small).predict(file)
    assert call.said is not None and call.said.probabilities == tuple(prediction.probabilities.values())
    assert call.picture.read_bytes() != mel.picture.read_bytes()


def test_pictures_are_named_by_as_much_of_the_path_as_it_takes() -> None:
    paths = [
        "a/x.jpg",
        "b/x.jpg",
        "b/y.jpg",
        "../c/b/z.png",
        "/c/d/z.png",
        "z.tif",
        "a_b/w.png",
        "a/b_w.png",
        "s3://m/n.jpg",
    ]
    names = picture_names(paths)
    assert list(names.values()) == [
        "a_x.jpg", "b_x.jpg", "y.jpg", "b_z.png", "d_z.png", "z.tif", "w.png", "b_w.png", "n.jpg"
    ]  # fmt: skip
    ambiguous = ["m/a/x", "n/a/x", "m_a/x", "x"]
    assert len(set(picture_names(ambiguous).values())) == 4
