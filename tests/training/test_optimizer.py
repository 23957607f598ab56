"""The optimizer against Keras's own AdamW and schedule, step for step."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lesionflow.training.config import TrainingConfig
from lesionflow.training.optimizer import WARM_UP_SHARE, build_optimizer, warm_up_and_cosine

STEPS, PEAK = 40, 0.05


def keras_own() -> keras.optimizers.Optimizer:
    warm_up = round(WARM_UP_SHARE * STEPS)
    schedule = keras.optimizers.schedules.CosineDecay(
        PEAK / 100, STEPS - warm_up, warmup_target=PEAK, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.1, use_ema=True, ema_momentum=1 - 7 / STEPS)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def trained(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    """The weights and their averages after some steps."""
    keras.utils.set_random_seed(0)
    body = [keras.layers.Dense(8, use_bias=False), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    network = keras.Sequential([keras.Input((5,)), *body, keras.layers.Dense(3)])
    network.compile(optimizer, loss="mse")
    generator = np.random.default_rng(0)
    images, targets = (generator.normal(size=(4 * STEPS, columns)) for columns in (5, 3))
    network.fit(images, targets, batch_size=8, shuffle=False, verbose=0)
    averages = [variable for variable in optimizer.variables if variable.path.endswith("_average")]
    return [keras.ops.convert_to_numpy(variable) for variable in (*network.trainable_variables, *averages)]


def test_a_step_is_that_of_keras_with_decay_and_averages() -> None:
    config = TrainingConfig(learning_rate=PEAK, weight_decay=0.1, averaging=0.999).resolved("cnn", "quick")
    for ours, theirs in zip(trained(build_optimizer(config, STEPS)), trained(keras_own()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_rates_are_those_of_keras(steps: int) -> None:
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        PEAK / 100, max(1, steps - warm_up), warmup_target=PEAK, warmup_steps=warm_up
    )
    expected = [float(schedule(step)) for step in range(steps)]
    np.testing.assert_allclose(warm_up_and_cosine(PEAK, steps), expected, rtol=1e-5, atol=1e-8)
