"""The page in Firefox, which decodes images, compiles WebAssembly and reads files in its own way."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from lesionflow.webapp.build import INDEX
from tests.browser import FIREFOX, firefox
from tests.conftest import invoke
from tests.webapp.conftest import UNSUPPORTED

pytestmark = pytest.mark.skipif(not FIREFOX, reason="no Firefox on this machine: apt-get install firefox-esr")
# Of the GIF Firefox shows the frame alone, as if its screen were no larger.
REFUSED = UNSUPPORTED | {
    "small_frame.gif": "a GIF that this browser cuts to its first frame; 'lesionflow score' reads it"
}
DONE = """
new Promise((told) => {
  const look = () => {
    if (!byId("alert").hidden) told(byId("alert").textContent);
    else if (!state.total || state.queue.length || state.asked.size) setTimeout(look, 20);
    else told(csvReport([...state.rows.values()], state.model));
  };
  look();
})
"""


def test_calls_are_those_of_score(page: Path, web_bundle: Path, many_formats: Path, tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    command = ["score", str(many_formats), "--out", str(tmp_path / "score.csv"), "--model", str(web_bundle)]
    assert invoke(*command).exit_code == 3
    with open(tmp_path / "score.csv", newline="") as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with firefox(tmp_path / "profile") as browser:
        browser.open((page / INDEX).as_uri())
        browser.choose("#files", [Path(path) for path in expected])
        report = browser.run(DONE)
    assert report.startswith("path,"), report
    found = {row["path"].removeprefix("'"): row for row in csv.DictReader(io.StringIO(report))}
    assert len(found) == len(expected)
    for path, row in expected.items():
        mine = found[Path(path).name]
        if Path(path).name in REFUSED:
            assert mine["error"] == f"unsupported: {REFUSED[Path(path).name]}"
            continue
        for column in ("status", "diagnosis", "refer"):
            assert mine[column] == row[column], (path, column)
        assert mine["error"].partition(":")[0] == row["error"].partition(":")[0], path
        for column in row:
            if column.startswith("p_") and row["status"] == "ok":
                assert float(mine[column]) == pytest.approx(float(row[column]), abs=0.02), (path, column)
