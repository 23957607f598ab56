"""The registered model and its versions: putting a bundle in, finding one again."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lesionflow.errors import RegistryError, UsageError, did_you_mean
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.model.card import CARD_FILE, ONNX_FILE, VALIDATION_FILE, Card, read_card
from lesionflow.model.files import read_arrays
from lesionflow.model.prediction import LabelledPredictions, read_labelled
from lesionflow.model.pyfunc import INPUT_COLUMN, OUTPUT_COLUMNS
from lesionflow.model.shipped import PRETRAINED, in_its_place, pretrained_folder
from lesionflow.registry.local_store import Entry, find_entry, local_bundle
from lesionflow.registry.remote_store import fetch_entry
from lesionflow.tracking.client import connect, mlflow, registry_errors, without_password

SCORED = (CARD_FILE, ONNX_FILE)  # what scoring reads of a bundle
_MOST_DESCRIBED = 5000  # characters of a description; the columns of MLflow's databases hold no more


@dataclass(frozen=True)
class Version:
    """A registered version and what its bundle's card says."""

    name: str
    number: int
    card: Card

    @property
    def label(self) -> str:
        """How messages and reports name it; demo data marked."""
        return f"{self.name}/{self.number}" + (" (demo data)" if self.card.demo else "")


def register_bundle(folder: Path, card: Card, name: str, example: bytes | None, description: str = "") -> Version:
    """Log a bundle into the active run as one MLflow model and register it as the next version of `name`.

    example: the bytes of an image file, kept with the model as its input example, or None; description: Markdown that
    MLflow shows with the version. One that is too long for MLflow's databases ends with a line that says so.
    """
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    signature = ModelSignature(
        # Not "binary": a server would then refuse all images of a request in which one is null or no base64.
        inputs=Schema([ColSpec(AnyType(), INPUT_COLUMN)]),
        outputs=Schema([ColSpec(kind, column) for column, kind in OUTPUT_COLUMNS.items()]),
    )
    requirements = ["mlflow", "numpy", "onnxruntime", "pandas", "pillow"]
    with registry_errors("registering the model"), tempfile.TemporaryDirectory() as code:
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="lesionflow.model.pyfunc",
            data_path=str(folder),
            # With its code aboard the model also loads where lesionflow is not installed: a server, a Spark worker.
            code_paths=[str(_copy_code(Path(__file__).parents[1], Path(code)))],
            pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in requirements],
            signature=signature,
            input_example=None if example is None else pd.DataFrame({INPUT_COLUMN: [example]}),
            metadata={"card_digest": card.digest, "demo": card.demo},
        )
        registered = mlflow.register_model(
            logged.model_uri,
            name,
            tags={
                "network": card.network,
                "data": f"{card.data_name}{' (synthetic demo data)' if card.demo else ''}",
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
    """A copy of lesionflow's code without the bundle that ships with it: a model brings its own along."""
    ours = shutil.ignore_patterns("__pycache__")

    def left_out(folder: str, names: list[str]) -> set[str]:
        return ours(folder, names) | ({PRETRAINED} if Path(folder) == package else set())

    return Path(shutil.copytree(package, into / package.name, ignore=left_out))


def fitting(description: str) -> str:
    """A description that MLflow's databases can hold, cut off where it is too long."""
    if len(description) <= _MOST_DESCRIBED:
        return description
    rest = "\n\n*Cut off here: MLflow keeps no more. The bundle among the artifacts has the whole text.*\n"
    return description[: _MOST_DESCRIBED - len(rest)].rpartition("\n")[0] + rest


def number_by_alias(name: str, alias: str) -> int | None:
    """The number of the version behind an alias, or None."""
    with registry_errors(f"looking {name}@{alias} up"):
        try:
            return int(mlflow.MlflowClient().get_model_version_by_alias(name, alias).version)
        except mlflow.MlflowException as error:
            # An unknown alias is INVALID_PARAMETER_VALUE, an unknown model RESOURCE_DOES_NOT_EXIST.
            if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
                return None
            raise


def find_version(name: str, number: int) -> Version:
    """A registered version with its card."""
    with tempfile.TemporaryDirectory() as folder:
        return Version(name, number, read_card(_download(name, number, Path(folder), (CARD_FILE,))))


def is_registered(name: str, number: int) -> bool:
    """Whether the registry holds a version, which may have been deleted since somebody noted its number."""
    with registry_errors(f"looking {name}/{number} up"):
        try:
            mlflow.MlflowClient().get_model_version(name, str(number))
        except mlflow.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
    return True


def find_validation(version: Version) -> LabelledPredictions | None:
    """What a registered version says of its validation part; None where its bundle came without."""
    if VALIDATION_FILE not in version.card.digests:
        return None
    with tempfile.TemporaryDirectory() as folder:
        bundle = _download(version.name, version.number, Path(folder), (VALIDATION_FILE,))
        return read_labelled(read_arrays(bundle, version.card, VALIDATION_FILE))


def registered_at(name: str, number: int) -> datetime.datetime:
    """When a version was registered, UTC."""
    with registry_errors(f"looking {name}/{number} up"):
        milliseconds = mlflow.MlflowClient().get_model_version(name, str(number)).creation_timestamp
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)


@dataclass(frozen=True)
class Resolved:
    """A bundle on this machine, and how to name it in a report."""

    folder: Path
    label: str


def resolve(
    model: str, download_to: Path, tracking_uri: str | None = None, files: tuple[str, ...] = SCORED
) -> Resolved:
    """Find the bundle that `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or a folder names.

    What lies on this machine is used where it is; from elsewhere those files of it are copied into `download_to`.
    Nothing of it is run. Raises `RegistryError` where the registry does not hold it, or holds something else than was
    registered, `BundleError` where nothing ships as `pretrained`, `UsageError` where the text is none of the four.
    """
    if not model.startswith("models:"):
        return resolve_folder(model)
    name, alias, number = parse_address(model)
    asked = (name, alias, number, tracking_uri)
    entry = find_entry(*asked) or fetch_entry(*asked, download_to, files) or _ask(*asked, download_to, files)
    version = Version(name, entry.number, read_card(entry.bundle))
    if version.card.digest != entry.card_digest:
        raise RegistryError(
            f"{version.label}: the bundle in {entry.bundle} is another one than was registered; restore it"
        )
    return Resolved(entry.bundle, version.label)


def resolve_folder(model: str) -> Resolved:
    """The bundle that `pretrained` or the path of a folder names; a folder of that name is `./pretrained`."""
    if model == PRETRAINED:
        folder, prefix = pretrained_folder(), f"{PRETRAINED} "
    else:
        folder, prefix = Path(model), ""
    if not folder.is_dir():
        raise UsageError(
            f"{model}: no such bundle folder{did_you_mean(model, (PRETRAINED,))}; give one, {PRETRAINED}, "
            "models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    card = read_card(folder)
    return Resolved(folder, prefix + card.label + (" (demo data)" if card.demo else ""))


def parse_address(model: str) -> tuple[str, str | None, int | None]:
    """The name and the alias or the number of `models:/NAME@ALIAS` or `models:/NAME/VERSION`; else `UsageError`."""
    matched = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", model)
    if not matched:
        raise UsageError(f"{model}: write models:/NAME@ALIAS or models:/NAME/VERSION")
    name, alias, number = matched.groups()
    return name, alias, int(number) if number else None


def _ask(
    name: str,
    alias: str | None,
    number: int | None,
    tracking_uri: str | None,
    download_to: Path,
    files: tuple[str, ...],
) -> Entry:
    """What `find_entry` finds, of any registry, with MLflow; a bundle that is not on this machine is copied."""
    connect(tracking_uri)
    if alias is not None:
        number = number_by_alias(name, alias)
    if number is None:
        raise RegistryError(
            f"no {alias} of {name} in the registry {_registry()}{suggest_model(name, alias)}; train one with "
            f"'lesionflow train', or name another model with --model{in_its_place()}"
        )
    folder = _download(name, number, download_to, files)
    with registry_errors(f"looking {name}/{number} up"):
        registered = mlflow.MlflowClient().get_model_version(name, str(number)).tags.get("card_digest")
    if registered is None:
        raise RegistryError(f"{name}/{number} is not a model that lesionflow registered")
    return Entry(number, folder, registered)


def _download(name: str, number: int, folder: Path, files: tuple[str, ...]) -> Path:
    """The folder with those files of a version's bundle: where they are on this machine, else `folder`, with copies."""
    with registry_errors(f"fetching {name}/{number}"):
        try:
            source = mlflow.MlflowClient().get_model_version_download_uri(name, str(number))
        except mlflow.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise RegistryError(
                f"no version {number} of {name} in the registry {_registry()}{suggest_model(name)}"
            ) from error
        if here := local_bundle(source):
            return here
        entries = mlflow.artifacts.list_artifacts(artifact_uri=f"{source}/data")
        if len(entries) != 1 or not entries[0].is_dir:
            raise RegistryError(f"{name}/{number} is not a model that lesionflow registered")
        bundle = f"{source}/data/{Path(entries[0].path).name}"
        for file in files:
            mlflow.artifacts.download_artifacts(artifact_uri=f"{bundle}/{file}", dst_path=str(folder))
    return folder


def _registry() -> str:
    return without_password(str(mlflow.get_registry_uri()))


def suggest_model(name: str, alias: str | None = None) -> str:
    """Return `; did you mean 'lesionflow'?` for a registered model or one of its aliases; empty where none is near."""
    with contextlib.suppress(Exception):  # part of a message about another error
        client = mlflow.MlflowClient()
        models = {model.name: model for model in client.search_registered_models(max_results=200)}
        if name not in models:
            return did_you_mean(name, models)
        if alias is not None:
            return did_you_mean(alias, models[name].aliases)
    return ""
