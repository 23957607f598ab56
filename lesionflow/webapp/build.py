"""A static page that scores images in a browser: a bundle, ONNX Runtime Web, and our own scripts, in one folder.

Everything is in scripts, since a page that is opened from a disk may read nothing else: no file by itself, no module,
and a worker only from text that the page has.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lesionflow.atomic import output_folder, write_together
from lesionflow.errors import BundleError, ReportError
from lesionflow.model.card import SINGLE, Card
from lesionflow.model.columns import report_columns
from lesionflow.model.decision import prior_of_call
from lesionflow.version import __version__
from lesionflow.webapp.runtime import RUNTIME, read_members

GZIP_LEVEL = 6  # 9 takes ten seconds for one percent
PAGE_FOLDER = "page"  # the folder of our own files
INDEX, WORKER, RUNTIME_FILE, MODEL = "index.html", "worker-source.js", "runtime.js", "model.js"
# Scripts of the page, and of the worker in the order in which they become one text.
PAGE_FILES = (
    INDEX, "page.css", "icon.svg", "messages.js", "signatures.js", "report.js", "state.js", "detail.js", "page.js",
)  # fmt: skip
WORKER_FILES = (
    "failure.js", "signatures.js", "jpeg.js", "huffman.js", "png.js", "colour.js", "pixels.js", "decode.js",
    "decide.js", "occlusion.js", "worker.js",
)  # fmt: skip
SERVICE_WORKER, MANIFEST = "service-worker.js", "manifest.webmanifest"
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")  # ONNX Runtime's, which its Python package carries
LOADER, WASM, API = (
    f"dist/{name}" for name in ("ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm", "ort.wasm.min.js")
)
WEB_FILES = (
    *PAGE_FILES, WORKER, RUNTIME_FILE, MODEL, SERVICE_WORKER, MANIFEST, "README.txt",
    *(f"onnxruntime-{name}" for name in LICENCES),
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A page that was made."""

    folder: Path
    files: tuple[str, ...]
    size: int  # bytes of all files together


def write_page(folder: Path, label: str, card: Card, graph: bytes, archive: bytes, *, overwrite: bool = False) -> Page:
    """Write the page of a bundle.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    label : str
        How reports name the model.
    card, graph : Card, bytes
        The bundle's card, and its ONNX graph unchanged.
    archive : bytes
        That of `RUNTIME`, verified.
    overwrite : bool
        Replace files of an earlier page.

    Raises
    ------
    ReportError
        A file is there already, or cannot be written.
    BundleError
        The graph is none that ONNX Runtime reads.
    """
    with output_folder(folder, WEB_FILES, overwrite):
        runtime = read_members(archive, (API, LOADER, WASM))
        written = {name: _ours(name) for name in PAGE_FILES}
        theirs = runtime[API].decode().partition("\n//# sourceMappingURL")[0]
        worker = [theirs, *(_ours(name).decode() for name in WORKER_FILES)]  # one text, ONNX Runtime's own before ours
        written[WORKER] = _constant("lesionflowWorkerSource", "\n".join(worker))
        loaded = {"loader": runtime[LOADER].decode(), "wasm": _packed(runtime[WASM])}
        written[RUNTIME_FILE] = _constant("lesionflowRuntime", loaded)
        bundle = {"model": model_facts(label, card), "graph": _packed(prepared(graph))}
        written[MODEL] = _constant("lesionflowBundle", bundle)
        written[MANIFEST] = json.dumps(_manifest(), indent=1).encode()
        written |= _licences()
        written["README.txt"] = _readme(label, card).encode()
        written[SERVICE_WORKER] = _service_worker(written)
        write_together(folder, {name: written[name] for name in WEB_FILES}, overwrite)
    return Page(folder, WEB_FILES, sum(map(len, written.values())))


def model_facts(label: str, card: Card) -> dict[str, Any]:
    """Return what the page needs to know about a model: its diagnoses, calibration and thresholds."""
    calibration = card.calibrations[SINGLE]
    labels = card.labels
    return {
        "label": label,
        "digest": card.digest,
        "height": card.height,
        "width": card.width,
        "names": list(labels.names),
        "fullNames": [labels.full_names[name] for name in labels.names],
        "malignantIndices": list(labels.malignant_indices),
        "columns": list(report_columns(labels)),
        "prior": list(card.prior),
        "priorOfCall": prior_of_call(card.prior, calibration.call_strength).tolist(),
        "calibration": {
            "temperature": calibration.temperature,
            "logit_offsets": list(calibration.logit_offsets),
            "malignant_threshold": calibration.malignant_threshold,
            "uncertain_below": calibration.uncertain_below,
            "unfamiliar_above": calibration.unfamiliar_above,
        },
        "demo": card.demo,
        "licence": card.licence,
    }


def prepared(graph: bytes) -> bytes:
    """Return a graph optimised by ONNX Runtime for any processor, which takes a browser a second at every start.

    Raises `BundleError` where it cannot be read.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="lesionflow-graph-") as folder:
        file = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(file)
        try:
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            return file.read_bytes()
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            raise BundleError(f"the bundle's graph cannot be run ({str(error).splitlines()[0]})") from error


def _ours(name: str) -> bytes:
    return resources.files(__package__).joinpath(PAGE_FOLDER, name).read_bytes()


def _constant(name: str, value: Any) -> bytes:
    """A script that only assigns a value to a name."""
    return f"const {name} = {json.dumps(value)};\n".encode()


def _packed(content: bytes) -> str:
    """Bytes as text within a script; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, GZIP_LEVEL, mtime=0)).decode()


def _licences() -> dict[str, bytes]:
    """ONNX Runtime's licence, which npm's archive lacks: that of the Python package is the same."""
    found = {}
    for name in LICENCES:
        file = resources.files("onnxruntime").joinpath(name)
        if not file.is_file():
            raise ReportError(f"this installation of onnxruntime lacks its {name}; install it again")
        found[f"onnxruntime-{name}"] = file.read_bytes()
    return found


def _manifest() -> dict[str, Any]:
    return {
        "name": "lesionflow",
        "short_name": "lesionflow",
        "description": "Scores dermatoscopic images on this device. For research, not a diagnosis.",
        "start_url": INDEX,
        "scope": ".",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0b57d0",
        "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
    }


def _readme(label: str, card: Card) -> str:
    licence = f"Training images: {card.licence}, which binds the use of the model.\n" if card.licence else ""
    return (
        f"{label}, as a page for browsers, made by lesionflow {__version__}. Open {INDEX}, or put the folder on any\n"
        "web server. For research. Not a medical device, not a diagnosis.\n"
        f"{licence}ONNX Runtime Web {RUNTIME.version} ({RUNTIME.address},\n{RUNTIME.integrity})\n"
        f"is in {WORKER} and {RUNTIME_FILE}, under the licence in onnxruntime-LICENSE.\n"
    )


def _service_worker(written: dict[str, bytes]) -> bytes:
    """The script that caches the page's files, with a digest as version, so that a new page replaces it."""
    kept = [name for name in WEB_FILES if name in (*PAGE_FILES, WORKER, RUNTIME_FILE, MODEL, MANIFEST)]
    digest = hashlib.sha256(b"".join(hashlib.sha256(written[name]).digest() for name in kept)).hexdigest()[:16]
    script = _ours(SERVICE_WORKER).decode().removeprefix('"use strict";\n')
    return (
        f'"use strict";\n\nconst VERSION = {json.dumps(digest)};\nconst FILES = {json.dumps(kept)};\n{script}'
    ).encode()
