import numpy as np
import pytest

from lesionflow.datasets.sampling import BALANCES, epoch_indices, positive_shares, shares

LABELS = np.repeat([0, 1, 2], [10, 90, 400])


@pytest.mark.parametrize(
    ("balance", "expected"),
    [("oversample", [1 / 3, 1 / 3, 1 / 3]), ("none", [0.02, 0.18, 0.8]), ("sqrt", np.sqrt([10, 90, 400]))],
)
def test_each_diagnosis_gets_its_share(balance: str, expected: list[float]) -> None:
    wanted = np.array(expected) / np.sum(expected)
    np.testing.assert_allclose(shares(LABELS, balance, 3), wanted)
    drawn = epoch_indices(LABELS, balance, np.random.default_rng(0))
    assert len(drawn) == len(LABELS)
    counts = np.bincount(LABELS[drawn], minlength=3)
    assert np.all(np.abs(counts - wanted * len(LABELS)) <= 1)


def test_without_balance_an_epoch_is_every_image_once() -> None:
    drawn = epoch_indices(LABELS, "none", np.random.default_rng(0))
    assert sorted(drawn.tolist()) == list(range(len(LABELS)))


def test_rare_images_are_repeated_evenly() -> None:
    drawn = epoch_indices(LABELS, "oversample", np.random.default_rng(0))
    times = np.bincount(drawn, minlength=len(LABELS))[LABELS == 0]
    assert times.min() >= 16 and times.max() - times.min() <= 1


def test_a_diagnosis_without_images_gets_none() -> None:
    assert shares(np.array([0, 2, 2]), "oversample", 4).tolist() == [0.5, 0, 0.5, 0]


@pytest.mark.parametrize("balance", BALANCES)
def test_for_logarithms_a_diagnosis_without_images_counts_as_half_an_image(balance: str) -> None:
    shown = shares(LABELS, balance, 5)
    assert positive_shares(LABELS, balance, 5).tolist() == [*shown[:3].tolist(), 0.001, 0.001]
    single = np.array([2])
    assert positive_shares(single, balance, 3).tolist() == [0.5, 0.5, 1]


def test_epochs_differ_and_repeat_with_the_seed() -> None:
    generator = np.random.default_rng(7)
    first, second = (epoch_indices(LABELS, "oversample", generator) for _ in range(2))
    assert first.tolist() != second.tolist()
    assert first.tolist() == epoch_indices(LABELS, "oversample", np.random.default_rng(7)).tolist()
