"""How work uses this process."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lesionflow.defaults import _libraries, new_objects_collected, one_thread_a_product
from lesionflow.errors import DataError
from lesionflow.evaluation import bootstrap
from lesionflow.evaluation.measure import compare, measure
from tests.evaluation.made_up import made_up


class Circle:
    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def nothing_set_aside() -> Iterator[None]:
    """The modules that the suite has set aside are taken back in, as in a process of a user."""
    before = gc.get_freeze_count()
    gc.unfreeze()
    yield
    if before:
        gc.freeze()


def test_circles_from_before_are_left_until_the_end(nothing_set_aside: None) -> None:
    older = weakref.ref(Circle())
    with new_objects_collected():
        gc.collect()
        left = older() is not None
    gc.collect()
    assert left
    assert older() is None


def test_circles_made_meanwhile_are_found(nothing_set_aside: None) -> None:
    with new_objects_collected():
        newer = weakref.ref(Circle())
        gc.collect()
        assert newer() is None


def test_what_a_caller_set_aside_stays_aside(nothing_set_aside: None) -> None:
    gc.freeze()
    with new_objects_collected():
        pass
    assert gc.get_freeze_count() > 0


def test_it_looks_less_often_meanwhile_and_as_often_as_before_afterwards(nothing_set_aside: None) -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        with pytest.raises(KeyError), new_objects_collected():
            meanwhile = gc.get_threshold()
            raise KeyError
        assert meanwhile[0] > 700 and gc.get_threshold() == (700, 10, 10)
    finally:
        gc.set_threshold(*before)


def threads_a_product() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.fixture
def several_threads() -> Iterator[list[int]]:
    """As many as NumPy's library takes of two, also on a machine of one core."""
    with threadpool_limits(2, "blas"):
        if set(found := threads_a_product()) == {1} or not found:
            pytest.skip("NumPy's library for products has one thread")
        yield found


def test_metrics_are_multiplied_in_one_thread(several_threads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen, drawn = [], bootstrap.draw_lesions

    def watched(*given: int) -> Iterator[np.ndarray]:
        for counts in drawn(*given):
            seen.append(threads_a_product())
            yield counts

    monkeypatch.setattr(bootstrap, "draw_lesions", watched)
    predictions = made_up(40)
    measure(predictions, resamples=10)
    compare(predictions, predictions, resamples=10)
    bootstrap.resampled_sums(predictions.lesion_ids, np.ones((len(predictions), 1)), 10, seed=0)
    assert len(seen) == 4
    assert all(set(threads) == {1} for threads in seen)
    assert threads_a_product() == several_threads


def test_threads_come_back_after_an_error(several_threads: list[int]) -> None:
    with pytest.raises(DataError, match="no images"):
        measure(made_up(40).take(np.zeros(0, np.int64)))
    assert threads_a_product() == several_threads


def test_the_last_of_several_threads_puts_their_number_back(several_threads: list[int]) -> None:
    second = contextlib.ExitStack()
    with one_thread_a_product():
        second.enter_context(one_thread_a_product())
    assert set(threads_a_product()) == {1}  # the second began before the first ended, and has not ended
    second.close()
    assert threads_a_product() == several_threads


def test_without_proc_metrics_are_measured_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/self/maps")

    monkeypatch.setattr("threadpoolctl.ThreadpoolController", missing)
    _libraries.cache_clear()
    assert measure(made_up(40), resamples=10)
    _libraries.cache_clear()
