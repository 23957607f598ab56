"""The golden example: what is committed is what scoring gives."""

import csv
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.diagnoses import HAM10000
from tests.conftest import invoke
from tests.stores import Bucket

ROOT = Path(__file__).parents[2]
EXAMPLE = "batch/example"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def same(report: Path) -> None:
    expected, found = rows(ROOT / EXAMPLE / "expected.csv"), rows(report)
    assert len(found) == len(expected) == 8
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        for column, value in other.items():
            if column.startswith("p") and column != "path" and value:
                # JPEG decoders may round a pixel differently from version to version
                assert float(one[column]) == pytest.approx(float(value), abs=2e-3)
            else:
                assert one[column] == value


def test_the_command_gives_the_expected_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "results.csv"
    result = invoke("score", f"{EXAMPLE}/images", "--out", str(out), "--model", f"{EXAMPLE}/bundle")
    assert result.exit_code == 3, result.output
    same(out)


def test_the_example_shows_every_word_of_the_contract() -> None:
    scored = [row for row in rows(ROOT / EXAMPLE / "expected.csv") if row["status"] == "ok"]
    assert {row["malignant"] for row in scored} == {"yes", "no"}
    assert {row["refer"] for row in scored} == {"no", "uncertain", "unfamiliar"}
    assert any(float(row["probability"]) < max(float(row[f"p_{dx}"]) for dx in HAM10000.names) for row in scored)
    contract = (ROOT / "batch" / "README.md").read_text()
    assert all(f"`{word}`" in contract for row in scored for word in (row["malignant"], row["refer"]))


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["batch/score.sh", *arguments], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip


def test_the_launcher_gives_the_same_and_passes_exit_codes_on(tmp_path: Path) -> None:
    out = str(tmp_path / "results.csv")
    done = launch(f"{EXAMPLE}/images", out, "--model", f"{EXAMPLE}/bundle")
    assert done.returncode == 3, done.stderr
    same(Path(out))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.csv.lock"]
    assert launch(f"{EXAMPLE}/images", out, "--model", f"{EXAMPLE}/bundle").returncode == 1  # exists already
    assert launch(f"{EXAMPLE}/images").returncode == 2
    assert launch(f"{EXAMPLE}/images", str(tmp_path / "no" / "x.csv")).returncode == 1


def test_the_launcher_takes_the_url_of_a_file(tmp_path: Path) -> None:
    out = tmp_path / "one ü\\n 50%25.csv"
    done = launch(f"{EXAMPLE}/images", out.as_uri(), "--model", f"{EXAMPLE}/bundle")
    assert done.returncode == 3, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, f"{out.name}.lock"]


def test_the_launcher_writes_into_a_store(bucket: Bucket, tmp_path: Path) -> None:
    out = bucket.url("reports/results.csv")
    done = launch(f"{EXAMPLE}/images", out, "--model", f"{EXAMPLE}/bundle")
    assert done.returncode == 3, done.stderr
    (tmp_path / "results.csv").write_bytes(bucket.get("reports/results.csv"))
    same(tmp_path / "results.csv")


def test_two_jobs_do_not_write_one_report(tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    with open(f"{out}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = launch(f"{EXAMPLE}/images", str(out), "--model", f"{EXAMPLE}/bundle")
    assert done.returncode == 75 and not out.exists()
