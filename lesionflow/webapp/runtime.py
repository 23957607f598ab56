"""LiteRT and ONNX Runtime Web from the npm registry: pinned archives, known by their digests, kept in a cache."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import tarfile
from dataclasses import dataclass
from pathlib import Path

from lesionflow.errors import DownloadError, MissingError, os_errors_as
from lesionflow.options import FOLDERS, Config, option
from lesionflow.progress import logging_at

REGISTRY = "https://registry.npmjs.org"
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Package:
    """A package of the npm registry, in one version."""

    name: str
    version: str
    integrity: str  # of its archive, as the registry states it: the digest's name, and its bytes in base64

    @property
    def digest(self) -> str:
        """The same as pooch writes it: `sha512:` and hexadecimal digits."""
        algorithm, _, digest = self.integrity.partition("-")
        return f"{algorithm}:{base64.b64decode(digest).hex()}"

    @property
    def file(self) -> str:
        """The name of its archive, as `npm pack` writes it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def address(self) -> str:
        """Where its archive is."""
        return f"{REGISTRY}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


LITERT, ONNX = "litert", "onnx"
RUNTIMES = {
    LITERT: (
        Package(
            "@litertjs/core",
            "2.5.3",
            "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        ),
        Package(
            "@litertjs/wasm-utils",
            "2.5.3",
            "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        ),
    ),
    ONNX: (
        Package(
            "onnxruntime-web",
            "1.30.0",
            "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        ),
    ),
}


def fetch_package(package: Package, cache: Path, given: Path | None = None) -> bytes:
    """Return the verified archive of a package, downloaded if it is not in the cache.

    given: a folder that holds the archive; nothing is downloaded then. Raises `MissingError` where what is given cannot
    be read, or is not that archive; `DownloadError` where it cannot be downloaded, or is not what the digest says.
    """
    if given is not None:
        return _read_given(package, given)
    import pooch
    import requests  # not at the top: every command would wait for it

    elsewhere = f"'{npm_pack(package)}' and name its folder: --archives FOLDER"
    download = pooch.HTTPDownloader(timeout=TIMEOUT)
    try:
        with logging_at(logging.WARNING, pooch.get_logger()):
            kept = pooch.retrieve(package.address, package.digest, package.file, cache, downloader=download)
        return Path(kept).read_bytes()
    except requests.RequestException as error:  # its text could hold a proxy's password
        reason = type(error).__name__ if error.response is None else f"status {error.response.status_code}"
        raise DownloadError(
            f"{package.address}: cannot be downloaded ({reason}); or fetch it elsewhere with {elsewhere}"
        ) from error
    except ValueError as error:
        raise DownloadError(
            f"{package.address}: what came is not {package.file} (its digest differs); try again"
        ) from error
    except OSError as error:
        raise DownloadError(f"{cache}: cannot be written ({error.strerror}); name another folder: --cache") from error


def read_members(archive: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """Read files of an archive by their names within the package. Raises `DownloadError` if one is missing."""
    found: dict[str, bytes] = {}
    # In the archive's own order, and no further than the last of them: to go back is to unpack all of it anew.
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as opened:
        while len(found) < len(names) and (member := opened.next()) is not None:
            folder, _, name = member.name.partition("/")
            if folder == "package" and name in names and (file := opened.extractfile(member)) is not None:
                found[name] = file.read()
    for name in names:
        if name not in found:
            raise DownloadError(f"the package has no file {name}")
    return found


def npm_pack(package: Package) -> str:
    """Return the command that fetches a package's archive, and those of the others that its runtime consists of."""
    together = next((packages for packages in RUNTIMES.values() if package in packages), (package,))
    return " ".join(["npm pack", *(f"{each.name}@{each.version}" for each in together)])


def _read_given(package: Package, given: Path) -> bytes:
    file = given / package.file
    advice = f"fetch it where there is a network: {npm_pack(package)}"
    with os_errors_as(MissingError, f"--archives {given}: {file.name} cannot be read", advice):
        content = file.read_bytes()
    algorithm, digest = package.digest.split(":")
    if hashlib.new(algorithm, content).hexdigest() != digest:
        raise MissingError(
            f"--archives {given}: {file.name} is not npm's archive of {package.name} {package.version} (its digest "
            f"differs); fetch it again: {npm_pack(package)}"
        )
    return content


@dataclass(frozen=True)
class WebConfig(Config):
    """How to make the page. Values out of range raise `UsageError`."""

    runtime: str | None = option(
        None, "What runs the network in the browser: LiteRT, twice as fast, or ONNX Runtime Web, for any bundle.",
        kind=str, choices=(LITERT, ONNX), unset=f"{LITERT} where its extra is installed and the bundle allows it",
    )  # fmt: skip
    archives: str | None = option(
        None,
        "A folder with the runtime's npm archives, for machines without a network; for litert those of "
        f"'{npm_pack(RUNTIMES[LITERT][0])}', for onnx that of '{npm_pack(RUNTIMES[ONNX][0])}'.",
        kind=str, metavar="FOLDER", completes=(FOLDERS,), unset="downloaded once, into the cache",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace the files of an earlier page in the folder; any others stay.")
