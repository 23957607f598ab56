import json
import shutil
from pathlib import Path

import pytest

from lesionflow.api.compare import compare
from lesionflow.errors import BundleError, RegistryError, UsageError
from lesionflow.evaluation.metrics import Place, shown_at
from lesionflow.registry.versions import find_version, register_bundle
from lesionflow.tracking import runs as tracking
from tests.conftest import error_line, invoke
from tests.contenders import NAME, answers, write_bundle
from tests.registry.champions import set_champion


def address(number: int) -> str:
    return f"models:/{NAME}/{number}"


def test_each_differs_from_the_first_on_the_same_lesions(contenders: Path) -> None:
    found = compare([address(1), address(2), address(4)])
    assert [model.label for model in found.models] == ["lesions/1", "lesions/2", "lesions/4"]
    assert set(found.differences) == {"lesions/2", "lesions/4"} and not found.not_comparable
    better = found.differences["lesions/2"]
    assert set(better) == {metric.name for metric in shown_at(Place.COMPARISON)}
    gain = better["balanced_accuracy"]
    assert gain.value == pytest.approx(0.15) and gain.low < 0.15 < gain.high and gain.probability_better == 1
    assert better["log_loss"].value < 0 and better["log_loss"].probability_better == 1  # less is better
    assert found.differences["lesions/4"]["ece"].probability_better == 0


def test_one_alone_is_compared_with_the_champion_if_there_is_another(contenders: Path) -> None:
    assert [model.label for model in compare([address(2)]).models] == ["lesions/2"]
    set_champion(find_version(NAME, 3), "to begin with")
    found = compare([address(2)])
    assert [model.label for model in found.models] == ["lesions/3", "lesions/2"]
    assert found.differences["lesions/2"]["balanced_accuracy"].value == pytest.approx(-0.15)
    assert [model.label for model in compare([f"models:/{NAME}@champion"]).models] == ["lesions/3"]
    twice = compare([address(3), f"models:/{NAME}@champion", address(2)])
    assert [model.label for model in twice.models] == ["lesions/3", "lesions/2"]


def test_bundles_are_compared_without_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    cards = [write_bundle(tmp_path / f"bundle{share}", answers(share)) for share in (0.6, 0.8)]
    found = compare(["bundle0.6", "bundle0.8"])
    assert [model.label for model in found.models] == [card.label for card in cards]
    assert found.differences[cards[1].label]["macro_auc"].value > 0
    (tmp_path / "bundle0.8" / "validation.npz").write_bytes(b"altered")
    with pytest.raises(BundleError, match="altered"):
        compare(["bundle0.6", "bundle0.8"])


def test_a_data_set_in_brackets_is_named_as_it_is(tmp_path: Path) -> None:
    for share in (0.6, 0.8):
        write_bundle(tmp_path / str(share), answers(share), data_name="moles [old]")
    shown = invoke("compare", str(tmp_path / "0.6"), str(tmp_path / "0.8"))
    assert shown.exit_code == 0 and shown.stdout.count("moles [old]") == 2, shown.output


def test_what_is_not_comparable_has_no_difference_and_is_said_loudly(contenders: Path) -> None:
    models = [address(number) for number in (1, 5, 6)]
    found = compare(models)
    assert not found.differences
    assert "different splits" in found.not_comparable["lesions/5"]
    without = found.not_comparable["lesions/6"]
    assert "came without validation.npz" in without and "'lesionflow compare --data'" in without
    shown = invoke("compare", *models).stdout
    assert "NOT COMPARABLE" in shown and "different splits" in shown and "minus" not in shown
    result = invoke("compare", *models, "--json")
    assert "NOT COMPARABLE" in result.stderr and json.loads(result.stdout)["not_comparable"] == found.not_comparable


def test_a_copy_without_its_predictions_is_the_same_model(contenders: Path, tmp_path: Path) -> None:
    card = write_bundle(tmp_path / "bundle", answers(0.6), keep_answers=False)
    shutil.copytree(tmp_path / "bundle", tmp_path / "registered")
    with tracking.run("copy", "tests", system_metrics=False):
        copy = register_bundle(tmp_path / "registered", card, NAME, b"an image")
    found = compare([tmp_path / "bundle", address(copy.number)])
    assert found.identical == [copy.label] and not found.not_comparable and not found.differences
    shown = invoke("compare", str(tmp_path / "bundle"), address(copy.number)).stdout
    assert f"{copy.label} is the same model as {card.label}" in shown and "NOT COMPARABLE" not in shown


def test_the_table_fits_eighty_characters_and_shows_both_parts(contenders: Path) -> None:
    result = invoke("compare", *(address(number) for number in (1, 2, 3, 4)))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for word in ("balanced accuracy", "macro AUC", "melanoma sensitivity", "malignant AUC", "ECE", "log loss"):
        assert sum(line.startswith(word) for line in lines) == 2 * 2 + 3  # two blocks of two parts, three differences
    assert [line.split() for line in lines if line.startswith("validation")] == [["validation"]] * 2
    assert "0.600 (0.600-0.600) 0.750 (0.750-0.750) 0.900 (0.900-0.900)" in result.stdout
    assert "lesions/2 minus lesions/1, validation" in result.stdout and "+0.1500" in result.stdout
    only = invoke("compare", address(1), address(2), "--part", "test").stdout
    assert "\ntest" in only and "\nvalidation" not in only


def test_json_holds_cards_intervals_and_differences(contenders: Path) -> None:
    result = invoke("compare", address(1), address(3), "--json")
    found = json.loads(result.stdout)
    assert found["first"] == "lesions/1" and [model["model"] for model in found["models"]] == ["lesions/1", "lesions/3"]
    model = found["models"][1]
    assert (model["network"], model["data_digest"], model["split_digest"]) == ("cnn", "data", "split")
    assert set(model["metrics"]) == {"validation", "test"} and model["registered"].startswith("20")
    assert set(model["metrics"]["test"]["ece"]) == {"value", "low", "high"}
    difference = found["differences"]["lesions/3"]["balanced_accuracy"]
    assert difference["value"] == pytest.approx(0.3) and difference["low"] < difference["high"]


def test_what_there_is_not(contenders: Path) -> None:
    with pytest.raises(RegistryError, match="no version 99"):
        compare([address(99), address(1)])
    with pytest.raises(RegistryError, match="no champion of lesions"):
        compare([f"models:/{NAME}@champion", address(1)])
    with pytest.raises(RegistryError, match=rf"no champion of elsewhere in the registry \(it has only {NAME}\)"):
        compare(["models:/elsewhere@champion", address(1)])
    with pytest.raises(BundleError, match="no such bundle folder"):
        compare(["nowhere", address(1)])
    for resamples in (0, 2.5, "many"):
        with pytest.raises(UsageError, match="resamples"):
            compare([address(1), address(2)], resamples=resamples)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--labels: is about --data; add --data DATA"):
        compare([address(1), address(2)], labels="words.yaml")
    assert invoke("compare").exit_code == 2
    assert "models:/NAME/VERSION" in error_line(invoke("compare", "models:/lesions"))


@pytest.mark.parametrize("models", [("pretrained",), ("--report", __file__, "--truth", __file__)])
def test_a_folder_for_pixels_is_about_data_unless_a_variable_names_it_for_all_commands(
    models: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = invoke("compare", *models, "--cache", str(tmp_path))
    assert told.exit_code == 2 and "--cache: is about --data; add --data DATA, or leave it out" in error_line(told)
    monkeypatch.setenv("LESIONFLOW_CACHE", str(tmp_path))
    assert "--cache" not in invoke("compare", *models).stderr
