"""The champion: who becomes it, why, and the alias that marks it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from lesionflow.registry.tracking import registry_errors
from lesionflow.registry.versions import DECIDING, Version, find_version, number_by_alias

CHAMPION = "champion"


@dataclass(frozen=True)
class Decision:
    """Whether a version becomes the champion, and why."""

    promote: bool
    reason: str


def decide(challenger: Version, champion: Version | None) -> Decision:
    """Whether the challenger takes the champion's place: only figures of the same validation images are compared."""
    new = challenger.card
    figure = new.metrics["validation"][DECIDING].value
    if champion is None:
        return Decision(True, f"no champion yet; validation balanced accuracy {figure:.4f}")
    old = champion.card
    if new.split_digest == old.split_digest and new.data_digest == old.data_digest:
        present = old.metrics["validation"][DECIDING].value
        comparison = f"validation balanced accuracy {figure:.4f} against {present:.4f} of {champion.label}"
        if figure > present:
            return Decision(True, f"better: {comparison}, on the same split")
        return Decision(False, f"not better: {comparison}, on the same split")
    if old.demo and not new.demo:
        return Decision(True, f"real data outranks demo data, on which {champion.label} was trained")
    if new.demo and not old.demo:
        return Decision(False, f"demo data does not outrank real data, on which {champion.label} was trained")
    return Decision(
        False,
        f"not comparable: {champion.label} was trained on other data or another split; measure both on one set with "
        f"'lesionflow evaluate', then decide: lesionflow promote {challenger.name} {challenger.number} --reason WHY",
    )


def crown_the_better(challengers: list[Version]) -> tuple[Version, Decision, Version | None]:
    """Choose the best of versions trained together and make it the champion if it beats the present one.

    Returns the best version, the decision and the champion of before. The decision is kept as tags of each version.
    """
    best = max(challengers, key=lambda version: version.card.metrics["validation"][DECIDING].value)
    for other in challengers:
        if other is not best:
            figure = best.card.metrics["validation"][DECIDING].value
            tag_decision(other, Decision(False, f"{best.label} of the same training is better: {figure:.4f}"))
    champion = find_champion(best.name)
    decision = decide(best, champion)
    if decision.promote:
        set_champion(best, decision.reason)
    else:
        tag_decision(best, decision)
    return best, decision, champion


def find_champion(name: str) -> Version | None:
    """The version behind the champion alias, or None."""
    number = number_by_alias(name, CHAMPION)
    return None if number is None else find_version(name, number)


def set_champion(version: Version, reason: str) -> None:
    """Put the champion alias on a version, and say why in its tags."""
    import mlflow

    with registry_errors(f"making {version.label} the champion"):
        mlflow.MlflowClient().set_registered_model_alias(version.name, CHAMPION, str(version.number))
    tag_decision(version, Decision(True, reason))


def tag_decision(version: Version, decision: Decision) -> None:
    """Keep a decision with the version it is about."""
    import mlflow

    with registry_errors(f"tagging {version.label}"):
        client, number = mlflow.MlflowClient(), str(version.number)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        client.set_model_version_tag(version.name, number, "decision", "promoted" if decision.promote else "kept back")
        client.set_model_version_tag(version.name, number, "decision_reason", decision.reason)
        client.set_model_version_tag(version.name, number, "decided_at", now)
