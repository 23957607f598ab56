import json
import shutil
from pathlib import Path

from lesionflow.api.describe import describe
from tests.conftest import error_line, invoke


def test_describes_a_folder_into_a_page_and_json(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke("describe", str(demo_folder), "--out", str(out))
    assert result.exit_code == 0, result.output
    told = json.loads((out / "description.json").read_text())
    assert told["images"] == 150 and told["demo"] and told["split"]["seed"] == 0
    assert (out / "description.html").read_text().startswith("<!doctype html>")
    lines = result.stdout.splitlines()
    assert "150 images" in lines[0] and "synthetic" in lines[0]
    assert lines[1].split()[:2] == ["nv", str(told["diagnoses"]["nv"]["images"])]
    for finding in told["findings"]:
        assert ("WARNING: " if finding["warning"] else "") + finding["text"] in lines
    assert str(out / "description.html") in lines[-1]


def test_what_is_there_is_not_overwritten_and_no_work_is_begun(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "description.html").write_text("precious")
    assert "--overwrite" in error_line(invoke("describe", str(demo_folder), "--out", str(out)))
    assert "--overwrite" in error_line(invoke("describe", str(tmp_path / "missing"), "--out", str(out)))
    assert (out / "description.html").read_text() == "precious" and len(list(out.iterdir())) == 1
    assert invoke("describe", str(demo_folder), "--out", str(out), "--overwrite").exit_code == 0
    assert (out / "description.html").read_text() != "precious"


def test_no_data_and_no_place_are_errors(demo_folder: Path, tmp_path: Path) -> None:
    assert "no such folder" in error_line(invoke("describe", str(tmp_path / "missing"), "--out", str(tmp_path / "out")))
    (tmp_path / "file").write_text("")
    refused = invoke("describe", str(demo_folder), "--out", str(tmp_path / "file" / "below"))
    assert refused.exit_code == 1 and "another place" in error_line(refused)


def test_a_broken_image_and_too_few_lesions_are_findings(demo_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(demo_folder, tmp_path / "set"))
    metadata = folder / "HAM10000_metadata.csv"
    header, *rows = metadata.read_text().splitlines()
    metadata.write_text("\n".join([header, *rows[:5]]) + "\n")
    broken = next(folder.rglob(f"{rows[0].split(',')[1]}.jpg"))
    broken.write_bytes(broken.read_bytes()[:200])
    description = describe(folder, tmp_path / "out")
    assert list(description.unreadable) == [broken.stem] and description.split is None
    assert {"unreadable", "split", "files"} <= {finding.kind for finding in description.findings if finding.warning}
