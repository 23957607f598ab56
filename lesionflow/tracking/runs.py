"""MLflow runs: how they are started, what is logged, and the configuration that repeats them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import platform
import re
import shlex
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import PARTS, Split
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import MissingError, RegistryError, UsageError
from lesionflow.evaluation.metrics import Place, shown_at
from lesionflow.evaluation.stability import STABILITY
from lesionflow.model.card import Card, Estimate
from lesionflow.storage.location import path_here
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import active_run_id, found_or_none, mlflow, registry_errors, shown_address
from lesionflow.tracking.tracking_store import connect, find_or_create_experiment, kept_addresses
from lesionflow.training.config import CONFIG_FILE, TrainingConfig, settings_text
from lesionflow.version import __version__
from lesionflow.yaml_files import read_settings_text

if TYPE_CHECKING:
    from lesionflow.evaluation.result import Evaluation

RUNS = "runs:/"
RETRY_AFTER = 60  # seconds after a failed call: asking a server that hangs costs 20

SPLIT_FILE = "split.csv"  # which image is of which lesion, diagnosis, bytes and part
COMPARED_PICTURES = ("confusion_matrix", "malignant_roc", "reliability")


_Given = ParamSpec("_Given")


@contextlib.contextmanager
def run(
    name: str, experiment: str, *, nested: bool = False, system_metrics: bool = True, resumed: str | None = None
) -> Iterator[str]:
    """Start a run; when the block ends, it ends as finished, failed or killed.

    Parameters
    ----------
    name : str
        Name of the run. One that was given with `mlflow run --run-name` stays.
    experiment : str
        Name of the experiment. Where it is the default, `MLFLOW_EXPERIMENT_ID` comes first, which
        `mlflow.set_experiment` sets as well. With `mlflow run`, whose run is in an experiment already, another name
        is refused.
    nested : bool
        Whether the run is a child of the active one. Inside a run that the caller has started it always is, in that
        run's experiment.
    system_metrics : bool
        Whether the machine's load is logged, unless the user has turned that off for MLflow.
    resumed : str, optional
        Id of an interrupted run to go on with, in its experiment. A run that `mlflow run` has begun is taken up too.

    Yields
    ------
    str
        The run's id.
    """
    with registry_errors("starting a run"):
        begun = None if resumed or nested else os.environ.get("MLFLOW_RUN_ID")
        chosen: dict[str, Any] = {}
        if resumed:
            chosen = {"run_id": resumed}
        elif begun:
            if experiment not in (DEFAULT_NAME, known := _experiment_of(begun)):
                raise UsageError(
                    f"--experiment {experiment}: 'mlflow run' has begun its run in {known}; name the experiment there: "
                    f"mlflow run --experiment-name {shlex.quote(experiment)}"
                )
        else:
            chosen = {"run_name": name, "experiment_id": _experiment_id(experiment)}
        within = mlflow.active_run() is not None
        with _no_active_experiment() if resumed else contextlib.nullcontext():
            active = mlflow.start_run(
                **chosen, nested=nested or within, log_system_metrics=None if system_metrics else False
            )
        if begun and _is_random_name(active.info.run_name):
            mlflow.set_tag("mlflow.runName", name)
    with active:
        try:
            yield active.info.run_id
        except BaseException as error:
            with contextlib.suppress(Exception):  # a server that is gone must not hide what went wrong
                _end_unfinished(active.info.run_id, stopped=isinstance(error, KeyboardInterrupt))
            raise
        with registry_errors("ending the run, whose results are all logged,"):
            mlflow.end_run()


@contextlib.contextmanager
def _no_active_experiment() -> Iterator[None]:
    """Take the experiment that the program has chosen back for the block: MLflow starts no run of another one again.

    Nothing public does: choosing the run's own would be for good, also where it is in another store.
    """
    from mlflow.tracking import fluent

    chosen = getattr(fluent, "_active_experiment_id", None)
    fluent._active_experiment_id = None
    try:
        yield
    finally:
        fluent._active_experiment_id = chosen


@contextlib.contextmanager
def without_autologging() -> Iterator[None]:
    """Turn the caller's `mlflow.autolog` off inside the block.

    It would log what Keras counts beside the run's own metrics, under names like theirs.
    """
    from mlflow.utils.autologging_utils import disable_autologging

    with disable_autologging():
        yield


def _end_unfinished(run_id: str, *, stopped: bool) -> None:
    """End the active run as killed or failed; stopped: by the user, who does not wait for a locked database."""
    status = "KILLED" if stopped else "FAILED"
    try:
        mlflow.end_run(status)
    except mlflow.MlflowException as error:
        if stopped or "database is locked" not in str(error):
            raise
        for _ in range(2):  # each waits 20 seconds; what held the lock may have been what failed the run
            with contextlib.suppress(mlflow.MlflowException):
                mlflow.MlflowClient().set_terminated(run_id, status)
                return


def _experiment_id(name: str) -> str:
    """The experiment of a new run, created if missing. MLflow's global active experiment is not changed."""
    if (active := mlflow.active_run()) is not None:
        run_id, address = active.info.run_id, shown_address(str(mlflow.get_tracking_uri()))
        if found_or_none("looking the active run up", lambda: mlflow.MlflowClient().get_run(run_id)) is None:
            raise UsageError(
                f"the active run {run_id} is not in {address}; end it with mlflow.end_run(), or name its own store"
            )
        return str(active.info.experiment_id)
    if name == DEFAULT_NAME and (chosen := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return chosen
    return find_or_create_experiment(name)


def _experiment_of(run_id: str) -> str:
    """The name of a run's experiment."""
    client = mlflow.MlflowClient()
    return str(client.get_experiment(client.get_run(run_id).info.experiment_id).name)


def _is_random_name(name: str) -> bool:
    """Whether a run's name was generated by MLflow (`gifted-lark-123`) rather than given by the user."""
    try:
        from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES
    except ImportError:  # then every name stays
        return False
    matched = re.fullmatch(r"(.+)-([^-]+)-\d+", name)
    return matched is not None and matched[1] in _GENERATOR_PREDICATES and matched[2] in _GENERATOR_NOUNS


class CircuitBreaker:
    """Makes calls to a server that may fail during training; failure and recovery are each reported once."""

    def __init__(self, tell: Callable[[str], None]):
        self.tell = tell
        self.failing_since: float | None = None
        self.retry_at = 0.0
        self.lock = threading.Lock()  # epochs and checkpoints are written by different threads

    def attempt(self, call: Callable[_Given, None], *given: _Given.args, **named: _Given.kwargs) -> bool:
        """Make a call; returns whether it succeeded. It is skipped for `RETRY_AFTER` seconds after a failure."""
        with self.lock:
            if time.monotonic() < self.retry_at:
                return False
            try:
                call(*given, **named)
            except RegistryError as error:
                if self.failing_since is None:
                    self.failing_since = time.monotonic()
                    self.tell(f"WARNING: {error}; training continues, and what is missing is written later")
                self.retry_at = time.monotonic() + RETRY_AFTER
                return False
            if self.failing_since is not None:
                self.tell(f"the store takes writes again, after {time.monotonic() - self.failing_since:.0f} seconds")
                self.failing_since = None
            return True


def _log_data_sets(images: LabelledImages, context: str) -> None:
    """Log the images as a data set of the run and, if they are of several sources, each source as one more."""
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    logged = [(images.name, images.digest, images.folder, context)]
    table = images.table
    if images.has_sources:
        logged = [(images.name, images.digest, _common_folder(table["path"], images.folder), context)]
        for source, rows in table.groupby("source", sort=False):
            digest = hashlib.sha256("".join(sorted(rows["content"])).encode()).hexdigest()
            logged.append((str(source), digest, _common_folder(rows["path"], images.folder), "source"))
    for name, digest, folder, context in logged:
        with warnings.catch_warnings():  # two kinds of local source fit, and either does
            warnings.simplefilter("ignore")
            source = resolve_dataset_source(folder.resolve().as_uri())
        # MLflow's own documentation creates it so, though it is abstract.
        mlflow.log_input(MetaDataset(source, name=name, digest=digest[:36]), context=context)  # type: ignore[abstract]


def _common_folder(paths: Iterable[str], otherwise: Path) -> Path:
    """The folder that all files lie in or below, some of which may be named from the working directory."""
    folders = {os.path.abspath(folder) for folder in {os.path.dirname(path) for path in paths}}
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # on several drives of Windows
        return otherwise


def log_setting(parameters: dict[str, Any], images: LabelledImages, split: Split) -> None:
    """Log the setup of a training: parameters, data set, split, code and package versions."""
    with registry_errors("logging the run's setting"):
        log_parameters(parameters)
        columns = ["image_id", "lesion_id", "dx", "content", *(["source"] if images.has_sources else [])]
        table = images.table[columns].assign(part=split.part_of_each(len(images.table)))
        mlflow.log_text(table.to_csv(index=False), SPLIT_FILE)
        mlflow.log_dict(
            {
                "data": images.name,
                "data_digest": images.digest,
                "split_digest": split.digest,
                "seed": split.seed,
                "fractions": dict(zip(PARTS, split.fractions, strict=True)),
                "images": {part: len(split.part(part)) for part in PARTS},
                "lesions": {part: int(images.table["lesion_id"].iloc[split.part(part)].nunique()) for part in PARTS},
            },
            "split.json",
        )
        mlflow.log_dict(package_versions(), "versions.json")
    log_data(images, "training", {"split_digest": split.digest})


def log_data(images: LabelledImages, context: str, tags: Mapping[str, str]) -> None:
    """Log the data set of a run as its input, and tags that name it and the code; tags: further ones."""
    with registry_errors("logging the run's data set"):
        _log_data_sets(images, context)
        mlflow.set_tags(
            {
                "data": images.description,
                "data_digest": images.digest,
                "demo": str(images.demo).lower(),
                "lesionflow_version": __version__,
                "mlflow_version": mlflow.__version__,  # says what a database needs that an older MLflow meets
                "git_commit": git_commit(),
                **tags,
            }
        )


def log_parameters(parameters: dict[str, Any]) -> None:
    """Log the parameters of a run; existing ones are kept."""
    with registry_errors("logging the run's parameters"):
        # `mlflow run` has logged its -P values as they were typed; the same key in another spelling would be refused.
        known = mlflow.get_run(active_run_id()).data.params
        mlflow.log_params({key: value for key, value in parameters.items() if key not in known})


def log_epoch(epoch: int, metrics: dict[str, float]) -> None:
    """Log the metrics of one epoch, under `epoch/`."""
    with registry_errors(f"logging epoch {epoch}"):
        mlflow.log_metrics({f"epoch/{name}": value for name, value in metrics.items()}, step=epoch)


def log_metrics(metrics: dict[str, float]) -> None:
    """Log final metrics; those from before an interruption are kept."""
    with registry_errors("logging metrics"):
        known = mlflow.get_run(active_run_id()).data.metrics
        mlflow.log_metrics({name: value for name, value in metrics.items() if name not in known})


def log_estimates(part: str, metrics: Mapping[str, Estimate], labels: LabelSet) -> None:
    """Log the metrics that runs are compared by; the evaluation has all of them, with their intervals."""
    names = list(metrics) if part == STABILITY else [metric.name for metric in shown_at(Place.RUNS, labels)]
    log_metrics({f"{part}/{name}": metrics[name].value for name in names if name in metrics})


def log_picture(name: str, content: bytes) -> None:
    """Log a PNG among the run's artifacts and in the image grid of the compare view."""
    from PIL import Image

    with registry_errors(f"logging the picture {name}"), temporary_folder() as folder:
        (folder / f"{name}.png").write_bytes(content)
        mlflow.log_artifact(str(folder / f"{name}.png"))
        with Image.open(io.BytesIO(content)) as opened:
            # the default logs it in the background, where a failure is only printed and the run counts as complete
            mlflow.log_image(opened, key=name, step=0, synchronous=True)


def log_evaluation(evaluation: Evaluation, part: str) -> None:
    """Log an evaluation as files under `evaluation/`, and its main pictures where runs are compared."""
    from lesionflow.evaluation.evaluate import write_evaluation

    with temporary_folder() as folder:
        write_evaluation(evaluation, folder)
        log_files(folder, f"evaluation/{part}")
    for name, content in compared_pictures(evaluation, part).items():
        log_picture(name, content)


def compared_pictures(evaluation: Evaluation, part: str) -> dict[str, bytes]:
    """Return the pictures of an evaluation that runs are compared by, as PNG, by name."""
    chosen = {f"{picture.name}_{part}": picture for picture in evaluation.pictures if picture.name in COMPARED_PICTURES}
    if part != "validation":  # once is enough
        chosen |= {picture.name: picture for picture in evaluation.pictures if picture.name == "learning_curves"}
    return {name: picture.png() for name, picture in chosen.items()}


def log_files(folder: Path, under: str | None = None) -> None:
    """Log all files of a folder as artifacts of the run, below `under`."""
    with registry_errors("logging files"):
        mlflow.log_artifacts(str(folder), under)


def log_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Log arrays as an .npz file among the artifacts of the run."""
    with temporary_folder() as folder, registry_errors(f"logging {name}"):
        np.savez_compressed(folder / name, **arrays)  # type: ignore[arg-type]
        mlflow.log_artifact(str(folder / name))


def read_arrays(run_id: str, name: str) -> dict[str, np.ndarray]:
    """The arrays that a run has logged under a name."""
    with temporary_folder() as folder, registry_errors(f"reading {name} of run {run_id}"):
        file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name, dst_path=str(folder))
        with np.load(file) as arrays:
            return dict(arrays)


def log_card_metrics(card: Card) -> None:
    """Log the metrics of a bundle's card, the deciding ones twice, and the gap between training and validation."""
    for part in card.metrics:
        log_estimates(part, card.metrics[part], card.labels)
    train, validation = card.metrics.get("train", {}), card.metrics.get("validation", {})
    gaps = {
        f"gap/{name}": train[name].value - validation[name].value
        for name in (metric.name for metric in shown_at(Place.FIT_GAP, card.labels))
        if name in train and name in validation
    }
    # Only of validation, as test decides nothing.
    deciding = {
        f"deciding/{name}": validation[name].value
        for name in (metric.name for metric in shown_at(Place.DECIDING, card.labels))
        if name in validation
    }
    told = {name: float(card.training[name]) for name in ("best_epoch", "seconds") if name in card.training}
    log_metrics(deciding | gaps | {f"training/{name}": value for name, value in told.items()})


def log_configuration(config: TrainingConfig, registered_model: str) -> None:
    """Log a configuration as an artifact of the active run; one from before an interruption is kept."""
    with registry_errors("logging the configuration"):
        client, run_id = mlflow.MlflowClient(), active_run_id()
        if any(entry.path == CONFIG_FILE for entry in client.list_artifacts(run_id)):
            return
        names = {"experiment": _experiment_of(run_id), "registered_model": registered_model}
        about = f"lesionflow {__version__}; to repeat this run: lesionflow train --config {RUNS}{run_id}/{CONFIG_FILE}"
        client.log_text(run_id, settings_text(config, names, about), CONFIG_FILE)


def read_configuration_text(source: str, tracking_uri: str | None = None) -> str:
    """Return the text of a configuration file, or of a run's: `runs:/RUN_ID/config.yaml`, or `runs:/RUN_ID`.

    Raises `MissingError` for a file that cannot be read; `UsageError` for one that is no text; `RegistryError` for a
    run that is not there or has no configuration.
    """
    try:
        if not source.startswith(RUNS):
            return read_settings_text(path_here(source, "--config"), source)
        return _fetch(source, tracking_uri)
    except UnicodeDecodeError:
        raise UsageError(f"{source}: not UTF-8 text; give a YAML file") from None
    except OSError as error:
        raise MissingError(
            f"{source}: {error.strerror or error}; give a YAML file, or {RUNS}RUN_ID/config.yaml"
        ) from None


@kept_addresses()
def _fetch(source: str, tracking_uri: str | None) -> str:
    matched = re.fullmatch(rf"{RUNS}([0-9A-Za-z_-]+)(?:/(.+))?", source)
    if not matched:
        raise UsageError(f"{source}: write {RUNS}RUN_ID/{CONFIG_FILE}")
    run_id, path = matched[1], matched[2] or CONFIG_FILE
    connect(tracking_uri)
    with temporary_folder() as folder, registry_errors(f"fetching {source}"):
        client = mlflow.MlflowClient()
        client.get_run(run_id)  # its message is clear where there is no such run
        below = path.rpartition("/")[0]
        if not any(entry.path == path for entry in client.list_artifacts(run_id, below or None)):
            raise RegistryError(f"run {run_id} kept no {path}, as trainings do; give another run, or a file")
        file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(folder))
        return Path(file).read_text(encoding="utf-8-sig")


REPORTED_PACKAGES = (
    "keras", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "pillow", "scikit-learn", "tensorflow", "tf2onnx",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """The versions of Python, lesionflow and installed packages on which metrics depend."""
    return {"python": platform.python_version(), "lesionflow": __version__} | installed_versions(REPORTED_PACKAGES)


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that are installed, among those asked for."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def git_commit() -> str:
    """The commit of the checkout that this code runs from, marked where files differ from it; else `unknown`."""
    folder = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        # If installed in an environment inside another repository, the commit would be that of the other one.
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", Path(__file__).name],
            cwd=folder, capture_output=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
