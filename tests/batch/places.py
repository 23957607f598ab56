"""Where things lie in the job files, and what stands there instead while a test runs them."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BATCH = ROOT / "batch"


@dataclass(frozen=True)
class Places:
    """A folder with images, one of them broken, and one for reports; the store that has the champion."""

    images: Path
    reports: Path
    environment: dict[str, str]

    def here(self, text: str) -> str:
        """A line of a job file, with the paths of this machine."""
        there = {
            "/opt/lesionflow/.venv/bin/python": sys.executable,
            "/opt/lesionflow": str(ROOT),
            "/srv/lesionflow/images": str(self.images),
            "/srv/lesionflow/reports": str(self.reports),
        }
        for path, instead in there.items():
            text = text.replace(path, instead)
        return text


def lay_out(folder: Path) -> Places:
    """Make them in a folder that holds a store's database, `mlflow.db`."""
    images, reports = folder / "images", folder / "reports"
    shutil.copytree(BATCH / "example" / "images", images)
    reports.mkdir()
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "PYTHON": sys.executable}
    return Places(images, reports, inherited | store)
