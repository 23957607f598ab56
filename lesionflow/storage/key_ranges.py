"""A long list of keys, fetched in many ranges at once and given in order.

A store hands out its keys in pages of a thousand, each known only when the one before has come: ten million keys are
ten thousand waits in a row. But it also begins a page behind any key that is asked for, so ranges can be fetched side
by side if one guesses where they should begin. Guesses follow the numbers within the keys, decimal or otherwise: where
`IMG_0000` to `IMG_0999` made a page, `IMG_1999` and `IMG_2999` may end the next two. A wrong guess costs time, never a
key: the ranges cover all there is, whatever lies in them.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

Fetch = Callable[[str], tuple[list[str], bool]]  # the page behind a key: keys in order, and whether there are more

ONE_BY_ONE = 4  # pages before anything is guessed: most folders end there
MOST_RANGES = 32  # at once
_PAGES_OF_A_RANGE = 4  # at most: what a bad guess may hold in memory
_DIGITS = 3  # places of a number that a guess gets right


def keys_in_order(fetch: Fetch) -> Iterator[str]:
    """List all keys.

    Parameters
    ----------
    fetch
        Gives the page behind a key; the empty string stands for the first page. It is called from several threads.
    """
    after, pages = "", 0
    threads = ThreadPoolExecutor(MOST_RANGES, thread_name_prefix="lesionflow-list")
    try:
        while True:
            keys, more = fetch(after)
            yield from keys
            if not more:
                return
            after, pages = keys[-1], pages + 1
            if pages >= ONE_BY_ONE:
                after = yield from _ranges(fetch, keys, threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _ranges(fetch: Fetch, keys: Sequence[str], threads: ThreadPoolExecutor) -> Generator[str, None, str]:
    """Yield the keys behind a page as long as the guesses hold; returns the key behind which the rest lies."""
    after = keys[-1]
    bounds = guess_bounds(keys)
    waiting: deque[tuple[str, Future[tuple[list[str], bool]]]] = deque()
    begin = after
    useful = 0
    while True:
        # As many at once as have been of use: guesses end with the folder that they were made in.
        for end in itertools.islice(bounds, min(useful + 2, MOST_RANGES) - len(waiting)):
            waiting.append((end, threads.submit(_range, fetch, begin, end)))
            begin = end
        if not waiting:
            return after
        end, future = waiting.popleft()
        found, complete = future.result()
        yield from found
        after = end if complete else found[-1]
        if len(found) < len(keys) / 2 or not complete:  # the guesses have gone wrong: what follows is looked at anew
            for _, unused in waiting:
                unused.cancel()
            return after
        useful += 1


def _range(fetch: Fetch, after: str, end: str) -> tuple[list[str], bool]:
    """The keys behind one up to another, or the first few pages of them, and whether these are all."""
    found: list[str] = []
    for _ in range(_PAGES_OF_A_RANGE):
        page, more = fetch(after)
        inside = bisect_right(page, end)
        found += page[:inside]
        if inside < len(page) or not more:
            return found, True
        after = page[-1]
    return found, False


def guess_bounds(keys: Sequence[str]) -> Iterator[str]:
    """Guess where the pages behind one would end: keys in rising order, until the number within them overflows.

    What the keys of the page have from where they begin to differ is read as a number, in the base of the signs that
    stand there: ten for decimal names, sixteen for hexadecimal ones.
    """
    first, last = keys[0], keys[-1]
    pairs = enumerate(zip(first, last, strict=False))
    common = next((index for index, (one, other) in pairs if one != other), len(first))
    end = next((index for index in range(common, len(last)) if not last[index].isalnum()), len(last))
    end = min(max(end, common + 1), common + _DIGITS)
    signs = sorted({sign for key in keys for sign in key[common:end]})
    if len(signs) < 2:
        return
    start = common
    while start and last[start - 1] in signs:
        start -= 1
    width, base = end - start, len(signs)

    def number(key: str) -> int:
        value = 0
        for index in range(start, start + width):
            value = value * base + (min(bisect_left(signs, key[index]), base - 1) if index < len(key) else 0)
        return value

    # A little less than a page: what is left over of one would cost a request of its own.
    value, step = number(last), max((number(last) - number(first)) * 9 // 10, 1)
    while (value := value + step) < base**width:
        digits, rest = [], value
        for _ in range(width):
            rest, digit = divmod(rest, base)
            digits.append(signs[digit])
        yield last[:start] + "".join(reversed(digits))
