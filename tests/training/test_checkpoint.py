import dataclasses

import numpy as np
import pytest

from lesionflow.errors import TrainingError
from lesionflow.training.checkpoint import Checkpoint, from_bytes, newest, to_bytes


def made_up(epochs: int = 2) -> Checkpoint:
    generator = np.random.default_rng(epochs)
    weights = generator.normal(size=(3, 4)).astype(np.float32)
    return Checkpoint(
        belongs_to={"learning_rate": 0.1 + 0.2, "network": "cnn", "deterministic": True},
        history=tuple({"train_loss": 1 / (3 + epoch)} for epoch in range(epochs)),
        seconds=1.5,
        precision="float32",
        best=1 / 3,
        best_epoch=1,
        best_weights=(weights, weights[0]),
        learner=tuple(weights * place for place in range(12)),
        optimizer=(np.array(7, np.int64), np.array([1, 2], np.uint32)),
        learner_names=tuple(f"layer/{place}" for place in range(12)),
        optimizer_names=("adamw/iteration", "adamw/state"),
    )


def test_comes_back_as_it_was() -> None:
    written, read = made_up(), from_bytes(to_bytes(made_up()))
    assert read is not None
    for field in dataclasses.fields(Checkpoint):
        before, after = getattr(written, field.name), getattr(read, field.name)
        if field.name in ("best_weights", "learner", "optimizer"):
            assert len(before) == len(after)
            for one, other in zip(before, after, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
        else:
            assert before == after


def test_what_is_not_whole_is_never_read() -> None:
    content = to_bytes(made_up())
    assert all(from_bytes(content[:length]) is None for length in range(0, len(content), 7))
    for place in range(0, len(content), 13):
        assert from_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]) is None
    assert from_bytes(content[: len(content) // 2].ljust(len(content), b"\0")) is None
    assert from_bytes(content + b"\0") is None


def test_the_newest_that_is_whole_counts() -> None:
    second, third = to_bytes(made_up(2)), to_bytes(made_up(3))
    for contents, epoch in ([second, third], 3), ([third, second], 3), ([third[:-1], second], 2):
        found = newest(contents)
        assert found is not None and found.epoch == epoch
    assert newest([third[:-1], b""]) is None and newest([]) is None


def test_another_training_is_refused() -> None:
    made_up().check(made_up().belongs_to)
    with pytest.raises(TrainingError, match=r"learning_rate \(0.3\d+ then, 0.2 now\), network \(cnn then, vgg now\)"):
        made_up().check({"learning_rate": 0.2, "network": "vgg", "deterministic": True})
    with pytest.raises(TrainingError, match=r"another version of lesionflow.*: folds; resume with that version"):
        made_up().check({**made_up().belongs_to, "folds": 0})
