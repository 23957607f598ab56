"""ONNX Runtime Web from the npm registry: one pinned archive, known by its digest, kept in the user's cache."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lesionflow.atomic import atomic_write_bytes
from lesionflow.errors import DownloadError, UsageError

REGISTRY = "https://registry.npmjs.org"
TIMEOUT = 60  # seconds without a byte
_CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Package:
    """A package of the npm registry, in one version."""

    name: str
    version: str
    integrity: str  # of its archive, as the registry states it: the digest's name, and its bytes in base64

    @property
    def file(self) -> str:
        """The name of its archive."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def address(self) -> str:
        """Where its archive is."""
        return f"{REGISTRY}/{self.name}/-/{self.file}"


RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)


def fetch_package(package: Package, cache: Path, given: Path | None = None) -> bytes:
    """Return the verified archive of a package, downloaded where it is not in the cache.

    Parameters
    ----------
    package : Package
    cache : Path
        A folder in which it is looked for first, and kept.
    given : Path, optional
        The archive, or a folder that holds it: nothing is downloaded then.

    Raises
    ------
    UsageError
        What is given is not that archive.
    DownloadError
        It cannot be downloaded, or is not what the digest says.
    """
    if given is not None:
        return _read_given(package, given)
    kept = cache / package.file
    if kept.is_file() and _is_whole(package, content := kept.read_bytes()):
        return content
    content = _download(package)
    if not _is_whole(package, content):
        raise DownloadError(f"{package.address}: what came is not {package.file} (its digest differs); try again")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(kept, content)
    except OSError as error:
        raise DownloadError(f"{kept}: cannot be written ({error.strerror}); name another folder: --cache") from error
    return content


def read_members(archive: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Read files of an archive by their names within the package. Raises `DownloadError` where one is missing."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        found = {}
        for name in names:
            try:
                member = opened.extractfile(f"package/{name}")
            except KeyError:
                member = None
            if member is None:
                raise DownloadError(f"the package has no file {name}")
            found[name] = member.read()
    return found


def _read_given(package: Package, given: Path) -> bytes:
    file = given / package.file if given.is_dir() else given
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--runtime {given}: {file.name} cannot be read ({error.strerror}); "
            f"fetch it where there is a network: npm pack {package.name}@{package.version}"
        ) from error
    if not _is_whole(package, content):
        raise UsageError(
            f"--runtime {given}: {file.name} is not npm's archive of {package.name} {package.version} (its digest "
            f"differs); fetch it anew: npm pack {package.name}@{package.version}"
        )
    return content


def _is_whole(package: Package, content: bytes) -> bool:
    algorithm, _, digest = package.integrity.partition("-")
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode() == digest


def _download(package: Package) -> bytes:
    from urllib.request import urlopen  # every command would else wait for TLS to be imported

    content = bytearray()
    try:
        with urlopen(package.address, timeout=TIMEOUT) as answer:
            while chunk := answer.read(_CHUNK):
                content += chunk
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{package.address}: cannot be downloaded ({reason}); or fetch it elsewhere with "
            f"'npm pack {package.name}@{package.version}' and name it: --runtime {package.file}"
        ) from error
    return bytes(content)
