"""Files that belong together are there together."""

import resource
import signal
from pathlib import Path

import pytest

from lesionflow.atomic import files_together, write_together
from lesionflow.errors import DataError, ReportError


def test_where_one_file_fails_the_new_ones_before_it_go_again(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    (tmp_path / "old.json").write_text("old")
    contents = {"old.json": "new", "metrics.json": "{}", "page.html": "<p>"}
    with pytest.raises(ReportError, match=r"page\.html: cannot be written"):
        write_together(tmp_path, contents, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.json", "page.html"]
    (tmp_path / "page.html").rmdir()
    written = write_together(tmp_path, contents, overwrite=True)
    assert [file.read_text() for file in written] == list(contents.values())


def test_where_one_file_cannot_be_written_the_earlier_ones_stay_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("old")
    (tmp_path / "page.html").write_text("old")
    contents = {"metrics.json": "new", "page.html": "x" * 4096}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))  # as a full disk, from this size on
    try:
        with pytest.raises(ReportError, match=r"page\.html: cannot be written \(File too large\)"):
            write_together(tmp_path, contents, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(contents, "old")


def test_files_begun_together_are_all_whole_or_none_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError), files_together(overwrite=False) as begin:
        with begin(tmp_path / "list.csv") as file:
            file.write(b"path")
        with begin(tmp_path / "page.html") as file:
            file.write(b"<p>")
            raise DataError("an image is gone")
    assert list(tmp_path.iterdir()) == []
    with files_together(overwrite=False) as begin, begin(tmp_path / "page.html") as file:
        file.write(b"<p>")
    with (
        pytest.raises(ReportError, match="nothing was overwritten"),
        files_together(overwrite=False) as begin,
        begin(tmp_path / "page.html") as file,
    ):
        file.write(b"<p>new")
    assert (tmp_path / "page.html").read_text() == "<p>"
