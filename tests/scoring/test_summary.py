import dataclasses
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from lesionflow import __version__
from lesionflow.diagnoses import BINARY, HAM10000
from lesionflow.model.card import AVERAGED, SINGLE, Calibration, Card
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring.summary import ROWS_AT_ONCE, Counts, build_summary, provenance, summary_json

CARD = Card("cnn", 48, 64, "demo", "d" * 64, True, "s" * 64, 0, (0.7, 0.15, 0.15), digest="0123456789abcdef" * 4)
ROWS = [
    Row("a", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.9, 0.1, 0.0), 4, True, "no")),
    Row("b", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.1, 0.9, 0.0), 5, False, "unfamiliar")),
    Row("c", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.3, 0.7, 0.0), 4, False, "uncertain")),
    Row("c", IndexedPrediction((0.0, 0.0, 0.0, 0.0, 0.2, 0.8, 0.0), 5, True, "uncertain")),
    Row("d", None, "damaged", "x"),
    Row("e", None, "empty", "x"),
    Row("f", None, "damaged", "x"),
]


def test_counts_while_the_rows_go_by() -> None:
    counts = Counts()
    assert list(counts.counting(ROWS)) == ROWS
    assert counts.diagnoses == {"akiec": 0, "bcc": 0, "bkl": 0, "df": 0, "mel": 2, "nv": 2, "vasc": 0}
    assert counts.malignant == 2 and counts.referred == {"uncertain": 2, "unfamiliar": 1}
    assert counts.failures == {"damaged": 2, "empty": 1}
    assert (counts.scored, counts.failed) == (4, 3) and counts.malignant_share == 0.5
    assert Counts().malignant_share == 0.0


def test_counts_in_batches_are_those_of_each_row() -> None:
    edges = [(bin / 20, 1 - bin / 20, 0.0, 0.0, 0.0, 0.0, 0.0) for bin in range(21)]
    drawn = [tuple(row) for row in np.random.default_rng(0).dirichlet([0.2] * 7, 2 * ROWS_AT_ONCE).tolist()]
    scored = [
        Row("x", IndexedPrediction(chances, number % 7, number % 3 == 0, ("no", "uncertain", "unfamiliar")[number % 3]))
        for number, chances in enumerate([*edges, *drawn])
    ]
    rows = scored + ROWS
    counts = Counts()
    assert list(counts.counting(iter(rows))) == rows
    expected = {f"p_{name}": [0] * 20 for name in (*HAM10000.names, "malignant")}
    for row in rows:
        if row.prediction is not None:
            values = (*row.prediction.probabilities, row.prediction.malignant_probability)
            for bins, chance in zip(expected.values(), values, strict=True):
                bins[min(int(chance * 20), 19)] += 1
    assert counts.histograms == expected and list(counts.histograms) == list(expected)
    assert counts.scored == len(scored) + 4 and counts.failures == {"damaged": 2, "empty": 1}
    one_by_one = Counts()
    for row in rows:
        one_by_one.add([row])
    assert one_by_one == counts == pickle.loads(pickle.dumps(counts))
    halves = Counts(), Counts()
    for half, some in zip(halves, (rows[:100], rows[100:]), strict=True):
        half.add(some)
    halves[0].update(halves[1])
    assert halves[0] == counts != halves[1]


def test_a_diagnosis_called_malignant_is_one_histogram() -> None:
    counts = Counts.of(BINARY)
    counts.add([Row("x", IndexedPrediction((0.3, 0.7), 1, True, "no", BINARY))])
    assert list(counts.histograms) == ["p_benign", "p_malignant"]
    assert counts.histograms["p_malignant"].index(1) in (13, 14) and counts.diagnoses == {"benign": 0, "malignant": 1}


def test_the_summary_says_what_came_of_it_and_where_it_comes_from() -> None:
    counts = Counts()
    list(counts.counting(ROWS))
    now = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    options = {"batch_size": 32, "source": Path("\udcff"), "columns": ("path", "p_mel"), "top_k": None}
    sources = provenance("lesionflow v3", CARD, options, now)
    assert all(isinstance(value, str) for value in sources.values())
    found = json.loads(summary_json(build_summary(counts, 2.0, Path("out.csv"), sources)))
    assert found["images"] == 7 and found["scored"] == 4 and found["failed"] == 3
    assert found["malignant"] == 2 and found["malignant_share"] == 0.5
    assert found["referred"] == {"uncertain": 2, "unfamiliar": 1} and found["format"] == 2
    assert found["failures"] == {"empty": 1, "damaged": 2}
    assert list(found["failures"]) == ["empty", "damaged"]  # in the order of the documentation
    assert found["seconds"] == 2.0 and found["images_per_second"] == 3.5
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


def test_provenance_tells_the_calibration_that_was_used() -> None:
    calibrations = {SINGLE: Calibration(), AVERAGED: Calibration(2.0, (0.5,) * 7, 0.2, 0.3, None, {"ece_after": 0.01})}
    card = dataclasses.replace(CARD, prior=(0.1,) * 6 + (0.4,), calibrations=calibrations, licence="CC BY-NC 4.0")
    found = build_summary(Counts(), 1.0, None, provenance("m", card, {}, averaged=True))["provenance"]
    assert found["calibration"] == {
        "tta": True, "temperature": 2.0, "logit_offsets": [0.5] * 7, "malignant_threshold": 0.2, "uncertain_below": 0.3,
        "unfamiliar_above": None, "figures": {"ece_after": 0.01}, "call_strength": 1.0,
    }  # fmt: skip
    assert found["prior"]["vasc"] == 0.4 and found["licence"] == "CC BY-NC 4.0"
    plain = json.loads(provenance("m", card, {})["calibration"])
    assert plain["tta"] is False and plain["temperature"] == 1.0


def test_the_time_is_now_and_in_utc() -> None:
    time = datetime.fromisoformat(provenance("m", CARD, {})["time"])
    assert time.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - time) < timedelta(minutes=5)


def test_a_summary_of_nothing_has_neither_speed_nor_report() -> None:
    summary = build_summary(Counts(), 0.0, None, {})
    assert summary["images_per_second"] is None and summary["report"] is None
