"""Initial weights for fine-tuning: ImageNet's convolutions, and a last layer fitted to their features.

A last layer of random weights would send random gradients through the convolutions and spoil what they know; fitted to
the frozen features first, it does not (Kumar et al. 2022, arXiv:2202.10054).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lesionflow.datasets.sampling import shares
from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import TrainingError
from lesionflow.model.card import KERAS_FILE
from lesionflow.model.files import read_bundle
from lesionflow.training.from_onnx import read_weights, take_statistics
from lesionflow.training.imagenet import PUBLISHED, imagenet_weights
from lesionflow.training.networks import freeze_early_stages, set_imagenet_weights
from lesionflow.training.normalisation import NormalisationPass
from lesionflow.training.pixel_store import PixelStore

FEATURES_BATCH = 64
STATISTICS_OF = 256  # images, for batch normalisation of which nothing is known
# Strength of the penalty on the weights; the features have a mean near 0.4, and 1280 of them fit anything without it.
INVERSE_PENALTY = 0.01
# The same for how far they move from a last layer that knows these diagnoses. Of 300 images of a source that the model
# never saw, 0.0003 to 0.0008 gave the lowest log loss on others of it, in six draws of two sources.
INVERSE_PENALTY_OF_MOVES = 0.0005


@dataclass(frozen=True)
class Start:
    """Where a training starts from another: the weights of its network, in Keras's order, and what of them is kept."""

    weights: Sequence[np.ndarray]
    keep_last_layer: bool = True
    without_statistics: bool = False  # whether batch normalisation's are not known
    unknown: tuple[int, ...] = ()  # the diagnoses that its last layer did not know, whose weights are 0


def read_start(folder: Path, *, keep_last_layer: bool, label_set: LabelSet = HAM10000) -> Start:
    """The weights of a bundle, with a last layer of the diagnoses of a label set.

    Raises `BundleError` where the bundle is altered.
    """
    card, graph = read_bundle(folder)  # which checks the Keras file, where it is there
    if KERAS_FILE not in card.digests or not (folder / KERAS_FILE).exists():
        weights, without_statistics = read_weights(card, graph), True
    else:
        loaded = keras.saving.load_model(folder / KERAS_FILE, compile=False)
        weights, without_statistics = loaded.get_weights(), False
    *others, kernel, bias = weights  # of the logits, which come last
    columns = label_set.columns_of(card.labels)
    own = np.zeros((len(kernel) + 1, len(columns)), np.float32)  # the bias below the kernel
    for index, column in enumerate(columns):
        if column is not None:
            own[:-1, index], own[-1, index] = kernel[:, column], bias[column]
    unknown = tuple(index for index, column in enumerate(columns) if column is None)
    return Start([*others, own[:-1], own[-1]], keep_last_layer, without_statistics, unknown)


def start_from(
    start: Start | None, network: keras.Model, store: PixelStore, rows: np.ndarray, labels: np.ndarray, balance: str
) -> None:
    """Give a network its first weights, and fit its last layer unless that is kept.

    start: None: ImageNet's, of an EfficientNet. rows: of the training part in the store, (images,) int32, and their
    labels, (images,); balance: as in training. Raises `TrainingError` for weights of another network.
    """
    if start is None:
        set_imagenet_weights(network, imagenet_weights(network.name))
    else:
        shapes = [tuple(variable.shape) for variable in network.weights]
        if shapes != [array.shape for array in start.weights]:
            raise TrainingError("--start-from: the weights are of another network; give the --model and --width of it")
        network.set_weights(start.weights)
        if start.without_statistics:
            take_statistics(network, store.look_up(rows[np.linspace(0, len(rows) - 1, STATISTICS_OF, dtype=int)]))
    # The last layer is fitted to features as they are in use; in training they are normalised by the batch. Both have
    # to be the same features.
    NormalisationPass(network, store, rows, labels, balance).run()
    if network.name in PUBLISHED:
        freeze_early_stages(network)
    if start is None or not start.keep_last_layer:
        _fit_last_layer(network, store, rows, labels, balance, start.unknown if start else None)


def _fit_last_layer(
    network: keras.Model,
    store: PixelStore,
    rows: np.ndarray,
    labels: np.ndarray,
    balance: str,
    unknown: Sequence[int] | None,
) -> None:
    """Unknown: the diagnoses that the last layer does not know; of others it moves no farther than images ask for."""
    if len(np.unique(labels)) < 2:
        return
    features = _features(network, store, rows)  # (images, 1280)
    kernel, bias = (np.array(array) for array in network.get_layer("logits").get_weights())
    counts = np.bincount(labels, minlength=len(bias))
    weights = shares(labels, balance, len(bias))[labels] / counts[labels] * len(labels)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    columns, scaled, shifted = (features - mean) / spread, kernel * spread[:, None], bias + mean @ kernel
    if unknown is None or len(unknown) == len(bias):
        kernel, bias = _fitted(columns, scaled, shifted, labels, weights)
    else:
        inverse_penalties = np.full(len(bias), INVERSE_PENALTY_OF_MOVES)
        inverse_penalties[list(unknown)] = INVERSE_PENALTY
        kernel, bias = _moved(columns, scaled, shifted, labels, weights, inverse_penalties)
    kernel = kernel / spread[:, None]
    network.get_layer("logits").set_weights([kernel, bias - mean @ kernel])


def _moved(
    columns: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    inverse_penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the greatest likelihood less penalties on how far the kernel moves from what it was.

    inverse_penalties: (diagnoses,).
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    before, truth = columns @ kernel + bias, np.eye(len(bias))[labels]  # (images, diagnoses)

    def loss(moves: np.ndarray) -> tuple[float, np.ndarray]:
        by, offset = np.split(moves.reshape(-1, len(bias)), [len(kernel)])  # (features, diagnoses), (1, diagnoses)
        logarithms = log_softmax(before + columns @ by + offset, axis=1)
        penalised = by / inverse_penalties  # the bias moves without a penalty
        value = (penalised * by).sum() / 2 - (weights * logarithms[np.arange(len(labels)), labels]).sum()
        wrong = (np.exp(logarithms) - truth) * weights[:, None]
        return float(value), np.vstack([penalised + columns.T @ wrong, wrong.sum(axis=0)]).ravel()

    found = minimize(loss, np.zeros((len(kernel) + 1) * len(bias)), jac=True, method="L-BFGS-B").x
    by, offset = np.split(found.reshape(-1, len(bias)), [len(kernel)])
    return kernel + by, bias + offset[0]


def _fitted(
    columns: np.ndarray, kernel: np.ndarray, bias: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias by logistic regression, for the diagnoses that there are images of."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit(columns, labels, weights)
    coefficients, intercepts = found.coef_, found.intercept_
    if len(found.classes_) == 2:  # then it has one row, of the second against the first
        coefficients, intercepts = (np.concatenate([-each / 2, each / 2]) for each in (coefficients, intercepts))
    kernel[:, found.classes_], bias[found.classes_] = coefficients.T, intercepts
    return kernel, bias


def _features(network: keras.Model, store: PixelStore, rows: np.ndarray) -> np.ndarray:
    """The inputs of the last layer: (rows, 1280)."""
    pooled = keras.Model(network.inputs, network.get_layer("logits").input)
    shown = store.input()
    model = keras.Model(shown, pooled(keras.ops.cast(store.images(shown), "float32")))
    filled = np.resize(rows, len(rows) + -len(rows) % FEATURES_BATCH)  # whole batches, for however many devices
    batches, _, _ = store.batches(filled, (), filled, FEATURES_BATCH)
    features = np.asarray(model.predict(batches, batch_size=FEATURES_BATCH, verbose=0))[: len(rows)]
    return features.astype(np.float32)  # under mixed precision they are of half of it, too little for what follows
