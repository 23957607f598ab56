"""What metrics come from besides data and parameters: the code's commit and the versions of packages."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from lesionflow.version import __version__

REPORTED_PACKAGES = (
    "keras", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "pillow", "scikit-learn", "tensorflow", "tf2onnx",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """The versions of Python, lesionflow and the packages that metrics depend on, those that are installed."""
    versions = {"python": platform.python_version(), "lesionflow": __version__}
    for package in REPORTED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def git_commit() -> str:
    """The commit of the checkout that this code runs from, marked where files differ from it; else `unknown`."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        # Installed into an environment that lies inside somebody else's repository, the commit would be theirs.
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", Path(__file__).name],
            cwd=folder, capture_output=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
