"""Versions of the registered model: registering a bundle, and finding one again."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.errors import BundleError, RegistryError, UsageError, did_you_mean, first_few
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.evaluation.model_card import fitting
from lesionflow.model.card import CARD_FILE, HASHES_FILE, ONNX_FILE, TRAINED_ON_FILE, VALIDATION_FILE, Card, read_card
from lesionflow.model.files import (
    PRETRAINED,
    bundle_of_logged_model,
    in_its_place,
    pretrained_folder,
    read_arrays,
    read_bundle,
)
from lesionflow.model.prediction import LabelledPredictions, read_labelled
from lesionflow.model.pyfunc import INPUT_COLUMN, REQUIREMENTS, output_columns
from lesionflow.registry.lookup import Entry, fetch_entry, find_entry
from lesionflow.storage.location import is_no_folder, path_here
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import found_or_none, mlflow, registry_errors, without_password
from lesionflow.tracking.database import MissingStoreError
from lesionflow.tracking.tracking_store import command_line, connect, explain_missing, kept_addresses

if TYPE_CHECKING:
    import numpy as np

SCORING_FILES = (CARD_FILE, ONNX_FILE)  # what scoring reads of a bundle
CHAMPION = "champion"  # the alias
LATEST = "latest"  # the newest version, whichever that is
LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})|runs:/([0-9A-Za-z_-]+)/([^/]+)")
ADDRESSES = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-ID or runs:/ID/model"


@dataclass(frozen=True)
class Version:
    """A registered version and its bundle's card."""

    name: str
    number: int
    card: Card

    @property
    def label(self) -> str:
        """Its name in messages and reports, with demo data marked."""
        return f"{self.name}/{self.number}" + (" (demo data)" if self.card.demo else "")

    @property
    def deciding(self) -> float:
        """Its balanced accuracy on the validation part, by which the best of several versions is chosen."""
        return self.card.metrics["validation"][DECIDING].value


def register_bundle(folder: Path, card: Card, name: str, example: bytes | None, description: str = "") -> Version:
    """Log a bundle into the active run as one MLflow model and register it as the next version of `name`.

    example: the bytes of an image file, kept with the model as its input example, or None; description: the
    model card, Markdown, which MLflow shows with the version, shortened where its databases hold less.
    """
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    signature = ModelSignature(
        # Not "binary": a server would then refuse all images of a request in which one is null or no base64.
        inputs=Schema([ColSpec(AnyType(), INPUT_COLUMN)]),
        outputs=Schema([ColSpec(kind, column) for column, kind in output_columns(card.labels).items()]),
    )
    with registry_errors("registering the model"), temporary_folder() as code:
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="lesionflow.model.pyfunc",
            data_path=str(folder),
            # With its code aboard the model also loads where lesionflow is not installed: a server, a Spark worker.
            code_paths=[str(_copy_code(Path(__file__).parents[1], code))],
            pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in REQUIREMENTS],
            signature=signature,
            input_example=None if example is None else pd.DataFrame({INPUT_COLUMN: [example]}),
            metadata={"card_digest": card.digest, "demo": card.demo},
        )
        registered = mlflow.register_model(
            logged.model_uri,
            name,
            tags={
                "network": card.network,
                "data": f"{card.data_told}{' (synthetic demo data)' if card.demo else ''}",
                "demo": str(card.demo).lower(),
                "data_digest": card.data_digest,
                "split_digest": card.split_digest,
                "card_digest": card.digest,
                f"validation_{DECIDING}": f"{card.metrics['validation'][DECIDING].value:.4f}",
            },
        )
        if description:
            mlflow.MlflowClient().update_model_version(name, registered.version, fitting(description))
    return Version(name, int(registered.version), card)


def _copy_code(package: Path, into: Path) -> Path:
    """A copy of lesionflow's code, without the shipped bundle, to register with a model."""
    ours = shutil.ignore_patterns("__pycache__")

    def left_out(folder: str, names: list[str]) -> set[str]:
        return ours(folder, names) | ({PRETRAINED} if Path(folder) == package else set())

    return Path(shutil.copytree(package, into / package.name, ignore=left_out))


def number_by_alias(name: str, alias: str) -> int | None:
    """Return the number of the version behind an alias, or of the newest for `latest`; None where there is none."""
    client, doing = mlflow.MlflowClient(), f"looking {name}@{alias} up"
    if alias.lower() == LATEST:
        with registry_errors(doing):
            newest = client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"], max_results=1)
        return int(newest[0].version) if newest else None
    # an unknown alias is INVALID_PARAMETER_VALUE
    found = found_or_none(doing, lambda: client.get_model_version_by_alias(name, alias), "INVALID_PARAMETER_VALUE")
    return None if found is None else int(found.version)


def find_version(name: str, number: int) -> Version:
    """Return a registered version with its card. Raises `RegistryError` if it does not exist, or was altered since."""
    with temporary_folder() as folder:
        return Version(name, number, read_card(_fetch_registered(name, number, folder, (CARD_FILE,)).bundle))


def check_scorable(name: str, number: int) -> None:
    """Raise the error that scoring with a registered version would meet: files that are gone or altered."""
    with temporary_folder() as folder:
        read_bundle(_fetch_registered(name, number, folder, SCORING_FILES).bundle)


def is_registered(name: str, number: int) -> bool:
    """Whether a version still exists in the registry."""
    client = mlflow.MlflowClient()
    return found_or_none(f"looking {name}/{number} up", lambda: client.get_model_version(name, str(number))) is not None


def find_validation(version: Version) -> LabelledPredictions | None:
    """Return a registered version's predictions for its validation part; None if its bundle has none."""
    if VALIDATION_FILE not in version.card.digests:
        return None
    with temporary_folder() as folder:
        bundle = _fetch_version(version.name, version.number, folder, (VALIDATION_FILE,))
        return Resolved(bundle, version.card, version.label).validation()


def registered_at(name: str, number: int) -> datetime.datetime:
    """Return when a version was registered, UTC."""
    with registry_errors(f"looking {name}/{number} up"):
        milliseconds = mlflow.MlflowClient().get_model_version(name, str(number)).creation_timestamp
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)


@dataclass(frozen=True)
class Resolved:
    """A bundle on this machine, and how to name it in a report."""

    folder: Path
    card: Card
    label: str
    address: str = ""  # models:/NAME/VERSION of a registered one

    def trained_on(self) -> dict[str, np.ndarray] | None:
        """What it knows of its training images, see `leaks.trained_on`, with their hashes if it has them; or None."""
        known = read_arrays(self.folder, self.card, TRAINED_ON_FILE)
        return known and known | (read_arrays(self.folder, self.card, HASHES_FILE) or {})

    def validation(self) -> LabelledPredictions | None:
        """Its predictions for its validation part; None if it has none."""
        return read_labelled(read_arrays(self.folder, self.card, VALIDATION_FILE), self.card.labels)

    def may_be(self, label: str) -> bool:
        """Whether it may be the model that a report names so: a bundle does not know which version it became."""
        if not self.address and "@" not in label:
            return True
        return label == self.label or label.removeprefix(f"{PRETRAINED} ") == self.card.marked_label


@contextlib.contextmanager
def opened(model: str, tracking_uri: str | None = None, files: tuple[str, ...] = SCORING_FILES) -> Iterator[Resolved]:
    """Find a bundle as `resolve` does; copied files exist until the block ends.

    What lies in a folder needs no place to be copied to.
    """
    with temporary_folder() if is_address(model) else contextlib.nullcontext(Path()) as folder:
        yield resolve(model, folder, tracking_uri, files)


def resolve(
    model: str, download_to: Path, tracking_uri: str | None = None, files: tuple[str, ...] = SCORING_FILES
) -> Resolved:
    """Find the bundle at a model's address. None of its code is run.

    model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME/latest`, `models:/m-ID` or `runs:/ID/NAME` of a
    logged model, `pretrained`, or a folder: of a bundle, or one that `mlflow artifacts download` made; download_to: an
    empty folder, into which those of `files` are copied that are not on this machine. Raises `RegistryError` where the
    registry does not hold it, or holds something else than was registered; `BundleError` where there is no such folder,
    or nothing ships as `pretrained`; `UsageError` for an address of another form.
    """
    if not is_address(model):
        return resolve_folder(model)
    if LOGGED_MODEL.fullmatch(model):
        return _resolve_logged(model, download_to, tracking_uri, files)
    name, alias, number = parse_address(model)
    asked = (name, alias, number, tracking_uri)
    entry = find_entry(*asked) or fetch_entry(*asked, download_to, files) or _ask(*asked, download_to, files)
    version = Version(name, entry.number, read_card(entry.bundle))
    _check_registered(version.label, version.card, entry.card_digest, entry.bundle)
    return Resolved(entry.bundle, version.card, version.label, f"models:/{name}/{entry.number}")


def is_address(model: str) -> bool:
    """Whether a text is the address of a model in a registry or run, rather than a folder."""
    return model.startswith(("models:", "runs:"))


def _as_address(model: str) -> tuple[str, ...]:
    """The address that a version's label stands for, as in `lesions/3` or `lesions@champion`; nothing for others."""
    with contextlib.suppress(UsageError):
        parse_address(f"models:/{model}")
        return (f"models:/{model}",)
    return ()


def resolve_folder(model: str) -> Resolved:
    """Find the shipped bundle (`pretrained`) or that in a folder; a folder named so is `./pretrained`."""
    if model == PRETRAINED:
        folder, prefix = pretrained_folder(), f"{PRETRAINED} "
    else:
        folder, prefix = path_here(model, "model"), ""
    if is_no_folder(folder):
        told = "a file, and no bundle folder" if os.path.isfile(folder) else "no such bundle folder"
        raise BundleError(
            f"{model}: {told}{did_you_mean(model, (PRETRAINED, *_as_address(model)))}; give one, or {PRETRAINED}, or "
            f"a registered model: {ADDRESSES}"
        )
    if not os.path.exists(folder / CARD_FILE):  # what `mlflow artifacts download` makes has the bundle inside
        folder = bundle_of_logged_model(str(folder.absolute())) or folder
    card = read_card(folder)
    return Resolved(folder, card, prefix + card.marked_label)


def parse_address(model: str) -> tuple[str, str | None, int | None]:
    """Split `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/NAME/latest` into name, alias and number.

    `latest` is an alias. Raises `UsageError` for any other text.
    """
    matched = re.fullmatch(rf"models:/([^/@:]+)(?:@([^/@]+)|/(\d+|(?i:{LATEST})))", model)
    if not matched:
        raise UsageError(f"{model}: write {ADDRESSES}")
    name, alias, number = matched.groups()
    if number and number.lower() == LATEST:  # as MLflow reads it
        return name, LATEST, None
    return name, alias, int(number) if number else None


def _check_registered(label: str, card: Card, registered: str | None, bundle: Path) -> None:
    if registered is None:
        raise RegistryError(f"{label} is not a model that lesionflow registered; name another")
    if card.digest != registered:
        raise RegistryError(
            f"{label}: the bundle in {bundle} is not the one that was registered; restore it from a copy"
        )


def _connect(tracking_uri: str | None) -> None:
    try:
        connect(tracking_uri)
    except MissingStoreError as error:
        raise MissingStoreError(f"{error}, or name another model{in_its_place()}") from error


@kept_addresses()
def _ask(
    name: str,
    alias: str | None,
    number: int | None,
    tracking_uri: str | None,
    download_to: Path,
    files: tuple[str, ...],
) -> Entry:
    """Find what `find_entry` finds, in any registry, with MLflow; a bundle that is not on this machine is copied."""
    _connect(tracking_uri)
    if alias is not None:
        number = number_by_alias(name, alias)
    if number is None:
        raise RegistryError(
            f"no {'version' if alias == LATEST else alias} of {name} in the registry {_registry()}"
            f"{suggest_model(name, alias)}; {how_to_get_one(name)}, or name another store with --tracking-uri, or "
            f"another model{in_its_place()}"
        )
    return _fetch_registered(name, number, download_to, files)


def _fetch_registered(name: str, number: int, download_to: Path, files: tuple[str, ...]) -> Entry:
    """A version whose bundle is the one that was registered, with those files of it on this machine."""
    folder = _fetch_version(name, number, download_to, files)
    with registry_errors(f"looking {name}/{number} up"):
        registered = mlflow.MlflowClient().get_model_version(name, str(number)).tags.get("card_digest")
    _check_registered(f"{name}/{number}", read_card(folder), registered, folder)
    return Entry(number, folder, str(registered))


def _fetch_version(name: str, number: int, folder: Path, files: tuple[str, ...]) -> Path:
    """Return the folder with those files of a version's bundle: its own if it is on this machine, else `folder`."""
    client = mlflow.MlflowClient()
    source = found_or_none(
        f"looking {name}/{number} up", lambda: client.get_model_version_download_uri(name, str(number))
    )
    if source is None:
        raise RegistryError(f"no version {number} of {name} in the registry {_registry()}{what_there_is(name)}")
    return _fetch_bundle(f"{name}/{number}", source, folder, files)


@kept_addresses()
def _resolve_logged(model: str, download_to: Path, tracking_uri: str | None, files: tuple[str, ...]) -> Resolved:
    """Find the bundle of a logged model, registered or not."""
    _connect(tracking_uri)
    matched = LOGGED_MODEL.fullmatch(model)
    assert matched
    client, (model_id, run_id, name) = mlflow.MlflowClient(), matched.groups()
    if run_id:
        run = found_or_none(f"looking run {run_id} up", lambda: client.get_run(run_id))
        if run is None:
            raise RegistryError(f"{model}: no run {run_id} in the store {_registry()}; 'mlflow ui' lists what there is")
        with registry_errors(f"looking for the model of run {run_id}"):
            logged = client.search_logged_models(
                [run.info.experiment_id], f"source_run_id = '{run_id}' AND name = '{name}'",
                order_by=[{"field_name": "creation_timestamp", "ascending": False}], max_results=1,
            )  # fmt: skip
        found = next(iter(logged), None)
    else:
        found = found_or_none(f"looking {model_id} up", lambda: client.get_logged_model(model_id))
    if found is None:
        raise RegistryError(
            f"{model}: no such logged model in the store {_registry()}; 'mlflow ui' lists what there is"
        )
    folder = _fetch_bundle(model, str(found.artifact_location), download_to, files)
    card = read_card(folder)
    with registry_errors(f"reading {model}"):
        about = mlflow.models.get_model_info(f"models:/{found.model_id}").metadata or {}
    _check_registered(model, card, about.get("card_digest"), folder)
    return Resolved(folder, card, card.marked_label)


def _fetch_bundle(label: str, source: str, folder: Path, files: tuple[str, ...]) -> Path:
    """Return the bundle of a logged model whose artifacts are at `source`; from elsewhere files are copied."""
    if here := bundle_of_logged_model(source):
        return here
    if missing := explain_missing(source, str(mlflow.get_registry_uri())):
        raise RegistryError(f"the files of {label} are gone: {missing}")
    with registry_errors(f"fetching {label}"):
        entries = mlflow.artifacts.list_artifacts(artifact_uri=f"{source}/data")
        if len(entries) != 1 or not entries[0].is_dir:
            raise RegistryError(f"{label} is not a model that lesionflow registered; name another")
        bundle = f"{source}/data/{Path(entries[0].path).name}"
        held = {Path(entry.path).name for entry in mlflow.artifacts.list_artifacts(artifact_uri=bundle)}
        for file in files:
            if file in held:  # reading the bundle reports required files that are missing
                mlflow.artifacts.download_artifacts(artifact_uri=f"{bundle}/{file}", dst_path=str(folder))
    return folder


def _registry() -> str:
    return without_password(str(mlflow.get_registry_uri()))


def what_there_is(name: str) -> str:
    """The registry's contents, for a message about a missing version."""
    with contextlib.suppress(Exception):  # part of a message about another error
        client = mlflow.MlflowClient()
        newest = client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"], max_results=100)
        if newest:
            return f"; its versions: {first_few([version.version for version in newest], 5)}"
        models = sorted(model.name for model in client.search_registered_models(max_results=200))
        if name in models:  # as after all were deleted
            return "; that model has no versions; 'lesionflow train' or 'lesionflow register' makes one"
        told = f"has no model of that name, only {first_few(models, 5)}" if models else "is empty"
        return f"; the registry {told}{did_you_mean(name, models)}"
    return ""


def how_to_get_one(name: str) -> str:
    """Advice about a model without a champion, or without any version, for a message."""
    with contextlib.suppress(Exception):  # part of a message about another error
        if champion := number_by_alias(name, CHAMPION):
            return f"models:/{name}@{CHAMPION} is {name}/{champion}"
        if newest := number_by_alias(name, LATEST):
            command = command_line("promote", name, str(newest))
            return f'make one champion with "{command}"' if "'" in command else f"make one champion with '{command}'"
    return "train one with 'lesionflow train'"


def suggest_model(name: str, alias: str | None = None) -> str:
    """Return ` (did you mean 'lesionflow'?)` for a similar model or alias, else which models there are; or nothing."""
    with contextlib.suppress(Exception):  # part of a message about another error
        client = mlflow.MlflowClient()
        models = {model.name: model for model in client.search_registered_models(max_results=200)}
        if name not in models:
            there = f" (it has only {first_few(sorted(models), 5)})" if models else ""
            return did_you_mean(name, models) or there
        if alias is not None:
            return did_you_mean(alias, models[name].aliases)
    return ""
