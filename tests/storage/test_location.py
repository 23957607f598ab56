import importlib.util
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionflow.errors import MissingError, UsageError
from lesionflow.storage.location import Url, file_url, is_url, parse_location, path_here

SECRETS = ["AKIAEXAMPLE", "wJal", "K7MDENG", "hunter2", "deadbeef"]


def test_paths_are_paths() -> None:
    assert parse_location("results.csv") == Path("results.csv") == parse_location(Path("results.csv"))
    assert parse_location("s3:/bucket/results.csv") == Path("s3:/bucket/results.csv")
    assert parse_location("file:///data/results.csv") == Path("/data/results.csv")


@pytest.mark.parametrize("name", ["a b", "Ü", "100%25", "50 %", "a#b?c", "\udcff"])
def test_escapes_of_file_urls_stand_for_other_signs(name: str) -> None:
    path = Path("/data", name)
    assert parse_location(path.as_uri()) == path == parse_location(file_url(str(path)))
    assert path_here(f"file://localhost{path.as_uri().removeprefix('file://')}", "--out") == path


@pytest.mark.parametrize("text", ["FILE:///data/a%20b", "file:/data/a%20b", "File://localhost/data/a%20b"])
def test_urls_of_files_are_written_in_several_ways(text: str) -> None:
    assert is_url(text) and parse_location(text) == Path("/data/a b") == path_here(text, "--out")


def test_a_url_of_a_store_is_no_folder_here() -> None:
    with pytest.raises(UsageError, match=r"--out s3://bucket/page: has to be on this machine"):
        path_here("s3://bucket/page", "--out")


def test_urls_are_kept_as_they_are_written() -> None:
    for text in ("s3://bucket/a b/%41+?.csv", "gs://bucket//x.csv", "memory://folder/x.csv", "s3a://bucket/x#2"):
        if importlib.util.find_spec("gcsfs") or not text.startswith("gs"):
            assert str(parse_location(text)) == text and is_url(text)
    assert str(parse_location("s3://bucket")) == "s3://bucket/"
    arn = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/key.jpg"
    assert str(parse_location(arn)) == arn


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAEXAMPLE:hunter2@bucket/folder",
        "s3://AKIAEXAMPLE:wJalrXUtnFEMI/K7MDENG/bPx@bucket/folder",
        "s3://AKIAEXAMPLE:hunter2/no/at",
        "gs://hunter2@bucket/x.jpg",
        "s3://bucket/x.jpg?X-Amz-Credential=AKIAEXAMPLE&X-Amz-Signature=deadbeef",
        "gs://bucket/x.jpg?X-Goog-Signature=deadbeef",
        "https://bucket.example/x.jpg?sig=deadbeef",
        "https://user:hunter2@host/x.jpg",
    ],
)
def test_secrets_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_location(text)
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


@pytest.mark.parametrize("text", ["ftp://host/x", "s3:///x", "file://host/x", "http://host/x"])
def test_what_is_not_read(text: str) -> None:
    with pytest.raises(UsageError):
        parse_location(text)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "lesionflow[s3]"), ("gs", "lesionflow[gs]")])
def test_a_missing_package_is_named(scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install") as caught:
        parse_location(f"{scheme}://bucket/x.csv")
    assert extra in str(caught.value)


NAMES = st.text(st.characters(exclude_characters="/", codec="utf-8"), min_size=1).filter(lambda name: name != ".")


@settings(deadline=None, max_examples=50)
@given(st.lists(NAMES, min_size=2, max_size=4))
def test_names_and_folders_are_those_of_a_path(parts: list[str]) -> None:
    url, path = Url("s3", "bucket", "/".join(parts)), PurePosixPath("/", *parts)
    assert url.name == path.name
    assert f"/{url.parent.key}" == str(path.parent)
    assert url.with_name("new.csv") == url.parent / "new.csv" and not url.is_dir()
    assert (url / "below").parent == url and (Url("s3", "bucket", "") / "x").parent.is_dir()
    assert Url.of(str(url)) == url
