import csv
import dataclasses
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.model.card import read_card, write_card
from tests.conftest import error_line, invoke
from tests.scoring.conftest import write_small_bundle

COLUMNS = [
    "path",
    "status",
    "error",
    "diagnosis",
    "probability",
    "p_akiec",
    "p_bcc",
    "p_bkl",
    "p_df",
    "p_mel",
    "p_nv",
    "p_vasc",
    "p_malignant",
    "malignant",
    "refer",
    "model",
]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        reader = csv.DictReader(opened)
        assert reader.fieldnames == COLUMNS
        return list(reader)


@pytest.fixture
def images(demo_folder: Path, tmp_path: Path) -> Path:
    """Nine images in folders, three of them broken."""
    folder = tmp_path / "images"
    for number, source in enumerate(sorted(demo_folder.rglob("*.jpg"))[:6]):
        target = folder / f"part {number % 2}" / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (folder / "part 0" / "2 empty.jpg").touch()
    (folder / "part 1" / "0 text.png").write_text("no image")
    cut = (folder / "part 1" / "1.jpg").read_bytes()[:700]
    (folder / "part 1" / "2 cut.jpg").write_bytes(cut)
    return folder


def test_every_image_is_one_row_in_order_of_path(bundle: Path, images: Path, tmp_path: Path) -> None:
    result = invoke(
        "score", str(images), "--out", str(tmp_path / "out.csv"), "--model", str(bundle), "--batch-size", "2"
    )
    assert result.exit_code == 3, result.output
    report = rows(tmp_path / "out.csv")
    assert [row["path"] for row in report] == sorted(str(path) for path in images.rglob("*.*"))
    errors = {Path(row["path"]).name: row["error"].split(":")[0] for row in report if row["status"] == "error"}
    assert errors == {"2 empty.jpg": "empty", "0 text.png": "not_an_image", "2 cut.jpg": "damaged"}
    card = read_card(bundle)
    calibration = card.calibrations["single"]
    for row in report:
        numbers = [row[f"p_{dx}"] for dx in HAM10000.names]
        assert "(demo data)" in row["model"]
        if row["status"] == "error":
            decided = [row[name] for name in ("diagnosis", "probability", "p_malignant", "malignant", "refer")]
            assert not any([*decided, *numbers])
            continue
        probabilities = [float(number) for number in numbers]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        factors = [probability / prior for probability, prior in zip(probabilities, card.prior, strict=True)]
        assert row["diagnosis"] == HAM10000.names[factors.index(max(factors))]
        assert row["probability"] == row[f"p_{row['diagnosis']}"]
        malignant = sum(float(row[f"p_{dx}"]) for dx in ("mel", "bcc", "akiec"))
        assert float(row["p_malignant"]) == pytest.approx(malignant, abs=3e-6)
        assert row["malignant"] == ("yes" if malignant >= calibration.malignant_threshold else "no")
        if row["refer"] != "unfamiliar":
            uncertain = float(row["probability"]) < calibration.uncertain_below
            assert row["refer"] == ("uncertain" if uncertain else "no")
    assert "9 images, 6 scored" in result.stdout and "images a second" in result.stdout


def test_a_broken_neighbour_changes_no_other_row(bundle: Path, images: Path, tmp_path: Path) -> None:
    invoke("score", str(images), "--out", str(tmp_path / "with.csv"), "--model", str(bundle))
    for broken in ("part 0/2 empty.jpg", "part 1/0 text.png", "part 1/2 cut.jpg"):
        (images / broken).unlink()
    result = invoke("score", str(images), "--out", str(tmp_path / "without.csv"), "--model", str(bundle))
    assert result.exit_code == 0
    kept = [row for row in rows(tmp_path / "with.csv") if row["status"] == "ok"]
    assert kept == rows(tmp_path / "without.csv")


def test_the_batch_size_changes_nothing(bundle: Path, images: Path, tmp_path: Path) -> None:
    reports = set()
    for size in (1, 4, 64):
        out = tmp_path / f"{size}.csv"
        invoke("score", str(images), "--out", str(out), "--model", str(bundle), "--batch-size", str(size))
        reports.add(out.read_bytes())
    assert len(reports) == 1


def test_a_report_is_not_overwritten_without_being_told_to(bundle: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    command = ("score", str(images), "--out", str(out), "--model", str(bundle))
    result = invoke(*command)
    assert result.exit_code == 1 and "--overwrite" in error_line(result)
    assert out.read_text() == "precious"
    assert invoke(*command, "--overwrite").exit_code == 3
    assert len(rows(out)) == 9


def test_a_leak_is_told_also_where_no_licence_is_known(images: Path, tmp_path: Path) -> None:
    leak = "LEAK: mine/1, which training builds on, was TRAINED on lesions in 9 of the 9 images"
    licence = {"licence": "CC BY 4.0", "demo": False}
    for name, fields in (
        ("neither", {"demo": False}),
        ("leak", {"demo": False, "training": {"warnings": [leak]}}),
        ("licence", licence),
        ("both", licence | {"training": {"warnings": [leak]}}),
    ):
        model = write_small_bundle(tmp_path / name)
        write_card(model, dataclasses.replace(read_card(model), data_name="clinic", **fields))
        done = invoke("score", str(images), "--out", str(tmp_path / f"{name}.csv"), "--model", str(model))
        told = done.stderr
        assert told.count("LEAK") == (name in ("leak", "both")) and ("CC BY 4.0" in told) == (
            name in ("licence", "both")
        )


def test_names_that_would_be_formulas_or_are_no_text(bundle: Path, images: Path, tmp_path: Path) -> None:
    good = (images / "part 0" / "0.jpg").read_bytes()
    names = [b"=cmd().jpg", b'comma, and "quote".jpg', b"new\nline.jpg", b"bytes \xff.jpg"]
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in names:
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(good)
    result = invoke("score", str(folder), "--out", str(tmp_path / "out.csv"), "--model", str(bundle))
    assert result.exit_code == 0, result.output
    found = {Path(row["path"]).name for row in rows(tmp_path / "out.csv")}
    assert found == {"=cmd().jpg", 'comma, and "quote".jpg', "new\nline.jpg", "bytes \\udcff.jpg"}
    old = Path.cwd()
    os.chdir(folder)  # now the name itself begins the cell
    try:
        invoke("score", "=cmd().jpg", "--out", str(tmp_path / "formula.csv"), "--model", str(bundle))
    finally:
        os.chdir(old)
    assert rows(tmp_path / "formula.csv")[0]["path"] == "'=cmd().jpg"


@pytest.mark.parametrize(
    ("out", "named"), [("missing folder/out.csv", "missing folder"), ("images/part 0/0.jpg/out.csv", "part 0/0.jpg")]
)
def test_a_place_that_cannot_be_written_is_one_clear_line(
    bundle: Path, images: Path, tmp_path: Path, out: str, named: str
) -> None:
    result = invoke("score", str(images), "--out", str(tmp_path / out), "--model", str(bundle))
    assert result.exit_code == 1
    assert named in error_line(result)


@pytest.mark.parametrize(("count", "room"), [(150, 6000), (1, 400)])  # the list, what describes the job
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    count: int, room: int, demo_folder: Path, tmp_path: Path
) -> None:
    def no_room() -> None:
        # The kernel refuses to let any file grow beyond this, as it does on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    target = tmp_path / "reports"
    target.mkdir()
    (tmp_path / "list.txt").write_text("\n".join(sorted(map(str, demo_folder.rglob("*.jpg")))[:count]))
    command = [sys.executable, "-m", "lesionflow", "score", f"@{tmp_path / 'list.txt'}", "--model"]
    command.append(str(write_small_bundle(tmp_path / "small")))
    done = subprocess.run(
        [*command, "--out", str(target / "o.csv")],
        capture_output=True, text=True, preexec_fn=no_room, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: ") and "cannot be written" in line
    assert list(target.iterdir()) == []


def test_where_the_page_has_no_room_the_report_before_and_all_beside_it_stay(images: Path, tmp_path: Path) -> None:
    def room_for_all_but_the_page() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    names = ("o.csv", "o-sample.csv", "o.json", "o.html")
    for name in names:
        (tmp_path / name).write_text("old")
    command = [sys.executable, "-m", "lesionflow", "score", str(images), "--out", str(tmp_path / "o.csv")]
    command += [
        "--overwrite",
        "--summary",
        str(tmp_path / "o.json"),
        "--sample",
        "2",
        "--html",
        str(tmp_path / "o.html"),
    ]
    command += ["--model", str(write_small_bundle(tmp_path / "small"))]
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=room_for_all_but_the_page,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and "o.html: cannot be written" in done.stderr, done.stderr
    assert [(tmp_path / name).read_text() for name in names] == ["old"] * 4
    assert subprocess.run([*command, "--resume"], capture_output=True).returncode == 3  # three images are broken
    assert not [name for name in names if (tmp_path / name).read_text() == "old"]


def test_folders_without_images(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, message in (("empty", "no image files"), ("missing", "no such file or folder")):
        result = invoke("score", str(tmp_path / source), "--out", str(tmp_path / "o.csv"), "--model", str(bundle))
        assert result.exit_code == 1 and message in error_line(result)


def test_no_champion_yet(tmp_path: Path, images: Path, store: Path) -> None:
    result = invoke("score", str(images), "--out", "o.csv", "--model", "models:/new@champion")
    assert result.exit_code == 1 and "lesionflow train" in error_line(result)


def test_an_altered_bundle_is_refused(bundle: Path, images: Path, tmp_path: Path) -> None:
    graph = bytearray((bundle / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(graph)
    result = invoke("score", str(images), "--out", str(tmp_path / "o.csv"), "--model", str(bundle))
    assert result.exit_code == 1 and "altered" in error_line(result)
    assert not (tmp_path / "o.csv").exists()


def test_a_registry_out_of_reach(images: Path, tmp_path: Path, store: Path) -> None:
    result = invoke("score", str(images), "--out", "o.csv", "--tracking-uri", "http://127.0.0.1:9")
    assert result.exit_code == 1 and "127.0.0.1:9" in error_line(result)
