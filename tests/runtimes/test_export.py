"""Files for other runtimes say what the bundle says, and what lies beside them runs them."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import lesionflow
from lesionflow.api.export import _labelled_pixels, _whole_folder
from lesionflow.cli import main
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import BundleError, MissingError, ReportError
from lesionflow.evaluation.leaks import find_leak
from lesionflow.images.colour import named_profile
from lesionflow.images.decode import decode
from lesionflow.model.card import KERAS_FILE, ONNX_FILE, read_card, sha256, write_card
from lesionflow.model.predictor import load_predictor
from lesionflow.registry.versions import resolve_folder
from lesionflow.runtimes.artifact import MODEL_FILES, open_artifact
from lesionflow.runtimes.parity import without_ranges
from tests.conftest import error_line, invoke, needs_torch, no_room
from tests.scoring.conftest import draw_images, write_small_bundle
from tests.test_how_to import blocks, follow

ONNX, LITERT, OPENVINO, TORCH = FORMATS = ("onnx", "litert", "openvino", "torch")


@pytest.fixture(scope="module")
def bundle(trained_store: Path) -> Path:
    return trained_store / "bundle"


@pytest.fixture(scope="module")
def photographs(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images, one that breaks off among them, and a text that is called an image."""
    folder = tmp_path_factory.mktemp("photographs")
    for file in sorted((demo_folder / "HAM10000_images_part_1").iterdir())[:40]:
        shutil.copy(file, folder)
    (folder / "broken.jpg").write_bytes(file.read_bytes()[:500])
    (folder / "text.jpg").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def exported(
    bundle: Path, photographs: Path, demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """What the how-to page's commands write of the bundle, by format and precision; PyTorch's where it is there."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def changed(words: list[str]) -> list[str]:
        options = main.commands["export"].make_context("export", words[1:]).params
        made[f"{options['format']} {options['precision']}"] = folder / options["out"]
        of = {"pretrained": bundle, "photographs": photographs, "moles": demo_folder}
        more = [
            "--cache",
            str(cache),
            "--max-difference",
            "1",
            "--max-changed-calls",
            "1",
        ]  # of a network of two epochs
        return [*(str(of.get(word, word)) for word in words), *(more if "--precision" in words else [])]

    text = "".join(blocks("how_to/export_to_other_runtimes.md"))
    with contextlib.chdir(folder):
        said = follow(text, folder, changed)
        if importlib.util.find_spec("torch"):
            said += follow(
                f"lesionflow export pretrained --format torch --images photographs --out {TORCH}", folder, changed
            )
    found = re.findall(r"on (\d+) images \(of .*\): probabilities differ by at most .*\(allowed 0.001\)", said)
    assert {*found} == {"40"} and len(found) == len(made) - 3  # less the hub's, half and int8
    return made


@pytest.fixture(params=FORMATS)
def artifact(request: pytest.FixtureRequest, exported: dict[str, Path]) -> Path:
    if request.param == TORCH:
        needs_torch()
    return exported[f"{request.param} float32"]


def test_what_lies_beside_a_file_is_all_that_is_needed_to_use_it(artifact: Path, bundle: Path) -> None:
    card, about = read_card(bundle), json.loads((artifact / "model.json").read_text())
    assert about["runtime"] in FORMATS and about["precision"] == "float32" and about["bundle"] == card.digest
    assert about["labels"]["names"] == list(card.classes) and about["labels"]["malignant"] == ["akiec", "bcc", "mel"]
    assert about["thresholds"]["malignant"] == card.calibrations["single"].malignant_threshold
    assert [*about["decision"]] == ["diagnosis", "malignant", "refer"] and [*about["outputs"]][1:] == ["distance"]
    assert about["prior"] == list(card.prior) and about["synthetic"] and "synthetic" in about["licence_of_the_data"]
    assert about["parity"]["images"] == 40 and about["parity"]["largest_difference"] < 1e-4
    assert about["parity"]["changed_calls"] == about["parity"]["changed_referrals"] == 0 and about["cost"] is None
    for name, digest in about["files"].items():
        assert sha256((artifact / name).read_bytes()) == digest
    beside = {"model.json", "README.md", "model_card.html"}
    assert {file.name for file in artifact.iterdir()} == beside | about["files"].keys()


def test_a_runtime_prints_nothing(artifact: Path, bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    card, about = read_card(bundle), json.loads((artifact / "model.json").read_text())
    run = open_artifact(artifact / MODEL_FILES[about["runtime"]], about["runtime"])
    run(np.zeros((1, card.height, card.width, 3), np.uint8))
    assert capfd.readouterr() == ("", "")


def test_the_code_of_the_readme_says_what_the_bundle_says(artifact: Path, bundle: Path, photographs: Path) -> None:
    text = (artifact / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    image = artifact.parent / f"{artifact.name}.png"  # of the network's size, with nothing to scale
    Image.fromarray(decode(sorted(photographs.glob("*_*.jpg"))[0], 32, 32)).save(image)
    folder = artifact.parent / f"{artifact.name} used"
    shutil.copytree(artifact, folder)
    shutil.copy(image, folder / "mole.jpg")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    called, malignant, refer = done.stdout.strip().splitlines()[-3:]
    (said,) = lesionflow.load(bundle).predict(image)
    name, _, shares = called.partition(" ")
    probabilities = ast.literal_eval(shares)
    assert [*probabilities] == [*said.probabilities]
    assert name == said.diagnosis and malignant == f"malignant: {'yes' if said.malignant else 'no'}"
    assert refer == f"refer: {said.refer}"
    # Three digits are printed. Unless it is told otherwise, OpenVINO takes bfloat16 where a processor has that.
    assert np.allclose([*probabilities.values()], [*said.probabilities.values()], atol=0.0006)


def test_the_code_of_the_readme_makes_the_pixels_that_lesionflow_makes(tmp_path: Path) -> None:
    bundle, images = write_small_bundle(tmp_path / "bundle"), draw_images(tmp_path / "Fotos für Anna", 1, (80, 60))
    done = invoke("export", str(bundle), str(tmp_path / "out"), "--format", "onnx", "--images", str(images))
    assert done.exit_code == 0 and "(of Fotos für Anna)" in done.output
    for file in (tmp_path / "out").iterdir():  # what is given away does not say where its maker's images lie
        assert str(tmp_path).encode() not in file.read_bytes()
    text, card = (tmp_path / "out" / "README.md").read_text(), read_card(bundle)
    (code,) = re.findall(r"^photo = .*?^pixels = [^\n]*", text, re.M | re.S)
    imports = "import contextlib\nimport io\nimport numpy as np\nfrom PIL import Image, ImageCms, ImageOps\n"
    drawn = Image.open(images / "image0000.jpg")
    see_through = drawn.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(drawn.size))
    invisible = drawn.convert("RGBA")
    invisible.putalpha(0)
    kinds: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "plain": (drawn, {}), "grey": (drawn.convert("L"), {}), "see_through": (see_through, {}),
        "invisible": (invisible, {}),
        "palette": (drawn.quantize(16), {"transparency": 3}),
        "wide": (drawn, {"icc_profile": named_profile(12, 13)[0]}), "broken": (drawn, {"icc_profile": b"no profile"}),
        "grey of 16 bits": (Image.fromarray(np.asarray(drawn.convert("L")).astype("<u2") * 257), {}),
        "high byte first": (Image.fromarray((np.asarray(drawn.convert("L")).astype("<u2") * 257).astype(">u2")), {}),
    }  # fmt: skip
    for name, (image, options) in kinds.items():
        image.save(tmp_path / "mole.jpg", "TIFF" if image.mode == "I;16B" else "PNG", **options)
        told: dict[str, np.ndarray] = {}
        with contextlib.chdir(tmp_path):
            exec(imports + code, told)
        expected = decode(tmp_path / "mole.jpg", card.height, card.width)
        assert np.abs(told["pixels"][0].astype(int) - expected).max() <= 3, name


def test_a_file_takes_any_number_of_images(artifact: Path, bundle: Path, photographs: Path) -> None:
    (file,) = (artifact / name for name in ("model.onnx", "model.tflite", "model.xml", "model.pt2")
               if (artifact / name).exists())  # fmt: skip
    format = json.loads((artifact / "model.json").read_text())["runtime"]
    predictor = load_predictor(bundle)
    pixels = np.stack([decode(each, 32, 32) for each in sorted(photographs.glob("*_*.jpg"))[:5]])
    _, distances = predictor.measure(pixels)
    for count in (1, 5):
        probabilities, apart = open_artifact(file, format)(pixels[:count])
        assert np.allclose(probabilities, predictor.predict(pixels[:count]).probabilities, atol=1e-4)
        assert np.allclose(apart, distances[:count], rtol=1e-3)


def test_onnx_takes_an_image_as_bytes_and_names_its_outputs(exported: dict[str, Path]) -> None:
    graph = onnx.load(exported["onnx float32"] / "model.onnx").graph
    (given,) = graph.input
    assert given.name == "image" and given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [output.name for output in graph.output] == ["probabilities", "distance"]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_bundle_without_its_keras_file_is_read_back_out_of_its_graph(
    mirrored: bool, trained_store: Path, tmp_path: Path
) -> None:
    from keras import ops

    from lesionflow.training.export.onnx import average_mirrored
    from lesionflow.training.export.whole_network import whole_network

    copy = Path(shutil.copytree(trained_store / "vgg", tmp_path / "copy"))
    (copy / KERAS_FILE).unlink()
    if mirrored:
        average_mirrored(copy / ONNX_FILE)
        card = read_card(copy)
        digests = card.digests | {ONNX_FILE: sha256((copy / ONNX_FILE).read_bytes())}
        write_card(copy, dataclasses.replace(card, digests=digests, training=card.training | {"mirrored": True}))
    predictor = load_predictor(copy)
    size = (predictor.card.height, predictor.card.width)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    said = whole_network(copy)(pixels)
    probabilities, distances = (ops.convert_to_numpy(said[name]) for name in ("probabilities", "distance"))
    assert np.allclose(probabilities, predictor.predict(pixels).probabilities, atol=1e-4)
    assert np.allclose(distances, predictor.measure(pixels)[1], rtol=1e-3)


@pytest.mark.parametrize("name", ["global_average_pooling2d", "global_average_pooling2d_1"])
def test_a_networks_layers_may_have_the_names_that_keras_gives_to_new_ones(
    name: str, trained_store: Path, tmp_path: Path
) -> None:
    """As where several networks were built before it in the process that trained it."""
    import keras

    from lesionflow.training.export.whole_network import whole_network

    def renamed(layer: keras.Layer) -> keras.Layer:
        same = layer.get_config()
        return type(layer).from_config(same | {"name": name} if "global_average" in layer.name else same)

    copy = Path(shutil.copytree(trained_store / "vgg", tmp_path / "copy"))
    network = keras.models.load_model(copy / KERAS_FILE, compile=False)
    other = keras.models.clone_model(network, clone_function=renamed)
    other.set_weights(network.get_weights())
    other.save(copy / KERAS_FILE)
    card = read_card(copy)
    digests = card.digests | {KERAS_FILE: sha256((copy / KERAS_FILE).read_bytes())}
    write_card(copy, dataclasses.replace(card, digests=digests))
    keras.utils.clear_session()  # names are counted from the start, as in the process that exports
    whole = whole_network(copy)
    assert sorted(whole.output) == ["distance", "probabilities"]


@pytest.mark.parametrize(("format", "network"), [(LITERT, "cnn"), (TORCH, "cnn"), (LITERT, "of another version")])
def test_a_bundle_that_a_format_cannot_be_made_from_is_told_before_any_work(
    format: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: find(name, *more) or name)  # as if it were
    bundle = write_small_bundle(tmp_path / "bundle", network=network)
    done = invoke("export", str(bundle), str(tmp_path / "out"), "--format", format, "--images", "not looked for")
    assert done.exit_code == 1 and not (tmp_path / "out").exists()
    assert re.search("needs model.keras, which .* use a bundle with the file, or onnx", error_line(done))


def test_weights_of_another_networks_graph_are_not_read_back(bundle: Path, tmp_path: Path) -> None:
    """The layers of a `cnn` stand in another order in its graph."""
    from lesionflow.training.export.whole_network import whole_network

    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    (copy / KERAS_FILE).unlink()
    with pytest.raises(BundleError, match=r"has no model.keras, .*; use a bundle with the file, or export it as"):
        whole_network(copy)


@pytest.mark.parametrize(("format", "precision", "smaller"), [(ONNX, "int8", 0.95), (OPENVINO, "float16", 0.75)])
def test_a_lower_precision_is_written_with_its_cost(
    format: str, precision: str, smaller: float, bundle: Path, demo_folder: Path, exported: dict[str, Path], cache: Path
) -> None:
    folder = exported[f"{format} {precision}"]
    about = json.loads((folder / "model.json").read_text())
    validation = _labelled_pixels(str(demo_folder), resolve_folder(str(bundle)), cache)
    rest, samples = without_ranges(validation)
    assert not set(rest.lesion_ids) & (set(validation.lesion_ids) - set(rest.lesion_ids))
    assert len(samples) == len(validation.labels) - len(rest.labels) > 1
    assert about["cost"]["images"] == len((rest if precision == "int8" else validation).labels)
    assert about["cost"]["of"].startswith("validation part of demo") and about["precision"] == precision
    for values in (about["cost"]["bundle"], about["cost"]["artifact"]):
        assert {"balanced_accuracy", "ece", "stability"} == values.keys()
    if precision != "int8":  # the same images, so the same intervals as the card and `compare` have
        of_card = read_card(bundle).metrics["validation"]
        for name in ("balanced_accuracy", "ece"):
            assert list(about["cost"]["bundle"][name].values()) == pytest.approx([*of_card[name]], abs=1e-6)
    assert about["parity"]["largest_difference"] > 1e-5
    text = (folder / "README.md").read_text()
    assert "What the precision costs" in text and "| calls that harmless changes move |" in text
    sizes = [sum(file.stat().st_size for file in each.glob("model.[otxb]*"))
             for each in (folder, exported[f"{format} float32"])]  # fmt: skip
    assert sizes[0] < smaller * sizes[1]


def test_the_cost_is_not_measured_on_what_the_model_was_trained_on(
    bundle: Path, fifty_images: Path, tmp_path: Path
) -> None:
    """They are some of the images of the training, under another digest: of another data set, then."""
    found = resolve_folder(str(bundle))
    known = found.trained_on()
    assert known is not None
    images = _labelled_pixels(str(fifty_images), found, tmp_path)
    assert 0 < len(images.labels) < 50 and f"without {50 - len(images.labels)} of lesions" in images.of
    table = read_labelled_images(fifty_images, tmp_path).table
    assert not find_leak(known, table[table["image_id"].isin(images.image_ids)]).images


def test_of_few_images_the_cost_has_no_interval(tmp_path: Path) -> None:
    bundle, images = write_small_bundle(tmp_path / "bundle"), draw_images(tmp_path / "images", 2)
    rows = "".join(f"image000{i},lesion,mel\n" for i in range(2))
    (images / "labels.csv").write_text(f"image_id,lesion_id,dx\n{rows}")
    command = ["export", str(bundle), str(tmp_path / "half"), "--format", "onnx", "--precision", "float16"]
    assert invoke(*command, "--data", str(images), "--cache", str(tmp_path / "cache")).exit_code == 0
    cost = json.loads((tmp_path / "half" / "model.json").read_text())["cost"]
    assert cost["images"] == 2 and cost["bundle"]["ece"]["low"] is cost["bundle"]["ece"]["high"] is None
    assert "(no interval)" in (tmp_path / "half" / "README.md").read_text()


def test_of_many_images_those_compared_are_spread_over_the_list(tmp_path: Path) -> None:
    bundle, images = write_small_bundle(tmp_path / "bundle"), draw_images(tmp_path / "images", 1)
    (image,) = images.glob("*.jpg")
    (tmp_path / "list.txt").write_text(f"{image}\n" * 200 + f"{tmp_path}/missing.jpg\n" * 200)
    done = lesionflow.export(bundle, tmp_path / "out", format="onnx", images=f"@{tmp_path}/list.txt")
    assert done.parity is not None and done.parity.images == len(done.unread) == 100
    assert done.parity.of == "of 400 of list.txt, without 100 images that cannot be read"


def test_a_file_that_says_something_else_is_not_written(bundle: Path, fifty_images: Path, tmp_path: Path) -> None:
    done = invoke(
        "export", str(bundle), str(tmp_path / "half"), "--format", "onnx", "--precision", "float16",
        "--data", str(fifty_images), "--cache", str(tmp_path / "cache"), "--max-difference", "0.0000001",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "at most 1e-07 is allowed (--max-difference)" in error_line(done)
    assert [file.name for file in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--format", "onnx", "--precision", "int8"], 2, "name labelled images with --data"),
        (["--format", "torch", "--precision", "float16", "--data", "x"], 2, "PyTorch files are float32 only"),
        (["--format", "hub", "--images", "x"], 2, "--images: only for --format onnx, litert, openvino, torch"),
        (["--precision", "float16"], 2, "--precision float16: only for --format"),
        (["--format", "tflite"], 2, "'tflite'"),
        (["--format", "onnx", "--max-difference", "2"], 2, "--max-difference"),
        (["--format", "onnx", "--images", "nowhere"], 1, "nowhere"),
        (["--format", "onnx", "--images", "empty"], 1, "empty"),
        (["--format", "onnx", "--images", "texts"], 1, "none of 2 images can be read"),
        (["--format", "onnx", "--precision", "float16", "--data", "empty"], 1, "empty"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(
    options: list[str], code: int, message: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("texts").mkdir()
    for name in ("a.jpg", "b.png"):
        Path("texts", name).write_text("no image")
    done = invoke("export", str(bundle), "out", *options)
    assert done.exit_code == code and message in done.stderr.splitlines()[-1], done.output
    assert not Path("out").exists() and not [*Path().glob(".out*")]


def test_what_is_no_bundle_and_a_folder_that_holds_something_are_refused(tmp_path: Path) -> None:
    bundle, images = write_small_bundle(tmp_path / "bundle"), draw_images(tmp_path / "images", 2)
    for format in ("onnx", "hub", "bundle"):
        done = invoke("export", str(images), str(tmp_path / "out"), "--format", format)
        assert done.exit_code == 1 and "card.json" in error_line(done) and not (tmp_path / "out").exists()
    altered = Path(shutil.copytree(bundle, tmp_path / "altered"))
    (altered / "model.onnx").write_bytes(b"x" + (altered / "model.onnx").read_bytes()[1:])
    for format in ("onnx", "hub", "bundle"):
        done = invoke("export", str(altered), str(tmp_path / "out"), "--format", format)
        assert done.exit_code == 1 and f"{altered / 'model.onnx'}: altered since it was trained" in error_line(done)
    card = read_card(altered)
    digest = sha256((altered / "model.onnx").read_bytes())
    write_card(altered, dataclasses.replace(card, digests=card.digests | {"model.onnx": digest}))
    done = invoke("export", str(altered), str(tmp_path / "out"), "--format", "onnx")
    assert done.exit_code == 1 and "the bundle's graph cannot be run" in error_line(done)
    done = invoke("export", str(bundle), str(altered), "--format", "onnx")
    assert done.exit_code == 1 and "not an empty folder" in error_line(done)


def test_an_empty_folder_is_filled_as_it_is(tmp_path: Path) -> None:
    """It may be the working directory, or a mount, neither of which another folder can replace."""
    bundle, out = write_small_bundle(tmp_path / "bundle"), tmp_path / "out"
    out.mkdir()
    before = out.stat().st_ino
    with contextlib.chdir(out):
        assert invoke("export", str(bundle), "--out", ".").exit_code == 0
    assert {each.name for each in out.iterdir()} == {each.name for each in bundle.iterdir()}
    assert out.stat().st_ino == before


def test_an_empty_folder_that_cannot_be_filled_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    with pytest.raises(ReportError, match="cannot be written"), _whole_folder(tmp_path) as partial:
        for name in "123":
            (partial / name).write_text(name)
    assert [each.name for each in tmp_path.iterdir()] == ["2"]


@pytest.mark.parametrize("format", [ONNX, OPENVINO, "hub", "bundle"])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(format: str, tmp_path: Path) -> None:
    bundle, images = write_small_bundle(tmp_path / "bundle"), draw_images(tmp_path / "images", 2)
    command = ["export", str(bundle), "--out", str(tmp_path / "below" / "out"), "--format", format]
    with no_room(2_000):
        done = invoke(*command, *(["--images", str(images)] if format in FORMATS else []))
    assert done.exit_code == 1 and "out: cannot be written" in error_line(done)
    assert {each.name for each in tmp_path.iterdir()} == {"bundle", "images"}


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "--out FOLDER"), (["one", "--out", "other"], "name one"), (["--out", ""], "--out: is an empty text")],
)
def test_the_folder_is_named_once(words: list[str], message: str, tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "bundle")
    (tmp_path / "here").mkdir()
    with contextlib.chdir(tmp_path / "here"):
        done = invoke("export", str(bundle), *words)
        assert done.exit_code == 2 and message in error_line(done) and not [*Path().iterdir()]
        assert (
            invoke("export", str(bundle), "given").exit_code
            == invoke("export", str(bundle), "--out", "told").exit_code
            == 0
        )
        assert {each.name for each in Path("given").iterdir()} == {each.name for each in Path("told").iterdir()}


def test_a_format_whose_packages_are_missing_names_the_extra(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "openvino" else find(name, *more)
    )
    with pytest.raises(MissingError, match=r"needs openvino: pip install 'lesionflow\[openvino\]'"):
        lesionflow.export(bundle, tmp_path / "out", format="openvino")
