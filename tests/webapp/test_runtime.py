"""A runtime is fetched once, and nothing else is taken for it."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pooch
import pytest

from lesionflow.errors import DownloadError, MissingError
from lesionflow.webapp import runtime
from lesionflow.webapp.runtime import ONNX, RUNTIMES, Package, fetch_package, npm_pack, read_members
from tests.conftest import error_line, invoke
from tests.webapp.conftest import serving


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A small package on a registry that is a folder until a test serves it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/dist/part.js")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"a = 1"))
    digest = base64.b64encode(hashlib.sha512(stream.getvalue()).digest()).decode()
    found = Package("@tiny/small", "1.2.3", f"sha512-{digest}")
    place = tmp_path / "registry" / "@tiny" / "small" / "-"
    place.mkdir(parents=True)
    (place / "small-1.2.3.tgz").write_bytes(stream.getvalue())
    return found


def test_it_is_downloaded_once(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = pooch.get_logger()
    said = logger.level, logger.filters[:]
    with serving(tmp_path / "registry") as address:
        monkeypatch.setattr(runtime, "REGISTRY", address.rstrip("/"))
        content = fetch_package(package, tmp_path / "cache")
    assert (logger.level, logger.filters) == said
    assert fetch_package(package, tmp_path / "cache") == content  # the server is gone
    assert read_members(content, ("dist/part.js",)) == {"dist/part.js": b"a = 1"}
    with pytest.raises(DownloadError, match=r"no file dist/other\.js"):
        read_members(content, ("dist/other.js",))


def test_what_is_not_that_archive_is_neither_kept_nor_used(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "registry" / "@tiny" / "small" / "-" / "small-1.2.3.tgz"
    file.write_bytes(file.read_bytes()[:-1])
    with serving(tmp_path / "registry") as address:
        monkeypatch.setattr(runtime, "REGISTRY", address.rstrip("/"))
        with pytest.raises(DownloadError, match="its digest differs"):
            fetch_package(package, tmp_path / "cache")
    assert not [*(tmp_path / "cache").iterdir()]
    with pytest.raises(DownloadError, match=r"cannot be downloaded .*npm pack @tiny/small@1\.2\.3.*--archives"):
        fetch_package(package, tmp_path / "cache")
    shutil.copy(file, tmp_path / "cache" / "tiny-small-1.2.3.tgz")
    with pytest.raises(MissingError, match="its digest differs"):
        fetch_package(package, tmp_path / "cache", tmp_path / "cache")
    with pytest.raises(MissingError, match=r"cannot be read .*npm pack @tiny/small@1\.2\.3"):
        fetch_package(package, tmp_path / "cache", tmp_path)


def test_the_command_says_what_is_wrong_with_a_runtime(tmp_path: Path, web_bundle: Path) -> None:
    (tmp_path / RUNTIMES[ONNX][0].file).write_bytes(b"something else")
    (tmp_path / "empty").mkdir()
    commands = [npm_pack(packages[0]) for packages in RUNTIMES.values()]
    for given, told in (
        (tmp_path, ["its digest differs"]), (tmp_path / "empty", commands), (tmp_path / "none", ["no such folder"]),
    ):  # fmt: skip
        result = invoke("web", str(web_bundle), "--out", str(tmp_path / "page"), "--archives", str(given))
        assert result.exit_code == 1 and all(each in error_line(result) for each in told)
    assert not (tmp_path / "page").exists()
