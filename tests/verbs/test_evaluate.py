import json
import shutil
from pathlib import Path

import pytest

from lesionflow.registry.champion import find_champion
from lesionflow.verbs.evaluate import evaluate
from tests.conftest import error_line, invoke


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_card_holds_what_evaluation_finds(store: Path, demo_folder: Path, cache: Path, part: str) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    result = evaluate("models:/lesionflow@champion", str(demo_folder), part=part, cache=cache)
    assert result.metrics == pytest.approx(champion.card.metrics[part], abs=1e-9)
    assert bool(result.warnings) == (part == "train")


def test_writes_figures_and_a_picture(bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    result = invoke("evaluate", str(bundle), str(demo_folder), "--out", str(out), "--cache", str(cache))
    assert result.exit_code == 0 and ", test:" in result.stdout
    written = json.loads((out / "metrics.json").read_text())
    assert written["part"] == "test" and 0 <= written["metrics"]["balanced_accuracy"] <= 1
    assert (out / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_other_data_counts_whole_and_training_data_is_called_so(
    bundle: Path, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    flattered = invoke("evaluate", str(bundle), str(demo_folder), "--part", "all", "--cache", str(cache))
    assert "TRAINED" in flattered.stderr
    other = Path(shutil.copytree(demo_folder, tmp_path / "other"))
    image = next(other.rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    result = invoke("evaluate", str(bundle), str(other), "--cache", str(cache))
    assert result.exit_code == 0 and ", all: 150 images" in result.stdout
    refused = invoke("evaluate", str(bundle), str(other), "--part", "test", "--cache", str(cache))
    assert refused.exit_code == 2 and "trained on other data" in error_line(refused)
