"""What MLflow, its HTTP client and its database raise, in words that say what to do. No message holds a password."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from lesionflow.errors import RegistryError


@contextlib.contextmanager
def registry_errors(doing: str) -> Iterator[None]:
    """Turn what MLflow, its HTTP client and its database raise into `RegistryError`."""
    import mlflow
    import requests
    import sqlalchemy.exc

    try:
        yield
    except (
        mlflow.MlflowException,
        requests.RequestException,
        sqlalchemy.exc.SQLAlchemyError,
        OSError,
        ImportError,  # a database whose driver is not installed
    ) as error:
        address = without_password(str(mlflow.get_tracking_uri()))
        raise RegistryError(f"{doing} failed at {address}: {without_password(_told(error))}") from error


def without_password(text: str) -> str:
    """Text for a message, without the user and password that an address in it may hold."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def shown_address(address: str) -> str:
    """A store's address as it may be shown: without user and password, wherever these are and whatever is in them."""
    scheme, separator, rest = address.partition("://")
    rest = re.sub(r"(?i)((?:password|passwd|pwd|token|secret|key)\w*=)[^&]*", r"\1***", rest)
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else address


def _told(error: BaseException) -> str:
    """One line of what went wrong and what to do."""
    status = _status(error)
    if status == 401:
        return (
            "user and password are not accepted; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those "
            "that who keeps the server gave you"
        )
    if status == 403:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "the user"
        return f"{user} may not do that there; ask who keeps the server for the permission EDIT"
    for cause in _causes(error):
        if told := _told_of_connection(cause):
            return told
    if status and status >= 500:
        return f"the server has failed ({status}); its log says why"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _told_of_connection(error: BaseException) -> str:
    """What an error of the HTTP client means; empty for anything else."""
    import requests
    from urllib3 import exceptions

    if not isinstance(error, requests.RequestException):
        return ""
    within = error.args[0] if error.args else error
    reason = getattr(within, "reason", None) or within  # MaxRetryError has the last attempt's
    if isinstance(reason, exceptions.NameResolutionError):
        return "no machine of that name is known; check the address"
    if isinstance(reason, exceptions.NewConnectionError):  # which counts as a timeout, too
        why = re.search(r"\[Errno \d+\] [^')\"]+", str(reason))
        return f"nothing answers there ({why[0] if why else 'no connection'}); start the server, or check the address"
    if isinstance(reason, exceptions.TimeoutError):
        seconds = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT")
        return f"no answer within {seconds} s; look after the server, or set MLFLOW_HTTP_REQUEST_TIMEOUT higher"
    if isinstance(reason, exceptions.ResponseError):
        return f"the server has failed ({reason}); its log says why"
    if isinstance(reason, (exceptions.ProtocolError, ConnectionError)):
        return "the connection broke off; look after the server"
    return ""


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error is about; None where there is none."""
    import mlflow
    import requests

    if isinstance(error, mlflow.MlflowException):
        named = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
        return named.get(error.error_code)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return int(error.response.status_code)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it came from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
