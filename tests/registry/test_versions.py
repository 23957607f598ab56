import io
import os
from pathlib import Path

import mlflow
import pytest
from PIL import Image

from lesionflow.errors import RegistryError, UsageError
from lesionflow.model.files import read_bundle
from lesionflow.registry.champion import find_champion, promote_best
from lesionflow.registry.versions import _copy_code, find_validation, find_version, register_bundle, resolve
from lesionflow.tracking.tracking_store import connect, kept_settings
from tests.registry.champions import set_champion


def test_training_has_registered_both_and_crowned_the_better(store: Path) -> None:
    versions = [find_version("lesionflow", number) for number in (1, 2)]
    assert [one.card.network for one in versions] == ["cnn", "vgg"]
    better = max(versions, key=lambda one: one.card.metrics["validation"]["balanced_accuracy"])
    champion = find_champion("lesionflow")
    assert champion == better
    for one in versions:
        tags = mlflow.MlflowClient().get_model_version("lesionflow", str(one.number)).tags
        assert tags["decision"] == ("promoted" if one == better else "kept back")
        assert ("gate_calibration" in tags) == (one == better)
        assert tags["decision_reason"] and tags["decided_at"] and tags["demo"] == "true"
        assert tags["card_digest"] == one.card.digest
        assert "(demo data)" in one.label


def test_a_trained_version_keeps_what_it_says_of_each_validation_image(store: Path) -> None:
    for number in (1, 2):
        version = find_version("lesionflow", number)
        said = find_validation(version)
        assert said is not None and len(said) > 10
        recalls = [(said.called[said.labels == i] == i).mean() for i in set(said.labels.tolist())]
        figure = version.card.metrics["validation"]["balanced_accuracy"].value
        assert figure == pytest.approx(sum(recalls) / len(recalls))


def test_trained_again_on_the_same_split_without_being_better(store: Path) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    best, decision = promote_best([champion])
    assert best == champion and not decision.promote
    assert find_champion("lesionflow") == champion


def test_promotion_by_hand_is_kept_as_tags(store: Path) -> None:
    chosen = find_version("lesionflow", 1)
    set_champion(chosen, "because")
    assert find_champion("lesionflow") == chosen
    tags = mlflow.MlflowClient().get_model_version("lesionflow", "1").tags
    assert tags["decision_reason"] == "because" and tags["decision"] == "forced"


def test_resolves_alias_version_and_folder_to_a_verified_bundle(store: Path, bundle: Path, tmp_path: Path) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    for index, name in enumerate(["models:/lesionflow@champion", f"models:/lesionflow/{champion.number}"]):
        (tmp_path / str(index)).mkdir()
        resolved = resolve(name, tmp_path / str(index))
        assert resolved.label == champion.label
        assert read_bundle(resolved.folder)[0] == champion.card
    resolved = resolve(str(bundle), tmp_path)
    assert resolved.label == f"{read_bundle(bundle)[0].label} (demo data)"


@pytest.mark.parametrize("name", ["models:lesionflow", "models:/lesionflow", "models:/a/b/c", "models:/a@b@c"])
def test_a_name_that_is_none_is_a_usage_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        resolve(name, tmp_path)


@pytest.mark.parametrize("name", ["models:/nobody@champion", "models:/lesionflow@nobody", "models:/lesionflow/99"])
def test_what_the_registry_does_not_hold(store: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no "):
        resolve(name, tmp_path)


def test_a_model_of_somebody_else_is_not_scored_with(store: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("not ours")
    mlflow.set_experiment("of somebody else")
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model", loader_module="json", data_path=str(tmp_path / "other.txt"), pip_requirements=["numpy"]
        )
    mlflow.register_model(logged.model_uri, "other")
    with pytest.raises(RegistryError, match="not a model that lesionflow registered"):
        resolve("models:/other/1", tmp_path)


def test_a_registered_model_has_the_code_but_not_the_bundle_that_ships_with_it(tmp_path: Path) -> None:
    package = tmp_path / "lesionflow"
    for file in ("__init__.py", "bundle/pretrained.py", "bundle/__pycache__/pretrained.pyc", "pretrained/model.onnx"):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).touch()
    copy = _copy_code(package, tmp_path / "copy")
    assert copy.name == "lesionflow"
    found = {str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file()}
    assert found == {"__init__.py", "bundle/pretrained.py"}


def test_no_variable_is_noted_while_a_model_is_registered(
    store: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's notes are a set that it iterates over while threads of the program add to it."""
    from lesionflow.model import pyfunc

    reading: list[bool] = []
    original = type(os.environ).get
    Image.new("RGB", (32, 32), "brown").save(example := io.BytesIO(), "PNG")
    load = pyfunc._load_pyfunc

    def loaded(path: str) -> pyfunc.BundleModel:
        reading.append(type(os.environ).get is original)
        return load(path)

    monkeypatch.setattr(pyfunc, "_load_pyfunc", loaded)
    card, _ = read_bundle(bundle)
    with kept_settings():
        connect(None, writes=True)
        with mlflow.start_run(experiment_id=mlflow.create_experiment("registers")):
            register_bundle(bundle, card, "another", example.getvalue())
    assert reading and all(reading)
