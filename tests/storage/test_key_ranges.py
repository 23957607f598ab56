"""A long list comes whole and in order, however its keys are named, and however wrong the guesses are."""

import itertools
import random
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionflow.storage.key_ranges import MOST_RANGES, ONE_BY_ONE, guess_bounds, keys_in_order


class Store:
    """Keys in pages, and what was asked for."""

    def __init__(self, keys: list[str], page: int, seconds: float = 0.0):
        self.keys, self.page, self.seconds = sorted(set(keys)), page, seconds
        self.asked = self.now = self.most_at_once = self.ahead = 0
        self.lock = threading.Lock()

    def fetch(self, after: str) -> tuple[list[str], bool]:
        with self.lock:
            self.asked, self.now = self.asked + 1, self.now + 1
            self.most_at_once = max(self.most_at_once, self.now)
        time.sleep(self.seconds)
        begin = bisect_right(self.keys, after) if after else 0
        with self.lock:
            self.now -= 1
            self.ahead = max(self.ahead, begin)
        return self.keys[begin : begin + self.page], begin + self.page < len(self.keys)

    def fetch_folders(self, folder: str, after: str) -> tuple[list[str], bool]:
        found: list[str] = []
        time.sleep(self.seconds)
        self.asked += 1
        begin = bisect_right(self.keys, after)
        while begin < len(self.keys) and (key := self.keys[begin]).startswith(folder):
            end = key.find("/", len(folder))
            if end < 0 or len(found) == self.page:
                return found, end >= 0
            found.append(key[: end + 1])
            begin = bisect_right(self.keys, key[:end] + "0")
        return found, False

    def listed(self) -> Iterator[str]:
        return keys_in_order("", self.fetch, self.fetch_folders)


def hexadecimal(count: int) -> list[str]:
    rng = random.Random(0)
    return [f"{rng.getrandbits(64):016x}.jpg" for _ in range(count)]


NAMES: dict[str, Callable[[int], list[str]]] = {
    "numbers": lambda count: [f"folder/ISIC_{number:07}.jpg" for number in range(count)],
    "numbers without zeros": lambda count: [f"{number}.jpg" for number in range(count)],
    "numbers with gaps": lambda count: [f"ISIC_{number * number:012}.png" for number in range(count)],
    "hexadecimal": hexadecimal,
    "small folders": lambda count: [f"p{number // 7:05}/{number % 7}/image.dcm" for number in range(count)],
    "large folders": lambda count: [f"site-{'abc'[number % 3]}/{number:06}" for number in range(count)],
    "folders of a page": lambda count: [f"{number // 50:05}/{number:06}.jpg" for number in range(count)],
    "folders of some pages": lambda count: [f"{number // 250:05}/{number % 250}.jpg" for number in range(count)],
    "deep folders": lambda count: [f"{each // 900}/{each // 90}/{each // 30}/{each}" for each in range(count)],
    "folders beside keys": lambda count: [f"{number}" + "/a/b" * (number % 3) for number in range(count)],
    "words": lambda count: ["".join(word) for word in itertools.islice(itertools.product("aeiouä", repeat=9), count)],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 5000])
def test_every_key_comes_once_and_in_order(name: str, count: int) -> None:
    store = Store(NAMES[name](count), page=50)
    assert list(store.listed()) == store.keys
    assert store.asked <= 2.5 * len(store.keys) / 50 + 2 * ONE_BY_ONE


@settings(deadline=None, max_examples=100)
@given(
    st.sets(st.text(min_size=1, max_size=6) | st.text("ab/0.\U0010ffff", min_size=1, max_size=9), max_size=120),
    st.integers(1, 9),
)
def test_any_names(keys: set[str], page: int) -> None:
    store = Store(list(keys), page)
    assert list(store.listed()) == store.keys


@pytest.mark.parametrize("name", ["numbers", "hexadecimal", "small folders", "folders of some pages"])
def test_pages_are_fetched_side_by_side_and_not_far_ahead(name: str) -> None:
    store = Store(NAMES[name](20_000), page=100, seconds=0.005)
    keys = store.listed()
    for number, _ in enumerate(keys):
        assert store.ahead <= number + 5 * MOST_RANGES * 100  # what is in memory
    assert store.most_at_once > 4


def test_a_short_list_is_fetched_as_it_is_asked_for() -> None:
    store = Store([f"{number:05}" for number in range(300)], page=100)
    keys = store.listed()
    assert next(keys) == "00000" and store.asked == 1
    assert len(list(keys)) == 299 and store.asked == 3


def test_guesses_rise_and_end() -> None:
    keys = [f"ISIC_{number:07}.jpg" for number in range(1000)]
    bounds = list(guess_bounds(keys))
    assert bounds[:2] == ["ISIC_0001898", "ISIC_0002797"] and bounds == sorted(set(bounds)) and bounds[0] > keys[-1]
    assert list(guess_bounds(["a", "a"])) == []


def test_what_a_page_raises_comes_out() -> None:
    store = Store([f"{number:05}" for number in range(5000)], page=100)

    def broken(after: str) -> tuple[list[str], bool]:
        if after > "03":
            raise OSError("gone")
        return store.fetch(after)

    found = []
    with pytest.raises(OSError, match="gone"):
        for key in keys_in_order("", broken, store.fetch_folders):
            found.append(key)
    assert found == store.keys[: len(found)] and len(found) > 500
