"""HAM10000 comes whole from a server that does everything wrong, or does not come at all; nothing wrong gets a name."""

import errno
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lesionflow.api.download import Downloaded, download
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.dataverse.download import MANIFEST_FILE, UNFINISHED
from lesionflow.dataverse.server import Patience
from lesionflow.errors import DownloadError, UsageError
from tests.dataverse import server
from tests.dataverse.conftest import PART_1, PART_2, TABLE
from tests.dataverse.server import Dataverse, Misbehaviour

AT_ONCE = Patience(tries=4, first_wait=0.0, longest_wait=0.0)


def fetch(folder: Path, dataverse: Dataverse, **options: Any) -> tuple[Downloaded, str]:
    """Download as the command does, without waiting; also what was told on the way."""
    told = io.StringIO()
    options = {"server": dataverse.address, "accept_licence": True, "patience": AT_ONCE, **options}
    found = download(folder, console=Console(file=told, width=200), **options)
    return found, told.getvalue()


def told_by_failing(folder: Path, dataverse: Dataverse, **options: Any) -> str:
    with pytest.raises(DownloadError) as failed:
        fetch(folder, dataverse, **options)
    assert "\n" not in str(failed.value)
    return str(failed.value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_what_comes_is_what_is_published_and_works_at_once(
    tmp_path: Path, dataverse: Dataverse, fifty_images: Path
) -> None:
    found, told = fetch(tmp_path / "HAM10000", dataverse)
    assert told == "" and not found.warnings and found.images == 50 and found.version == "4.0"
    assert set(found.fetched) == {PART_1, PART_2, TABLE}
    assert names(found.folder) == names(fifty_images) | {MANIFEST_FILE}
    assert read_labelled_images(found.folder).digest == read_labelled_images(fifty_images).digest
    manifest = json.loads((found.folder / MANIFEST_FILE).read_text())
    assert manifest["server"] == dataverse.address and manifest["licence"] == "CC BY-NC 4.0"
    assert manifest["files"]["HAM10000_images_part_1"]["digest"] == "md5:" + dataverse.entries[0]["dataFile"]["md5"]


def test_a_file_of_each_kind_shows_how_far_it_is(tmp_path: Path, dataverse: Dataverse) -> None:
    told = io.StringIO()
    terminal = Console(file=told, force_terminal=True, width=80)
    download(tmp_path, server=dataverse.address, accept_licence=True, parallel=1, console=terminal)
    for shown in (PART_1, "unpacking HAM10000_images_part_2", TABLE, " kB "):
        assert shown in told.getvalue()


def test_what_is_there_is_not_fetched_again(tmp_path: Path, dataverse: Dataverse) -> None:
    fetch(tmp_path, dataverse)
    before = len(dataverse.requests)
    found, _ = fetch(tmp_path, dataverse)
    assert found.fetched == () and len(dataverse.requests) == before + 1  # the list of files
    shutil.rmtree(tmp_path / "HAM10000_images_part_2")
    (tmp_path / "HAM10000_metadata.csv").unlink()
    found, _ = fetch(tmp_path, dataverse)
    assert found.fetched == (PART_2, TABLE) and len(dataverse.asked_for(PART_1)) == 1


def test_archives_are_kept_or_taken_from_the_folder_if_somebody_put_them_there(
    tmp_path: Path, dataverse: Dataverse, published_files: dict[str, bytes]
) -> None:
    fetch(tmp_path / "kept", dataverse, keep_archives=True)
    assert (tmp_path / "kept" / PART_1).read_bytes() == published_files[PART_1]
    given = tmp_path / "given"
    given.mkdir()
    (given / PART_1).write_bytes(published_files[PART_1])
    (given / PART_2).write_bytes(published_files[PART_2][:-1])
    fetch(given, dataverse)
    assert [len(dataverse.asked_for(name)) for name in (PART_1, PART_2)] == [1, 2]
    assert (given / PART_1).read_bytes() == published_files[PART_1]
    assert names(given / "HAM10000_images_part_1") == names(tmp_path / "kept" / "HAM10000_images_part_1")


@pytest.mark.parametrize(
    ("troubles", "told", "resumed"),
    [
        ([server.fails(500)], "the server answers 500", False),
        ([server.fails(503, Retry_After="0")], "asks to wait 0 s", False),
        ([server.fails(429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT")], "asks to wait 0 s", False),
        ([server.fails(403)], "the server answers 403", False),  # an address that was signed for minutes
        ([server.says_nothing], "the connection failed or broke off", False),
        ([server.resets], "the connection failed or broke off", True),
        ([server.breaks_off], "the connection failed or broke off", True),
        ([server.breaks_off, server.fails(502), server.fails(500)], "the server answers 502", True),
        ([server.tells_less], "the answer ended after", True),
        ([server.tells_more], "the connection failed or broke off", True),
        ([server.sends_more], "more came than the", False),
        ([server.breaks_off, server.ignores_range], "the connection failed or broke off", True),
        ([server.breaks_off, server.wrong_range], "cannot send the missing rest", True),
        ([server.breaks_off, server.other_size], "cannot send the missing rest", True),
        ([server.wrong_bytes], "another digest than the one published; downloading it again", False),
        ([server.breaks_off, server.wrong_bytes], "another digest than the one published", True),
    ],
)
def test_a_server_that_recovers_is_waited_for_and_gone_on_with(
    tmp_path: Path, dataverse: Dataverse, fifty_images: Path, troubles: list[Misbehaviour], told: str, resumed: bool
) -> None:
    dataverse.misbehave[PART_1] = list(troubles)
    found, lines = fetch(tmp_path, dataverse)
    assert f"{PART_1}: " in lines and told in lines
    assert any("Range" in headers for headers in dataverse.asked_for(PART_1)) is resumed
    assert not dataverse.misbehave[PART_1] and found.images == 50 and not (tmp_path / UNFINISHED).exists()
    assert read_labelled_images(tmp_path).digest == read_labelled_images(fifty_images).digest


@pytest.mark.parametrize("redirect", [True, False])
def test_a_connection_that_breaks_again_and_again_is_gone_on_with_as_long_as_something_comes(
    tmp_path: Path, published_files: dict[str, bytes], redirect: bool
) -> None:
    def a_fifth(handler: server.Handler, content: bytes) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        rest = content[start:]
        told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        handler.answer(206 if start else 200, rest[: len(content) // 5], told, length=len(rest))
        handler.close_connection = True

    dataverse = Dataverse(published_files, tables=[TABLE], redirect=redirect)
    dataverse.misbehave[PART_1] = [a_fifth] * 4
    fetch(tmp_path, dataverse)
    starts = [int(headers.get("Range", "bytes=0-")[6:-1]) for headers in dataverse.asked_for(PART_1)]
    assert len(starts) == 5 and starts == sorted(set(starts))
    dataverse.close()


def test_a_server_that_falls_silent_is_asked_again(tmp_path: Path, dataverse: Dataverse) -> None:
    dataverse.misbehave[PART_1] = [server.hold]
    dataverse.misbehave[PART_2] = [server.waits]
    found, told = fetch(tmp_path, dataverse, patience=replace(AT_ONCE, timeout=0.5))
    assert found.images == 50 and f"{PART_1}: nothing came for 0.5 s" in told and f"{PART_2}: nothing came" in told
    assert any("Range" in headers for headers in dataverse.asked_for(PART_1))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (server.fails(500), "the server answers 500 Internal Server Error, 4 times in a row; try again later"),
        (server.resets, "4 times in a row"),
        (server.fails(503, Retry_After="4000"), "asks to wait 4000 s; try again then"),
        (server.fails(404), "the server has nothing at this address; is --server right? (404 Not Found)"),
        (server.fails(202), "(202 Accepted)"),
        (server.redirects_for_ever, "cannot be requested (TooManyRedirects)"),
        (server.wrong_bytes, "with another digest than the one published, md5:"),
    ],
)
def test_a_server_that_does_not_recover_is_an_error_and_nothing_gets_a_name(
    tmp_path: Path, dataverse: Dataverse, trouble: Misbehaviour, told: str
) -> None:
    dataverse.misbehave[PART_1] = [trouble] * 12
    assert told in told_by_failing(tmp_path, dataverse)
    assert not names(tmp_path) & {PART_1, "HAM10000_images_part_1", "HAM10000_metadata.csv"}
    dataverse.misbehave[PART_1] = []
    assert fetch(tmp_path, dataverse)[0].images == 50


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_is_denied_is_told_what_to_do(tmp_path: Path, published_files: dict[str, bytes], status: int) -> None:
    dataverse = Dataverse(published_files, tables=[TABLE], redirect=False)
    dataverse.misbehave[PART_2] = [server.fails(status)]
    message = told_by_failing(tmp_path, dataverse)
    assert f"{dataverse.address}/api/access/datafile/101: the server " in message and f"({status} " in message
    assert "--server" in message and len(dataverse.asked_for(PART_2)) == 1
    dataverse.misbehave["the list"] = [server.fails(status)]
    assert "api/datasets/" in told_by_failing(tmp_path, dataverse)
    dataverse.close()
    assert "the connection failed or broke off, 4 times in a row" in told_by_failing(tmp_path, dataverse)


@pytest.mark.parametrize("beginning", [b"something else", b""])
def test_what_an_earlier_run_left_is_gone_on_with_and_begun_anew_where_it_is_wrong(
    tmp_path: Path, dataverse: Dataverse, published_files: dict[str, bytes], beginning: bytes
) -> None:
    left = beginning or published_files[PART_1][:1000]
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / UNFINISHED / f"{PART_1}.partial").write_bytes(left)
    found, told = fetch(tmp_path, dataverse)
    ranges = [headers.get("Range") for headers in dataverse.asked_for(PART_1)]
    assert found.images == 50 and ranges == [f"bytes={len(left)}-", *([None] if beginning else [])]
    assert ("another digest" in told) is bool(beginning)


def test_a_process_that_was_killed_while_it_checked_has_fetched_enough(
    tmp_path: Path, dataverse: Dataverse, published_files: dict[str, bytes]
) -> None:
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / UNFINISHED / f"{PART_1}.partial").write_bytes(published_files[PART_1])
    (tmp_path / UNFINISHED / f"{PART_2}.partial").write_bytes(published_files[PART_2] + b"more")
    assert fetch(tmp_path, dataverse)[0].images == 50
    assert len(dataverse.asked_for(PART_1)) == 0 and len(dataverse.asked_for(PART_2)) == 1


@pytest.mark.parametrize("links", [True, False])
def test_what_has_come_outlives_the_check_where_the_disk_knows_links(
    tmp_path: Path, dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    import pooch

    def killed(*arguments: object, **others: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pooch.core, "hash_matches", killed)
        if not links:
            patch.setattr("os.link", lambda *paths: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
        with pytest.raises(KeyboardInterrupt, match="the same command continues"):
            fetch(tmp_path, dataverse, parallel=1)
    asked = len(dataverse.asked_for(PART_1))
    assert fetch(tmp_path, dataverse)[0].images == 50 and asked == 1
    assert len(dataverse.asked_for(PART_1)) == (1 if links else 2)


def test_room_on_the_disk_is_asked_for_before_anything_is(tmp_path: Path, dataverse: Dataverse) -> None:
    dataverse.entries[0]["dataFile"]["filesize"] = 10**17
    message = told_by_failing(tmp_path, dataverse)
    assert "205000000.0" in message and "are needed, 100000000.0" in message and "are free" in message
    assert not [path for path, _ in dataverse.requests if "datafile" in path]


def test_what_is_not_what_was_published_is_neither_used_nor_overwritten(tmp_path: Path, dataverse: Dataverse) -> None:
    fetch(tmp_path, dataverse)
    image = next((tmp_path / "HAM10000_images_part_1").iterdir())
    image.write_bytes(b"changed")
    assert "HAM10000_images_part_1: is there already, and is not (or no longer)" in told_by_failing(tmp_path, dataverse)
    assert image.read_bytes() == b"changed"
    (tmp_path / "HAM10000_metadata.csv").write_text("mine")
    shutil.rmtree(tmp_path / "HAM10000_images_part_1")
    assert "HAM10000_metadata.csv: is there already" in told_by_failing(tmp_path, dataverse)


@pytest.mark.parametrize("place", ["manifest", "rename"])
def test_an_unpacking_that_was_interrupted_is_done_again(
    tmp_path: Path, dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    from lesionflow.dataverse import download as download_module

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if place == "manifest":
            patch.setattr(download_module, "atomic_write_bytes", full)
        else:
            patch.setattr(download_module.os, "rename", full)
        assert "No space left on device" in told_by_failing(tmp_path, dataverse, parallel=1)
    assert "HAM10000_images_part_1" not in names(tmp_path)
    found, _ = fetch(tmp_path, dataverse)
    assert found.images == 50 and len(dataverse.asked_for(PART_1)) == 1


def test_the_test_images_of_the_challenge_have_a_folder_of_their_own(tmp_path: Path, fifty_images: Path) -> None:
    images = {
        f"HAM10000_images_part_{part}/{file.name}": file
        for part in (1, 2)
        for file in (fifty_images / f"HAM10000_images_part_{part}").iterdir()
    }
    (tmp_path / "all").mkdir()
    for file in images.values():
        shutil.copy(file, tmp_path / "all")
    rows = (fifty_images / "HAM10000_metadata.csv").read_bytes()
    truth = "ISIC2018_Task3_Test_GroundTruth.csv"
    files = {"ISIC2018_Task3_Test_Images.zip": server.archive_of(tmp_path / "all"), truth: rows}
    dataverse = Dataverse(files, tables=[truth])
    found, _ = fetch(tmp_path / "test", dataverse, part="test")
    assert found.images == 50 and names(found.folder) == {"ISIC2018_Task3_Test_Images", truth, MANIFEST_FILE}
    assert "holds the test part; give another folder" in told_by_failing(tmp_path / "test", dataverse)
    message = told_by_failing(tmp_path / "training", dataverse)
    assert f"has no {PART_1}; its files are ISIC2018_Task3_Test_Images.zip, {truth}" in message
    dataverse.close()


def test_no_download_without_the_licence_or_with_nonsense(tmp_path: Path, dataverse: Dataverse) -> None:
    with pytest.raises(UsageError, match=r"CC BY-NC 4\.0.*add --accept-licence"):
        fetch(tmp_path, dataverse, accept_licence=False)
    for options in (
        {"server": "ftp://x"},
        {"server": "http://["},
        {"server": "http://me:secret@x"},
        {"part": "all"},
        {"parallel": 0},
    ):
        with pytest.raises(UsageError) as refused:
            fetch(tmp_path, dataverse, **options)
        assert "secret" not in str(refused.value)
    assert dataverse.requests == [] and names(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, dataverse: Dataverse) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in told_by_failing(tmp_path / "file", dataverse)


def test_a_proxy_of_the_environment_is_used_unless_it_is_not_to_be(
    tmp_path: Path, dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.proxy() as (address, asked):
        monkeypatch.setenv("HTTP_PROXY", address)
        fetch(tmp_path / "through", dataverse)
        assert len(asked) == len(dataverse.requests) == 7  # the list, and three files with a redirection each
        assert all(path.startswith(dataverse.address) for path in asked)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        fetch(tmp_path / "past", dataverse)
        assert len(asked) == 7
    monkeypatch.delenv("NO_PROXY")
    assert "the proxy that the environment names does not answer" in told_by_failing(tmp_path / "gone", dataverse)
    with server.proxy(password=True) as (address, _):
        monkeypatch.setenv("HTTP_PROXY", address)
        assert "the proxy requires authentication" in told_by_failing(tmp_path / "closed", dataverse)
        monkeypatch.setenv("HTTP_PROXY", address.replace("//", "//me:secret@"))
        fetch(tmp_path / "opened", dataverse)


def test_https_through_a_proxy_with_a_certificate_that_the_environment_names(
    tmp_path: Path, published_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataverse = Dataverse(published_files, tables=[TABLE], tls=server.certificate(tmp_path / "own.pem"))
    assert "certificate cannot be verified" in told_by_failing(tmp_path / "set", dataverse)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "own.pem"))
    with server.proxy() as (address, asked):
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert fetch(tmp_path / "set", dataverse)[0].images == 50
        assert asked and set(asked) == {dataverse.address.removeprefix("https://")}
    dataverse.close()
