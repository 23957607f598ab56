"""Monitor the reports of many nights: how they differ, which raise an alarm, and a page to read in the morning."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from lesionflow.api.overrides import MonitorOptions, configured
from lesionflow.atomic import output_folder, write_together
from lesionflow.errors import DataError, RegistryError, counted, first_few
from lesionflow.model.card import VALIDATION_FILE
from lesionflow.monitoring.image_sample import ImageSample
from lesionflow.monitoring.limits import MonitorConfig, read_limits
from lesionflow.monitoring.nights import Night, check_same, read_nights, sample_of_validation
from lesionflow.monitoring.page import watch_json, watch_page
from lesionflow.monitoring.performance import estimate_performance
from lesionflow.monitoring.watch import GIVEN, VALIDATION, Reference, Watch, watch
from lesionflow.options import listed
from lesionflow.registry.config import check_model_name
from lesionflow.scoring.report import REPORT_ENDINGS
from lesionflow.scoring.review_sample import SAMPLE_COLUMNS
from lesionflow.storage.location import path_here

PAGE_FILE, JSON_FILE = MONITOR_FILES = ("nights.html", "nights.json")


def monitor(
    reports: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    config: MonitorConfig | None = None,
    *,
    tracking_uri: str | None = None,
    **overrides: Unpack[MonitorOptions],
) -> Watch:
    """Compare nights with the first ones, and with a model's validation part or a report.

    Parameters
    ----------
    reports
        Reports of `score`, one per night, in chronological order.
    out
        Folder for the page and the JSON.
    config
        What to compare them with, and limits; `overrides` replace single options of it.
    tracking_uri
        MLflow tracking store and registry.

    Returns
    -------
    Watch
        Each night with its values, its distances and its alarms.

    Raises
    ------
    ReportError
        If a report cannot be read, or the folder holds an earlier page.
    DataError
        If the reports have different models or label sets, or no predictions.
    """
    config = configured(monitor, MonitorConfig, config, overrides)
    folder = None if out is None else path_here(out, "out")
    if config.registered_model is not None:
        check_model_name(config.registered_model)
    with output_folder(folder, MONITOR_FILES, config.overwrite):
        limits = read_limits(None if config.limits is None else path_here(config.limits, "--limits"))
        files = [path_here(report, "report") for report in listed(reports)]
        lists = [file for file in files if _is_review_sample(file)]  # which `reports/*.csv` takes along
        if len(lists) == len(files):
            raise DataError("no report; name one for each night, in the order of time")
        images = ImageSample(config.images, folder) if config.images else None
        nights = read_nights([file for file in files if file not in lists], images)
        notes = []
        if images is not None:
            images.save()
            if gone := images.unreachable:
                notes.append(f"{counted(gone, 'image')} could not be measured: not where the reports say")
        if lists:
            notes.append(f"lists of --sample are not nights and are left out: {first_few(lists)}")
        given = None if config.reference is None else _reference(config.reference, nights, tracking_uri, notes)
        found = watch(nights, given, limits, config.reference_nights, tuple(notes))
        if folder is not None:
            champion = "" if config.registered_model is None else _champion(config.registered_model, tracking_uri)
            told = json.dumps(watch_json(found, champion), indent=1, allow_nan=False) + "\n"
            write_together(folder, {JSON_FILE: told, PAGE_FILE: watch_page(found, champion)}, config.overwrite)
    return found


def _is_review_sample(file: Path) -> bool:
    """Whether this is a list of images to review, which `score --sample` writes beside the report."""
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            return lines.readline(100).rstrip("\n") == ",".join(SAMPLE_COLUMNS)
    except OSError:  # which reading it as a report explains
        return False


def _reference(source: str, nights: Sequence[Night], tracking_uri: str | None, notes: list[str]) -> Reference | None:
    """A report or a model's validation part as a reference; None and a note if the model's bundle has none."""
    first = next((night for night in nights if night.model), None)
    if Path(source).suffix.lower() in REPORT_ENDINGS:
        night = read_nights([path_here(source, "--reference")])[0]
        if not night.estimates:
            raise DataError(f"{source}: has no image with a prediction to compare with; give another --reference")
        if first is not None:
            check_same(first, night)
        estimates = {name: estimate.value for name, estimate in night.estimates.items()}
        return Reference(GIVEN, night.name, night.sample, estimates)
    from lesionflow.registry.versions import (  # which brings MLflow along only for a registry's model
        SCORING_FILES,
        opened,
    )

    with opened(source, tracking_uri, (*SCORING_FILES, VALIDATION_FILE)) as resolved:
        said, classes = resolved.validation(), resolved.card.classes
    if first is not None and classes != first.diagnoses:
        raise DataError(f"{resolved.label} has other diagnoses than the nights; give the model that scored them")
    if first is not None and not resolved.may_be(first.model):
        raise DataError(
            f"--reference {source}: is {resolved.label}, and the nights were scored with {first.model}; give the model "
            "that scored them"
        )
    if said is None:
        notes.append(f"{resolved.label} has no predictions for its validation part: the first nights alone count")
        return None
    estimates = {name: estimate.value for name, estimate in estimate_performance(said).items()}
    return Reference(VALIDATION, f"of {resolved.label}", sample_of_validation(said, classes), estimates)


def _champion(name: str, tracking_uri: str | None) -> str:
    """One line on the champion and since when, or on why it cannot be determined."""
    from lesionflow.api.promote import history

    try:
        state = history(name, tracking_uri=tracking_uri)
    except RegistryError as error:
        return f"The champion is unknown: {error}"
    if state.champion is None:
        return f"{name} has no champion."
    if not state.agrees:
        return f"Champion is {name}/{state.champion}, not that of the last change."
    last = state.changes[-1]
    return f"Champion is {name}/{state.champion}, {last.decision} at {last.when} by {last.who}."
