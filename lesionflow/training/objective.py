"""The loss of training, and the metric that chooses its epoch."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


def build_loss(loss: str, label_smoothing: float, shown: np.ndarray) -> keras.losses.Loss:
    """The loss by its name; shown: each diagnosis's share of what training shows, (classes,), above 0."""
    if loss == "focal":  # Lin et al. 2017 (arXiv:1708.02002), with their gamma
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=2.0, from_logits=True, label_smoothing=label_smoothing
        )
    if loss == "logit-adjusted":
        return LogitAdjusted(np.log(shown), label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)


class LogitAdjusted(keras.losses.Loss):
    """Cross-entropy with the logarithm of each share added to its logit (Menon et al. 2021, arXiv:2007.07314)."""

    def __init__(self, log_shares: np.ndarray, label_smoothing: float):
        super().__init__(name="logit_adjusted")
        self.log_shares = log_shares.astype(np.float32)
        self.plain = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction="none"
        )

    def call(self, y_true, y_pred):
        """y_true: (batch, classes) shares; y_pred: (batch, classes) logits. Returns (batch,)."""
        return self.plain(y_true, y_pred + ops.convert_to_tensor(self.log_shares))


class Consistency(keras.layers.Layer):
    """Adds to the loss how much answers to two views of an image differ; passes logits, (batch, classes), on.

    The second half of a batch shows the images of the first in the same order. The measure is the Jensen-Shannon
    divergence (as in AugMix, Hendrycks et al. 2020, arXiv:1912.02781), a mean over images times `weight`. It has a
    limit, log 2: pairs that changes have made unlike do not outweigh all others.
    """

    def __init__(self, weight: float):
        super().__init__(name="consistency", dtype="float32", autocast=False)
        self.weight = weight

    def call(self, logits, training=None):
        """Add the loss in training; return the logits."""
        if training:
            answers = ops.split(ops.log_softmax(logits, axis=-1), 2)
            mean = ops.log((ops.exp(answers[0]) + ops.exp(answers[1])) / 2)
            divergence = sum(ops.sum(ops.exp(answer) * (answer - mean), axis=-1) for answer in answers) / 2
            self.add_loss(self.weight * ops.mean(divergence))
        return logits

    def compute_output_spec(self, logits, training=None):
        """The logits' shape."""
        return keras.KerasTensor(logits.shape, dtype="float32")


class BalancedAccuracy(keras.metrics.Metric):
    """The mean over diagnoses of the share of images recognised; diagnoses without images are left out.

    The call is the diagnosis whose probability exceeds the believed prior, (classes,), by the largest factor, as it is
    when a bundle scores (`model.decision`).
    """

    def __init__(self, prior: np.ndarray, name: str = "balanced_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.log_prior = np.log(prior).astype(np.float32)
        self.recognised = self.add_variable(prior.shape, initializer="zeros", name="recognised")
        self.seen = self.add_variable(prior.shape, initializer="zeros", name="seen")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        """y_true: (batch, classes) one-hot, or shares, of which the largest counts; y_pred: (batch, classes) logits."""
        truth = ops.one_hot(ops.argmax(y_true, axis=-1), len(self.log_prior), dtype=self.seen.dtype)
        called = ops.argmax(y_pred - ops.convert_to_tensor(self.log_prior), axis=-1)
        right = ops.cast(ops.equal(ops.argmax(y_true, axis=-1), called), truth.dtype)
        if sample_weight is not None:
            truth = truth * ops.cast(sample_weight, truth.dtype)[:, None]
        self.recognised.assign(self.recognised + ops.sum(truth * right[:, None], axis=0))
        self.seen.assign(self.seen + ops.sum(truth, axis=0))

    def result(self):
        """The value so far, a scalar."""
        present = ops.cast(self.seen > 0, self.seen.dtype)
        recall = self.recognised / ops.maximum(self.seen, 1.0)
        return ops.sum(recall * present) / ops.maximum(ops.sum(present), 1.0)
