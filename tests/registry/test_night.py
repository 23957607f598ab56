"""Two models of a night: what the truth says of them, and a promotion that rests on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.model.prediction import Row
from lesionflow.registry.champion import find_champion
from lesionflow.registry.versions import find_version
from lesionflow.scoring.report import ReportOptions
from tests.conftest import error_line, invoke
from tests.contenders import NAME, answers
from tests.registry.champions import set_champion
from tests.scoring.write_report import write_report

CHAMPION, CHALLENGER = f"{NAME}/1", f"{NAME}/5"  # of another split: by validation they cannot be compared


@pytest.fixture
def night(contenders: Path) -> tuple[str, ...]:
    """The champion's and the challenger's answers in one report, and the truth, as options."""
    set_champion(find_version(NAME, 1), "the first")
    first, second = answers(0.6), answers(0.95)
    pairs = zip(first.image_ids, first.one_by_one(), second.one_by_one(), strict=True)
    rows = [Row(f"{name}.jpg", said, also=other) for name, said, other in pairs]
    write_report(rows, contenders / "night.csv", ReportOptions(CHAMPION, also=CHALLENGER), False)
    write_report(rows, contenders / "one.csv", ReportOptions(CHAMPION), False)
    lines = zip(first.image_ids, first.labels, first.lesion_ids, strict=True)
    labels = "".join(f"{name}.jpg,{HAM10000.names[label]},{lesion}\n" for name, label, lesion in lines)
    (contenders / "labels.csv").write_text("path,diagnosis,lesion_id\n" + labels)
    return ("--report", "night.csv", "--truth", "labels.csv")


def test_the_truth_compares_both_models_and_promotes_what_validation_cannot_compare(night: tuple[str, ...]) -> None:
    shown = invoke("compare", *night)
    assert shown.exit_code == 0, shown.output
    assert f"{CHALLENGER} beside {CHAMPION} in night.csv: 420 of 420 scored images have truth" in shown.stdout
    values = json.loads(invoke("compare", *night, "--json").stdout)
    assert values["models"] == [CHAMPION, CHALLENGER] and values["images"] == 420
    assert values["metrics"][CHAMPION]["balanced_accuracy"] == pytest.approx(0.6, abs=0.01)
    found = values["differences"]["balanced_accuracy"]
    assert found["value"] == pytest.approx(0.35, abs=0.01) and found["low"] > 0.25

    refused = invoke("promote", NAME, "5")
    assert refused.exit_code == 1 and "not comparable" in refused.stderr
    other = invoke("promote", NAME, "3", *night)
    assert other.exit_code == 1 and f"night.csv is of {CHAMPION}, {CHALLENGER}, not of {NAME}/3" in other.stderr
    assert find_champion(NAME) == find_version(NAME, 1)
    done = invoke("promote", NAME, "5", *night)
    assert done.exit_code == 0, done.output
    assert "night.csv balanced accuracy 0.95" in done.stdout and "night.csv melanoma sensitivity" in done.stdout
    assert find_champion(NAME) == find_version(NAME, 5)


def test_a_night_that_shows_nothing_promotes_nothing(night: tuple[str, ...], contenders: Path) -> None:
    lines = (contenders / "labels.csv").read_text().splitlines()
    (contenders / "labels.csv").write_text("\n".join(lines[:8]) + "\n")
    result = invoke("promote", NAME, "5", *night)
    assert result.exit_code == 1 and "night.csv" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("compare", "--report", "one.csv", "--truth", "labels.csv"), "'lesionflow score --also' adds", 1),
        (("compare", "--report", "night.csv"), "give --report and --truth", 2),
        (("compare",), "name a model to compare", 2),
        (("promote", NAME, "5", "--truth", "labels.csv"), "give --report and --truth together", 2),
    ],
)
def test_what_is_missing_is_one_line(
    arguments: tuple[str, ...], message: str, code: int, night: tuple[str, ...]
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == code and message in error_line(result)
