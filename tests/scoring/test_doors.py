"""The same files through every door give the same pixels, the same words and the same counts."""

import base64
import csv
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionflow.api.export import export
from lesionflow.api.load import load
from lesionflow.api.monitor import monitor
from lesionflow.api.score import score
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError
from lesionflow.evaluation.leaks import find_leaks_of_files, trained_on
from lesionflow.images.decode import decode
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.images.read_bytes import file_and_frame
from lesionflow.model.pyfunc import INPUT_COLUMN, BundleModel
from lesionflow.profile.description import describe_images
from tests.conftest import invoke
from tests.images.test_decode_zoo import file_bytes
from tests.images.test_dicom import JPEGBaseline8Bit, dicom, encapsulate
from tests.images.test_tiff import RAMPS, WHOLE, page, preview, tiff
from tests.scoring.conftest import SIDE
from tests.stores import Bucket

Found = dict[str, tuple[str, ...] | str]  # by name: probabilities to six digits, or the error
SHOWN = Image.fromarray(RAMPS)
EXACT = (
    "beside.dcm#2", "single.dcm", "planes.tif", "plain.bmp", "plain.png", "plain.webp", "preview.tif", "turned.png",
)  # fmt: skip


def files() -> dict[str, bytes]:
    turned = Image.Exif()
    turned[0x0112] = 6
    planes = [np.ascontiguousarray(RAMPS[..., channel]).tobytes() for channel in range(3)]
    photo, whole = file_bytes(SHOWN, "JPEG"), file_bytes(SHOWN)
    frames = np.stack([RAMPS[::-1], RAMPS])
    second_broken = encapsulate([photo, photo[: len(photo) // 2], photo])
    return {
        "beside.dcm": dicom(frames, "RGB", frames=2),
        "cmyk.jpg": file_bytes(SHOWN.convert("CMYK"), "JPEG"),
        "plain.bmp": file_bytes(SHOWN, "BMP"),
        "plain.png": whole,
        "plain.webp": file_bytes(SHOWN, "WEBP", lossless=True),
        "planes.tif": tiff((page(RAMPS, t284=2), planes)),
        "preview.tif": tiff(preview(4, t254=1), WHOLE),
        "single.dcm": dicom(RAMPS, "RGB"),
        "turned.png": file_bytes(SHOWN.transpose(Image.Transpose.ROTATE_90), exif=turned),
        "broken_frame.dcm": dicom(
            second_broken, "YBR_FULL_422", frames=3, size=RAMPS.shape[:2], syntax=JPEGBaseline8Bit
        ),
        "checksum.png": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        "cut.jpg": photo[: len(photo) // 2],
        "empty.png": b"",
        "floats.tif": file_bytes(Image.fromarray(RAMPS[..., 0].astype(np.float32)), "TIFF"),
        "text.jpg": b"no image",
        "zeros.jpg": bytes(4096),
    }


WORDS = {
    "broken_frame.dcm#2": "damaged", "checksum.png": "damaged", "cut.jpg": "damaged", "empty.png": "empty",
    "floats.tif": "unsupported", "text.jpg": "not_an_image", "zeros.jpg": "damaged",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of pictures of `RAMPS` in many formats, and of files with a fault."""
    folder = tmp_path_factory.mktemp("doors") / "files"
    folder.mkdir()
    for name, content in files().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, deciding_bundle: Path) -> Found:
    """Give what scoring the folder says."""
    return scored(str(folder), deciding_bundle, folder.parent)


def scored(source: str, bundle: Path, tmp_path: Path) -> Found:
    score(source, tmp_path / "found.csv", model=bundle, quiet=True, html=tmp_path / "found.html")
    with open(tmp_path / "found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (tmp_path / "found.html").read_text().count('"/9j/') == sum(not row["error"] for row in rows)  # thumbnails
    found = {
        row["path"].rpartition("/")[2]: row["error"] or tuple(row[f"p_{name}"] for name in HAM10000.names)
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def zipped(folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return to


def labelled(folder: Path, names: list[str], to: Path) -> Path:
    """Copy files into an image folder, each of another diagnosis in turn."""
    to.mkdir()
    with open(to / "metadata.csv", "w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["file_name", "dx"])
        for number, name in enumerate(names):
            shutil.copy(folder / name, to)
            rows.writerow([name, HAM10000.names[number % 7]])
    return to


def test_the_right_pixels_and_words(expected: Found, folder: Path, deciding_bundle: Path) -> None:
    assert {name: said.split(":")[0] for name, said in expected.items() if isinstance(said, str)} == WORDS
    assert len(expected) == len(files()) + 3
    (said,) = load(deciding_bundle).predict([RAMPS])
    assert {expected[name] for name in EXACT} == {tuple(f"{said.probabilities[name]:.6f}" for name in HAM10000.names)}


@pytest.mark.parametrize("kind", ["list", "table", "pattern", "archive", "store"])
def test_every_source_gives_the_same_rows(
    kind: str, folder: Path, expected: Found, deciding_bundle: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = tmp_path / "source"
    paths = sorted(map(str, folder.iterdir()))
    if kind == "list":
        source.write_text("\n".join(paths))
        found = scored(f"@{source}", deciding_bundle, tmp_path)
    elif kind == "table":  # by the names in the report
        several = [name for name in expected if f"{name}#2" in expected]
        names = [f"{folder}/{name}" for name in expected if name not in several]
        source.with_suffix(".csv").write_text("\n".join(["path", *names]))
        found = scored(f"{source}.csv", deciding_bundle, tmp_path) | {name: expected[name] for name in several}
    elif kind == "pattern":
        found = scored(f"{folder}/*", deciding_bundle, tmp_path)
    elif kind == "archive":
        found = scored(str(zipped(folder, source.with_suffix(".zip"))), deciding_bundle, tmp_path)
    else:
        bucket: Bucket = request.getfixturevalue("bucket")
        for name, content in files().items():
            bucket.put(f"in/{name}", content)
        found = scored(bucket.url("in/"), deciding_bundle, tmp_path)
    assert found == expected


@pytest.mark.parametrize("given", ["path", "bytes", "Pillow", "pyfunc", "base64"])
def test_images_one_by_one_are_those_of_the_report(
    given: str, folder: Path, expected: Found, deciding_bundle: Path
) -> None:
    import pandas as pd

    model, several = load(deciding_bundle), {name for name in files() if f"{name}#2" in expected}
    contents = {name: content for name, content in files().items() if given != "Pillow" or name in EXACT[2:]}
    if given in ("pyfunc", "base64"):
        cells = [base64.b64encode(each).decode() if given == "base64" else each for each in contents.values()]
        answers = BundleModel(model.predictor).predict(pd.DataFrame({INPUT_COLUMN: pd.Series(cells, dtype=object)}))
        rows = answers.to_dict("records")
        found = [row["error"] or tuple(f"{row[f'p_{name}']:.6f}" for name in HAM10000.names) for row in rows]
    else:
        convert: Callable[[str], Path | bytes | Image.Image] = {
            "path": lambda name: folder / name, "bytes": contents.__getitem__,
            "Pillow": lambda name: Image.open(io.BytesIO(contents[name])),
        }[given]  # fmt: skip
        said = model.predict([convert(name) for name in contents])
        found = [each.error or tuple(f"{value:.6f}" for value in each.probabilities.values()) for each in said]
    for name, each in zip(contents, found, strict=True):
        if name in several:
            assert each == "unsupported: several frames in one file; 'lesionflow score' gives each a row"
        else:
            assert each == expected[name], name


@pytest.mark.parametrize("packed", [False, True])
def test_training_sees_the_same_and_names_what_it_cannot_see(
    packed: bool, folder: Path, expected: Found, tmp_path: Path
) -> None:
    def read(names: list[str], to: Path) -> Path:
        laid_out = labelled(folder, names, to)
        return zipped(laid_out, to.with_suffix(".zip")) if packed else laid_out

    whole = [name for name in files() if isinstance(expected[name], tuple) and f"{name}#2" not in expected]
    images = read_labelled_images(read(whole, tmp_path / "whole"))
    paths = images.table["path"].tolist()
    pixels = decoded_pixels(*images.files, SIDE, SIDE, tmp_path / "cache")
    for path, seen in zip(paths, pixels, strict=True):
        assert np.array_equal(seen, decode(folder / Path(path).name, SIDE, SIDE))

    broken = {name: said for name, said in expected.items() if isinstance(said, str) and "#" not in name}
    everything = read([*whole, *broken], tmp_path / "everything")
    images = read_labelled_images(everything)
    assert dict(describe_images(images, None).unreadable) == broken
    with pytest.raises(DataError) as caught:
        decoded_pixels(*images.files, SIDE, SIDE, tmp_path / "cache")
    assert all(f"{everything}/{name} ({said})" in str(caught.value) for name, said in broken.items())
    assert f"{len(broken)} of {len(broken) + len(whole)} images" in str(caught.value)


def test_frames_that_all_have_rows_are_not_said_to_be_left_out(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"path,dx\n{folder}/beside.dcm,nv\n{folder}/beside.dcm#2,mel\n{folder}/plain.png,bcc\n")
    images = read_labelled_images(table)
    assert not [told for told in images.warnings if "several frames" in told]
    pixels = decoded_pixels(*images.files, SIDE, SIDE, tmp_path)
    for path, seen in zip(images.table["path"], pixels, strict=True):
        assert np.array_equal(seen, decode(*_sized(path)))


def _sized(path: str) -> tuple[str, int, int, int]:
    file, frame = file_and_frame(path)
    return file, SIDE, SIDE, frame


def test_an_export_compares_all_that_is_scored_and_counts_the_others(
    folder: Path, expected: Found, deciding_bundle: Path, tmp_path: Path
) -> None:
    done = export(deciding_bundle, tmp_path / "out", format="onnx", images=str(folder))
    assert done.parity is not None and done.parity.images == len(expected) - len(WORDS)
    assert done.parity.of == f"of {folder.name}, without {len(WORDS)} images that cannot be read"
    assert set(done.unread) == {f"{folder}/{name} ({expected[name]})" for name in WORDS}
    told = invoke("export", str(deciding_bundle), str(tmp_path / "again"), "--format", "onnx", "--images", str(folder))
    assert told.exit_code == 0 and f"WARNING: {len(WORDS)} images cannot be read and are left out" in told.stderr


def test_monitoring_measures_all_that_is_scored_and_counts_the_others_every_time(
    folder: Path, expected: Found, deciding_bundle: Path, tmp_path: Path
) -> None:
    archive = zipped(folder, tmp_path / "night.zip")
    nights = [tmp_path / "night.csv", tmp_path / "packed.csv"]
    for source, night in zip((folder, archive), nights, strict=True):
        score(source, night, model=deciding_bundle, quiet=True)
    for _ in range(2):
        found = monitor(nights, tmp_path / "out", images=100, overwrite=True)
        assert not [note for note in found.notes if "could not be measured" in note]
    archive.unlink()
    for _ in range(2):
        found = monitor(nights, tmp_path / "new", images=100, overwrite=True)
        counted = f"{len(expected) - len(WORDS)} images could not be measured: not where the reports say"
        assert counted in found.notes
    zipped(folder, archive)
    assert "could not be measured" not in "".join(monitor(nights, tmp_path / "new", images=100, overwrite=True).notes)


def test_a_leak_is_found_by_bytes_wherever_the_scored_images_lie(folder: Path, tmp_path: Path) -> None:
    images = read_labelled_images(labelled(folder, ["plain.png", "single.dcm", "cmyk.jpg"], tmp_path / "trained"))
    known = trained_on(images.table, np.arange(3))
    archive = zipped(folder, tmp_path / "night.zip")
    for start in (folder, archive):
        paths = [f"{start}/{name}" for name in ("plain.png", "single.dcm#1", "turned.png", "beside.dcm#2", "gone.png")]
        (leak,) = find_leaks_of_files([known], paths, list("abcde"), list("abcde"))
        assert leak.members.tolist() == [True, True, False, False, False], start
