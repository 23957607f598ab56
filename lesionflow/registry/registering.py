"""Whether a model may be registered, whether it has been, and what is then still missing."""

from __future__ import annotations

import datetime

from lesionflow.errors import RegistryError
from lesionflow.evaluation.learning import History
from lesionflow.model.card import Card
from lesionflow.registry.versions import Version, find_version, fitting
from lesionflow.tracking.client import found_or_none, mlflow, registry_errors, set_again
from lesionflow.tracking.resume import delete_checkpoints, find_run, logged_epochs, mark_finished
from lesionflow.tracking.runs import log_parameters
from lesionflow.version import __version__


def check_may_register(name: str) -> None:
    """Raise `RegistryError` where the registry would not take a version of `name` from this user.

    A training asks before it begins. Only trying tells: a tag of the registered model says when that was.
    """
    client, now = mlflow.MlflowClient(), datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    doing = f"asking whether a version of {name} may be registered"
    if found_or_none(doing, lambda: client.get_registered_model(name)) is not None:
        with registry_errors(doing):
            set_again(lambda: client.set_registered_model_tag(name, "training_begun_at", now))


def find_registered(name: str, digest: str) -> Version | None:
    """The version of `name` that a bundle was registered as, by the digest of its card, or None."""
    with registry_errors(f"looking for the bundle among the versions of {name}"):
        found = mlflow.MlflowClient().search_model_versions(f"name = '{name}' and tags.card_digest = '{digest}'")
    return find_version(name, max(int(version.version) for version in found)) if found else None


def find_of_run(run_id: str) -> str:
    """The version that a run has registered, as NAME/NUMBER; empty where it has registered none."""
    with registry_errors(f"looking for the version of run {run_id}"):
        found = mlflow.MlflowClient().search_model_versions(f"run_id = '{run_id}'")
    return f"{found[0].name}/{found[0].version}" if found else ""


def find_trained(run_id: str) -> tuple[Version, History] | None:
    """The version that a network's run registered, and how its training went; None where it had not come to that.

    To register is the last thing that such a run does; whatever it says of itself, it is marked as finished.
    """
    client, run = mlflow.MlflowClient(), find_run(run_id)
    with registry_errors(f"looking for the version of run {run_id}"):
        found = client.search_model_versions(f"run_id = '{run_id}'")
    if not found:
        if run.info.status == "FINISHED":
            raise RegistryError(f"the version that run {run_id} registered was deleted; train anew without --resume")
        return None
    latest = max(found, key=lambda version: int(version.version))
    version = find_version(latest.name, int(latest.version))
    epochs = logged_epochs(run_id)
    return version, History([epochs[epoch] for epoch in sorted(epochs)], int(run.data.metrics["training/best_epoch"]))


def decided(version: Version) -> bool:
    """Whether a decision about a version's promotion has been made."""
    with registry_errors(f"looking {version.label} up"):
        return "decision" in mlflow.MlflowClient().get_model_version(version.name, str(version.number)).tags


def complete(version: Version, description: str, run_id: str | None) -> None:
    """Finish the registration of a version that was interrupted: its description, and the end of its run."""
    client = mlflow.MlflowClient()
    with registry_errors(f"describing {version.label}"):
        if description and not client.get_model_version(version.name, str(version.number)).description:
            client.update_model_version(version.name, str(version.number), fitting(description))
    if run_id:
        mark_finished(run_id)
        delete_checkpoints(run_id)


def log_origin(card: Card) -> None:
    """Log into the active run what a bundle's card says of its training, which that run has not seen."""
    log_parameters({name: value for name, value in card.training.items() if name not in ("best_epoch", "seconds")})
    with registry_errors("logging where the bundle comes from"):
        mlflow.set_tags(
            {
                "registered_from": "a bundle",
                "data": card.data_name,
                "data_digest": card.data_digest,
                "split_digest": card.split_digest,
                "demo": str(card.demo).lower(),
                "lesionflow_version": card.versions.get("lesionflow", __version__),
            }
        )
