"""The columns of a report: which may be carried along, and how paths are written and read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lesionflow.errors import UsageError
from lesionflow.model.columns import chosen_columns, path_in_text, path_with_frame
from lesionflow.model.prediction import Row


def test_a_carried_column_that_a_report_has_gets_a_name_proposed() -> None:
    with pytest.raises(UsageError, match="rename it in the list, such as true_diagnosis"):
        chosen_columns(None, carried=("age", "diagnosis"))
    with pytest.raises(UsageError, match="to measure the model by these diagnoses: lesionflow evaluate MODEL TABLE"):
        chosen_columns(None, carried=("diagnosis",))
    with pytest.raises(
        UsageError, match=r"'status' .* of the report, and so are error, model; rename them in the list"
    ):
        chosen_columns(None, carried=("status", "age", "error", "model"))
    assert "true_diagnosis" in chosen_columns(None, carried=("age", "true_diagnosis"))


def test_what_a_report_writes_of_a_path_leads_to_its_frame(tmp_path: Path) -> None:
    plain = os.fsdecode(os.fsencode(tmp_path) + b"/\xff #2")
    for path in (plain, str(tmp_path / "two#3.dcm")):
        Path(path).touch()
        for frame in (0, 1):
            row = Row(path, None, frame=frame)
            assert path_in_text(path_with_frame(row)) == (path, frame)
