"""A description of a data set as files: JSON for machines, and one web page that needs no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lesionflow.data import description_figures as figures
from lesionflow.data.copies import Copy, leaks
from lesionflow.data.description import Description, aspect_ratios
from lesionflow.data.duplicates import ALIKE, NEAR
from lesionflow.data.metadata import COLUMNS
from lesionflow.data.split import PARTS
from lesionflow.diagnoses import DIAGNOSES, FULL_NAMES
from lesionflow.errors import ReportError
from lesionflow.pages import image, page, paragraph, picture, section, table, warning, write_page
from lesionflow.whole_file import check_writable, whole_file

JSON_FILE, PAGE_FILE = "description.json", "description.html"
MAXIMUM_ROWS = 50  # of a table on the page; the JSON has all


def check_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder, and refuse one that a description could not be written into. Raises `ReportError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{folder}: cannot be made ({error.strerror}); choose another place") from error
    for name in (JSON_FILE, PAGE_FILE):
        check_writable(folder / name, overwrite)


def write_description(description: Description, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write both files into the folder and return their paths; images are read again for the contact sheets.

    Raises `ReportError` where they cannot be written.
    """
    check_folder(folder, overwrite)
    written = [folder / JSON_FILE, folder / PAGE_FILE]
    text = description_page(description)
    with whole_file(written[0], overwrite) as file:
        file.write(json.dumps(description.as_json(), indent=1).encode() + b"\n")
    # A name that is not UTF-8 must not cost the page.
    write_page(written[1], text.encode("utf-8", "replace").decode(), overwrite)
    return written


def description_page(description: Description) -> str:
    """The page, from what matters most to what is good to know."""
    images = description.images
    count = f"{len(images.table):,} images of {description.lesions:,} lesions"
    head = [paragraph(f"{images.description}: {count}."), paragraph(f"Data digest {images.digest}.")]
    if images.demo:
        head.append(warning("These are drawings, not photographs: nothing here says anything about skin."))
    return page(f"What is in {images.name}", head, _sections(description))


def _sections(description: Description) -> Iterator[str]:
    told = [warning(one.text) if one.warning else paragraph(one.text) for one in description.findings]
    yield section("What to know first", *told)
    yield section("Diagnoses", _diagnoses_table(description), picture(
        figures.diagnoses_picture(description), "Bars of images and lesions by diagnosis; the numbers are in the table"
    ))  # fmt: skip
    yield section("Images", image(figures.samples_picture(description), "jpeg", "Six images of each diagnosis"))
    yield section("Images of a lesion", picture(
        figures.images_a_lesion_picture(description), "Bars of lesions by their number of images"
    ))  # fmt: skip
    yield section("Copies", *_copies(description))
    yield section("Metadata", *_metadata(description))
    yield section("Files", *_files(description))
    if description.split is not None:
        yield section("Split", _split_table(description))


def _diagnoses_table(description: Description) -> str:
    total = len(description.images.table)
    rows = [
        (
            f"{dx}: {FULL_NAMES[dx]}",
            f"{counts['images']:,}",
            f"{counts['images'] / total:.1%}",
            f"{counts['lesions']:,}",
            f"{counts['images'] / counts['lesions']:.2f}" if counts["lesions"] else "–",
        )
        for dx, counts in description.diagnoses.items()
    ]
    return table(("diagnosis", "images", "share", "lesions", "images a lesion"), rows)


def _copies(description: Description) -> Iterator[str]:
    across = description.duplicates_across
    within = [copy for copy in description.copies if copy.duplicate and not copy.across]
    yield paragraph(
        f"{len(across):,} pairs of images of different lesions are copies of each other, {len(within):,} pairs of the "
        f"same lesion. A copy is a file of the same bytes, an image of the same pixels, or one whose coefficients "
        f"correlate by {NEAR} or more, turned and mirrored copies included."
    )
    if separated := leaks(description.copies):
        yield table(("parts of the split", "pairs"), [(parts, f"{count:,}") for parts, count in separated.items()])
    if sheet := figures.pairs_picture(description):
        yield image(
            sheet, "jpeg", "The closest pairs of images of different lesions, side by side",
            f"The number is the correlation; below {NEAR} a pair is no copy and is shown for comparison, from {ALIKE} on.",
        )  # fmt: skip
    if across:
        yield _pairs_table(across, "Copies across lesions")
    if within:
        yield _pairs_table(within, "Copies within a lesion")


def _pairs_table(copies: tuple[Copy, ...] | list[Copy], caption: str) -> str:
    header = ("images", "lesions", "diagnoses", "parts", "kind", "correlation", "the first is, beside the second")
    rows = [
        (
            *(" / ".join(pair) for pair in (copy.image_ids, copy.lesion_ids, copy.diagnoses, copy.parts or ("–",))),
            copy.kind,
            f"{copy.correlation:.3f}",
            copy.turn,
        )
        for copy in copies[:MAXIMUM_ROWS]
    ]
    return table(header, rows, caption + _of(len(rows), len(copies)))


def _metadata(description: Description) -> Iterator[str]:
    yield paragraph("All by diagnosis, in images; shares are of the images whose value is known.")
    for column, name in COLUMNS.items():
        figure = figures.ages_picture(description) if column == "age" else figures.shares_picture(description, column)
        if figure is not None:
            yield picture(figure, f"{name} by diagnosis; the numbers are in the table below")
        crossed = description.columns[column]
        rows = [
            (value, *(f"{counts[dx]:,}" for dx in DIAGNOSES), f"{sum(counts.values()):,}")
            for value, counts in list(crossed.items())[:MAXIMUM_ROWS]
        ]
        yield table((name, *DIAGNOSES, "all"), rows, f"Images by {name}" + _of(len(rows), len(crossed)))
    figure = figures.missing_picture(description)
    if figure is None:
        yield paragraph("No value is missing.")
    else:
        yield picture(figure, "Bars of missing values by column; the numbers are in the tables above")
    if description.contradictions:
        rows = [(one.lesion_id, one.column, ", ".join(one.values)) for one in description.contradictions]
        caption = "Lesions whose images disagree" + _of(min(len(rows), MAXIMUM_ROWS), len(rows))
        yield table(("lesion", "column", "values"), rows[:MAXIMUM_ROWS], caption)


def _files(description: Description) -> Iterator[str]:
    figure = figures.sizes_picture(description)
    if figure is not None:
        yield picture(figure, "Bars of images by width and height")
    kinds = [("format", kind, count) for kind, count in description.formats.items()]
    ratios = [("width / height", ratio, count) for ratio, count in aspect_ratios(description.sizes).items()]
    rows = [(what, value, f"{count:,}") for what, value, count in kinds + ratios]
    yield table(("", "value", "images"), rows[:MAXIMUM_ROWS], "What the files are")
    if description.unreadable:
        broken = list(description.unreadable.items())
        shown = broken[:MAXIMUM_ROWS]
        yield table(("image", "failure"), shown, "Images that cannot be decoded" + _of(len(shown), len(broken)))
    colours = [
        (dx, *(f"{value:.0f}" for value in (one.brightness, one.brightness_deviation, one.red, one.green, one.blue)))
        for dx, one in description.colour.items()
    ]
    header = ("diagnosis", "brightness", "its deviation", "red", "green", "blue")
    yield table(header, colours, "Mean of the middle squares, from 0 to 255; the deviation is between images")


def _split_table(description: Description) -> str:
    assert description.split is not None
    split = description.as_json()["split"]
    rows = [
        (part, *(f"{split['images'][part][dx]:,}" for dx in DIAGNOSES), f"{sum(split['images'][part].values()):,}",
         f"{split['lesions'][part]:,}")
        for part in PARTS
    ]  # fmt: skip
    caption = f"Images by part, split by lesion with seed {description.split.seed}"
    return table(("part", *DIAGNOSES, "all", "lesions"), rows, caption)


def _of(shown: int, total: int) -> str:
    return "" if shown == total else f": the first {shown} of {total:,}"
