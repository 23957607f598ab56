"""Build the release and use it like a new user: the wheel alone, in a bare virtual environment.

    pip install build twine
    python scripts/check_wheel.py [FOLDER]

FOLDER, dist unless given, gets the wheel and the source archive. Fails where `twine check` complains, the wheel is
too large for slow connections, or the README's command for scoring does not work with nothing but the wheel.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = 16_000_000
_SCORING = re.compile(r"^lesionflow score \./images .*--model pretrained$", re.M)


def build(out: Path) -> Path:
    """Build wheel and source archive into a folder; returns the wheel."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True)
    (wheel,) = out.glob("*.whl")
    files = [str(file) for file in sorted(out.iterdir())]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    if wheel.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:g} are allowed")
    return wheel


def readme_command() -> str:
    """The README's command that scores a folder of images with what comes with lesionflow."""
    (command,) = _SCORING.findall((ROOT / "README.md").read_text())
    return str(command)


def use(python: Path, folder: Path) -> None:
    """Score drawn images as the README says, in a folder that has no checkout; python: where the wheel is installed."""
    command = python.parent / "lesionflow"
    version = re.findall(r'^__version__ = "(.*)"$', (ROOT / "lesionflow" / "version.py").read_text(), re.M)[0]
    told = subprocess.run([command, "--version"], cwd=folder, check=True, capture_output=True, text=True).stdout
    if version not in told.split():
        raise SystemExit(f"lesionflow --version says {told.strip()!r}, version.py {version}")
    subprocess.run([command, "demo", "moles", "--images", "100"], cwd=folder, check=True)
    (folder / "moles" / "HAM10000_images_part_1").rename(folder / "images")
    subprocess.run([command, *readme_command().split()[1:]], cwd=folder, check=True)
    _, *rows = (folder / "results.csv").read_text().splitlines()
    images = len([*(folder / "images").glob("*.jpg")])
    if len(rows) != images or any(",error," in row for row in rows):
        raise SystemExit(f"{images} images gave {len(rows)} rows, or some with errors")


def main() -> None:
    """Build, check, install, use."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").absolute()
    out.mkdir(parents=True, exist_ok=True)
    wheel = build(out)
    with tempfile.TemporaryDirectory(prefix="lesionflow-wheel-") as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
        (Path(folder) / "work").mkdir()
        use(python, Path(folder) / "work")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, scores alone")


if __name__ == "__main__":
    main()
