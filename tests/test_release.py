"""The wheel alone, without a checkout, is what a newcomer gets; `scripts/check_wheel.py` installs nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from lesionflow.version import __version__

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import check_wheel  # type: ignore[import-not-found]  # noqa: E402


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive and the wheel that is built from it, of a copy: building leaves folders behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    for name in ("lesionflow", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--outdir", str(source / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (built,) = dist.glob("*.whl")
    return built


def test_the_source_archive_has_the_package_alone(dist: Path) -> None:
    """Of tests, setuptools would take some files without those that they import."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    above = {name for name in names if name and "/" not in name}
    assert above == {
        "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "lesionflow", "lesionflow.egg-info", "pyproject.toml",
        "setup.cfg",
    }  # fmt: skip
    assert {"lesionflow/pretrained/model.onnx", "lesionflow/webapp/page/index.html"} <= names


def test_the_wheel_is_small_whole_and_of_this_version(wheel: Path) -> None:
    assert wheel.stat().st_size <= check_wheel.MOST_BYTES and wheel.name.startswith(f"lesionflow-{__version__}-")
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
    names = zipfile.ZipFile(wheel).namelist()
    assert {"lesionflow/pretrained/model.onnx", "lesionflow/py.typed"} <= {*names}
    assert not [name for name in names if name.startswith("tests/") or name.endswith((".pyc", ".ipynb"))]


def test_the_wheel_alone_runs_the_readmes_scoring(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it depends on is borrowed from this environment, lesionflow is not."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "work").mkdir()
    check_wheel.use(python, tmp_path / "work")
    # All reports take their version from the module `version`.
    code = (
        "from importlib.metadata import version; from lesionflow import version as module;"
        "print(module.__file__, module.__version__, version('lesionflow'))"
    )
    told = subprocess.run([python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert told.startswith(str(site)) and told.split()[1:] == [__version__] * 2


def test_ci_checks_the_wheel_before_it_is_uploaded() -> None:
    for name in ("checks", "publish"):
        assert "python scripts/check_wheel.py" in (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    dockerfile = (ROOT / "batch" / "docker" / "Dockerfile").read_text()
    assert re.search(r"pip wheel .*--wheel-dir /wheels", dockerfile) and "/tmp/wheels/*.whl" in dockerfile
