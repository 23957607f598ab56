import hashlib
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProxyError

from lesionflow.dataverse.download import fetch
from lesionflow.dataverse.server import HAM10000_DOI, Patience, Web, _told, read_listing
from lesionflow.errors import DownloadError
from tests.dataverse import server
from tests.dataverse.conftest import PART_1, TABLE
from tests.dataverse.server import Dataverse

AT_ONCE = Patience(tries=3, first_wait=0.0)


def test_a_table_is_fetched_as_it_was_deposited_and_its_digest_is_of_that(
    dataverse: Dataverse, published_files: dict[str, bytes], tmp_path: Path
) -> None:
    published = read_listing(dataverse.address, HAM10000_DOI, Web())
    table = published.find(TABLE)
    assert table.url.endswith("/api/access/datafile/102?format=original") and table.size == len(published_files[TABLE])
    assert published.find(f"{TABLE}.csv") == table and published.find(PART_1).size == len(published_files[PART_1])
    assert fetch(table, tmp_path, Web()).read_bytes() == published_files[TABLE] != dataverse.tab(TABLE)


def test_an_installation_that_tells_less_will_do(
    dataverse: Dataverse, published_files: dict[str, bytes], tmp_path: Path
) -> None:
    about = dataverse.entries[2]["dataFile"]
    del about["originalFileSize"], about["originalFileName"], about["checksum"]
    table = read_listing(dataverse.address, HAM10000_DOI, Web()).find(TABLE)
    assert table.size is None and table.name == "HAM10000_metadata.tab"
    dataverse.misbehave[TABLE] = [server.breaks_off]
    told: list[str] = []
    assert fetch(table, tmp_path, Web(AT_ONCE, told.append)).read_bytes() == published_files[TABLE]
    assert len(told) == 1 and not any("Range" in headers for headers in dataverse.asked_for(TABLE))


def test_an_underscore_more_or_less_in_a_label_does_not_matter(dataverse: Dataverse) -> None:
    dataverse.entries[0]["label"] = label = PART_1.replace("part_1", "part1")
    published = read_listing(dataverse.address, HAM10000_DOI, Web())
    assert label != PART_1 and published.find(PART_1).name == label
    with pytest.raises(DownloadError, match="has no HAM10000_images_part_3"):
        published.find("HAM10000_images_part_3.zip")


def test_other_digests_are_checked_too(dataverse: Dataverse, published_files: dict[str, bytes], tmp_path: Path) -> None:
    value = hashlib.sha512(published_files[PART_1]).hexdigest().upper()
    dataverse.entries[0]["dataFile"] |= {"md5": None, "checksum": {"type": "SHA-512", "value": value}}
    file = read_listing(dataverse.address, HAM10000_DOI, Web()).find(PART_1)
    assert file.digest == f"sha512:{value.lower()}" and fetch(file, tmp_path, Web()).stat().st_size == file.size
    (tmp_path / PART_1).unlink()
    dataverse.misbehave[PART_1] = [server.wrong_bytes] * 2
    with pytest.raises(DownloadError, match="sha512:"):
        fetch(file, tmp_path, Web())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"checksum": None, "md5": None}, "no digest that can be checked"),
        ({"checksum": {"type": "CRC", "value": "1"}}, "no digest that can be checked"),
        ({"filesize": -1}, "has -1 bytes"),
        ({"id": "../x"}, "no list of files as Dataverse gives it"),
    ],
)
def test_files_that_could_not_be_checked_are_refused(dataverse: Dataverse, change: dict[str, Any], told: str) -> None:
    dataverse.entries[0]["dataFile"] |= change
    with pytest.raises(DownloadError, match=told):
        read_listing(dataverse.address, HAM10000_DOI, Web())


@pytest.mark.parametrize("name", ["../a.zip", "/a.zip", "a\\b.zip", ".a.zip", ".."])
def test_names_that_are_no_file_names_are_refused(dataverse: Dataverse, name: str) -> None:
    dataverse.entries[0]["label"] = name
    with pytest.raises(DownloadError, match="is no file name"):
        read_listing(dataverse.address, HAM10000_DOI, Web())


def test_a_server_that_is_no_dataverse_is_told_from_one_that_is_out_of_order(dataverse: Dataverse) -> None:
    told: list[str] = []
    dataverse.misbehave["the list"] = [
        server.fails(503), server.breaks_off, lambda handler, content: handler.answer(200, b"<html>"),
    ]  # fmt: skip
    with pytest.raises(DownloadError, match=r"the list of files of doi:.*the answer is not JSON, 3 times in a row"):
        read_listing(dataverse.address, HAM10000_DOI, Web(AT_ONCE, told.append))
    assert len(told) == 2
    dataverse.misbehave["the list"] = [lambda handler, content: handler.answer(200, b'{"status": "OK"}')]
    with pytest.raises(DownloadError, match=r"no list of files as Dataverse gives it .*is --server right"):
        read_listing(dataverse.address, HAM10000_DOI, Web())
    with pytest.raises(DownloadError, match="the server has nothing at this address"):
        read_listing(dataverse.address, "doi:10.1/NOTHING", Web())
    with pytest.raises(DownloadError, match="cannot be requested"):
        read_listing("http://[", HAM10000_DOI, Web())


def test_only_a_refused_tunnel_lacks_a_password() -> None:
    gone = ProxyError("cannot connect", OSError("<HTTPConnection object at 0x7f0004070>: Connection refused"))
    assert _told(gone, None, None, 60) == "the proxy that the environment names does not answer"
    closed = ProxyError("cannot connect", OSError("Tunnel connection failed: 407 Proxy Authentication Required"))
    with pytest.raises(DownloadError, match="the proxy requires authentication"):
        _told(closed, None, None, 60)
