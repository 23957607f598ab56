"""Files that belong together are there together."""

from pathlib import Path

import pytest

from lesionflow.atomic import write_together
from lesionflow.errors import ReportError


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
