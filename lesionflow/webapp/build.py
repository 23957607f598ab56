"""A static page that scores images in a browser: a model, a runtime, and our own scripts, in one folder.

Everything is in scripts, since a page that is opened from a disk may read nothing else: no file by itself, no module,
and a worker only from text that the page has.
"""

from __future__ import annotations

import base64
import gzip
import importlib.metadata
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lesionflow.atomic import write_together
from lesionflow.errors import BundleError, ReportError, StoreError
from lesionflow.model.card import SINGLE, Card, sha256
from lesionflow.model.columns import report_columns
from lesionflow.model.decision import prior_of_call
from lesionflow.storage.temporary import is_full, no_room, temporary_folder
from lesionflow.version import __version__
from lesionflow.webapp.runtime import LITERT, ONNX, RUNTIMES, read_members

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
LICENCE_FILE = "runtime-LICENSE.txt"
WEB_FILES = (*PAGE_FILES, WORKER, RUNTIME_FILE, MODEL, SERVICE_WORKER, MANIFEST, "README.txt", LICENCE_FILE)
# By runtime, the Python package that carries its licence, and the names of the files.
RUNTIME_LICENCES = {
    LITERT: ("ai-edge-litert", ("LICENSE",)),
    ONNX: ("onnxruntime", ("LICENSE", "ThirdPartyNotices.txt")),
}
# Members of the runtimes' archives.
ORT_API, ORT_LOADER, ORT_WASM = (
    f"dist/{name}" for name in ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
)
LITERT_MODULE = "dist/index.js"  # of both packages
LITERT_BUILDS = {"relaxed": "wasm/litert_wasm_internal", "compatible": "wasm/litert_wasm_compat_internal"}


@dataclass(frozen=True)
class Page:
    """A page that was made."""

    folder: Path
    files: tuple[str, ...]
    size: int  # bytes of all files together
    runtime: str  # that runs the network
    reason: str = ""  # why it is not LiteRT, where that was not asked for


@dataclass(frozen=True)
class WebNetwork:
    """A network for browsers, and what runs it there."""

    runtime: str  # `LITERT` or `ONNX`
    content: bytes  # for LiteRT the file that `lesionflow export` writes, for ONNX Runtime the bundle's graph
    archives: list[bytes]  # of the runtime's packages, verified


def write_page(folder: Path, label: str, card: Card, network: WebNetwork, *, overwrite: bool = False) -> int:
    """Write the page of a bundle, and return the size of its files in bytes.

    folder: is there already; label: how reports name the model; overwrite: replace files of an earlier page. Raises
    `ReportError` where a file is there already, or cannot be written; `BundleError` where the graph is none that ONNX
    Runtime reads.
    """
    written = {name: _ours(name) for name in PAGE_FILES}
    runtime, content = network.runtime, network.content
    if runtime == ONNX:
        content = prepared(content)
    scripts, loaded = (_onnx_runtime if runtime == ONNX else _litert)(*network.archives)
    worker = [*scripts, *(_ours(name).decode() for name in (f"{runtime}.js", *WORKER_FILES))]
    written[WORKER] = _constant("lesionflowWorkerSource", "\n".join(worker))
    written[RUNTIME_FILE] = _constant("lesionflowRuntime", loaded)
    read_by = sha256(written[WORKER])[:16]  # results that others computed are not taken for theirs
    bundle = {"model": model_facts(label, card), "scripts": read_by, "network": _packed(content)}
    written[MODEL] = _constant("lesionflowBundle", bundle)
    written[MANIFEST] = json.dumps(_manifest(), indent=1).encode()
    written[LICENCE_FILE] = _licence(runtime)
    written["README.txt"] = _readme(label, card, runtime).encode()
    written[INDEX] = _with_versions(written)
    written[SERVICE_WORKER] = _service_worker(written)
    write_together(folder, {name: written[name] for name in WEB_FILES}, overwrite)
    return sum(map(len, written.values()))


def _onnx_runtime(archive: bytes) -> tuple[list[str], dict[str, Any]]:
    """Scripts that come before ours in the worker, and what `onnx.js` starts the runtime from."""
    found = read_members(archive, (ORT_API, ORT_LOADER, ORT_WASM))
    api = found[ORT_API].decode().partition("\n//# sourceMappingURL")[0]
    return [api], {"loader": found[ORT_LOADER].decode(), "wasm": _packed(found[ORT_WASM])}


def _litert(core: bytes, utils: bytes) -> tuple[list[str], dict[str, Any]]:
    """The same for `litert.js`; each build of LiteRT has a loader and its WebAssembly."""
    found = read_members(
        core, (LITERT_MODULE, *(f"{file}{end}" for file in LITERT_BUILDS.values() for end in (".js", ".wasm")))
    )
    builds = {
        name: {"loader": found[f"{file}.js"].decode(), "wasm": _packed(found[f"{file}.wasm"])}
        for name, file in LITERT_BUILDS.items()
    }
    helper = read_members(utils, (LITERT_MODULE,))[LITERT_MODULE].decode()
    return [], {"core": found[LITERT_MODULE].decode(), "utils": helper, "builds": builds}


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
    with temporary_folder("graph") as folder:
        file = folder / "model.onnx"
        options.optimized_model_filepath = str(file)
        try:
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            return file.read_bytes()
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            if is_full():  # it does not say why it cannot write
                raise StoreError(no_room()) from error
            raise BundleError(
                f"the bundle's graph cannot be run ({str(error).splitlines()[0]}); restore or retrain the bundle"
            ) from error


def _ours(name: str) -> bytes:
    return resources.files(__package__).joinpath(PAGE_FOLDER, name).read_bytes()


def _constant(name: str, value: Any) -> bytes:
    """A script that only assigns a value to a name."""
    return f"const {name} = {json.dumps(value)};\n".encode()


def _packed(content: bytes) -> str:
    """Bytes as text within a script; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, GZIP_LEVEL, mtime=0)).decode()


def _licence(runtime: str) -> bytes:
    """The runtime's licence, which npm's archives lack: that of its Python package is the same."""
    package, names = RUNTIME_LICENCES[runtime]
    texts = [file.read_binary() for file in importlib.metadata.files(package) or () if file.name in names]
    if len(texts) != len(names):
        raise ReportError(f"this installation of {package} lacks its {' or '.join(names)}; install it again")
    return b"\n".join(texts)


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


def _readme(label: str, card: Card, runtime: str) -> str:
    licence = f"Training images: {card.licence}, which binds the use of the model.\n" if card.licence else ""
    return (
        f"{label}, as a page for browsers, made by lesionflow {__version__}. Open {INDEX}, or put the folder on any\n"
        "web server. For research. Not a medical device, not a diagnosis.\n"
        f"{licence}{WORKER} and {RUNTIME_FILE} contain software under the licence in {LICENCE_FILE}:\n"
        + "".join(f"{each.address}\n{each.integrity}\n" for each in RUNTIMES[runtime])
    )


def _with_versions(written: dict[str, bytes]) -> bytes:
    """The page, which asks for its files by their content, as a browser may have kept those of an earlier page."""
    index = written[INDEX].decode()
    for name in re.findall(r'(?:src|href)="([^"]*)"', index):
        index = index.replace(f'"{name}"', f'"{name}?{sha256(written[name])[:16]}"')
    return index.encode()


def _service_worker(written: dict[str, bytes]) -> bytes:
    """The script that caches the page's files, of which it has the digests, so that a new page replaces it."""
    kept = [name for name in WEB_FILES if name in (*PAGE_FILES, WORKER, RUNTIME_FILE, MODEL, MANIFEST)]
    files = json.dumps({name: sha256(written[name]) for name in kept})
    script = _ours(SERVICE_WORKER).decode().removeprefix('"use strict";\n')
    constants = f"const VERSION = {json.dumps(sha256((files + script).encode())[:16])};\nconst FILES = {files};\n"
    return f'"use strict";\n\n{constants}{script}'.encode()
