"""Databases of MLflow: created atomically, migrated only on request, and read in a migrated copy otherwise.

MLflow itself creates and migrates a database whenever a client opens it, without a word; two that do so at once leave
one that no client can use. Who makes or migrates one therefore holds a lock: of a file beside an SQLite database, of
PostgreSQL itself. Tables are described by alembic, whose revisions tell an older database from a newer one.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import importlib.util
import shlex
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from lesionflow.atomic import locked, partial_file, put_in_place, remove_unfinished
from lesionflow.errors import RegistryError, UsageError, counted, os_errors_as
from lesionflow.storage.location import local_path
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import mlflow, registry_errors, shown_address

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

MISSING, CURRENT, OLDER, NEWER = "missing", "current", "older", "newer"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
# The newest revision that a release of MLflow made: what a database needs that this installation does not know.
_RELEASES = {"dc11669786a5": "3.17", "f4a9b2c7d1e6": "3.18"}
_LOCK = 0x6C6573696F6E  # the number of PostgreSQL's lock: "lesion" in ASCII
_PATIENCE = 300  # seconds to wait for another process that creates or migrates a database
_RELEASE_TAG = "mlflow_version"  # of a run, written by `runs.log_setting`
_upgrading = threading.Lock()  # alembic keeps what it migrates in globals
_COPIES: dict[str, str] = {}  # the address of a migrated copy -> that of the database


class MissingStoreError(RegistryError):
    """The store to read does not exist yet."""


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


@functools.cache  # half of what it takes to look at a store goes into reading these files
def _migrations() -> ScriptDirectory:
    """Return the migrations of the installed MLflow."""
    from alembic.script import ScriptDirectory

    package = importlib.util.find_spec("mlflow")
    assert package is not None and package.origin is not None
    return ScriptDirectory(str(Path(package.origin).parent / "store" / "db_migrations"))


def read_schema(address: str, *, locked: bool = False) -> Schema:
    """Compare a database's schema with that of the installed MLflow; nothing is created or changed.

    address: of the database; locked: whether this process holds the lock of those who make its tables. Raises
    `RegistryError` where the database does not answer, or is none.
    """
    import sqlalchemy
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
    scripts = _migrations()
    found, newest = " ".join(versions) or "none", " ".join(scripts.get_heads())
    if found == newest:
        return Schema(CURRENT, found, newest)
    try:
        pending = [script.doc.splitlines()[0] for script in scripts.iterate_revisions(newest, found)]
    except (CommandError, ResolutionError):  # a revision that this installation has not got
        newer = max(releases, key=lambda each: [int(part) for part in each.split(".") if part.isdecimal()], default="")
        return Schema(NEWER, found, newest, release=_RELEASES.get(found) or newer)
    return Schema(OLDER, found, newest, tuple(reversed(pending)))


def is_damaged(file: Path, seconds: float) -> bool:
    """Whether the pages of an SQLite database contradict each other; False where that is not found out in time."""
    ends = time.monotonic() + seconds
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.set_progress_handler(lambda: time.monotonic() > ends, 100_000)
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError:  # locked, not readable, or no time left
        return False
    except sqlite3.DatabaseError as error:
        return "malformed" in str(error)


def prepare(address: str, *, writes: bool, creates: bool = True, migrate: bool = False) -> str:
    """Create or migrate a database for the installed MLflow, as far as permitted; other stores are left alone.

    writes: whether the store is going to be written to: then a missing one is made where `creates` says so, and an
    older one migrated where `migrate` does, after a backup. Readers make and change nothing: they get the address of a
    migrated copy of an older SQLite database. Returns the address to use. Raises `RegistryError` for a missing database
    that is to be read, an older one that would have to be migrated, and a newer one; `UsageError` for the path of a
    database in place of its address.
    """
    if not is_database(address):
        _check_no_database_file(address)
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


def _check_no_database_file(address: str) -> None:
    """Raise `UsageError` for the path of a database in place of its address, which MLflow takes for a folder."""
    file = Path(local_path(address) or address)
    if "://" in address and not address.startswith("file:"):
        return
    if file.is_file() or (file.suffix.lower() in _DATABASE_SUFFIXES and not file.is_dir()):
        raise UsageError(f"{address}: a path, where the address of a store belongs; write {sqlite_address(file)}")


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
        ask_both(address)
        return
    remove_unfinished(file.parent)
    with registry_errors(f"making {file}"), partial_file(file) as partial:
        ask_both(sqlite_address(partial))
        with contextlib.suppress(FileExistsError):  # by MLflow's own tools, or on another machine
            put_in_place(partial, file, overwrite=file.exists())  # an empty one


def ask_both(address: str | None = None) -> None:
    """Ask a tracking store and its registry, MLflow's own choice unless given; a database gets what tables it lacks."""
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
    with os_errors_as(RegistryError, f"{file}: cannot be made", "name another store with --tracking-uri"):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with locked(lock, wait=True):
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
    print(f"{file}: migrated to the installed MLflow; backup: {copy}", file=sys.stderr)
    _upgrade(address, f"cp {shlex.quote(str(copy))} {shlex.quote(str(file))} restores the backup")


def _upgrade(address: str, otherwise: str) -> None:
    from mlflow.db import upgrade

    assert upgrade.callback is not None
    try:
        with _upgrading:
            upgrade.callback(address)
    except Exception as error:  # of MLflow, alembic, SQLAlchemy or a migration
        what, *_ = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistryError(f"{shown_address(address)}: migrating failed ({what}); {otherwise}") from error


def original_address(address: str) -> str:
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
