"""The images to review: chances that are right, a draw that keeps them, and what options make of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionflow.errors import UsageError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.scoring.config import ScoringConfig
from lesionflow.scoring.review_sample import CHOSEN_BY, sampling_chances, systematic_sample
from tests.conftest import error_line, invoke


@pytest.mark.parametrize("by", CHOSEN_BY)
@pytest.mark.parametrize("count", [1, 7, 39])
def test_each_image_is_drawn_as_often_as_its_chance_says(by: str, count: int) -> None:
    entropies = np.random.default_rng(0).gamma(0.5, size=40)
    entropies[:3] = 0  # images that the model is sure of
    chances = sampling_chances(entropies, count, by)
    assert chances.sum() == pytest.approx(count) and (chances > 0).all() and (chances <= 1).all()
    draws, times = 4000, np.zeros(40)
    for seed in range(draws):
        drawn = systematic_sample(chances, seed)
        assert len(drawn) == len(set(drawn.tolist())) == count
        times[drawn] += 1
    deviation = np.sqrt(draws * chances * (1 - chances)) + 1e-9
    assert (np.abs(times - draws * chances) / deviation).max() < 5  # binomial; 5 deviations in 40 images: 1 in 40,000
    assert (times[chances == 1] == draws).all()


@pytest.mark.parametrize("by", CHOSEN_BY)
def test_weights_of_inverse_chances_make_an_unbiased_total(by: str) -> None:
    numbers = np.random.default_rng(1)
    entropies = numbers.gamma(1.0, size=200)
    wrong = numbers.random(200) < entropies / 4  # the uncertain are wrong more often
    chances = sampling_chances(entropies, 30, by)
    totals = []
    for seed in range(2000):
        drawn = systematic_sample(chances, seed)
        totals.append((wrong[drawn] / chances[drawn]).sum())
    assert abs(np.mean(totals) - wrong.sum()) < 4 * np.std(totals) / np.sqrt(2000)


def test_uncertain_images_come_more_often_and_few_images_all_come() -> None:
    entropies = np.array([0.01, 0.1, 1.0, 10.0])
    uncertain = sampling_chances(entropies, 2, "uncertain")
    assert uncertain[3] == 1 and (np.diff(uncertain) > 0).all()
    both = sampling_chances(entropies, 2, "both")
    assert both == pytest.approx((uncertain + 0.5) / 2)
    assert sampling_chances(entropies, 4, "uncertain").tolist() == [1, 1, 1, 1]
    assert sampling_chances(np.zeros(4), 2, "uncertain").tolist() == [0.5] * 4
    assert systematic_sample(np.ones(4), 0).tolist() == [0, 1, 2, 3]
    assert systematic_sample(np.empty(0), 0).tolist() == []


def test_score_and_merge_write_the_same_list_and_mark_its_images_on_the_page(
    images: Path, deciding_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lesionflow.scoring import page
    from tests.scoring.test_page import data_of

    monkeypatch.setattr(page, "MAXIMUM_IMAGES", 12)  # the sampled images stay, whatever their probability
    broken = tmp_path / "broken.jpg"
    broken.write_text("none")
    (tmp_path / "list.txt").write_text("".join(f"{file}\n" for file in [*sorted(images.iterdir()), broken]))
    asked = ("--sample", "10", "--by", "random", "--html", str(tmp_path / "page.html"))
    scoring = ("score", f"@{tmp_path / 'list.txt'}", "--model", str(deciding_bundle), "--shard-size", "16")
    result = invoke(*scoring, "--out", str(tmp_path / "night.csv"), *asked)
    assert result.exit_code == 3 and f"images to review: {tmp_path / 'night-sample.csv'}\n" in result.stdout
    with open(tmp_path / "night-sample.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [row["path"] for row in rows]
    assert len(paths) == 10 and paths == sorted(paths) and str(broken) not in paths
    assert [float(row["chance"]) for row in rows] == pytest.approx([1 / 6] * 10)
    shown = data_of((tmp_path / "page.html").read_text())
    assert len(shown["rows"]) == 12
    assert {shown["rows"][place][0] for place in shown["sampled"]} == set(paths)
    assert shown["malignant_shares"] == sorted(shown["malignant_shares"], reverse=True)

    for part in ("1/2", "2/2"):
        assert invoke(*scoring, "--out", str(tmp_path / "other.csv"), "--shard", part).exit_code in (0, 3)
    merged = invoke("merge", str(tmp_path / "other.csv"), *asked[:4], "--sample-out", str(tmp_path / "list.csv"))
    assert merged.exit_code == 3, merged.output
    assert (tmp_path / "list.csv").read_bytes() == (tmp_path / "night-sample.csv").read_bytes()
    seeded = ("--sample-seed", "1", "--sample-out", str(tmp_path / "seeded.csv"))
    invoke(*scoring, "--out", str(tmp_path / "third.csv"), *asked[:4], *seeded)
    assert (tmp_path / "seeded.csv").read_bytes() != (tmp_path / "night-sample.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "-", "--sample", "3"), "add --sample-out FILE"),
        (("--out", "a.csv", "--sample-out", "b.csv"), "add --sample N"),
        (("--out", "a.csv", "--sample", "3", "--sample-out", "a.csv"), "name the same file"),
        (("--out", "a.csv", "--sample", "3", "--shard", "1/2"), "give it to 'lesionflow merge'"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_work(
    options: tuple[str, ...], message: str, images: Path, deciding_bundle: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = invoke("score", str(images), "--model", str(deciding_bundle), *options)
    assert result.exit_code == 2 and message in error_line(result)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (ScoringConfig, {"by": "random"}, "add --sample N"),
        (ScoringConfig, {"sample_seed": 4}, "add --sample N"),
        (ScoringConfig, {"pool": "malignant"}, "add --group-by COLUMN"),
        (EvaluationConfig, {"pool": "malignant"}, "add --group-by COLUMN"),
    ],
)
def test_an_option_of_an_option_that_is_not_given_is_refused(
    config: type[ScoringConfig] | type[EvaluationConfig], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        config(**options)
