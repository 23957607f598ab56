import numpy as np
import pytest

from lesionflow.evaluation.calibration import ece_by_chance
from lesionflow.evaluation.measure import expected_calibration_error


def drawn(images: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels that are as probable as they say."""
    probabilities = generator.dirichlet(np.full(7, 0.4), images)
    labels = (generator.random(images)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=6)
    return labels, probabilities


@pytest.mark.parametrize("images", [30, 300])
def test_a_calibrated_model_exceeds_it_one_time_in_twenty(images: int) -> None:
    generator = np.random.default_rng(1)
    times, exceeded = 200, 0
    for seed in range(times):
        labels, probabilities = drawn(images, generator)
        limit = ece_by_chance(probabilities, draws=200, seed=seed)
        exceeded += expected_calibration_error(labels, probabilities) > limit
    assert 1 <= exceeded <= 22  # 10 expected; outside with a probability below 0.0005


def test_chance_explains_less_the_more_images_there_are() -> None:
    generator = np.random.default_rng(0)
    limits = [ece_by_chance(drawn(images, generator)[1]) for images in (30, 300, 3000)]
    assert limits[0] > 0.1 > limits[1] > 0.05 > limits[2] > 0
