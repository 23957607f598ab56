import numpy as np
import pytest

from lesionflow.errors import BundleError
from lesionflow.model.prediction import read_labelled
from tests.contenders import answers


def test_arrays_give_back_the_predictions_they_came_from() -> None:
    said = answers(0.7)
    again = read_labelled(said.arrays())
    assert again is not None
    for name, array in said.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert read_labelled(None) is None


@pytest.mark.parametrize(
    "change", [{"more": np.zeros(420)}, {"labels": np.zeros(419)}, {"probabilities": np.zeros((420, 6))}]
)
def test_arrays_of_something_else_are_refused(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError, match="train the model again"):
        read_labelled(answers(0.7).arrays() | change)
    with pytest.raises(BundleError):
        read_labelled({name: array for name, array in answers(0.7).arrays().items() if name != "refer"})
