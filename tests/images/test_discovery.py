import os
from pathlib import Path

import pytest

from lesionflow.errors import DataError
from lesionflow.images.discovery import default_cache, find_images


def test_finds_images_in_all_folders_ordered_by_path(tmp_path: Path) -> None:
    names = ["b.jpg", "a-b/x.PNG", "a/x.jpeg", "a/z/deep.tif", "c.webp"]
    for name in [*names, "a/notes.txt", "results.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert found == sorted(str(tmp_path / name) for name in names)


def test_links_to_files_count_and_loops_end(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "one.jpg").touch()
    (folder / "linked.jpg").symlink_to(folder / "one.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "nothing.jpg")
    (folder / "loop").symlink_to(folder)
    (folder / "folder.jpg").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jpg")
    assert [Path(path).name for path in find_images(folder)] == ["dangling.jpg", "linked.jpg", "one.jpg"]


def test_a_file_is_itself_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "image.bin").touch()
    assert find_images(tmp_path / "image.bin") == [str(tmp_path / "image.bin")]


def test_nothing_to_find_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such"):
        find_images(tmp_path / "missing")
    with pytest.raises(DataError, match="no image files"):
        find_images(tmp_path)


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESIONFLOW_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("LESIONFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "lesionflow"
