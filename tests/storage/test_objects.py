import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.s3.models import s3_backends

from lesionflow.errors import StoreError
from lesionflow.storage import key_ranges, objects
from lesionflow.storage.location import Url
from tests.stores import KEY, SECRET, Bucket, S3Server

KEYS = [
    "x/b b.jpg", "x/ä.jpg", "x/z/1.jpg", "x/a/1.jpg", "x/a.jpg", "x/a-1.jpg", "x//d.jpg", "x/q?a=1.jpg", "x/%41.jpg",
    "x/+ .jpg", "x/#1.jpg", "x/\U0001f600.jpg", "x/\uffee.jpg", "x/a/b/c/d.jpg", "x/A.jpg",
]  # fmt: skip


@pytest.fixture(params=["s3", "memory"])
def folder(request: pytest.FixtureRequest) -> Iterator[Url]:
    """A folder that is empty, in each kind of store."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        yield Url.of(bucket.url("folder"))
        return
    import fsspec

    yield Url.of("memory://bucket/folder")
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_what_is_written_is_read(folder: Url, tmp_path: Path) -> None:
    url = folder / "a.txt"
    assert not objects.is_file(url)
    objects.write(url, b"hello")
    assert objects.is_file(url) and objects.read(url) == b"hello"
    assert (objects.read(url, 1, 3), objects.read(url, 2), objects.read(url, end=99)) == (b"el", b"llo", b"hello")
    assert objects.read(url, 5) == b""
    with objects.local_copy(url) as copy:
        assert copy.read_bytes() == b"hello" and copy.suffix == ".txt"
    assert not copy.exists()
    (tmp_path / "file").write_bytes(b"from a file")
    objects.upload(tmp_path / "file", url)
    assert objects.read(url) == b"from a file"
    objects.remove(url)
    objects.remove(url)
    assert not objects.is_file(url)


def test_an_empty_object(folder: Url) -> None:
    objects.write(folder / "empty", b"")
    assert objects.is_file(folder / "empty")
    assert (objects.read(folder / "empty"), objects.read(folder / "empty", end=10)) == (b"", b"")


def test_what_exists_is_not_overwritten_unasked(folder: Url, tmp_path: Path) -> None:
    objects.write(folder / "a.txt", b"first", overwrite=False)
    (tmp_path / "file").write_bytes(b"second")
    with pytest.raises(FileExistsError):
        objects.write(folder / "a.txt", b"second", overwrite=False)
    with pytest.raises(FileExistsError):
        objects.upload(tmp_path / "file", folder / "a.txt", overwrite=False)
    assert objects.read(folder / "a.txt") == b"first"


def test_what_came_into_being_meanwhile_is_not_overwritten(
    folder: Url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look finds nothing, as it does when two processes look at once; the write itself has to notice."""
    objects.write(folder / "a.txt", b"first")
    monkeypatch.setattr(objects, "is_file", lambda url: False)
    (tmp_path / "file").write_bytes(b"second")
    with pytest.raises(FileExistsError):
        objects.write(folder / "a.txt", b"second", overwrite=False)
    if folder.scheme == "s3":
        with pytest.raises(FileExistsError):
            objects.upload(tmp_path / "file", folder / "a.txt", overwrite=False)
    assert objects.read(folder / "a.txt") == b"first"


def test_objects_are_listed_in_the_order_of_bytes(bucket: Bucket) -> None:
    for key in [*KEYS, "x/folder/", "y/1.jpg", "x.jpg", "x-/1.jpg"]:
        bucket.put(key, b"content")
    folder = Url.of(bucket.url("x"))
    expected = sorted((bucket.url(key) for key in KEYS), key=os.fsencode)
    assert list(objects.listed(folder)) == expected == list(objects.listed(Url.of(bucket.url("x/"))))
    here = sorted((key[2:] for key in KEYS if "/" not in key[2:]), key=os.fsencode)
    assert list(objects.names(folder)) == here
    for url in expected:  # each name finds its object
        assert objects.read(Url.of(url)) == b"content"
    assert list(objects.listed(Url.of(bucket.url("missing")))) == []


def test_other_stores_are_listed_folder_by_folder(folder: Url) -> None:
    keys = [key for key in KEYS if "//" not in key]
    for key in keys:
        objects.write(folder / key, b"content")
    assert list(objects.listed(folder)) == sorted((str(folder / key) for key in keys), key=os.fsencode)
    assert list(objects.listed(folder, recursive=False)) == []
    assert list(objects.listed(folder / "missing")) == []


def test_a_listing_is_streamed(bucket: Bucket, s3_server: S3Server) -> None:
    backend = s3_backends["123456789012"]["aws"]
    for number in range(2500):
        backend.put_object(bucket.name, f"many/{number:05}.jpg", b"")
    s3_server.requests.clear()
    urls = objects.listed(Url.of(bucket.url("many")))
    assert next(urls) == bucket.url("many/00000.jpg")
    assert len(s3_server.requests) == 1
    assert sum(1 for _ in urls) == 2499 and len(s3_server.requests) == 3


def test_whether_there_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    there = ["file", ".", "none", "file/none", "loop"]
    assert [name for name in there if objects.is_file(tmp_path / name)] == ["file"]
    with pytest.raises(OSError, match="too long"):
        objects.is_file(tmp_path / ("n" * 300))


def test_folders_of_a_long_listing_are_asked_for(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names come back as they are, whatever the store does to them on the way."""
    names = [f"{name}{number}" for name in ("a b", "50%20off", "a+b", "ü", "<&>") for number in range(6)]
    backend = s3_backends["123456789012"]["aws"]
    for number in range(6000):
        backend.put_object(bucket.name, f"many/{names[number % len(names)]}/{number:05}.jpg", b"")
    monkeypatch.setattr(key_ranges, "ONE_BY_ONE", 1)
    asked, ask = [], objects._fetch_folders

    def fetch_folders(*what: Any) -> tuple[list[str], bool]:
        asked.append(ask(*what))
        return asked[-1]

    monkeypatch.setattr(objects, "_fetch_folders", fetch_folders)
    listed = list(objects.listed(Url.of(bucket.url("many"))))
    assert len(listed) == 6000 and listed == sorted(listed, key=os.fsencode)
    assert {url.rpartition("/")[0] for url in listed} == {bucket.url(f"many/{name}") for name in names}
    folders = [folder for found, _ in asked for folder in found]
    assert folders and set(folders) <= {f"many/{name}/" for name in names}


def test_a_listing_out_of_order_is_an_error(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What S3's directory buckets do; the server here has none."""
    pages = objects._pages
    for key in ("a.jpg", "b.jpg"):
        bucket.put(key, b"content")
    monkeypatch.setattr(objects, "_pages", lambda *what: reversed(list(pages(*what))))
    with pytest.raises(OSError, match="in no order"):
        list(objects.listed(Url.of(bucket.url())))


def test_an_object_is_read_with_one_request_and_not_beyond_its_limit(bucket: Bucket, s3_server: S3Server) -> None:
    bucket.put("large", bytes(3_000_000))
    s3_server.requests.clear()
    assert len(objects.read(Url.of(bucket.url("large")), end=1_000_000)) == 1_000_000
    assert s3_server.requests == [("GET", f"/{bucket.name}/large")]


def test_failures_of_one_object(bucket: Bucket, s3_server: S3Server) -> None:
    with pytest.raises(FileNotFoundError, match="no such object"):
        objects.read(Url.of(bucket.url("missing")))
    bucket.put("forbidden", b"x")
    bucket.put("broken", b"x")
    bucket.forbid("forbidden")
    with pytest.raises(PermissionError, match="permission denied"):
        objects.read(Url.of(bucket.url("forbidden")))
    s3_server.broken.add(f"/{bucket.name}/broken")
    with pytest.raises(OSError, match="500") as caught:
        objects.read(Url.of(bucket.url("broken")))
    assert not isinstance(caught.value, StoreError) and caught.value.errno == errno.EIO


def test_failures_of_this_machine(bucket: Bucket) -> None:
    bucket.put("list.txt", b"content")
    with pytest.raises(OSError, match="No space left"):
        objects.download(Url.of(bucket.url("list.txt")), Path("/dev/full"))
    with pytest.raises(OSError, match="Protocol not supported"):
        objects.read(Url.of("https://host/image.jpg"))


@pytest.mark.parametrize("name", ["no-such-bucket", "No such name!"])
def test_a_bucket_that_is_not_there(name: str, bucket: Bucket) -> None:
    url = Url("s3", name, "x")
    for failing in (
        lambda: objects.read(url),
        lambda: objects.is_file(url),
        lambda: list(objects.listed(url)),
        lambda: objects.write(url, b""),
        lambda: objects.write(url, b"", overwrite=False),
    ):
        with pytest.raises(StoreError, match=f"s3://{name}: there is no such bucket"):
            failing()


def test_a_server_that_is_gone_is_told_apart_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    objects._system_of.cache_clear()
    try:
        bucket = server.bucket()
        url = Url.of(bucket.url("x"))
        objects.write(url, b"kept")
        server.stop()
        with pytest.raises(StoreError) as caught:
            objects.read(url)
        assert str(caught.value).startswith(f"s3://{bucket.name}: is out of reach")
        assert not [part for part in (KEY, SECRET, "127.0.0.1") if part in str(caught.value)]
        server.start()
        assert objects.read(url) == b"kept"
    finally:
        objects._system_of.cache_clear()
        server.stop()


def test_reading_ahead_keeps_the_order_and_stays_bounded(tmp_path: Path) -> None:
    begun: list[int] = []

    def slowly(number: int) -> int:
        begun.append(number)
        time.sleep(0.01 * (number % 3))
        return number

    results = objects.prefetch_map(Url("memory", "bucket", ""), slowly, iter(range(200)))
    assert next(results) == 0
    assert len(begun) <= 2 * objects.READ_AHEAD
    assert list(results) == list(range(1, 200))
    begun.clear()
    assert next(objects.prefetch_map(tmp_path, slowly, range(200))) == 0 and begun == [0]
