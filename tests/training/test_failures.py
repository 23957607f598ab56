import keras
import pytest

from lesionflow.errors import TrainingError
from lesionflow.training.config import TrainingConfig
from lesionflow.training.failures import check_finite, explain_out_of_memory


def test_memory_that_runs_out_names_the_levers() -> None:
    @explain_out_of_memory
    def fit(config: TrainingConfig) -> object:
        return keras.ops.ones((10**7, 10**8))  # four petabytes, asked of the backend itself

    with pytest.raises(TrainingError, match=r"--batch-size \(64 now\) or --image-size \(96 now\)"):
        fit(TrainingConfig(batch_size=64, image_size=96))


def test_other_errors_stay_what_they_are() -> None:
    @explain_out_of_memory
    def fit(config: TrainingConfig) -> object:
        return keras.ops.reshape(keras.ops.ones(3), (2, 2))

    with pytest.raises(Exception, match="3") as failed:
        fit(TrainingConfig())
    assert not isinstance(failed.value, TrainingError)


def test_a_figure_that_is_no_number_names_the_lever() -> None:
    check_finite(1, {"train_loss": 0.5, "validation_loss": 0.0})
    for figure in (float("nan"), float("inf")):
        with pytest.raises(TrainingError, match="epoch 3; train anew with a lower --learning-rate"):
            check_finite(3, {"train_loss": 0.5, "validation_loss": figure})
