"""What the page's folder holds."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lesionflow.diagnoses import BINARY, PAD_UFES_20
from lesionflow.model.card import ONNX_FILE, read_card, sha256
from lesionflow.webapp.build import LICENCE_FILE, MANIFEST, RUNTIME_FILE, SERVICE_WORKER, WEB_FILES, model_facts
from lesionflow.webapp.runtime import LITERT, ONNX, RUNTIMES
from tests.conftest import error_line, invoke, no_room
from tests.scoring.conftest import write_small_bundle


def constant(file: Path) -> Any:
    """The value that a script of the page names."""
    text = file.read_text()
    return json.loads(text[text.index("=") + 1 :].strip().removesuffix(";"))


def test_all_files_are_there_and_the_service_worker_keeps_what_the_page_loads(page: Path, runtime: str) -> None:
    assert sorted(file.name for file in page.iterdir()) == sorted(WEB_FILES)
    kept = json.loads(re.search(r"const FILES = (\{.*\});", (page / SERVICE_WORKER).read_text())[1])  # type: ignore[index]
    assert kept == {name: sha256((page / name).read_bytes()) for name in kept}
    loaded = dict(re.findall(r'(?:src|href)="([^"?]*)\?([^"]*)"', (page / "index.html").read_text()))
    assert len(loaded) > 8 and {*loaded, "index.html", MANIFEST} == set(kept)
    assert all(kept[name].startswith(version) for name, version in loaded.items())
    assert {LITERT: "Apache License", ONNX: "Microsoft"}[runtime] in (page / LICENCE_FILE).read_text()
    readme = (page / "README.txt").read_text()
    assert all(each.integrity in readme for each in RUNTIMES[runtime]) and "Not a medical device" in readme


def test_the_policy_forbids_every_other_origin(page: Path) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', (page / "index.html").read_text())
    assert policy
    directives = dict(each.split(" ", 1) for each in policy[1].split("; "))
    assert directives.pop("default-src") == "'none'" and directives.pop("connect-src") == "'none'"
    assert {source for sources in directives.values() for source in sources.split()} <= {
        "'self'", "'none'", "blob:", "'wasm-unsafe-eval'",
    }  # fmt: skip
    for name in ("index.html", "page.css", "page.js", "messages.js", "detail.js", "state.js"):
        assert not re.search(
            r"https?://|@import|url\(|innerHTML|insertAdjacentHTML|\beval\(", (page / name).read_text()
        )


def test_the_page_has_the_models_calibration_and_network(page: Path, web_bundle: Path, runtime: str) -> None:
    card, bundle = read_card(web_bundle), constant(page / "model.js")
    facts = bundle["model"]
    calibration = card.calibrations["single"]
    assert facts["calibration"]["logit_offsets"] == list(calibration.logit_offsets)
    assert facts["calibration"]["unfamiliar_above"] == calibration.unfamiliar_above
    assert (facts["names"], facts["digest"]) == (list(card.classes), card.digest)
    network, loaded = gzip.decompress(base64.b64decode(bundle["network"])), constant(page / RUNTIME_FILE)
    assert (b"FusedConv" in network) == (runtime == ONNX)  # optimised before it is packed
    assert (network[4:8] == b"TFL3") == (runtime == LITERT)
    for build in loaded["builds"].values() if runtime == LITERT else [loaded]:
        assert gzip.decompress(base64.b64decode(build["wasm"])).startswith(b"\0asm")


@pytest.mark.parametrize("labels", [PAD_UFES_20, BINARY])
def test_other_label_sets(labels: Any, tmp_path: Path) -> None:
    facts = model_facts("m", read_card(write_small_bundle(tmp_path / "bundle", labels=labels)))
    assert facts["names"] == list(labels.names)
    assert [facts["names"][index] for index in facts["malignantIndices"]] == list(labels.malignant)
    assert len(set(facts["columns"])) == len(facts["columns"]) and "p_malignant" in facts["columns"]


@pytest.mark.parametrize("runtime", [ONNX], indirect=True)  # LiteRT's takes half a minute to make again
def test_a_page_that_is_there_is_not_overwritten_unasked(
    page: Path, web_bundle: Path, runtime: str, archives: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(page, tmp_path / "copy"))
    (copy / "page.js").write_text("changed")
    command = ["web", str(web_bundle), "--out", str(copy), "--runtime", runtime, "--archives", str(archives)]
    result = invoke(*command)
    assert result.exit_code == 1 and "--overwrite" in error_line(result)
    assert (copy / "page.js").read_text() == "changed"
    assert invoke(*command, "--overwrite").exit_code == 0
    assert {name: (copy / name).read_bytes() for name in WEB_FILES} == {
        name: (page / name).read_bytes() for name in WEB_FILES
    }


def test_a_folder_of_something_else_is_left_alone(page: Path, web_bundle: Path, archives: Path, tmp_path: Path) -> None:
    moles, earlier = tmp_path / "moles", Path(shutil.copytree(page, tmp_path / "earlier"))
    for folder in (moles, earlier):
        folder.mkdir(exist_ok=True)
        for name in ("README.txt", "mole.jpg", ".hidden"):
            (folder / name).write_text("theirs")
        options = ("--runtime", ONNX, "--archives", str(archives), "--overwrite")
        result = invoke("web", str(web_bundle), "--out", str(folder), *options)
        assert result.exit_code == (1 if folder == moles else 0) and (folder / "mole.jpg").read_text() == "theirs"
        assert ("mole.jpg" in result.stderr) == (folder == moles)
    assert len([*moles.iterdir()]) == 3 and (moles / "README.txt").read_text() == "theirs"


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(web_bundle: Path, archives: Path, tmp_path: Path) -> None:
    command = ["web", str(web_bundle), "--out", str(tmp_path / "page"), "--runtime", ONNX, "--archives", str(archives)]
    with no_room(60_000):  # enough for the page's own scripts
        result = invoke(*command)
    assert result.exit_code == 1 and "cannot be written" in error_line(result) and not [*tmp_path.iterdir()]


def test_unless_asked_for_a_bundle_that_litert_does_not_take_is_run_by_onnx_runtime(
    archives: Path, tmp_path: Path
) -> None:
    bundle = write_small_bundle(tmp_path / "bundle")
    command = ["web", str(bundle), "--archives", str(archives), "--out", str(tmp_path / "page")]
    refused = invoke(*command, "--runtime", LITERT)
    assert refused.exit_code == 1 and "needs model.keras" in error_line(refused) and not (tmp_path / "page").exists()
    made = invoke(*command)
    assert made.exit_code == 0 and "with ONNX Runtime Web" in made.stdout and "needs model.keras" in made.stdout
    assert RUNTIMES[ONNX][0].integrity in (tmp_path / "page" / "README.txt").read_text()


def test_a_bundle_that_is_none_is_refused(web_bundle: Path, archives: Path, tmp_path: Path) -> None:
    nothing, altered = tmp_path / "nothing", Path(shutil.copytree(web_bundle, tmp_path / "altered"))
    nothing.mkdir()
    (altered / ONNX_FILE).write_bytes(b"no graph")
    for model, reason in ((nothing, "card.json"), (altered, "digest differs"), (tmp_path / "missing", "no such")):
        result = invoke("web", str(model), "--out", str(tmp_path / "page"), "--archives", str(archives))
        assert result.exit_code in (1, 2) and reason in error_line(result)
    assert not (tmp_path / "page").exists()
