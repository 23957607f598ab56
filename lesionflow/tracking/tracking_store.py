"""Databases as tracking stores: created atomically, migrated only on request, and moved.

MLflow itself creates and migrates a database whenever a client opens it, without a word; two that do so at once leave
one that no client can use. Who makes or migrates one therefore holds a lock: of a file beside an SQLite database, of
PostgreSQL itself. Tables are described by alembic, whose revisions tell an older database from a newer one.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import importlib.util
import logging
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from lesionflow.atomic import name_new, take_lock, unique_suffix
from lesionflow.errors import MissingError, RegistryError, counted
from lesionflow.storage.location import local_address, local_path, location_text
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import DEFAULT_STORE, mlflow, registry_errors, set_variables, shown_address

MISSING, CURRENT, OLDER, NEWER = "missing", "current", "older", "newer"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# The newest revision that a release of MLflow made: what a database needs that this installation does not know.
_RELEASES = {"dc11669786a5": "3.17", "f4a9b2c7d1e6": "3.18"}
_LOCK = 0x6C6573696F6E  # the number of PostgreSQL's lock: "lesion" in ASCII
_PATIENCE = 300  # seconds to wait for another process that creates or migrates a database
_ADDRESS_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")  # which MLflow sets with its addresses
_RELEASE_TAG = "mlflow_version"  # of a run, written by `runs.log_setting`
# Where MLflow keeps addresses of artifacts: they are absolute, whatever was given.
_ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("storage_location", "source"),
    "trace_tags": ("value",),
}


class MissingStoreError(RegistryError):
    """The store to read does not exist yet."""


_COPIES: dict[str, str] = {}  # the address of a migrated copy -> that of the database
_levels: dict[str, int] = {}  # those of MLflow's loggers, before `connect` set them
_variables: set[str] = set()  # that `connect` set
_blocks = 0  # of `kept_settings` that the program is in


@dataclass(frozen=True)
class Schema:
    """The schema of a database, compared with that of the installed MLflow."""

    state: str  # MISSING, CURRENT, OLDER or NEWER
    found: str = ""  # the revision
    newest: str = ""  # the revision of the installed MLflow
    pending: tuple[str, ...] = ()  # what the migrations between them do, in their order
    release: str = ""  # of MLflow, that has written to a newer database


def sqlite_file(address: str) -> Path | None:
    """Return the file of an SQLite database; None for any other address."""
    if not address.startswith("sqlite:///"):
        return None
    from sqlalchemy import make_url

    name = make_url(address).database  # whether it takes escapes such as %20 out depends on its version
    return Path(name) if name and name != ":memory:" else None


def sqlite_address(file: Path) -> str:
    """Return the address of an SQLite database; the inverse of `sqlite_file`, whatever its folder is called."""
    plain = f"sqlite:///{file}"
    return plain if sqlite_file(plain) == file else f"sqlite:///{quote(str(file))}"


def is_database(address: str) -> bool:
    """Whether an address is that of a database which MLflow opens itself."""
    return address.partition(":")[0].partition("+")[0] in DATABASES


def read_schema(address: str, *, locked: bool = False) -> Schema:
    """Compare a database's schema with that of the installed MLflow; nothing is created or changed.

    Parameters
    ----------
    address : str
        Of the database.
    locked : bool
        Whether this process holds the lock of those who make its tables.

    Raises
    ------
    RegistryError
        Where the database does not answer, or is none.
    """
    import sqlalchemy
    from alembic.script import ScriptDirectory
    from alembic.script.revision import ResolutionError
    from alembic.util import CommandError
    from sqlalchemy.pool import NullPool

    file = sqlite_file(address)
    if file is not None and not file.exists():
        return Schema(MISSING)
    with contextlib.ExitStack() as held:
        if not locked:  # tables are made in several transactions
            held.enter_context(_locked_server(address, shared=True))
        held.enter_context(registry_errors("reaching the tracking store", address))
        engine = sqlalchemy.create_engine(address, poolclass=NullPool)
        tables = set(sqlalchemy.inspect(engine).get_table_names())
        if not tables:
            return Schema(MISSING)
        with engine.connect() as connection:
            ask = connection.exec_driver_sql
            revisions = "SELECT version_num FROM alembic_version"
            versions = ask(revisions).scalars().all() if "alembic_version" in tables else []
            if not versions and not ("experiments" in tables and ask("SELECT 1 FROM experiments").first()):
                return Schema(MISSING)  # creating it was interrupted, and MLflow continues from there
            written_by = f"SELECT value FROM tags WHERE key = '{_RELEASE_TAG}'"
            releases = ask(written_by).scalars().all() if "tags" in tables else []
    package = importlib.util.find_spec("mlflow")
    assert package is not None and package.origin is not None
    scripts = ScriptDirectory(str(Path(package.origin).parent / "store" / "db_migrations"))
    found, newest = " ".join(versions) or "none", " ".join(scripts.get_heads())
    if found == newest:
        return Schema(CURRENT, found, newest)
    try:
        pending = [script.doc.splitlines()[0] for script in scripts.iterate_revisions(newest, found)]
    except (CommandError, ResolutionError):  # a revision that this installation has not got
        newer = max(releases, key=lambda each: [int(part) for part in each.split(".") if part.isdecimal()], default="")
        return Schema(NEWER, found, newest, release=_RELEASES.get(found) or newer)
    return Schema(OLDER, found, newest, tuple(reversed(pending)))


def connect(
    tracking_uri: str | None = None, *, writes: bool = False, creates: bool = True, migrate: bool = False
) -> str:
    """Choose the tracking store and check that it and the registry answer.

    Parameters
    ----------
    tracking_uri : str, optional
        Address of the store. Without it MLflow's own choice counts: `MLFLOW_TRACKING_URI`, else `sqlite:///mlflow.db`.
        User and password are moved from the address to the environment variables that MLflow reads.
    writes : bool
        Whether the store is going to be written to. A missing database is then made, an older one refused. Readers
        make and change nothing.
    creates : bool
        Whether who writes has a use for a new, empty store: what changes something that is there has none.
    migrate : bool
        Whether an older database is migrated, after a backup.

    Returns
    -------
    str
        The address, without user and password.

    Raises
    ------
    RegistryError
        Within seconds where nothing answers, and for a database that the installed MLflow cannot use.
    """
    if tracking_uri:
        tracking_uri = location_text(tracking_uri, "tracking_uri")
    _variables.update(set_variables())
    current = str(mlflow.get_tracking_uri())
    asked = tracking_uri or _without_escapes(_original(current))
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
    registry = _original(str(mlflow.get_registry_uri()))
    if registry != address:
        usable = prepare(registry, writes=writes, creates=creates, migrate=migrate)
        if usable != str(mlflow.get_registry_uri()):
            mlflow.set_registry_uri(usable)
    with registry_errors("reaching the tracking store"):
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    if unwanted:
        with contextlib.suppress(OSError):  # not empty, so it is in use
            os.removedirs(literal)
    return address


@contextlib.contextmanager
def kept_settings() -> Iterator[None]:
    """Restore MLflow's logging and timeouts after the outermost block."""
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
        while not _blocks and _variables:
            os.environ.pop(_variables.pop(), None)


@contextlib.contextmanager
def kept_addresses() -> Iterator[None]:
    """Restore the tracking store after the block, for MLflow and for programs started later.

    For those who only read: what a user's program logs next must not go to the copy of an older database.
    """
    asked, variables = _asked(), {name: os.environ.get(name) for name in _ADDRESS_VARIABLES}
    chosen = asked is not None and mlflow.is_tracking_uri_set()  # otherwise it follows the working directory
    try:
        with kept_settings():
            yield
    finally:
        if _asked() != asked:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # which is how it begins
            mlflow.set_registry_uri(None)  # type: ignore[arg-type]
            for name, value in variables.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            if asked and chosen and mlflow.get_tracking_uri() != asked[0]:  # by the program, not in the environment
                mlflow.set_tracking_uri(asked[0])
            if asked and asked[1] != asked[0] and mlflow.get_registry_uri() != asked[1]:
                mlflow.set_registry_uri(asked[1])


def _asked() -> tuple[str, str] | None:
    """MLflow's current tracking store and registry; None while it is not imported."""
    return (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) if "mlflow" in sys.modules else None


def find_or_create_experiment(name: str) -> str:
    """Return the id of an experiment, created if missing. MLflow's global active experiment is not changed.

    Raises
    ------
    RegistryError
        The experiment was deleted, or its artifacts are gone.
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


def prepare(address: str, *, writes: bool, creates: bool = True, migrate: bool = False) -> str:
    """Create or migrate a database for the installed MLflow, as far as permitted; other stores are left alone.

    Parameters
    ----------
    address : str
        Of the tracking store or the registry.
    writes : bool
        Whether the store is going to be written to: then a missing one is made. Readers make and change nothing: they
        get the address of a migrated copy of an older SQLite database.
    creates : bool
        Whether a missing one may be made.
    migrate : bool
        Whether an older database may be migrated, after a backup.

    Returns
    -------
    str
        The address to use.

    Raises
    ------
    RegistryError
        For a missing database that is to be read, an older one that would have to be migrated, and a newer one.
    """
    if not is_database(address):
        return address
    schema, file = read_schema(address), sqlite_file(address)
    if writes and ((schema.state == MISSING and creates) or (schema.state == OLDER and migrate)):
        with _locked(address):
            schema = read_schema(address, locked=True)  # another process may have been first
            if schema.state == MISSING:
                _create(address)
                return address
            if schema.state == OLDER and migrate:
                _migrate(address)
                return address
    if schema.state == NEWER:
        raise RegistryError(f"{shown_address(address)}: {explain_newer(schema)}")
    if schema.state == MISSING:
        raise MissingStoreError(
            f"reaching the tracking store failed: there is none at {shown_address(address)}; 'lesionflow train' "
            "makes it, or name another with --tracking-uri"
        )
    if schema.state == OLDER and writes:
        raise RegistryError(f"{shown_address(address)}: {explain_older(schema, address)}, or add --migrate")
    if schema.state == OLDER:
        if file is None:
            raise RegistryError(f"{shown_address(address)}: {explain_older(schema, address)}")
        return _migrated_copy(file)
    if writes and file is not None:
        _check_writable(file, address)
    return address


def _check_writable(file: Path, address: str) -> None:
    """Raise `RegistryError` before any work for a database that is read-only."""
    with (
        registry_errors("writing to the tracking store", address),
        contextlib.closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as database,
    ):
        database.execute("BEGIN IMMEDIATE")
        database.execute("CREATE TABLE lesionflow_writable (x)")  # begins a journal, too
        database.execute("ROLLBACK")


def explain_newer(schema: Schema) -> str:
    """Say that a database is newer than the installed MLflow, and what to install."""
    import importlib.metadata

    install = f"'mlflow>={schema.release}'" if schema.release else "--upgrade mlflow"
    return (
        f"the database was written by a newer MLflow (revision {schema.found}) than the installed "
        f"{importlib.metadata.version('mlflow')} ({schema.newest}); pip install {install}"
    )


def explain_older(schema: Schema, address: str) -> str:
    """Say what migrating an older database would change, which clients it locks out, and how to do it."""
    count, file = len(schema.pending), sqlite_file(address)
    changes = f"{counted(count, 'migration')} ({'; '.join(schema.pending[:3])}"
    changes += f" and {count - 3} more)" if count > 3 else ")"
    backup = "back it up with the database's own tool"
    if file is not None:
        backup = shlex.join(["cp", str(file), str(file.with_suffix(f".before-migration{file.suffix}"))])
    return (
        f"the database was written by an older MLflow (revision {schema.found}, this MLflow's is {schema.newest}); to "
        f"use it takes {changes}, and older clients can no longer open it then; to do so: {backup}; mlflow db upgrade "
        f"{shlex.quote(shown_address(address))}"
    )


def _create(address: str) -> None:
    """Create the tables; an SQLite database under a temporary name, renamed when it is complete."""
    file = sqlite_file(address)
    if file is None or (file.exists() and file.stat().st_size):  # left by an interrupted process
        _open(address)
        return
    partial = file.with_name(f".{file.name}.partial-{unique_suffix()}")
    try:
        with registry_errors(f"making {file}"):
            _open(sqlite_address(partial))
            if file.exists():  # an empty file
                os.replace(partial, file)
            else:
                name_new(partial, file)
    except FileExistsError:  # by MLflow's own tools, or on another machine
        pass
    finally:
        for left in file.parent.glob(f"{partial.name}*"):
            left.unlink()


def _open(address: str) -> None:
    """Let MLflow open a database, which creates missing tables and the default experiment."""
    with registry_errors("reaching the tracking store", address):
        client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)


@contextlib.contextmanager
def _locked(address: str) -> Iterator[None]:
    """Hold the lock for creating or migrating a database; without locks, do without."""
    file = sqlite_file(address)
    if file is None:
        with _locked_server(address):
            yield
        return
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise RegistryError(
            f"{file}: cannot be made ({error.strerror}); name another store with --tracking-uri"
        ) from error
    with open(lock, "wb") as opened:
        take_lock(opened, wait=True)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


@contextlib.contextmanager
def _locked_server(address: str, *, shared: bool = False) -> Iterator[None]:
    """Hold PostgreSQL's lock for creating or migrating a database, or for reading it; otherwise do nothing.

    It belongs to a transaction that does nothing else, so that it ends with this process or its connection, and
    is in the way of no table; a transaction's lock also holds behind a pool of connections.
    """
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    if not address.startswith("postgresql"):
        yield
        return
    take = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with contextlib.ExitStack() as held:
        with registry_errors("reaching the tracking store", address):
            engine = sqlalchemy.create_engine(address, poolclass=NullPool)
            connection = held.enter_context(contextlib.closing(engine.connect()))
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")
            connection.exec_driver_sql(f"SELECT {take}({_LOCK})")
        yield


def back_up(file: Path, why: str) -> Path:
    """Copy a database beside itself, consistent also while it is written to; returns the copy."""
    now = datetime.datetime.now(datetime.UTC)
    copy = file.with_name(f"{file.stem}.before-{why}-{now:%Y%m%dT%H%M%S}{file.suffix}")
    with (
        registry_errors(f"backing {file} up", sqlite_address(file)),
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def _migrate(address: str) -> None:
    file = sqlite_file(address)
    if file is None:
        _upgrade(address, "restore the database's own backup")
        return
    copy = back_up(file, "migration")
    print(f"{file}: migrated to the installed MLflow; as it was: {copy}", file=sys.stderr)
    _upgrade(address, f"cp {shlex.quote(str(copy))} {shlex.quote(str(file))} brings back what was")


def _upgrade(address: str, otherwise: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", address], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RegistryError(f"{shown_address(address)}: migrating failed ({last}); {otherwise}")


def _original(address: str) -> str:
    """The address of the database of which `prepare` has made a copy; any other address as it is."""
    return _COPIES.get(address, address)


def _migrated_copy(file: Path) -> str:
    """The address of a copy of an older database migrated to this MLflow, for this process to read."""
    until_the_end = contextlib.ExitStack()
    atexit.register(until_the_end.close)
    folder = until_the_end.enter_context(temporary_folder("store"))
    address = sqlite_address(folder / file.name)
    with (
        registry_errors(f"reading {file}"),
        contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(folder / file.name)) as target,
    ):
        source.backup(target)
    _upgrade(address, "read it with the MLflow that wrote it")
    _COPIES[address] = sqlite_address(file)
    return address


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
            command = shlex.join(["lesionflow", "move-store", str(Path(*parts[:index])), str(here)])
            return f"{path}: no such folder; the store seems to have been moved to {here}, if so: {command}"
    return ""


def explain_missing(address: str, tracking_uri: str) -> str:
    """Say that a folder of artifacts is missing, and what to do; empty if it exists or is on another machine."""
    path = local_path(address)
    if path is None or os.path.exists(path):
        return ""
    moved = explain_moved(address, tracking_uri)
    return moved or f"{path}: no such folder; put it back, or if it was moved: lesionflow move-store OLD NEW"


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
