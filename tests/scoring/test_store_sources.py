"""Sources that are URLs: found, ordered and refused like folders, files, lists, tables and patterns on a disk."""

import os
from pathlib import Path

import pytest

from lesionflow.errors import DataError, StoreError, UsageError
from lesionflow.scoring.sources import open_source
from tests.stores import Bucket

KEYS = ["scans/b/2.jpg", "scans/b/1.jpg", "scans/a/1.jpg", "scans/a/x/3.jpg", "scans/a/.hidden.jpg", "scans/1.jpg",
        "scans/a/1.txt", "scans/a-1.JPG", "scans/folder/", "scans-1.jpg", "scans/ä?.jpg"]  # fmt: skip


def paths(source: object, **options: object) -> list[str]:
    return [path for path, *_ in open_source(source, **options).inputs]  # type: ignore[arg-type]


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    for key in KEYS:
        bucket.put(key, b"content")
    return bucket


def test_a_folder_gives_what_it_gives_on_a_disk(filled: Bucket, tmp_path: Path) -> None:
    for key in KEYS:
        if not key.endswith("/"):
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
    for options in ({}, {"recursive": False}, {"pattern": "[12].*"}, {"pattern": "*1.jpg", "recursive": False}):
        on_disk = [os.path.relpath(path, tmp_path) for path in paths(tmp_path / "scans", **options)]
        assert len(on_disk) >= 1
        for source in (filled.url("scans"), filled.url("scans/")):
            assert paths(source, **options) == [filled.url(key) for key in on_disk]
        assert paths(f"file://{tmp_path}/scans", **options) == [f"file://{tmp_path}/{key}" for key in on_disk]
    whole = paths(filled.url())
    assert whole == [filled.url("scans-1.jpg"), *paths(filled.url("scans"))]


@pytest.mark.parametrize(
    "pattern", ["scans/*/*.jpg", "scans/**/*.jpg", "scans/a/**", "sc*/?/1.*", "scans/a/.*.jpg", "**/[13].jpg", "*.jpg"]
)
def test_patterns_match_what_they_match_on_a_disk(
    pattern: str, filled: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in KEYS:
        if not key.endswith("/"):
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
    monkeypatch.chdir(tmp_path)
    expected = paths(pattern)
    assert expected
    assert paths(filled.url(pattern)) == [filled.url(key) for key in expected]
    assert paths(f"file://{tmp_path}/{pattern}") == [f"file://{tmp_path}/{key}" for key in expected]


def test_single_objects_lists_and_tables(filled: Bucket, tmp_path: Path) -> None:
    one, other = filled.url("scans/b/1.jpg"), filled.url("scans/ä?.jpg")
    assert paths(one) == [one] and paths(other) == [other]  # an object of that name is meant, not the pattern
    filled.put("list.txt", f"{one}\n\n/data/local.jpg\n{one}\n".encode())
    assert paths(f"@{filled.url('list.txt')}") == [one, "/data/local.jpg", one]
    filled.put("table.csv", f"\ufeffpatient,path\n7,{one}\n8,relative.jpg\n".encode())
    table = open_source(filled.url("table.csv"))
    assert table.carried_columns == ("patient",)
    assert list(table.inputs) == [(one, "7"), ("relative.jpg", "8")]
    (tmp_path / "table.csv").write_text(f"path\n{one}\nfile:///data/x.jpg\n")
    assert paths(f"file://{tmp_path}/table.csv") == [one, "file:///data/x.jpg"] == paths(tmp_path / "table.csv")


def test_a_broken_table_is_named_by_its_url(filled: Bucket) -> None:
    filled.put("table.jsonl", b'{"path": "a.jpg"\n')
    with pytest.raises(DataError) as caught:
        open_source(filled.url("table.jsonl"))
    assert str(caught.value).startswith(f"{filled.url('table.jsonl')}: line 1 is not JSON")


def test_what_is_not_there(filled: Bucket) -> None:
    with pytest.raises(DataError, match="no such object"):
        open_source(filled.url("scan"))
    with pytest.raises(DataError, match="there is no such bucket"):
        open_source("s3://no-such-bucket/folder")
    with pytest.raises(DataError, match="no such object"):
        list(open_source(f"@{filled.url('missing.txt')}").inputs)
    assert "no object matches" in open_source(filled.url("scans/*.png")).nothing
    assert paths(filled.url("scans/*.png")) == []
    assert "no image files" in open_source(filled.url("scans/"), pattern="*.png").nothing


def test_an_archive_in_a_store_is_no_image(filled: Bucket) -> None:
    filled.put("scans.zip", b"PK")
    with pytest.raises(DataError, match="archives in a store are not read"):
        open_source(filled.url("scans.zip"))


def test_a_name_of_two_meanings_is_refused(filled: Bucket) -> None:
    filled.put("scans", b"an object too")
    with pytest.raises(DataError, match="both an object and a folder"):
        open_source(filled.url("scans"))
    assert len(paths(filled.url("scans/"))) == 8


@pytest.mark.parametrize("options", [{"pattern": "*.jpg"}, {"recursive": False}])
def test_options_that_have_no_meaning_for_an_object(options: dict[str, object], filled: Bucket) -> None:
    with pytest.raises(UsageError, match="is for folders"):
        open_source(filled.url("scans/1.jpg"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "entry", ["s3://KEY:hunter2@bucket/x.jpg", "https://host/x.jpg?sig=hunter2", "s3://b/x.jpg?X-Amz-Signature=hunter2"]
)
def test_a_list_with_secrets_is_refused_before_anything_is_scored(entry: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"good.jpg\n{entry}\n")
    (tmp_path / "table.csv").write_text(f'path,note\ngood.jpg,1\n"{entry}",2\n')
    for source in (f"@{tmp_path}/list.txt", tmp_path / "table.csv"):
        with pytest.raises(DataError, match=r"list.txt|table.csv") as caught:
            paths(source)
        assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_an_empty_one(
    filled: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(filled.url("scans"))
    filled.server.broken.add(f"/{filled.name}")
    try:
        with pytest.raises((DataError, StoreError), match="cannot be listed"):
            list(source.inputs)
    finally:
        filled.server.broken.clear()
