"""Register: a bundle on disk -> a version of the registered model -> champion, if the gates say so."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from lesionflow.errors import BundleError, RegistryError
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.model.card import Card
from lesionflow.model.files import check_whole
from lesionflow.registry.champion import promote_best
from lesionflow.registry.config import DEFAULT_NAME
from lesionflow.registry.gates import Verdict
from lesionflow.registry.registering import complete, decided, find_of_run, find_registered, log_origin
from lesionflow.registry.training_artifacts import TrainingArtifacts, copy_bundle, read_artifacts, register_artifacts
from lesionflow.registry.versions import Version
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.client import connect, patient
from lesionflow.tracking.resume import delete_checkpoints, find_begun


@dataclass(frozen=True)
class Registered:
    """What came of registering a bundle."""

    version: Version
    already: bool  # it was registered before; nothing was registered now
    run_id: str | None  # of the run that the version is of now; None where it was registered before
    of_training: bool  # whether that is the run that trained it
    decision: Verdict | None  # of the gates; None where they were not asked
    unfinished: str | None  # the run of the training of several networks that this was one of, if it has not finished


def register(
    bundle: str | os.PathLike[str],
    *,
    registered_model: str | None = None,
    challenge: bool = True,
    tracking_uri: str | None = None,
    experiment: str = DEFAULT_NAME,
) -> Registered:
    """Put a bundle into the registry, as the next version of a model, and let it challenge the champion.

    bundle: the folder of a bundle, or one in which a training has kept what it could not register: that goes back into
    the run that trained it, where this registry has that run. Another bundle gets a run of its own in `experiment`.
    registered_model: as the training was told to, or `lesionflow`. A bundle that is registered already is not
    registered a second time. Raises `BundleError` for one that is not whole, before anything else, and `RegistryError`.
    """
    outcome = read_artifacts(Path(bundle))
    card = check_whole(outcome.bundle)
    if DECIDING not in card.metrics.get("validation", {}):
        raise BundleError(f"{outcome.bundle}: its training did not come to the end; it says nothing of validation")
    name = registered_model or outcome.registered_model or DEFAULT_NAME
    connect(tracking_uri)
    begun = find_begun(outcome.run_id) if outcome.run_id else None
    found = find_registered(name, card.digest)
    if found:
        version, run_id = found, None
        complete(found, outcome.description, begun.run_id if begun else None)
    else:
        if begun and (other := find_of_run(begun.run_id)):
            raise RegistryError(
                f"run {begun.run_id}, which trained this bundle, was resumed and has registered {other} since; nothing "
                "is left to register"
            )
        with patient():
            version, run_id = _register(outcome, card, name, begun.run_id if begun else None, experiment)
    decision = None
    if challenge and not (found and decided(version)):
        _, decision, _ = promote_best([version])
    return Registered(version, found is not None, run_id, begun is not None, decision, begun.parent if begun else None)


def _register(
    outcome: TrainingArtifacts, card: Card, name: str, begun: str | None, experiment: str
) -> tuple[Version, str]:
    title = f"{card.network} (registered)"
    with (
        tempfile.TemporaryDirectory() as folder,
        tracking.run(title, experiment, system_metrics=False, resumed=begun) as run_id,
    ):
        if not begun:
            log_origin(card)
        whole = replace(outcome, bundle=copy_bundle(outcome.bundle, Path(folder)))
        version = register_artifacts(whole, name)
    delete_checkpoints(run_id)
    return version, run_id
