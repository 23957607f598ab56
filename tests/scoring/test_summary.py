import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lesionflow import __version__
from lesionflow.bundle.card import Card
from lesionflow.errors import ReportError
from lesionflow.scoring.row import Row
from lesionflow.scoring.summary import Counts, build_summary, provenance, write_summary

CARD = Card("cnn", 48, 64, "demo", "d" * 64, True, "s" * 64, 0, (0.7, 0.15, 0.15), digest="0123456789abcdef" * 4)
ROWS = [
    Row("a", (0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.0)),
    Row("b", (0.0, 0.0, 0.0, 0.0, 0.1, 0.9, 0.0)),
    Row("c", (0.0, 0.0, 0.0, 0.0, 0.1, 0.9, 0.0)),
    Row("d", None, "damaged", "x"),
    Row("e", None, "empty", "x"),
    Row("f", None, "damaged", "x"),
]


def test_counts_while_the_rows_go_by() -> None:
    counts = Counts()
    assert list(counts.counting(ROWS)) == ROWS
    assert counts.diagnoses == {"akiec": 0, "bcc": 0, "bkl": 0, "df": 0, "mel": 1, "nv": 2, "vasc": 0}
    assert counts.failures == {"damaged": 2, "empty": 1}
    assert (counts.scored, counts.failed) == (3, 3) and counts.malignant_share == pytest.approx(1 / 3)
    assert Counts().malignant_share == 0.0


def test_the_summary_says_what_came_of_it_and_where_it_comes_from(tmp_path: Path) -> None:
    counts = Counts()
    list(counts.counting(ROWS))
    now = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    options = {"batch_size": 32, "source": Path("\udcff"), "columns": ("path", "p_mel"), "top_k": None}
    sources = provenance("lesionflow v3", CARD, options, now)
    assert all(isinstance(value, str) for value in sources.values())
    out = tmp_path / "summary.json"
    write_summary(build_summary(counts, 2.0, Path("out.csv"), sources), out, overwrite=False)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["images"] == 6 and found["scored"] == 3 and found["failed"] == 3
    assert found["failures"] == {"empty": 1, "damaged": 2}
    assert list(found["failures"]) == ["empty", "damaged"]  # in the order of the documentation
    assert found["seconds"] == 2.0 and found["images_per_second"] == 3.0
    assert found["report"] == "out.csv"
    origin = found["provenance"]
    assert origin["model"] == "lesionflow v3" and origin["bundle_label"] == "cnn@0123456789ab"
    assert origin["bundle_digest"] == CARD.digest and origin["lesionflow_version"] == __version__
    assert origin["time"] == "2026-01-02T03:04:05+00:00"
    assert origin["demo_model"] is True and origin["input"] == "48 x 64"
    assert origin["options"] == {
        "batch_size": 32,
        "source": "\\udcff",
        "columns": ["path", "p_mel"],
        "top_k": None,
    }


def test_the_time_is_now_and_in_utc() -> None:
    time = datetime.fromisoformat(provenance("m", CARD, {})["time"])
    assert time.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - time) < timedelta(minutes=5)


def test_a_summary_is_never_written_over_another(tmp_path: Path) -> None:
    out = tmp_path / "summary.json"
    summary = build_summary(Counts(), 0.0, None, {})
    assert summary["images_per_second"] is None and summary["report"] is None
    write_summary(summary, out, overwrite=False)
    with pytest.raises(ReportError):
        write_summary(summary, out, overwrite=False)
    write_summary(summary, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
