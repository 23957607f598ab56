"""A report as one web page that needs no network: the most suspicious images first, with thumbnails."""

from __future__ import annotations

import base64
import hashlib
import heapq
import io
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from markupsafe import Markup
from PIL import Image

from lesionflow.defaults import thread_map, usable_cores
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import ImageError
from lesionflow.images.decode import decode
from lesionflow.model.columns import REFER, path_with_frame, utf8
from lesionflow.model.decision import rule_of_call
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.pages import base_style, packaged, render
from lesionflow.scoring.report import ReportLayout
from lesionflow.scoring.summary import Counts
from lesionflow.storage.location import Location, is_url

MAXIMUM_IMAGES = 5_000  # on the page; more would be slow to load, and too many to scroll through
MAXIMUM_FAILURES = 1_000
MAXIMUM_NAME = 400  # characters of a path that are shown, its end
THUMBNAIL = 96  # pixels a side
MAXIMUM_THUMBNAIL_BYTES = 2_600  # so that 5,000 make a page of less than 20 MB
_OTHER_COLUMNS, _COLUMN, _ALSO_COLUMN = 730, 72, 132  # pixels of the page: of all others, a diagnosis, a second model
WHOLE = 1_000_000  # what a probability of 1 is in the page's data: the report's six decimals, rounded once for people


@dataclass(frozen=True)
class PageContext:
    """What the page needs to know of a scoring run besides its report."""

    demo: bool = False  # whether the model was trained on synthetic images
    model_asked: str = ""  # what `lesionflow explain` is to be given as the model
    store: str = ""  # and as its store, if any
    sample: Collection[str] = ()  # paths of images to review, which are on the page whatever their probability
    unread: Sequence[Row] | None = None  # if rows are groups: the images that failed, listed in place of failed rows


def write_page(
    rows: Iterable[Row],
    file: BinaryIO,
    out: Location,
    report: ReportLayout,
    context: PageContext = PageContext(),
    *,
    workers: int | None = None,
) -> None:
    """Write the page of a scoring run; the images are read again, for their thumbnails.

    Of more than `MAXIMUM_IMAGES` scored images the page holds those with the highest malignant probability. file: what
    it is written into; out: its name, from which its links start; report: of the same rows, with the model's name, its
    diagnoses, their shares of the training images and its call's strength; where it has the name of a second model,
    whose answers stand beside the first one's, images on which the two disagree come first.
    """
    labels = report.labels
    counts, failures = Counts.of(labels), list[Row]()
    # A heap: the least suspicious of those kept is dropped first.
    suspicious = list[tuple[bool, bool, float, int, Row, IndexedPrediction]]()
    wanted = frozenset(context.sample)
    for index, row in enumerate(counts.counting(rows)):
        if row.prediction is None:
            if len(failures) < MAXIMUM_FAILURES:
                failures.append(row)
            continue
        sampled = path_with_frame(row) in wanted
        entry = (sampled, row.disagrees, row.prediction.malignant_probability, -index, row, row.prediction)
        if len(suspicious) < MAXIMUM_IMAGES:
            heapq.heappush(suspicious, entry)
        else:
            heapq.heappushpop(suspicious, entry)
    if context.unread is not None:
        failures = list(context.unread[:MAXIMUM_FAILURES])
        counts.count_images(context.unread)
    suspicious.sort(key=lambda entry: entry[1:4], reverse=True)
    kept = [(row, said) for *_, row, said in suspicious]
    style = base_style() + packaged("lesionflow.scoring", "page.css") + _hiding_columns(len(labels), bool(report.also))
    script = packaged("lesionflow.scoring", "page.js") + packaged("lesionflow.scoring", "review.js")
    page = render("report.html", style=style, script=script, data=_DATA_COMES_HERE)
    before, after = page.split(_DATA_COMES_HERE)
    about = {"model": utf8(report.model), "demo": context.demo, "store": utf8(context.store)}
    about["model_asked"] = utf8(context.model_asked or report.model)
    about["time"] = report.provenance.get("time", "")  # tells it from the page of an earlier report beside a later one
    about |= _links(kept, out)
    about["sampled"] = [index for index, entry in enumerate(suspicious) if entry[0]]
    about["also"] = utf8(report.also)
    about["disagree"] = sum(entry[1] for entry in suspicious)
    about["grouped"] = context.unread is not None
    about["calls"] = _calls(report.call_strength)
    about["prior"] = report.prior or [1 / len(labels)] * len(labels)
    file.write(before.encode())
    for text in _data(kept, failures, counts, labels, about, workers):
        # Inside a script element only this could end the data; JSON reads the escapes as the same characters.
        safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        file.write(safe.encode())
    file.write(after.encode())


_DATA_COMES_HERE = "\0"


def _hiding_columns(diagnoses: int, also: bool) -> Markup:
    """Hide the columns of the diagnoses where they would leave the files' names less than about a hundred pixels."""
    width = _OTHER_COLUMNS + _COLUMN * diagnoses + (_ALSO_COLUMN if also else 0)
    return Markup(f"@media (max-width: {width}px) {{ .each {{ display: none; }} }}\n")


def _calls(strength: float) -> str:
    """The rule for the call, in words."""
    also = "; with the frequencies of the training images, another one can be more probable" if strength else ""
    return f"The diagnosis called is {rule_of_call(strength)}{also}."


def _links(kept: list[tuple[Row, IndexedPrediction]], out: Location) -> dict[str, Any]:
    """The page's links to image files and to pictures of `lesionflow explain`, and the identity of the review."""
    digest = hashlib.sha256()
    for row, said in kept:
        digest.update(f"{path_with_frame(row)}\0{said.malignant_probability:.6f}\n".encode())
    # What the page shows of a path may be its end alone, and has the number of a further frame.
    paths = {
        index: [path_with_frame(row), utf8(row.path)]
        for index, (row, _) in enumerate(kept)
        if not _name(row) == path_with_frame(row) == row.path
    }
    folder = out.name.removesuffix(out.suffix) + "_explanations"
    return {
        "report": digest.hexdigest()[:16],
        "addresses": [_address(row, out) for row, _ in kept],
        "paths": paths,
        "explanations": utf8(str(out.parent / folder)),
        "explanations_address": quote(os.fsencode(folder)),
    }


def _address(row: Row, out: Location) -> str:
    """The address of an image's file relative to the page; "" if no browser could show it."""
    if not isinstance(out, Path) or is_url(row.path) or row.frame:
        return ""
    try:
        relative = os.path.relpath(row.path, out.parent)
    except ValueError:  # on another drive of Windows
        return ""
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _data(
    kept: list[tuple[Row, IndexedPrediction]],
    failures: list[Row],
    counts: Counts,
    labels: LabelSet,
    about: dict[str, Any],
    workers: int | None,
) -> Iterator[str]:
    """The page's data as JSON, a piece at a time."""
    start = about | {
        "scored": counts.scored,
        "failed": counts.failed,
        "images_failed": counts.images_failed,
        "diagnoses": labels.names,
        "full_names": [labels.full_names[name] for name in labels.names],
        "malignant": labels.malignant_indices,
        "refer_words": REFER,
        "counts": [counts.diagnoses[name] for name in labels.names],
        "malignant_count": counts.malignant,
        "referred": counts.referred,
        "failures": [[_name(row), utf8(f"{row.reason}: {row.detail}")[:MAXIMUM_NAME]] for row in failures],
        "malignant_shares": [round(said.malignant_probability * WHOLE) for _, said in kept],
    }
    yield json.dumps(start)[:-1] + ', "rows": ['
    separator = "\n"
    thumbnails = thread_map(_thumbnail, (row for row, _ in kept), workers or usable_cores())
    for (row, said), thumbnail in zip(kept, thumbnails, strict=True):
        others = [] if row.also is None else [_compact(row.also)]
        yield separator + json.dumps([_name(row), *_compact(said), thumbnail, *others], separators=(",", ":"))
        separator = ",\n"
    yield "]}"


def _compact(said: IndexedPrediction) -> list[Any]:
    shares = [round(probability * WHOLE) for probability in said.probabilities]
    return [shares, said.called, int(said.malignant), REFER.index(said.refer)]


def _name(row: Row) -> str:
    name = path_with_frame(row)
    return name if len(name) <= MAXIMUM_NAME else "…" + name[-MAXIMUM_NAME:]


def _thumbnail(row: Row) -> str:
    """Base64 of a JPEG of an image; empty for one that is no longer there."""
    try:
        image = Image.fromarray(decode(row.path, THUMBNAIL, THUMBNAIL, row.frame))
    except ImageError:
        return ""
    for side, quality in ((THUMBNAIL, 75), (THUMBNAIL, 60), (THUMBNAIL, 40), (THUMBNAIL, 20), (THUMBNAIL // 2, 20)):
        buffer = io.BytesIO()
        image.resize((side, side)).save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAXIMUM_THUMBNAIL_BYTES:
            break
    return base64.b64encode(buffer.getvalue()).decode()
