"""The tracking store: which one is used, its experiments, and its artifacts where they were moved.

What databases need before MLflow opens them is in `database`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from lesionflow.defaults import no_collection
from lesionflow.errors import MissingError, RegistryError, UsageError
from lesionflow.storage.location import local_address, local_path, location_text
from lesionflow.tracking.client import (
    DEFAULT_STORE,
    NOT_MLFLOW,
    mlflow,
    registry_errors,
    set_variables,
    shown_address,
    unset_variables,
)
from lesionflow.tracking.database import (
    ask_both,
    back_up,
    is_database,
    original_address,
    prepare,
    sqlite_address,
    sqlite_file,
)

# Those that MLflow sets with its addresses, and those that `connect` sets with a server's.
_ADDRESS_VARIABLES = (
    "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip
# What the shell has, in which the commands of messages are given: MLflow sets the variable for this process later.
_SET_BY_USER = os.environ.get(_ADDRESS_VARIABLES[0])
_SERVERS_AND_FOLDERS = ("http", "https", "file", "databricks", "databricks-uc", "uc")
# Where MLflow keeps addresses of artifacts: they are absolute, whatever was given.
_ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("storage_location", "source"),
    "trace_tags": ("value",),
}

_levels: dict[str, int] = {}  # those of MLflow's loggers, before `connect` set them
_variables: set[str] = set()  # that `connect` set
_blocks = 0  # of `kept_settings` that the program is in


@no_collection()  # it imports most of MLflow and SQLAlchemy, whose objects all stay
def connect(
    tracking_uri: str | None = None, *, writes: bool = False, creates: bool = True, migrate: bool = False
) -> str:
    """Choose the tracking store, check that it and the registry answer, and return its address, without a password.

    tracking_uri: without it MLflow's own choice counts: `MLFLOW_TRACKING_URI`, else `sqlite:///mlflow.db`. User and
    password are moved from the address to the environment variables that MLflow reads. writes: whether the store is
    going to be written to: a missing database is then made, an older one refused, unless `migrate` says to migrate it,
    after a backup. Readers make and change nothing. creates: whether who writes has a use for a new, empty store: what
    changes something that is there has none. Raises `RegistryError` within seconds where nothing answers, and for a
    database that the installed MLflow cannot use.
    """
    if tracking_uri:
        tracking_uri = location_text(tracking_uri, "tracking_uri")
        check_kind(tracking_uri)  # before the import of MLflow, which takes seconds
    _variables.update(set_variables())
    current = str(mlflow.get_tracking_uri())
    asked = tracking_uri or _without_escapes(original_address(current))
    check_kind(asked)
    # Schema migrations and the like are not output of ours; importing MLflow sets its level. What it logs of a database
    # with a traceback, it raises as well.
    for name, level in ("mlflow", "WARNING"), ("alembic", "WARNING"), ("mlflow.store.db.utils", "CRITICAL"):
        _levels.setdefault(name, logging.getLogger(name).level)
        logging.getLogger(name).setLevel(level)
    address = _without_credentials(asked)
    literal = Path(address.removeprefix("sqlite:///")).parent  # MLflow makes this folder, escapes and all
    unwanted = "%" in address and sqlite_file(address) is not None and not literal.exists()
    usable = prepare(address, writes=writes, creates=creates, migrate=migrate)
    if usable != current:
        mlflow.set_tracking_uri(usable)
    registry = original_address(str(mlflow.get_registry_uri()))
    if registry != address:
        usable = prepare(registry, writes=writes, creates=creates, migrate=migrate)
        if usable != str(mlflow.get_registry_uri()):
            mlflow.set_registry_uri(usable)
    ask_both()
    if unwanted:
        with contextlib.suppress(OSError):  # not empty, so it is in use
            for folder, *_ in os.walk(literal, topdown=False):  # also those of an unfinished database
                os.rmdir(folder)
            os.removedirs(literal.parent)
    return address


def check_kind(address: str) -> None:
    """Raise `UsageError` for the address of a store of a kind that neither MLflow nor a plugin of it opens."""
    kind, separator, _ = address.partition("://")
    if not separator or kind in _SERVERS_AND_FOLDERS or is_database(address):
        return
    from importlib.metadata import entry_points  # which scoring from a store does without

    if kind not in entry_points(group="mlflow.tracking_store").names:
        raise UsageError(
            f"--tracking-uri {shown_address(address)}: {kind}:// is no kind of tracking store; give "
            "sqlite:///FILE.db, the https:// address of a server, or that of a PostgreSQL or MySQL database"
        )


def is_to_be_made(tracking_uri: str | None = None) -> bool:
    """Whether `connect` with the same address would make the store's file, when it may."""
    asked = location_text(tracking_uri, "tracking_uri") if tracking_uri else str(mlflow.get_tracking_uri())
    file = sqlite_file(asked if tracking_uri else _without_escapes(original_address(asked)))
    return file is not None and not file.exists()


@contextlib.contextmanager
def kept_settings() -> Iterator[None]:
    """Restore MLflow's logging and timeouts after the outermost block, and a store that the program uses already.

    Where it uses none, MLflow's store is afterwards the one that was written to.
    """
    uses_one = "mlflow" in sys.modules and (mlflow.is_tracking_uri_set() or mlflow.active_run() is not None)
    with kept_addresses() if uses_one else _kept_levels():
        yield


@contextlib.contextmanager
def _kept_levels() -> Iterator[None]:
    global _blocks
    if not _blocks:
        _levels.clear()
        _variables.clear()
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        while not _blocks and _levels:
            name, level = _levels.popitem()
            logging.getLogger(name).setLevel(level)
        if not _blocks:
            unset_variables(_variables)


@contextlib.contextmanager
def kept_addresses() -> Iterator[None]:
    """Restore the tracking store after the block, for MLflow and for programs started later.

    What a user's program logs next must not go to a store that it named for one call, or to the copy of an older
    database.
    """
    asked, variables = _asked(), {name: os.environ.get(name) for name in _ADDRESS_VARIABLES}
    chosen = asked is not None and mlflow.is_tracking_uri_set()  # otherwise it follows the working directory
    try:
        with _kept_levels():
            yield
    finally:
        another = _asked() != asked
        if another:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # which is how it begins
            mlflow.set_registry_uri(None)  # type: ignore[arg-type]
        for name, value in variables.items():  # user and password, too, also of the same address
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if another:
            if asked and chosen and mlflow.get_tracking_uri() != asked[0]:  # by the program, not in the environment
                mlflow.set_tracking_uri(asked[0])
            if asked and asked[1] != asked[0] and mlflow.get_registry_uri() != asked[1]:
                mlflow.set_registry_uri(asked[1])


def _asked() -> tuple[str, str] | None:
    """MLflow's current tracking store and registry; None while it is not imported."""
    return (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) if "mlflow" in sys.modules else None


def find_or_create_experiment(name: str) -> str:
    """Return the id of an experiment, created if missing. MLflow's global active experiment is not changed.

    Raises `RegistryError` where the experiment was deleted, or its artifacts are gone.
    """
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, _artifact_location(name)))
        except mlflow.MlflowException as error:  # another process created it in between
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
            assert found is not None
    if not found.experiment_id:  # MLflow reads `{}` as one without
        raise mlflow.MlflowException(NOT_MLFLOW)
    if found.lifecycle_stage == "deleted":
        raise RegistryError(
            f"experiment {name} was deleted; 'mlflow experiments restore --experiment-id {found.experiment_id}' brings "
            "it back with all of its runs, those too that were deleted before it, or name another with --experiment"
        )
    if moved := explain_moved(str(found.artifact_location), str(mlflow.get_tracking_uri())):
        raise RegistryError(f"the artifacts of experiment {name} are gone: {moved}")
    return str(found.experiment_id)


def _artifact_location(name: str) -> str | None:
    """Where artifacts go if MLflow would take the path that it chooses itself for another one; else its own choice."""
    folder = Path.cwd() / "mlruns"
    own = is_database(str(mlflow.get_tracking_uri())) and local_address(folder) != str(folder)
    return local_address(folder / name.replace("/", "-")) if own else None


def _without_escapes(address: str) -> str:
    """Return MLflow's default address as the path that it means: `my%20moles` is another folder to SQLAlchemy 2.0."""
    file = os.path.abspath(DEFAULT_STORE)
    return sqlite_address(Path(file)) if unquote(address) == f"sqlite:///{file}" else address


def _without_credentials(address: str) -> str:
    """Return a server's address without user and password, which go where MLflow reads them and no message does."""
    scheme, separator, rest = address.partition("://")
    who, _, host = rest.rpartition("@")
    user, _, password = who.partition(":")
    if scheme not in ("http", "https") or not (user and password):
        return address
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(user), unquote(password)
    return f"{scheme}{separator}{host}"


def command_line(*words: str, store: str | None = None) -> str:
    """A command of lesionflow for a message, with the address of its store where a command would not find it by itself.

    store : its address; None for the one that MLflow uses.
    """
    address = original_address(store or str(mlflow.get_tracking_uri()))
    file = sqlite_file(address)
    in_this_folder = file is not None and file.absolute() == Path(DEFAULT_STORE).absolute()
    found = shown_address(address) == _SET_BY_USER if _SET_BY_USER else in_this_folder
    return shlex.join(["lesionflow", *words, *([] if found else ["--tracking-uri", shown_address(address)])])


def explain_moved(address: str, tracking_uri: str) -> str:
    """Say that a folder of artifacts was moved with its database, and how to correct that; empty if it was not.

    It was where it is not there, and the end of its path is there below the database's folder.
    """
    path, database = local_path(address), sqlite_file(tracking_uri)
    if path is None or database is None or os.path.exists(path):
        return ""
    parts, here = Path(path).parts, database.absolute().parent
    for index in range(1, len(parts) - 1):
        if here.joinpath(*parts[index:]).exists():
            command = command_line("move-store", str(Path(*parts[:index])), str(here), store=tracking_uri)
            return f"{path}: no such folder; the store seems to have been moved to {here}, if so: {command}"
    return ""


def explain_missing(address: str, tracking_uri: str) -> str:
    """Say that a folder of artifacts is missing, and what to do; empty if it exists or is on another machine."""
    path = local_path(address)
    if path is None or os.path.exists(path):
        return ""
    command = command_line("move-store", "OLD", "NEW", store=tracking_uri)
    moved = explain_moved(address, tracking_uri)
    return moved or f"{path}: no such folder; put it back, or if it was moved: {command}"


def move_addresses(old: Path, new: Path, address: str) -> tuple[int, Path]:
    """Rewrite the addresses of artifacts below a folder; returns how many, and the backup of the database."""
    old, new, file = Path(os.path.abspath(old)), Path(os.path.abspath(new)), sqlite_file(address)
    if file is None or not file.is_file():
        raise MissingError(
            f"{shown_address(address)}: not the SQLite database of a store; give it with --tracking-uri sqlite:///FILE"
        )
    if not new.is_dir():
        raise MissingError(f"{new}: no such folder; move the artifacts there first")
    changes, known = [], set()
    with (
        registry_errors(f"rewriting {file}", address),
        contextlib.closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as database,
    ):
        database.execute("BEGIN IMMEDIATE")  # locks out other writers until the end
        for table, columns in _ADDRESSES.items():
            present = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            for column in present.intersection(columns):
                for rowid, value in database.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                    path = local_path(value) if isinstance(value, str) else None
                    if path is None:
                        continue
                    known.add(os.path.dirname(path) if table == "experiments" else "")
                    if Path(path).is_relative_to(old):
                        target = new / Path(path).relative_to(old)
                        if os.path.exists(path) and not os.path.exists(target):
                            raise MissingError(
                                f"{path} is where the store says, and {target} is not there; give the folder that it "
                                "was moved from, then the one that it was moved to"
                            )
                        moved = target.as_uri() if value.startswith("file:") else local_address(target)
                        changes.append((f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (moved, rowid)))
        if not changes:
            there = ", ".join(sorted(known - {""})) or "none on this machine"
            raise RegistryError(f"{file}: has no path below {old}; its artifacts are in {there}")
        copy = back_up(file, "move")
        for statement, values in changes:
            database.execute(statement, values)
        database.execute("COMMIT")
    return len(changes), copy
