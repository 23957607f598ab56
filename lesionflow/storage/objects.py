"""Objects in stores, through fsspec: read, write, list, remove. The only module that knows fsspec.

Whatever goes wrong is an `OSError` whose `strerror` is our own text: exceptions of the client packages can hold the
addresses, keys and signatures of a request. A failure of the store itself is a `StoreError`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import html
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from lesionflow.defaults import thread_map
from lesionflow.errors import StoreError
from lesionflow.storage.key_ranges import keys_in_order
from lesionflow.storage.location import Location, Url, is_store
from lesionflow.storage.temporary import temporary_folder

CONNECTIONS = 64  # at once to a store
READ_AHEAD = 16  # small objects

_creating = threading.Lock()

T = TypeVar("T")
R = TypeVar("R")


def read(location: Location, start: int = 0, end: int | None = None) -> bytes:
    """The bytes from `start` to before `end`, in one request; fewer where file or object end. Raises `OSError`."""
    if isinstance(location, Path):
        with open(location, "rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)
    url = location
    try:
        # Without a start s3fs would ask for the size first.
        content: bytes = _request(url, lambda: _system(url).cat_file(str(url), start=start, end=end))
    except OSError as error:
        if error.errno == errno.EINVAL and _size(url) <= start:
            return b""  # a range that begins at the end, as every range of an empty object does
        raise
    return content


def write(url: Url, content: bytes, overwrite: bool = True) -> None:
    """Write an object atomically.

    Raises `OSError`: `FileExistsError` without `overwrite` where it exists. Where the store knows no conditional
    writes, an object that comes into being between the look and the write is overwritten.
    """
    _put(url, overwrite, lambda mode: _system(url).pipe_file(str(url), content, **mode))


def upload(file: Path, url: Url, overwrite: bool = True) -> None:
    """Write a file's content as an object, as `write` does."""
    _put(url, overwrite, lambda mode: _system(url).put_file(str(file), str(url), **mode))


def _put(url: Url, overwrite: bool, put: Callable[[dict[str, str]], object]) -> None:
    try:
        if not overwrite:
            if is_file(url):
                raise FileExistsError(errno.EEXIST, "exists already", str(url))
            try:
                # Not tried a second time, which could find the first one's object.
                with translate_errors(url):
                    put({"mode": "create"})
                return
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
        _request(url, lambda: put({}))
    except FileNotFoundError as error:
        raise no_bucket(url) from error


def download(url: Url, file: Path) -> None:
    """Copy an object into a file. Raises `OSError`."""
    _request(url, lambda: _system(url).get_file(str(url), str(file)))


@contextlib.contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """A file on this machine with the same content: itself, or a copy for as long as the block lasts."""
    if isinstance(location, Path):
        yield location
        return
    with temporary_file(location.suffix) as file:
        download(location, file)
        yield file


@contextlib.contextmanager
def temporary_file(suffix: str = "") -> Iterator[Path]:
    """The path of a file to write, in the system's temporary folder (`TMPDIR`); it is removed after the block."""
    with temporary_folder() as folder:
        yield folder / f"content{suffix}"


def is_file(location: Location) -> bool:
    """Whether a file or object exists. Raises `OSError` if that cannot be determined."""
    try:
        # From Python 3.14 on, `Path.is_file` returns False if it cannot tell.
        return stat.S_ISREG(os.stat(location).st_mode) if isinstance(location, Path) else _size(location) >= 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def _size(url: Url) -> int:
    """The object's bytes, -1 where only a folder has that name."""
    info = _request(url, lambda: _system(url).info(str(url), **_FRESH))
    return int(info["size"]) if info["type"] == "file" else -1


_FRESH = {"refresh": True}  # what was listed before may be gone


def remove(location: Location) -> None:
    """Remove a file or an object, if it is there. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        if isinstance(location, Path):
            location.unlink()
        else:
            _request(location, lambda: _system(location).rm_file(str(location)))


def names(folder: Location) -> Iterator[str]:
    """The names of the files or objects right in a folder; none of a folder in a store that is not there.

    Raises `OSError`.
    """
    if isinstance(folder, Path):
        return iter(os.listdir(folder))
    return (url.rpartition("/")[2] for url in listed(folder, recursive=False))


def listed(folder: Url, recursive: bool = True) -> Iterator[str]:
    """The objects in a folder, and in those below it, in the order of their URLs' bytes, as they are listed.

    S3 lists in this order, a thousand at a time, many thousands ahead of what is asked for in a long list; of other
    stores the names of the folders on the way down are in memory. Raises `OSError` where it cannot be listed.
    """
    last = b""
    for url in (_pages if folder.scheme in ("s3", "s3a") else _walk)(folder, recursive):
        if (now := os.fsencode(url)) <= last:
            raise OSError(errno.EIO, "lists its objects in no order, as S3's directory buckets do; give a list: @LIST")
        last = now
        yield url


def _pages(folder: Url, recursive: bool) -> Iterator[str]:
    asked: dict[str, Any] = {"Bucket": folder.bucket, "Prefix": folder.prefix}
    if not recursive:
        asked["Delimiter"] = "/"
    fetch, fetch_folders = functools.partial(_fetch, folder, asked), functools.partial(_fetch_folders, folder, asked)
    if recursive:
        keys = keys_in_order(folder.prefix, fetch, fetch_folders)
    else:
        keys = (key for page, _ in _following_pages(folder, asked) for key in page)
    # Without objects that stand for empty folders.
    return (f"{folder.store}/{key}" for key in keys if not key.endswith("/"))


def _following_pages(folder: Url, asked: dict[str, Any]) -> Iterator[tuple[list[str], bool]]:
    """The keys of each page, and whether there are more."""
    more = True
    while more:
        page = _request(folder, functools.partial(_page, folder, asked))
        more = bool(page.get("IsTruncated"))
        yield [entry["Key"] for entry in page.get("Contents", ())], more
        asked = asked | {"ContinuationToken": page.get("NextContinuationToken")}


def _fetch(folder: Url, asked: dict[str, Any], after: str) -> tuple[list[str], bool]:
    """The page behind a key, and whether there are more."""
    pages = _following_pages(folder, asked | ({"StartAfter": after} if after else {}))
    return next((keys, more) for keys, more in pages if keys or not more)


def _fetch_folders(folder: Url, asked: dict[str, Any], within: str, after: str) -> tuple[list[str], bool]:
    """The folders right in one, behind a key, and whether there are more; a page that has keys too is the last."""
    asked = asked | {"Prefix": within, "Delimiter": "/", "StartAfter": after}
    page = _request(folder, functools.partial(_page, folder, asked))
    folders = [entry["Prefix"] for entry in page.get("CommonPrefixes", ()) if entry["Prefix"] > after]
    return folders, bool(folders) and bool(page.get("IsTruncated")) and "Contents" not in page


def _page(folder: Url, asked: dict[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = _system(folder).call_s3("list_objects_v2", **asked)
    return page


def _walk(folder: Url, recursive: bool, names: list[str] | None = None) -> Iterator[str]:
    """The objects below a folder; names: of it, where they are known. Folders are listed ahead, several at once."""
    names = _entries(folder) if names is None else names
    folders = [folder / name for name in names if name.endswith("/")] if recursive else []
    listed_ahead = prefetch_map(folder, _entries, folders)
    for name in names:
        if not name.endswith("/"):
            yield str(folder / name)
        elif recursive:
            yield from _walk(folder / name, recursive, next(listed_ahead))


def _entries(folder: Url) -> list[str]:
    """The names right in a folder, in order; those of folders with the slash that they sort with."""
    try:
        entries = _request(folder, lambda: _system(folder).ls(str(folder), detail=True, **_FRESH))
    except FileNotFoundError:
        return []
    found = set()
    for entry in entries:
        name = entry["name"].rstrip("/").rpartition("/")[2]
        found.add(name + "/" if entry["type"] == "directory" else name)
    # Some stores list a folder within itself, as an object without a name.
    return sorted(found - {"", "/"}, key=os.fsencode)


def prefetch_map(location: Location, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to each item, in order; reads ahead from a store, but not from a disk."""
    return map(function, items) if isinstance(location, Path) else thread_map(function, items, READ_AHEAD)


def _system(url: Url) -> Any:
    with _creating:  # a second client would be connections of its own
        return _system_of(url.scheme, os.getpid())


@functools.cache
def _system_of(scheme: str, process: int) -> Any:
    if not is_store(scheme):  # fsspec knows others, which are not supported
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
    import fsspec

    # Errors end in a row or a message; these packages would also write whole requests to stderr, through the bar.
    for name in ("fsspec", "s3fs", "gcsfs", "botocore", "aiobotocore", "aiohttp", "asyncio"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme in ("s3", "s3a"):
        chosen = {**fsspec.config.conf.get("s3", {}), **fsspec.config.conf.get("s3a", {})}
        from aiobotocore.session import AioSession

        # It reads only the keys of a list: botocore takes nearly all the time of listing for the rest.
        options["session"] = AioSession(profile=chosen.get("profile"))
        options["session"].register("before-parse.s3.ListObjectsV2", _read_keys)
        options["config_kwargs"] = {"max_pool_connections": CONNECTIONS} | dict(chosen.get("config_kwargs") or {})
    system = fsspec.filesystem(scheme, **options)
    if scheme in ("s3", "s3a"):
        system.retries = 2  # each of which botocore tries five times
    return system


_ENTRY = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def _read_keys(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Move the keys of a page from the XML, which is parsed next, into what it is parsed to."""
    body = response_dict["body"]
    if response_dict["status_code"] == 200 and b"<Contents>" in body:
        keys = [html.unescape(key.decode()) for key in _KEY.findall(body)]
        customized_response_dict["Contents"] = [{"Key": key} for key in keys]
        response_dict["body"] = _ENTRY.sub(b"", body)


def _request(url: Url, ask: Callable[[], R]) -> R:
    """Make a request; after a failure, probe whether it is the object's or the store's, a `StoreError`."""
    try:
        with translate_errors(url):
            return ask()
    except TroubleError:
        pass
    try:
        with translate_errors(url):
            _probe(url)
    except TroubleError as error:
        raise StoreError(
            f"{url.store}: does not answer ({error.strerror}); check the network and the store's address"
        ) from None
    except StoreError:
        raise
    except OSError:
        pass  # an answer
    try:
        with translate_errors(url):
            return ask()
    except TroubleError as error:
        raise OSError(errno.EIO, f"the store does not deliver it ({error.strerror})", str(url)) from None


def _probe(url: Url) -> None:
    if url.scheme in ("s3", "s3a"):
        _page(url, {"Bucket": url.bucket, "MaxKeys": 1})
    else:
        _system(url).info(url.store)


_CREDENTIALS = {
    "AuthorizationHeaderMalformed", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken",
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "TokenRefreshRequired", "401", "DefaultCredentialsError", "RefreshError",
}  # fmt: skip
_TROUBLE = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "429", "500", "502", "503", "504"}
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName", "ParamValidationError"}
_ELSEWHERE = {"PermanentRedirect", "301", "IllegalLocationConstraintException"}
_UNREACHABLE = {"EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError", "ClientConnectorDNSError"}
# Errors of these packages without an answer from the store are network errors.
_NETWORK = ("botocore", "aiobotocore", "aiohttp", "google", "requests", "urllib3")


class TroubleError(OSError):
    """A store did not answer, or answered with an internal error."""


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
    """The error for a bucket that does not exist."""
    return StoreError(f"{url.store}: there is no such bucket; check its name and the store's address")


def _ours(error: Exception, url: Url) -> OSError:
    """The same error without the text of client packages, which may contain secrets."""
    code = _code(error)
    if code in _NO_BUCKET or (isinstance(error, FileNotFoundError) and not url.key):
        return no_bucket(url)
    if code in _CREDENTIALS:
        return StoreError(f"{url.store}: the credentials are missing or refused ({code}); set {url.credentials} again")
    if code in _ELSEWHERE:
        return StoreError(f"{url.store}: is in another region ({code}); set AWS_DEFAULT_REGION to its own")
    if code in _UNREACHABLE:
        return StoreError(f"{url.store}: is out of reach ({code}); check the network and the store's address")
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
    if isinstance(error, OSError) and error.errno:  # not from the store but from this machine, such as a full disk
        return OSError(error.errno, os.strerror(error.errno) if code == type(error).__name__ else code, str(url))
    return OSError(errno.EIO, code, str(url))


def _code(error: BaseException) -> str:
    """The store's code for an error, or its status, or the name of the exception."""
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(cause, "code", None)
        if code is not None and re.fullmatch(r"\w{1,60}", str(code)):
            return str(code)
        cause = cause.__cause__
    return type(error).__name__
