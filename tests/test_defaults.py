"""How work uses this process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from lesionflow.defaults import new_objects_collected


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
