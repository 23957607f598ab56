"""Lists many keys of a store in parallel ranges, and yields them in order.

A store hands out its keys in pages of a thousand, each known only when the one before has come: ten million keys are
ten thousand waits in a row. But it also begins a page behind any key that is asked for, so ranges can be fetched side
by side if one knows where they should begin. Where keys lie in folders, the store is asked for their names. Within a
folder, guesses follow the numbers within the keys, decimal or otherwise: where `IMG_0000` to `IMG_0999` made a page,
`IMG_1999` and `IMG_2999` may end the next two. A wrong guess costs time, never a key: the ranges cover all there is,
whatever lies in them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

Fetch = Callable[[str], tuple[list[str], bool]]  # the page behind a key: keys in order, and whether there are more
# The folders right in a folder, behind a key: a page of them in order, and whether to ask for more.
FetchFolders = Callable[[str, str], tuple[list[str], bool]]

ONE_BY_ONE = 4  # pages before anything is guessed: most folders end there
MOST_RANGES = 32  # at once
_PAGES_OF_A_RANGE = 4  # at most: what a bad guess may hold in memory
_DIGITS = 3  # places of a number that a guess gets right
_END = chr(0x10FFFF) * 1024  # no key is behind this


@dataclass(frozen=True)
class _Store:
    base: str
    fetch: Fetch
    fetch_folders: FetchFolders
    threads: ThreadPoolExecutor


def keys_in_order(base: str, fetch: Fetch, fetch_folders: FetchFolders) -> Iterator[str]:
    """List all keys in a folder.

    Parameters
    ----------
    base
        What all keys begin with: empty, or a folder with the slash at its end.
    fetch
        Gives the page behind a key; the empty string stands for the first page. It is called from several threads.
    fetch_folders
        Gives a page of the folders right in a folder, both with the slash at their end, behind a key.
    """
    threads = ThreadPoolExecutor(MOST_RANGES, thread_name_prefix="lesionflow-list")
    try:
        yield from _keys(_Store(base, fetch, fetch_folders, threads), "", _END)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _keys(store: _Store, after: str, end: str, page: Sequence[str] = ()) -> Iterator[str]:
    """The keys after one up to another; page: the keys before them, if they are enough to guess from."""
    pages, more = ONE_BY_ONE if page else 0, True
    while more:
        if pages >= ONE_BY_ONE:
            after, more = yield from _ranges(store, page, end)
        if more:
            page, more = store.fetch(after)
            inside = bisect_right(page, end)
            yield from page[:inside]
            more = more and inside == len(page)
            after, pages = page[-1] if page else after, pages + 1


def _ranges(store: _Store, page: Sequence[str], end: str) -> Generator[str, None, tuple[str, bool]]:
    """Yield keys behind a page as long as the guesses hold; returns behind which key there may be more, and if so."""
    begin = after = page[-1]
    bounds = _bounds(store, page, end)
    waiting: deque[tuple[str, Future[_Range]]] = deque()
    useful, beyond = 0, ""
    try:
        while True:
            # As many in parallel as have been useful.
            while len(waiting) < min(2 * max(useful, 0) + 2, MOST_RANGES):
                bound = next(bounds, end)
                if bound >= end or bound < beyond:
                    break
                waiting.append((bound, store.threads.submit(_range, store.fetch, begin, bound)))
                begin = bound
            if not waiting:
                return after, True
            bound, future = waiting.popleft()
            result = future.result()
            yield from result.keys
            if result.is_whole:
                beyond = result.beyond
            else:
                yield from _keys(store, result.keys[-1], bound, result.keys[-len(page) :])
            after = bound
            if beyond > end:
                return after, False
            while waiting and waiting[0][0] < beyond:  # there is nothing in it
                after, unused = waiting.popleft()
                unused.cancel()
            useful += 1 if len(result.keys) >= len(page) / 2 else -2
            if useful < -2:  # what follows is looked at again
                return after, True
    finally:
        for _, unused in waiting:
            unused.cancel()


@dataclass(frozen=True)
class _Range:
    keys: list[str]
    is_whole: bool  # or else these are the first few pages
    beyond: str = ""  # the key behind the range, once that is whole


def _range(fetch: Fetch, after: str, end: str) -> _Range:
    """The keys behind one up to another."""
    found: list[str] = []
    for _ in range(_PAGES_OF_A_RANGE):
        page, more = fetch(after)
        inside = bisect_right(page, end)
        found += page[:inside]
        if inside < len(page) or not more:
            return _Range(found, True, page[inside] if inside < len(page) else _END * 2)
        after = page[-1]
    return _Range(found, False)


def _bounds(store: _Store, page: Sequence[str], end: str) -> Iterator[str]:
    """Where ranges behind a page should end: at folders, or at guesses where a folder's keys are all that is left."""
    last = page[-1]
    folder = last[: last.rfind("/", 0, _first_difference(page[0], last)) + 1]
    inner = _inner(folder, last)
    if inner == last:
        if folder == store.base or _behind(folder) >= end:
            yield from guess_bounds(page)
            return
        inner, folder, together = folder, _outer(folder), 1
    else:
        together = max(len({_inner(folder, key) for key in page}) * 9 // 10, 1)
    while True:
        position, more = _behind(inner), True
        yield from [position] * (together == 1)
        while more:
            folders, more = store.fetch_folders(folder, position)
            yield from map(_behind, folders[together - 1 :: together])
            position = _behind(folders[-1]) if folders else position
        if folder == store.base:
            return
        inner, folder, together = folder, _outer(folder), 1


def _inner(folder: str, key: str) -> str:
    """The folder right in another that a key lies in, or the key if it lies there itself."""
    return key[: key.find("/", len(folder)) + 1] or key


def _outer(folder: str) -> str:
    return folder[: folder.rfind("/", 0, -1) + 1]


def _behind(folder: str) -> str:
    """The first possible key after all keys in a folder."""
    return folder[:-1] + chr(ord("/") + 1)


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (this, that) in pairs if this != that), len(one))


def guess_bounds(keys: Sequence[str]) -> Iterator[str]:
    """Guess where the pages behind one would end: keys in rising order, until the number within them overflows.

    What the keys of the page have from where they begin to differ is read as a number, in the base of the signs that
    stand there: ten for decimal names, sixteen for hexadecimal ones.
    """
    first, last = keys[0], keys[-1]
    common = _first_difference(first, last)
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

    # A little less than a page: the rest of one would cost another request.
    value, step = number(last), max((number(last) - number(first)) * 9 // 10, 1)
    while (value := value + step) < base**width:
        digits, rest = [], value
        for _ in range(width):
            rest, digit = divmod(rest, base)
            digits.append(signs[digit])
        yield last[:start] + "".join(reversed(digits))
