"""Promote a version by the gates or by force, roll back, and list past champions."""

from __future__ import annotations

import dataclasses
import operator
import os
from pathlib import Path
from typing import Unpack

from lesionflow.api.later_truth import join_both, notes_of_comparison, trained_before
from lesionflow.api.overrides import PromotionOptions, configured
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import RegistryError, UsageError
from lesionflow.model.files import PRETRAINED
from lesionflow.options import check_needed
from lesionflow.registry.champion import Promotion, Rollback, challenge, roll_back
from lesionflow.registry.config import PromotionConfig, check_model_name
from lesionflow.registry.gates import LabelledNight
from lesionflow.registry.history import ChampionState, checked_reason, read_state
from lesionflow.registry.versions import find_version, how_to_get_one, what_there_is
from lesionflow.tracking.tracking_store import connect, kept_addresses, kept_settings


@kept_settings()
def promote(
    name: str,
    version: int,
    config: PromotionConfig | None = None,
    *,
    reason: str = "",
    force: bool = False,
    report: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    migrate: bool = False,
    **overrides: Unpack[PromotionOptions],
) -> Promotion:
    """Make a version the champion if it passes the gates.

    The results of the gates are kept as tags of the version, with the reason. A refusal is a result, not an error.

    Parameters
    ----------
    name
        Registered model.
    version
        Number of the version.
    config
        Thresholds of the gates; `overrides` replace single options of it.
    reason
        Why; kept with the version and in the history.
    force
        Promote even if gates fail; needs a reason.
    report, truth
        A report of `score` with `also` for the champion and this version, and diagnoses that came later: both are
        compared on these images instead of validation; neither may have been trained on any of them.
    labels
        YAML file with the meaning of the words in `truth`.
    tracking_uri
        MLflow tracking store and registry.
    migrate
        Migrate the database of an older MLflow, after a backup beside it.

    Returns
    -------
    Promotion
        The results of the gates, and whether the version is now the champion.

    Raises
    ------
    RegistryError
        If the version does not exist.
    UsageError
        If the version is the bundle that ships with lesionflow.
    """
    if name == PRETRAINED:
        raise UsageError(
            f"{PRETRAINED}: comes with lesionflow and is not a registered version, so it cannot become champion; use "
            f"it with --model {PRETRAINED}, or train a model with 'lesionflow train' and promote that"
        )
    check_model_name(name)
    if not hasattr(version, "__index__") or version < 1:  # whole numbers of numpy are taken, too
        raise UsageError(f"version={version!r}: must be a whole number from 1")
    config, note = configured(promote, PromotionConfig, config, overrides), checked_reason(reason)
    if force and not note:
        raise UsageError("--force overrules the gates; say why with --reason, it is kept with the version")
    if (report is None) != (truth is None):
        raise UsageError("give --report and --truth together: images that both models scored, and their diagnoses")
    if labels is not None:
        check_needed("--labels", "--truth FILE", {"truth": truth})
    both = [] if report is None or truth is None else join_both(report, truth, labels, tracking_uri)
    connect(tracking_uri, writes=True, creates=False, migrate=migrate)
    night = None
    if report is not None:
        models = [model for model, _ in both]
        trained = dict(zip(models, trained_before(models, both[0][1], tracking_uri), strict=True))
        night = LabelledNight(
            Path(report).name,
            {model: found.predictions for model, found in both},
            trained_on={model: told for model, (known, told) in trained.items() if known},
            unknown={model: told for model, (known, told) in trained.items() if told and not known},
        )
    done = challenge(find_version(name, operator.index(version)), config, force=force, note=note, night=night)
    return dataclasses.replace(done, notes=notes_of_comparison(both[0][1]) if both else ())


@kept_settings()
def rollback(
    name: str = DEFAULT_NAME, *, reason: str = "", tracking_uri: str | None = None, migrate: bool = False
) -> Rollback:
    """Restore the previous champion; if repeated, the one before that.

    Parameters
    ----------
    name
        The registered model.
    reason
        Kept with the change.
    tracking_uri
        MLflow tracking store and registry.
    migrate
        Migrate the database of an older MLflow, after a backup beside it.

    Returns
    -------
    Rollback
        The version restored; deleted ones were skipped.

    Raises
    ------
    RegistryError
        If there is no previous champion.
    """
    name, note = check_model_name(name), checked_reason(reason)
    connect(tracking_uri, writes=True, creates=False, migrate=migrate)
    return roll_back(name, note)


@kept_addresses()
def history(name: str = DEFAULT_NAME, *, tracking_uri: str | None = None) -> ChampionState:
    """Look up the champion of a model and all that changed it.

    Parameters
    ----------
    name
        The registered model.
    tracking_uri
        MLflow tracking store and registry.

    Returns
    -------
    ChampionState
        The champion, and the changes, oldest first.

    Raises
    ------
    RegistryError
        If there never was one.
    """
    name = check_model_name(name)
    connect(tracking_uri)
    state = read_state(name)
    if not state.changes and state.champion is None:
        raise RegistryError(f"{name} has no champion and never had one{what_there_is(name)}; {how_to_get_one(name)}")
    return state
