"""Where fine-tuning starts: ImageNet's convolutions, and a last layer that already fits them.

A last layer of random weights would send random gradients through the convolutions and spoil what they know; fitted to
the frozen features first, it does not (Kumar et al. 2022, arXiv:2202.10054).
"""

from __future__ import annotations

import keras
import numpy as np

from lesionflow.data.sampling import shares
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.training.efficientnet import freeze_early_stages, set_imagenet_weights
from lesionflow.training.imagenet import imagenet_weights

ADAPTING_STEPS = 48  # at the layers' momentum of 0.9, less than a hundredth of ImageNet's statistics is left
ADAPTING_BATCH = 64
# Strength of the penalty on the weights; the features have a mean near 0.4, and 1280 of them fit anything without it.
INVERSE_PENALTY = 0.01


def start_from_imagenet(network: keras.Model, pixels: np.ndarray, labels: np.ndarray, balance: str) -> None:
    """Give an `efficientnet` its weights and fit its last layer.

    pixels: (images, height, width, 3) uint8 and labels: (images,), of the training part; balance: as in training.
    """
    from sklearn.linear_model import LogisticRegression

    set_imagenet_weights(network, imagenet_weights())
    _adapt_normalisation(network, pixels)
    freeze_early_stages(network)
    if len(np.unique(labels)) < 3:
        return  # scikit-learn has one row of weights for two, and none for one; such data is a test's, not a user's
    pooled = keras.Model(network.inputs, network.get_layer("logits").input)
    features = pooled.predict(pixels, batch_size=64, verbose=0)  # (images, 1280)
    features = features.astype(np.float32)  # under mixed precision they are of half of it, too little for what follows
    counts = np.bincount(labels, minlength=len(DIAGNOSES))
    weights = shares(labels, balance, len(DIAGNOSES))[labels] / counts[labels] * len(labels)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    found = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit((features - mean) / spread, labels, weights)
    kernel, bias = (np.array(array) for array in network.get_layer("logits").get_weights())
    kernel[:, found.classes_] = (found.coef_ / spread).T
    bias[found.classes_] = found.intercept_ - found.coef_ @ (mean / spread)
    network.get_layer("logits").set_weights([kernel, bias])


def _adapt_normalisation(network: keras.Model, pixels: np.ndarray) -> None:
    """Let batch normalisation take the means and variances of these images in place of ImageNet's.

    The last layer is fitted to features as they are in use; in training they are normalised by the batch. Both have to
    be the same features.
    """
    chosen = np.random.default_rng(0).integers(0, len(pixels), (ADAPTING_STEPS, ADAPTING_BATCH))
    for batch in chosen:
        network(pixels[batch].astype(np.float32), training=True)
