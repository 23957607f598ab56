"""Failures of object stores, translated: exceptions of our own text in place of those of the client packages.

Whatever it was becomes an `OSError` whose `strerror` is our own text: exceptions of those packages can hold the
addresses, keys and signatures of a request.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from lesionflow.errors import StoreError
from lesionflow.storage.location import Url

_CREDENTIALS = {
    "AuthorizationHeaderMalformed", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken",
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired", "401", "DefaultCredentialsError", "RefreshError",
}  # fmt: skip
_TROUBLE = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "429", "500", "502", "503", "504"}
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName", "ParamValidationError"}
_ELSEWHERE = {"PermanentRedirect", "301", "IllegalLocationConstraintException"}
_UNREACHABLE = {"EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError", "ClientConnectorDNSError"}
# What these packages raise without a word from the store is about the way to it.
_NETWORK = ("botocore", "aiobotocore", "aiohttp", "google", "requests", "urllib3")


class TroubleError(OSError):
    """No answer, or that of a store which is not well."""


@contextlib.contextmanager
def translate_errors(url: Url) -> Iterator[None]:
    """Raise what goes wrong in the block as an `OSError` of our own text; the original is not its cause."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise _ours(error, url) from None


def no_bucket(url: Url) -> StoreError:
    """What is raised where a URL names no bucket that there is."""
    return StoreError(f"{url.store}: there is no such bucket; see to its name and to the store's address")


def _ours(error: Exception, url: Url) -> OSError:
    """The same failure without the text of packages that know secrets."""
    code = _code(error)
    if code in _NO_BUCKET or (isinstance(error, FileNotFoundError) and not url.key):
        return no_bucket(url)
    if code in _CREDENTIALS:
        return StoreError(f"{url.store}: the credentials are missing or refused ({code}); set {url.credentials} anew")
    if code in _ELSEWHERE:
        return StoreError(f"{url.store}: is in another region ({code}); set AWS_DEFAULT_REGION to its own")
    if code in _UNREACHABLE:
        return StoreError(f"{url.store}: is out of reach ({code}); see to the network and to the store's address")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such object", str(url))
    if isinstance(error, FileExistsError) or code in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
        return FileExistsError(errno.EEXIST, "exists already", str(url))
    if (isinstance(error, PermissionError) and code != "InvalidObjectState") or code in ("AccessDenied", "403"):
        return PermissionError(errno.EACCES, "permission denied", str(url))
    if code in ("InvalidRange", "416"):
        return OSError(errno.EINVAL, code, str(url))
    if code in _TROUBLE or isinstance(error, (TimeoutError, ConnectionError)):
        return TroubleError(errno.EIO, code)
    if code == type(error).__name__ and type(error).__module__.partition(".")[0] in _NETWORK:
        return TroubleError(errno.EIO, code)
    if isinstance(error, OSError) and error.errno:  # without a word from the store: of this machine, as a full disk
        return OSError(error.errno, os.strerror(error.errno) if code == type(error).__name__ else code, str(url))
    return OSError(errno.EIO, code, str(url))


def _code(error: BaseException) -> str:
    """The store's word for a failure, or its number, or the name of the exception."""
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(cause, "code", None)
        if code is not None and re.fullmatch(r"\w{1,60}", str(code)):
            return str(code)
        cause = cause.__cause__
    return type(error).__name__
