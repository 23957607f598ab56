"""The bundle that ships with lesionflow is fit to ship, and `pretrained` names it wherever a model is named."""

import csv
import dataclasses
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from lesionflow.api.score import score
from lesionflow.datasets.licences import AUTHORS, LICENCE
from lesionflow.defaults import SHIPPED_LICENCE
from lesionflow.evaluation.leaks import find_leak
from lesionflow.evaluation.metrics import Place, shown_at, with_interval
from lesionflow.model import files as pretrained
from lesionflow.model.card import (
    CARD_FILE,
    ONNX_FILE,
    TRAINED_ON_FILE,
    Card,
    Estimate,
    dataset_name,
    read_card,
    write_card,
)
from lesionflow.model.files import read_arrays, read_bundle
from lesionflow.registry.compared_model import find_compared_model
from lesionflow.training.config import TrainingConfig
from tests.conftest import error_line, invoke
from tests.scoring.conftest import draw_images, write_small_bundle

ROOT = Path(__file__).parents[2]
# scripts/ship_pretrained.sh asks these tests of a folder that is not in its place yet.
SHIPPED = Path(os.environ.get("LESIONFLOW_TO_SHIP", pretrained.PRETRAINED_FOLDER))
MOST_BYTES = 14_000_000  # of all its files together: every installation brings them
ships = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no bundle ships with this checkout")
TOLD = {metric.name: metric.short for metric in shown_at(Place.TERMS)}
FIGURES = {name: Estimate(0.8123, 0.7712, 0.8534) for name in TOLD}


STAGES = ("first", "second", "third", "fourth")  # of the training; the last one's bundle ships


def told_options(stage: str = STAGES[-1]) -> dict[str, str]:
    """The options of a stage of the training script, by the name of their field."""
    script = (ROOT / "scripts" / "train_pretrained.sh").read_text()
    told: dict[str, str] = {}
    for name in ("common", stage):
        block = re.search(rf"^{name}=\(\n(.*?)^\)$", script, re.M | re.S)
        assert block, name
        told |= {key.replace("-", "_"): value for key, value in re.findall(r"^  --([a-z-]+) (\S+)$", block[1], re.M)}
    return told


@pytest.fixture
def image(tmp_path: Path) -> str:
    return str(draw_images(tmp_path / "images", 1) / "image0000.jpg")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """A small bundle in the place of the shipped one; gives its card."""
    folder = write_small_bundle(tmp_path / "shipped")
    changes = {"demo": False, "data_name": "ham10000", "licence": LICENCE, "metrics": {"test": FIGURES}}
    card = write_card(folder, dataclasses.replace(read_card(folder), **changes))  # type: ignore[arg-type]
    monkeypatch.setattr(pretrained, "PRETRAINED_FOLDER", folder)
    return card


@ships
def test_the_shipped_bundle_is_whole_small_licensed_and_measured() -> None:
    assert {file.name for file in SHIPPED.iterdir()} == {CARD_FILE, ONNX_FILE, TRAINED_ON_FILE, "README.md"}
    assert sum((SHIPPED / name).stat().st_size for name in (CARD_FILE, ONNX_FILE, TRAINED_ON_FILE)) < MOST_BYTES
    card, _ = read_bundle(SHIPPED)  # which compares the digests
    assert card.licence == LICENCE and not card.demo
    for part in ("validation", "test"):
        for name in TOLD:
            figure = card.metrics[part][name]
            assert figure.low < figure.value < figure.high
    assert "/" not in str(card.training["data"]), "the card names a place on the machine where it was trained"
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert LICENCE in text and AUTHORS in text and card.digest[:12] in text
    called = (with_interval(card.metrics["validation"][name]) for name in ("balanced_accuracy", "accuracy"))
    assert f"| {card.calibrations['single'].call_strength:g}, this model's | {' | '.join(called)} |" in text
    for source in card.training["sources"]:
        assert source["licence"] == LICENCE and dataset_name(source["name"]).replace("_", "\\_") in text


@ships
def test_the_pages_have_the_figures_of_its_card() -> None:
    value, low, high = (
        f"{number:.3f}" for number in read_card(pretrained.PRETRAINED_FOLDER).metrics["test"]["balanced_accuracy"]
    )
    explanation = ROOT / "docs" / "explanation"
    for page, told in (
        (ROOT / "README.md", f"balanced accuracy {value} ({low} to {high})"),
        (explanation / "what_a_model_comes_with.md", f"| {value} ({low}–{high}) |"),
        (explanation / "what_the_numbers_cannot_tell.md", f"{low} to {high} for the shipped bundle"),
    ):
        assert told in " ".join(page.read_text(encoding="utf-8").split()), page


@ships
def test_the_shipped_bundle_knows_its_training_images_under_whatever_name_they_come() -> None:
    card = read_card(SHIPPED)
    known = read_arrays(SHIPPED, card, TRAINED_ON_FILE)
    assert known is not None
    for name in ("ISIC_{}", "mel/ISIC_{}_downsampled.jpg"):  # HAM10000 is ISIC_0024306 to ISIC_0034320
        ids = [name.format(f"{number:07}") for number in range(24306, 34321)]
        table = pd.DataFrame({"image_id": ids, "lesion_id": ids, "content": ids})
        leak = find_leak(known, table)
        ham10000 = next(source for source in card.training["sources"] if not source["training_only"])
        assert leak.images == leak.found_by["images"] == ham10000["images"]["train"] < len(known["images"])


@ships
def test_the_script_trains_the_shipped_bundle() -> None:
    training = read_card(SHIPPED).training
    for name, value in told_options().items():
        if name in ("folds", "small_first"):
            continue  # which are younger than the bundle
        if isinstance(training[name], bool):
            value = str(value == "true")
        assert str(training[name]) == value or float(training[name]) == float(value), name


@pytest.mark.parametrize("stage", STAGES)
def test_the_script_leaves_no_option_to_its_default(stage: str) -> None:
    told, fields = told_options(stage), dataclasses.fields(TrainingConfig)
    stated = {field.name for field in fields if field.metadata["kind"] is not bool or field.default is None}
    left_out = {"data", "extra", "labels", "teacher", "teacher_share"}  # given below the options, or by none
    assert stated - left_out <= set(told)  # a flag can be stated by leaving it out
    assert told["model"] in TrainingConfig(model=told["model"]).networks


def test_the_script_goes_on_where_it_was_stopped_also_after_a_training(tmp_path: Path) -> None:
    """With a stand-in for Python, which trains and is stopped as the file `events` says."""
    stand_in = tmp_path / "python"
    stand_in.write_text(r"""#!/usr/bin/env bash
cd "$STAGES"
if [[ $1 == -m ]]; then
  [[ $2 == lesionflow ]] || exit 1  # the bundle does not pass the tests
  echo "$*" >> calls
  echo "run ${#*}abc; if it is interrupted: ..."
  if [[ $(head -n 1 events) == training ]]; then sed -i 1d events; exit 1; fi
  touch registered
else
  [[ -f registered ]] || exit 1
  if [[ $(head -n 1 events) == keeping ]]; then sed -i 1d events; exit 1; fi
  rm registered
  mkdir "$2"
  touch "$2/card.json"
fi
""")
    stand_in.chmod(0o755)
    (tmp_path / "isic_extra.csv").write_text("path,lesion_id,source\n")
    stages, command = tmp_path / "work", ROOT / "scripts" / "train_pretrained.sh"
    stages.mkdir()
    (stages / "events").write_text("training\nkeeping\ntraining\n")
    environment = os.environ | {"PYTHON": "./python", "STAGES": str(stages)}
    for _ in range(4):
        done = subprocess.run(
            [command, ".", ".", "work"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode
    assert [stage.parent.name for stage in sorted(stages.glob("*/card.json"))] == sorted(STAGES), done.stderr
    calls = (stages / "calls").read_text().splitlines()
    resumed = [
        ("--resume" in call, STAGES[index]) for index in range(4) for call in calls if f"{STAGES[index]}.db" in call
    ]
    assert resumed == [
        (False, "first"), (True, "first"), (False, "second"), (True, "second"), (False, "third"), (False, "fourth"),
    ]  # fmt: skip


@ships
def test_the_shipped_bundle_scores(demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "PRETRAINED_FOLDER", SHIPPED)
    image = next(demo_folder.rglob("*.jpg"))
    result = invoke("score", str(image), "--out", str(tmp_path / "out.csv"), "--model", "pretrained")
    assert result.exit_code == 0 and LICENCE in result.stderr, result.output
    (row,) = csv.DictReader((tmp_path / "out.csv").open(newline=""))
    assert row["status"] == "ok" and row["model"].startswith("pretrained ")


def test_scoring_with_it_tells_licence_and_figures(stand_in: Card, image: str, tmp_path: Path) -> None:
    command = ("score", image, "--out", str(tmp_path / "out.csv"), "--model", "pretrained")
    result = invoke(*command)
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert LICENCE in line and AUTHORS in line
    for words in TOLD.values():
        assert f"{words} 0.812 (0.771 to 0.853)" in line
    (row,) = csv.DictReader((tmp_path / "out.csv").open(newline=""))
    assert row["model"] == f"pretrained {stand_in.label}"
    assert invoke(*command, "--overwrite", "--quiet").stderr == ""
    by_folder = invoke(*command[:-1], str(tmp_path / "shipped"), "--overwrite")  # it is bound under any name
    assert LICENCE in by_folder.stderr and AUTHORS in by_folder.stderr


def test_a_console_of_the_caller_is_told_them_or_nobody(
    stand_in: Card, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for quiet in (False, True):
        console = Console(file=io.StringIO(), quiet=quiet)
        score(image, tmp_path / "out.csv", "pretrained", console=console, overwrite=True)
        assert (LICENCE in console.file.getvalue()) is not quiet  # type: ignore[attr-defined]
    assert capsys.readouterr().err == ""


def test_it_is_found_without_mlflow(stand_in: Card, image: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lesionflow.model import files as pretrained\n"
        f"pretrained.PRETRAINED_FOLDER = Path({str(pretrained.PRETRAINED_FOLDER)!r})\n"
        "from lesionflow.api.score import score\n"
        f"score({image!r}, {str(tmp_path / 'out.csv')!r}, 'pretrained')\n"
        "print(sorted({'mlflow', 'pandas', 'sklearn', 'matplotlib', 'keras'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_without_a_champion_score_names_it(contenders: Path, stand_in: Card, image: str) -> None:
    line = error_line(invoke("score", image, "--out", "out.csv"))
    assert "no champion of lesionflow" in line and "another model: pretrained" in line and LICENCE in line


def test_where_it_is_missing_that_is_said(
    contenders: Path, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "PRETRAINED_FOLDER", tmp_path / "none")
    result = invoke("score", image, "--out", "out.csv", "--model", "pretrained")
    assert result.exit_code == 1 and "came without it" in error_line(result)
    assert "pretrained" not in error_line(invoke("score", image, "--out", "out.csv"))


def test_it_can_be_compared_and_never_be_champion(stand_in: Card) -> None:
    found = find_compared_model("pretrained")
    assert (found.label, found.card, found.validation) == (f"pretrained {stand_in.label}", stand_in, None)
    result = invoke("promote", "pretrained", "1")
    assert result.exit_code == 2 and "is not a registered version" in error_line(result)


def test_the_help_names_the_licence() -> None:
    assert LICENCE in " ".join(invoke("score", "--help").stdout.split())


def test_what_is_said_of_its_licence_names_every_source() -> None:
    card = read_card(SHIPPED)
    assert card.licence in SHIPPED_LICENCE
    for source in card.training["sources"]:
        assert source["name"].removesuffix("_256").upper() in SHIPPED_LICENCE.upper()


@ships
def test_its_training_data_are_called_by_their_names() -> None:
    assert read_card(SHIPPED).data_told == "HAM10000, ISIC 2017, MSK, BCN_20000"
