"""MLflow's client: imported on first use, configured, and with its errors as `RegistryError`.

Everything that asks MLflow takes `mlflow` from here, so that importing lesionflow does not import MLflow.

Stores that are an SQLite file or a server can be asked as MLflow would ask them, without its import of seconds; whoever
meets anything unusual there leaves it to MLflow.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from lesionflow.defaults import kept_variables, no_collection
from lesionflow.errors import RegistryError
from lesionflow.storage.temporary import told_if_full

if TYPE_CHECKING:
    import mlflow as mlflow
else:

    class _LazyModule:
        """Import MLflow on first attribute access."""

        def __getattr__(self, name: str) -> Any:
            if "mlflow" not in sys.modules:
                with no_collection():
                    importlib.import_module("mlflow")
            return getattr(importlib.import_module("mlflow"), name)  # waits where another thread imports it

    mlflow = _LazyModule()

_Found = TypeVar("_Found")
NOT_MLFLOW = "what answers there is not MLflow, but perhaps a page to log in; check the address"
DEFAULT_STORE = "mlflow.db"  # MLflow's own, in the working directory
_WORKSPACES = ("MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")  # under these, names mean something else

# How long MLflow waits for a server, by its own defaults many minutes. It reads both settings at every request.
# Retries come at once and then after 4, 8, 16 and 32 seconds; the timeout is in seconds without a byte.
_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
PROMPT = {_RETRIES: "1", _TIMEOUT: "10"}  # a user waits for an answer: at most 20 seconds
PATIENT = {_RETRIES: "5", _TIMEOUT: "30"}  # at the end of a training: outlast a server's restart
HASTY = {_RETRIES: "0", _TIMEOUT: "10"}  # for `doctor`
# MLflow would print where a server shows a run, between the results, and bars of downloads, between messages; and
# twenty lines on a machine without git. While a model is registered it would record which variables are read, in a set
# that other threads change, such as the one that measures the machine: now and then that ended an hour's training.
QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}
# The machine's load is kept with every training, and more often than every 10 seconds: a small one takes a minute.
SYSTEM_METRICS = {"MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5"}
OWN_SETTINGS = PROMPT | QUIET | SYSTEM_METRICS
set_here: set[str] = set()  # of these, by `set_variables`; what the user sets stays as it is


def set_variables() -> set[str]:
    """Make MLflow give up on a silent server within seconds, print nothing and measure the machine.

    Returns what the user had not set.
    """
    missing = {name: value for name, value in OWN_SETTINGS.items() if name not in os.environ}
    os.environ.update(missing)
    set_here.update(missing)
    return set(missing)


def unset_variables(names: set[str]) -> None:
    """Remove variables that `set_variables` set, and empty their set."""
    while names:
        name = names.pop()
        os.environ.pop(name, None)
        set_here.discard(name)


def unless_users(settings: dict[str, str]) -> dict[str, str]:
    """Return those of some settings of MLflow that the user has not set."""
    return {name: value for name, value in settings.items() if name in set_here or name not in os.environ}


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Wait longer inside the block: a minute where nothing answers, four where a server accepts and stays silent."""
    longer = unless_users(PATIENT)
    with kept_variables(longer):
        os.environ.update(longer)
        yield


def default_addresses(tracking_uri: str | None) -> tuple[str, str]:
    """Return where MLflow would look for versions and artifacts; empty if only MLflow can tell."""
    spark = sys.modules.get("pyspark.sql")  # an active session's settings come first
    with contextlib.suppress(Exception):
        if any(map(os.environ.get, _WORKSPACES)) or (spark and spark.SparkSession.getActiveSession()):
            return "", ""
        if "mlflow" in sys.modules and not tracking_uri:  # imported already, and perhaps told where to look
            return str(mlflow.get_registry_uri()), str(mlflow.get_tracking_uri())
        tracking = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        tracking = tracking or ("" if has_file_store() else f"sqlite:///{DEFAULT_STORE}")
        return os.environ.get("MLFLOW_REGISTRY_URI") or tracking, tracking
    return "", ""


def has_file_store() -> bool:
    """Whether the working directory has MLflow's old file store, which then takes precedence."""
    return any(entry.parent.name.isdigit() for entry in Path("mlruns").glob("*/meta.yaml"))


def active_run_id() -> str:
    """Return the id of the active run."""
    active = mlflow.active_run()
    assert active is not None
    return str(active.info.run_id)


@contextlib.contextmanager
def registry_errors(doing: str, address: str | None = None) -> Iterator[None]:
    """Turn errors of MLflow, its HTTP client and its database into a `RegistryError` about `doing`.

    address : the store that is asked; None for the one that MLflow uses.
    """
    import requests
    import sqlalchemy.exc

    try:
        yield
    except (
        mlflow.MlflowException,
        requests.RequestException,
        sqlalchemy.exc.SQLAlchemyError,
        sqlite3.Error,
        OSError,
        ImportError,  # a database whose driver is not installed
    ) as error:
        asked = without_password(str(address or mlflow.get_tracking_uri()))
        raise RegistryError(f"{doing} failed at {asked}: {without_password(_explain(error))}") from error


def found_or_none(doing: str, call: Callable[[], _Found], *also: str) -> _Found | None:
    """Return the result of a call to MLflow; None if MLflow does not have it.

    also : further error codes that mean so, besides RESOURCE_DOES_NOT_EXIST.
    """
    with registry_errors(doing):
        try:
            found = call()
        except mlflow.MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", *also):
                return None
            raise
        run = getattr(found, "info", None)
        if not (run.run_id if run else getattr(found, "name", found)):  # MLflow reads `{}` as one without a name
            raise mlflow.MlflowException(NOT_MLFLOW)
        return found


def set_again(call: Callable[[], object]) -> None:
    """Make a call to MLflow that sets a tag or an alias, and retry if another writer interfered.

    MLflow looks whether there is one and inserts it if not: two who do so at once insert both, and the database refuses
    the second with an IntegrityError.
    """
    for attempts_left in (2, 1, 0):
        try:
            call()
            return
        except mlflow.MlflowException as error:
            if not attempts_left or not re.search(r"IntegrityError|UNIQUE constraint|duplicate key", str(error)):
                raise


def without_password(text: str) -> str:
    """Return text for a message, without user and password in addresses."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def shown_address(address: str) -> str:
    """Return a store's address without user, password and other secrets."""
    scheme, separator, rest = address.partition("://")
    rest = re.sub(r"(?i)((?:password|passwd|pwd|token|secret|key)\w*=)[^&]*", r"\1***", rest)
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else address


def _explain(error: BaseException) -> str:
    """One line that says what went wrong and what to do."""
    status = _status(error)
    if status == 401:
        return (
            "authentication failed; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (ask the server's "
            "administrator)"
        )
    if status == 403:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "the user"
        # MLflow answers so for registered models that do not exist as well, to who is no administrator.
        return (
            f"{user} has no permission for it, or the name does not exist; check the name, or ask the server's "
            "administrator for READ, to write for EDIT"
        )
    for cause in _causes(error):
        if explained := told_if_full(cause) or _explain_connection(cause) or _explain_database(cause):
            return explained
    if status and status >= 500:
        return f"the server failed ({status}); see its log"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _explain_connection(error: BaseException) -> str:
    """Explain an error of the HTTP client; empty for other errors."""
    import requests
    from urllib3 import exceptions

    if isinstance(error, (requests.JSONDecodeError, requests.TooManyRedirects)) or _OF_PAGES.search(str(error)):
        return NOT_MLFLOW
    if not isinstance(error, requests.RequestException):
        return ""
    within = error.args[0] if error.args else error
    reason = getattr(within, "reason", None) or within  # MaxRetryError has the last attempt's
    if isinstance(reason, exceptions.NameResolutionError):
        return "unknown host; check the address"
    if isinstance(reason, exceptions.NewConnectionError):  # which counts as a timeout, too
        why = re.search(r"\[Errno \d+\] [^')\"]+", str(reason))
        return f"nothing answers there ({why[0] if why else 'no connection'}); start the server, or check the address"
    if isinstance(reason, exceptions.TimeoutError):
        seconds = os.environ.get(_TIMEOUT)
        return f"no answer within {seconds} s; check the server, or raise {_TIMEOUT}"
    if isinstance(reason, exceptions.ResponseError):
        return f"the server failed ({reason}); see its log"
    if isinstance(reason, (exceptions.ProtocolError, ConnectionError)):
        return "the connection broke off; check the server"
    return ""


# MLflow's own answers to unknown addresses are JSON.
_OF_PAGES = re.compile(r"body was not in a valid JSON format|code 404 != 200\. Response body: '(?!\{)")
DAMAGED = "the database is damaged; restore it from a copy"
_OF_SQLITE = {  # what its errors contain -> what to do
    "database is locked": "the database is locked by another process; wait for it to finish and try again (for several "
    "users at once, run 'mlflow server' or use PostgreSQL)",
    "readonly database": "the database cannot be written; give its file and its folder write permission, or name "
    "another store",
    "unable to open database file": "the database cannot be opened, or its folder takes no new file; check the address "
    "and the permissions",
    "image is malformed": DAMAGED,
    "malformed database schema": DAMAGED,
    "file is not a database": "the file is not an SQLite database, or its beginning is damaged; check the address, or "
    "restore it from a copy",
    "database or disk is full": "the disk is full; make room and try again",
}


def _explain_database(error: BaseException) -> str:
    """Explain an error of the database whose own text does not say what to do; empty for other errors."""
    if isinstance(error, ImportError) and getattr(error, "name", None) in ("psycopg", "psycopg2", "MySQLdb", "pymysql"):
        return f"the database driver {error.name} is missing; pip install 'lesionflow[server]' (PostgreSQL)"
    return next((told for words, told in _OF_SQLITE.items() if words in str(error)), "")


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error; None if it has none."""
    import requests

    if isinstance(error, mlflow.MlflowException):
        named = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
        return named.get(error.error_code)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return int(error.response.status_code)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


# What a call below raises where it is not answered as expected: no server, another API, ...
UNUSUAL = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, sqlite3.Error)
_SERVER = re.compile(r"https?://[^/@?#]+(/[^@?#]*)?")
# Settings that change requests in ways that only MLflow knows.
_MLFLOWS_OWN = ["TRACKING_AUTH", "TRACKING_AWS_SIGV4", "TRACKING_CLIENT_CERT_PATH", "ALLOW_HTTP_REDIRECTS"]
_CREDENTIALS_FILE = Path("~/.mlflow/credentials")


def is_plain_file(address: str) -> bool:
    """Whether an address is that of an SQLite file, and nothing else."""
    return address.startswith("sqlite:///") and not any(mark in address for mark in "?#%")


@contextlib.contextmanager
def open_file(address: str) -> Iterator[sqlite3.Connection]:
    """Open the SQLite file of an address for reading, without creating it."""
    file = f"file:{quote(os.path.abspath(address.removeprefix('sqlite:///')))}?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True, timeout=1)) as database:
        yield database


def is_plain_server(address: str) -> bool:
    """Whether an address is that of a server that is asked with a user or token of the environment at most."""
    return bool(_SERVER.fullmatch(address)) and not any(os.environ.get(f"MLFLOW_{name}") for name in _MLFLOWS_OWN)


def ask(method: str, address: str, **arguments: Any) -> Any:
    """Send a request to a server with the credentials, certificates and timeouts of MLflow.

    arguments: what `requests.request` takes besides. Raises one of `UNUSUAL` where it refuses.
    """
    import requests

    names = ("USERNAME", "PASSWORD", "TOKEN", "SERVER_CERT_PATH", "INSECURE_TLS")
    user, password, token, own, insecure = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in names)
    trusting = {None: False, "0": False, "false": False, "1": True, "true": True}[insecure and insecure.lower()]
    if (own and trusting) or (not (user and password) and _CREDENTIALS_FILE.expanduser().exists()):
        raise ValueError("MLflow refuses the one, and reads the other itself")
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    authorization = f"Basic {credentials}" if user and password else f"Bearer {token}" if token else None
    timeout = min(10, int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 10))
    headers = {"Authorization": authorization} if authorization else {}
    verify = own or not trusting
    response = requests.request(method, address, headers=headers, verify=verify, timeout=timeout, **arguments)
    response.raise_for_status()
    return response
