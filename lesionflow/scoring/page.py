"""A report as one web page that needs no network: the most suspicious images first, with thumbnails."""

from __future__ import annotations

import base64
import heapq
import io
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from PIL import Image

from lesionflow.atomic import atomic_file
from lesionflow.diagnoses import DIAGNOSES, FULL_NAMES, MALIGNANT_INDICES
from lesionflow.errors import ImageError
from lesionflow.images.decode import decode
from lesionflow.model.columns import REFER, path_with_frame, utf8
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.pages import base_style, packaged, render
from lesionflow.scoring.summary import Counts
from lesionflow.storage.location import Location

MAXIMUM_IMAGES = 5_000  # on the page; beyond that it would be slow to load, and nobody scrolls that far
MAXIMUM_FAILURES = 1_000
MAXIMUM_NAME = 400  # characters of a path that are shown, its end
THUMBNAIL = 96  # pixels a side
MAXIMUM_THUMBNAIL_BYTES = 2_600  # so that 5,000 make a page of less than 20 MB
WHOLE = 10_000  # what a probability of 1 is in the page's data


def write_page(
    rows: Iterable[Row],
    out: Location,
    model: str,
    *,
    demo: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
) -> None:
    """Write the page of a scoring run; the images are read again, for their thumbnails.

    Of more than `MAXIMUM_IMAGES` scored images the page holds those with the highest malignant probability. Raises
    `ReportError` where it cannot be written.
    """
    counts, failures = Counts(), list[Row]()
    # A heap: the least suspicious of those kept is the first to go.
    suspicious = list[tuple[float, int, Row, IndexedPrediction]]()
    for place, row in enumerate(rows):
        counts.add(row)
        if row.prediction is None:
            if len(failures) < MAXIMUM_FAILURES:
                failures.append(row)
            continue
        entry = (row.prediction.malignant_probability, -place, row, row.prediction)
        if len(suspicious) < MAXIMUM_IMAGES:
            heapq.heappush(suspicious, entry)
        else:
            heapq.heappushpop(suspicious, entry)
    kept = [(row, said) for _, _, row, said in sorted(suspicious, key=lambda entry: entry[:2], reverse=True)]
    style = base_style() + packaged("lesionflow.scoring", "page.css")
    script = packaged("lesionflow.scoring", "page.js")
    page = render("report.html", style=style, script=script, data=_DATA_COMES_HERE)
    before, after = page.split(_DATA_COMES_HERE)
    with atomic_file(out, overwrite) as file:
        file.write(before.encode())
        for text in _data(kept, failures, counts, model, demo, workers):
            # Inside a script element only this could end the data; JSON reads the escapes as the same characters.
            safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
            file.write(safe.encode())
        file.write(after.encode())


_DATA_COMES_HERE = "\0"


def _data(
    kept: list[tuple[Row, IndexedPrediction]],
    failures: list[Row],
    counts: Counts,
    model: str,
    demo: bool,
    workers: int | None,
) -> Iterator[str]:
    """The page's data as JSON, a piece at a time."""
    start = {
        "model": utf8(model),
        "demo": demo,
        "scored": counts.scored,
        "failed": counts.failed,
        "diagnoses": DIAGNOSES,
        "full_names": [FULL_NAMES[diagnosis] for diagnosis in DIAGNOSES],
        "malignant": MALIGNANT_INDICES,
        "refer_words": REFER,
        "counts": [counts.diagnoses[diagnosis] for diagnosis in DIAGNOSES],
        "malignant_count": counts.malignant,
        "referred": counts.referred,
        "failures": [[_name(row), utf8(f"{row.reason}: {row.detail}")[:MAXIMUM_NAME]] for row in failures],
        "malignant_shares": [round(said.malignant_probability * WHOLE) for _, said in kept],
    }
    yield json.dumps(start)[:-1] + ', "rows": ['
    separator = "\n"
    for (row, said), thumbnail in zip(kept, _thumbnails((row for row, _ in kept), workers), strict=True):
        shares = [round(probability * WHOLE) for probability in said.probabilities]
        decided = [said.called, int(said.malignant), REFER.index(said.refer)]
        yield separator + json.dumps([_name(row), shares, *decided, thumbnail], separators=(",", ":"))
        separator = ",\n"
    yield "]}"


def _name(row: Row) -> str:
    name = path_with_frame(row)
    return name if len(name) <= MAXIMUM_NAME else "…" + name[-MAXIMUM_NAME:]


def _thumbnails(rows: Iterable[Row], workers: int | None) -> Iterator[str]:
    """Base64 of a JPEG for each row, in order; nothing for an image that is no longer there."""
    waiting = iter(rows)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as threads:
        while chunk := list(islice(waiting, 256)):
            yield from threads.map(_thumbnail, chunk)


def _thumbnail(row: Row) -> str:
    try:
        image = Image.fromarray(decode(row.path, THUMBNAIL, THUMBNAIL, row.frame))
    except (ImageError, MemoryError):
        return ""
    for side, quality in ((THUMBNAIL, 75), (THUMBNAIL, 60), (THUMBNAIL, 40), (THUMBNAIL, 20), (THUMBNAIL // 2, 20)):
        buffer = io.BytesIO()
        image.resize((side, side)).save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAXIMUM_THUMBNAIL_BYTES:
            break
    return base64.b64encode(buffer.getvalue()).decode()
