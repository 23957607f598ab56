"""Register a bundle on disk, and make it champion if it passes the gates."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import BundleError, RegistryError, UsageError
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.model.card import CARD_FILE
from lesionflow.model.files import PRETRAINED, bundle_of_logged_model, check_whole, pretrained_folder
from lesionflow.registry import training_artifacts
from lesionflow.registry.champion import promote_best
from lesionflow.registry.config import check_model_name
from lesionflow.registry.gates import Verdict
from lesionflow.registry.versions import LOGGED_MODEL, Version, is_address, parse_address
from lesionflow.storage.location import location_text, path_here
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.client import patient
from lesionflow.tracking.resume import delete_checkpoints, find_begun
from lesionflow.tracking.tracking_store import command_line, connect, kept_settings


@dataclass(frozen=True)
class Registered:
    """The result of registering a bundle."""

    version: Version
    already: bool  # it was registered before; nothing was registered now
    run_id: str | None  # of the run that the version is of now; None where it was registered before
    of_training: bool  # whether that is the run that trained it
    verdict: Verdict | None  # of the gates; None where they were not asked
    unfinished: str | None  # the run of the training of several networks that this was one of, if it has not finished


@kept_settings()
def register(
    bundle: str | os.PathLike[str],
    *,
    registered_model: str | None = None,
    challenge: bool = True,
    tracking_uri: str | None = None,
    experiment: str = DEFAULT_NAME,
    migrate: bool = False,
) -> Registered:
    """Register a bundle as the next version of a model, and let it challenge the champion.

    Parameters
    ----------
    bundle : str or path
        The folder of a bundle, one that `mlflow artifacts download` made, `pretrained`, or the folder in which a
        training kept what it could not register: that goes back into the run that trained it, where this store has it.
    registered_model : str, optional
        Name of the registered model; by default that of the training, or `lesionflow`.
    challenge : bool
        Ask the gates whether it becomes champion.
    tracking_uri : str, optional
        The store.
    experiment : str
        Experiment for the run of a bundle that has none.
    migrate : bool
        Migrate the database of an older MLflow, after a backup.

    Returns
    -------
    Registered
        A bundle that is already registered is not registered again.

    Raises
    ------
    BundleError
        If the bundle is incomplete, before anything else.
    RegistryError
        If the store does not answer or refuses.
    """
    outcome = training_artifacts.read_artifacts(_bundle_folder(location_text(bundle, "bundle")))
    card = check_whole(outcome.bundle)
    if DECIDING not in card.metrics.get("validation", {}):
        raise BundleError(
            f"{outcome.bundle}: its training did not finish, so it has no validation metrics; resume that training"
        )
    name = check_model_name(registered_model or outcome.registered_model or DEFAULT_NAME)
    connect(tracking_uri, writes=True, migrate=migrate)
    begun = find_begun(outcome.run_id) if outcome.run_id else None
    found = training_artifacts.find_registered(name, card.digest)
    run_id: str | None = None
    if found:
        version = found
        training_artifacts.complete_registration(found, outcome.description, begun.run_id if begun else None)
    else:
        if begun and (other := training_artifacts.find_of_run(begun.run_id)):
            raise RegistryError(
                f"run {begun.run_id}, which trained this bundle, was resumed and has registered {other[0]}/{other[1]} "
                "since; nothing is left to register"
            )
        with patient():
            title, resumed = f"{card.network} (registered)", begun.run_id if begun else None
            with (
                temporary_folder() as folder,
                tracking.run(title, experiment, system_metrics=False, resumed=resumed) as run_id,
            ):
                if begun is None:
                    training_artifacts.log_origin(card)
                copy = training_artifacts.copy_bundle(outcome.bundle, folder / training_artifacts.BUNDLE)
                version = training_artifacts.register_artifacts(replace(outcome, bundle=copy), name)
            delete_checkpoints(run_id)
    verdict = None
    if challenge and not (found and training_artifacts.decided(version)):
        _, verdict = promote_best([version])
    return Registered(version, found is not None, run_id, begun is not None, verdict, begun.parent if begun else None)


def _bundle_folder(bundle: str) -> Path:
    """The folder of the bundle to register; `mlflow artifacts download` puts it into a subfolder."""
    if bundle == PRETRAINED:
        return pretrained_folder()
    if is_address(bundle):
        export = shlex.join(["lesionflow", "export", bundle, "FOLDER"])
        if LOGGED_MODEL.fullmatch(bundle):
            raise UsageError(f"{bundle}: not a folder; make one, which registers, with {export}")
        name, _, number = parse_address(bundle)
        promote = command_line("promote", name, str(number or "VERSION"))
        raise UsageError(
            f"{bundle}: is registered already; to ask whether it becomes the champion: {promote}; for another name or "
            f"store, register the folder that this makes: {export}"
        )
    folder = path_here(bundle, "bundle")
    if os.path.isdir(folder) and not os.path.exists(folder / CARD_FILE) and not training_artifacts.is_kept(folder):
        return bundle_of_logged_model(str(folder.absolute())) or folder
    return folder
