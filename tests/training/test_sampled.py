"""What the steps of a training show, and that labels are blended as the images are."""

import numpy as np
import pytest

from lesionflow.training.augmentation import Mixup
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import _drawn_steps, one_hot

LABELS = np.repeat([0, 1, 2, 4, 5], [3, 5, 4, 6, 30])
ONE_HOT = one_hot(LABELS, 7)
BATCH, EPOCHS = 8, 3
STEPS = len(LABELS) // BATCH


def shown(soft_targets: np.ndarray = ONE_HOT, **fields: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    given = TrainingConfig(epochs=EPOCHS, batch_size=BATCH, **fields)  # type: ignore[arg-type]
    steps = _drawn_steps(given.resolved("cnn", "quick"), LABELS, soft_targets)
    assert (steps.batch_size, steps.in_epoch) == (BATCH, STEPS)
    return steps.rows, steps.kept, steps.targets


def test_mixup_blends_with_the_image_before_in_training_only() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.float32)
    kept = np.array([1, 0, 0.5, 0.25, 0.9], np.float32)
    layer = Mixup()
    np.testing.assert_array_equal(np.asarray(layer([images, kept], training=False)), images)
    blended = np.asarray(layer([images, kept], training=True))
    for one in range(5):  # the one before the first is the last
        expected = kept[one] * images[one] + (1 - kept[one]) * images[one - 1]
        np.testing.assert_allclose(blended[one], expected, atol=1e-4)


@pytest.mark.parametrize("mixup", [0.2, 1.0])
def test_labels_are_blended_exactly_as_the_images_are(mixup: float) -> None:
    indices, kept, targets = shown(mixup=mixup)
    assert indices.shape == kept.shape == (EPOCHS * STEPS * BATCH,) and targets.shape == (len(indices), 7)
    assert indices.dtype == np.int32 and kept.dtype == targets.dtype == np.float32
    assert 0 <= kept.min() < kept.max() <= 1 and set(indices) <= set(range(len(LABELS)))
    # Images that are nothing but their label, through the layer that blends images, a batch at a time.
    layer, pictures = Mixup(), one_hot(LABELS, 7)[:, None, :, None] * np.ones(3, np.float32)  # (images, 1, 7, 3)
    for step in range(EPOCHS * STEPS):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        blended = np.asarray(layer([pictures[indices[batch]], kept[batch]], training=True))
        np.testing.assert_allclose(targets[batch], blended[:, 0, :, 0], atol=1e-6)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_without_mixup_images_and_labels_are_whole() -> None:
    indices, kept, targets = shown()
    assert (kept == 1).all()
    np.testing.assert_array_equal(targets, one_hot(LABELS[indices], 7))


def test_what_a_teacher_says_of_an_image_goes_with_it() -> None:
    soft_targets = np.random.default_rng(1).dirichlet(np.ones(7), len(LABELS)).astype(np.float32)
    indices, _, targets = shown(soft_targets)
    np.testing.assert_array_equal(indices, shown()[0])  # which are drawn by their labels all the same
    np.testing.assert_array_equal(targets, soft_targets[indices])


def test_each_epoch_shows_its_own_draw_and_no_image_twice_where_nothing_is_balanced() -> None:
    indices, _, _ = shown(balance="none")
    epochs = indices.reshape(EPOCHS, STEPS * BATCH)
    assert all(len(set(epoch)) == STEPS * BATCH for epoch in epochs.tolist())
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


def test_the_seed_decides() -> None:
    one, same, other = (shown(mixup=0.4, seed=seed) for seed in (3, 3, 4))
    for array, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(array, again)
    assert (one[0] != other[0]).any() and (one[1] != other[1]).any()


def test_for_consistency_a_batch_shows_each_image_in_two_views() -> None:
    indices, kept, targets = shown(consistency=1.0, mixup=0.4)
    for values in (indices, kept, targets):
        one, other = np.split(values.reshape(EPOCHS * STEPS, BATCH, *values.shape[1:]), 2, axis=1)
        np.testing.assert_array_equal(one, other)
    indices, _, _ = shown(consistency=1.0, balance="none")
    both = indices.reshape(EPOCHS, STEPS, 2, BATCH // 2)[:2, :, 0].ravel()
    assert len(set(both.tolist())) == len(both)  # the second epoch goes on where the first one ended
