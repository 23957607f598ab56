"""The optimizer and its learning rate by step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lesionflow.training.config import TrainingConfig

WARM_UP_SHARE = 0.05  # of all steps
# The average of the weights reaches back over a seventh of all steps at most: in a short training, an average as long
# as that of a long one would still remember the random weights of the start.
AVERAGED_SHARE = 1 / 7


def build_optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a training of so many steps."""
    averaging = min(config.averaging, max(0.0, 1 - 1 / max(1.0, AVERAGED_SHARE * steps)))
    # The others' kernels are their compilers' work, and Keras has an AdamW of its own for PyTorch.
    kind = LeanAdamW if keras.backend.backend() == "tensorflow" else keras.optimizers.AdamW
    optimizer = kind(
        Rates(warm_up_and_cosine(config.learning_rate, steps)),
        weight_decay=config.weight_decay,
        use_ema=config.averaging > 0,
        ema_momentum=averaging,
    )
    # Only decay multiplied weights; pulling scales and offsets to zero only harms (arXiv:1812.01187).
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def warm_up_and_cosine(peak: float, steps: int) -> np.ndarray:
    """The learning rate of each step, (steps,) float32: from a hundredth up to the peak, then down towards 0."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    rising = np.linspace(peak / 100, peak, warm_up, endpoint=False)
    falling = peak * (1 + np.cos(np.linspace(0, np.pi, max(1, steps - warm_up), endpoint=False))) / 2
    return np.concatenate([rising, falling])[:steps].astype(np.float32)


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rates by step, looked up.

    Keras asks once for each variable that decays. `CosineDecay` would answer with a condition each time, whose two
    branches TensorFlow traces as graphs.
    """

    def __init__(self, rates: np.ndarray):
        self.rates = rates

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0; after the last one, that of the last."""
        return ops.take(ops.convert_to_tensor(self.rates), ops.minimum(ops.cast(step, "int32"), len(self.rates) - 1))

    def get_config(self) -> dict[str, Any]:
        """For Keras's files."""
        return {"rates": self.rates.tolist()}


class LeanAdamW(keras.optimizers.AdamW):
    """Keras's AdamW on TensorFlow in fewer operations, also for the average of the weights; same numbers."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Update the variables, in a step whose numbers that all of them share are computed once."""
        step = ops.cast(self.iterations + 1, "float32")
        self.powers = ops.power(self.beta_1, step), ops.power(self.beta_2, step)
        self.share_of_new = 1.0 - self.ema_momentum * ops.cast(self.iterations > 0, "float32")
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        import tensorflow

        index = self._get_variable_index(variable)
        tensorflow.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[index].value.handle, v=self._velocities[index].value.handle,
            beta1_power=self.powers[0], beta2_power=self.powers[1], lr=learning_rate,
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, grad=gradient,
        )  # fmt: skip

    def _apply_weight_decay(self, variables: Any) -> None:
        share = self.weight_decay * self.learning_rate
        for variable in variables:
            if self._use_weight_decay(variable):
                variable.value.assign_sub(variable.value * share)

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        import tensorflow

        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            tensorflow.raw_ops.ResourceApplyGradientDescent(
                var=average.value.handle, alpha=self.share_of_new, delta=average.value - variable.value
            )
