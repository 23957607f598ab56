"""What a user writes who has their program checked by `mypy --strict`. `tests/test_python.py` runs it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

import lesionflow


def main(images: Path, out: Path) -> int:
    """Score a folder twice, with a configuration and with keywords, ask a model image by image, and compare."""
    silent = Console(quiet=True)
    config = lesionflow.ScoringConfig(quiet=True, batch_size=4)
    summary: lesionflow.Summary = lesionflow.score(images, out, config, model="pretrained", console=silent)
    again = lesionflow.score(images, out, config, model="pretrained", overwrite=True, top_k=2)
    counts: lesionflow.Counts = again.counts

    model: lesionflow.LoadedModel = lesionflow.load("pretrained")
    card: lesionflow.Card = model.card
    estimate: lesionflow.Estimate = card.metrics["test"]["balanced_accuracy"]
    predictions: list[lesionflow.Prediction] = model.predict(sorted(images.iterdir()))
    malignant = [prediction for prediction in predictions if prediction.malignant]
    assert len(malignant) == counts.malignant and 0 < estimate.low < estimate.high < 1
    assert summary.scored == again.scored

    comparison: lesionflow.Comparison = lesionflow.compare(["pretrained", "pretrained"])
    assert comparison.models[0].card.network == card.network
    return summary.scored


def train(data: Path) -> lesionflow.Version:
    """Train with a configuration and one option in place of its own."""
    trained: lesionflow.Trained = lesionflow.train(lesionflow.TrainingConfig(data=str(data)), epochs=1, model="cnn")
    verdict: lesionflow.Verdict = trained.verdict
    if not verdict.promote:
        lesionflow.promote(trained.best.name, trained.best.number, force=True, reason="the first one")
    report: lesionflow.Evaluation = lesionflow.evaluate("models:/lesionflow/1", data, tta=True, resamples=100)
    print(report.metrics["balanced_accuracy"].value)
    return trained.best
