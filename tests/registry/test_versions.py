import dataclasses
from pathlib import Path

import mlflow
import pytest

from lesionflow.bundle.card import Card, Estimate
from lesionflow.bundle.files import read_bundle
from lesionflow.errors import RegistryError, UsageError
from lesionflow.registry.champion import crown_the_better, decide, find_champion, set_champion
from lesionflow.registry.versions import Version, find_version, resolve

CARD = Card("cnn", 16, 16, "real", "data", False, "split", 0, (0.7, 0.15, 0.15))


def version(number: int, figure: float, **changes: object) -> Version:
    metrics = {"validation": {"balanced_accuracy": Estimate(figure, figure, figure)}}
    card = dataclasses.replace(CARD, metrics=metrics, **changes)  # type: ignore[arg-type]
    return Version("lesionflow", number, card)


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted", "reason"),
    [
        (version(2, 0.5), None, True, "no champion yet"),
        (version(2, 0.61), version(1, 0.60), True, "better: validation balanced accuracy 0.6100 against 0.6000"),
        (version(2, 0.60), version(1, 0.60), False, "not better"),
        (version(2, 0.30), version(1, 0.90, demo=True, data_digest="demo"), True, "real data outranks demo data"),
        (version(2, 0.90, demo=True, data_digest="demo"), version(1, 0.30), False, "demo data does not outrank"),
        (version(2, 0.90, data_digest="new"), version(1, 0.30), False, "lesionflow promote lesionflow 2"),
        (version(2, 0.90, split_digest="new"), version(1, 0.30), False, "not comparable"),
        (version(2, 0.90, split_digest="n", demo=True), version(1, 0.3, demo=True), False, "not comparable"),
    ],
)
def test_who_becomes_champion(challenger: Version, champion: Version | None, promoted: bool, reason: str) -> None:
    decision = decide(challenger, champion)
    assert decision.promote is promoted and reason in decision.reason


def test_training_has_registered_both_and_crowned_the_better(store: Path) -> None:
    versions = [find_version("lesionflow", number) for number in (1, 2)]
    assert [one.card.network for one in versions] == ["cnn", "vgg"]
    better = max(versions, key=lambda one: one.card.metrics["validation"]["balanced_accuracy"])
    champion = find_champion("lesionflow")
    assert champion == better
    for one in versions:
        tags = mlflow.MlflowClient().get_model_version("lesionflow", str(one.number)).tags
        assert tags["decision"] == ("promoted" if one == better else "kept back")
        assert tags["decision_reason"] and tags["decided_at"] and tags["demo"] == "true"
        assert tags["card_digest"] == one.card.digest
        assert "(demo data)" in one.label


def test_trained_again_on_the_same_split_without_being_better(store: Path) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    best, decision, before = crown_the_better([champion])
    assert (best, before) == (champion, champion) and not decision.promote
    assert find_champion("lesionflow") == champion


def test_promotion_by_hand_is_kept_as_tags(store: Path) -> None:
    chosen = find_version("lesionflow", 1)
    set_champion(chosen, "because")
    assert find_champion("lesionflow") == chosen
    assert mlflow.MlflowClient().get_model_version("lesionflow", "1").tags["decision_reason"] == "because"


def test_resolves_alias_version_and_folder_to_a_verified_bundle(store: Path, bundle: Path, tmp_path: Path) -> None:
    champion = find_champion("lesionflow")
    assert champion is not None
    for place, name in enumerate(["models:/lesionflow@champion", f"models:/lesionflow/{champion.number}"]):
        (tmp_path / str(place)).mkdir()
        resolved = resolve(name, tmp_path / str(place))
        assert resolved.label == champion.label
        assert read_bundle(resolved.folder)[0] == champion.card
    resolved = resolve(str(bundle), tmp_path)
    assert resolved.label == f"{read_bundle(bundle)[0].label} (demo data)"


@pytest.mark.parametrize(
    "name", ["models:lesionflow", "models:/lesionflow", "models:/a/b/c", "models:/a@b@c", "no-folder"]
)
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
