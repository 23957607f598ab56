"""Writes the description of a data set: JSON, and a web page that needs no network."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.atomic import output_folder, write_together
from lesionflow.datasets.split import PARTS
from lesionflow.errors import counted
from lesionflow.images.duplicates import ALIKE, NEAR
from lesionflow.pages import image, page, paragraph, picture, section, sentence, table, warning
from lesionflow.profile import figures
from lesionflow.profile.attributes import COLUMN_TITLES
from lesionflow.profile.copies import leaks
from lesionflow.profile.description import Description, aspect_ratios

if TYPE_CHECKING:
    from markupsafe import Markup

JSON_FILE, PAGE_FILE = "description.json", "description.html"
DESCRIPTION_FILES = (JSON_FILE, PAGE_FILE)
MAXIMUM_ROWS = 50  # of a table on the page; the JSON has all


def write_description(description: Description, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write both files into the folder and return their paths; images are read again for the contact sheets.

    Raises `ReportError` where they cannot be written.
    """
    with output_folder(folder, DESCRIPTION_FILES, overwrite):
        page = description_page(description).encode("utf-8", "replace")  # a name that is not UTF-8 must not cost it
        told = json.dumps(description.as_json(), indent=1) + "\n"
        return write_together(folder, {JSON_FILE: told, PAGE_FILE: page}, overwrite)


def description_page(description: Description) -> str:
    """The page, most important parts first."""
    images = description.images
    count = f"{counted(len(images.table), 'image')} of {counted(description.lesions, 'lesion')}"
    head = [paragraph(f"{images.description}: {count}."), paragraph(f"Data digest {images.digest}.")]
    if images.demo:
        head.append(warning("These are synthetic drawings, not photographs: they say nothing about real skin."))
    with warnings.catch_warnings():
        # A value in a script that the font does not have is a box in the picture; the table beside it has the value.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        return page(f"What is in {images.name}", head, _sections(description))


def _sections(description: Description) -> Iterator[Markup]:
    told = [(warning if one.warning else paragraph)(sentence(one.text)) for one in description.findings]
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


def _diagnoses_table(description: Description) -> Markup:
    total = len(description.images.table)
    rows = [
        (
            dx,
            f"{counts['images']:,}",
            f"{counts['images'] / total:.1%}",
            f"{counts['lesions']:,}",
            f"{counts['images'] / counts['lesions']:.2f}" if counts["lesions"] else "–",
            description.images.label_set.full_names[dx],
        )
        for dx, counts in description.diagnoses.items()
    ]
    return table(("diagnosis", "images", "share", "lesions", "images a lesion", "full name"), rows)


def _copies(description: Description) -> Iterator[Markup]:
    across = description.duplicates_across
    within = [copy for copy in description.copies if copy.duplicate and not copy.across]
    yield paragraph(
        "A copy is a file with the same bytes, or an image with the same or nearly the same pixels: its coefficients "
        f"correlate by {NEAR} or more, even if it is turned or mirrored, brighter or of another colour; "
        "of a round field in the dark only the lit area counts. Copies that were cropped "
        "by more than a few percent are not found."
    )
    if separated := leaks(description.copies):
        yield table(("parts of the split", "pairs"), [(parts, f"{count:,}") for parts, count in separated.items()])
    if sheet := figures.pairs_picture(description):
        yield image(
            sheet, "jpeg", "The closest pairs of images of different lesions, side by side",
            f"The number is the correlation; pairs from {ALIKE} to {NEAR} are not copies, and shown for comparison.",
        )  # fmt: skip
    elif description.complete:
        yield paragraph("No two images of different lesions are nearly the same.")
    for copies, caption, most in ((across, "Copies across lesions", MAXIMUM_ROWS), (within, "Within a lesion", 10)):
        rows = []
        for copy in copies:
            pairs = (copy.diagnoses, copy.lesion_ids, copy.parts or ("–",))
            told = (" / ".join(dict.fromkeys(pair)) for pair in pairs)
            rows.append((" / ".join(copy.image_ids), f"{copy.correlation:.3f}", copy.kind, *told, copy.turn))
        if rows:
            names = ("images", "correlation", "kind", "diagnosis", "lesion", "part")
            yield _first_rows((*names, "turn of the first to match the second"), rows, caption, most)


def _metadata(description: Description) -> Iterator[Markup]:
    yield paragraph("All by diagnosis, in images; shares are of the images whose value is known.")
    names = description.images.label_set.names
    for column, name in COLUMN_TITLES.items():
        figure = figures.ages_picture(description) if column == "age" else figures.shares_picture(description, column)
        if figure is not None:
            yield picture(figure, f"{name} by diagnosis; the numbers are in the table below")
        cells = description.columns[column]
        rows = [
            (value, *(f"{counts[dx]:,}" for dx in names), f"{sum(counts.values()):,}")
            for value, counts in cells.items()
        ]
        yield _first_rows((name, *names, "all"), rows, f"Images by {name}")
    figure = figures.missing_picture(description)
    if figure is None:
        yield paragraph("No value is missing.")
    else:
        yield picture(figure, "Bars of missing values by column; the numbers are in the tables above")
    if description.contradictions:
        rows = [(one.lesion_id, one.column, ", ".join(one.values)) for one in description.contradictions]
        yield _first_rows(("lesion", "column", "values"), rows, "Lesions whose images disagree")


def _files(description: Description) -> Iterator[Markup]:
    figure = figures.sizes_picture(description)
    if figure is not None:
        yield picture(figure, "Bars of images by width and height")
    for width, height in list(description.sizes)[:1] if figure is None else ():
        yield paragraph(f"All images are of {width} x {height} pixels.")
    kinds = [("format", kind, count) for kind, count in description.formats.items()]
    ratios = [("width / height", ratio, count) for ratio, count in aspect_ratios(description.sizes).items()]
    rows = [(what, value, f"{count:,}") for what, value, count in kinds + ratios]
    yield _first_rows(("", "value", "images"), rows, "What the files are")
    if broken := list(description.unreadable.items()):
        yield _first_rows(("image", "failure"), broken, "Images that cannot be decoded")
    colours = [
        (dx, *(f"{value:.0f}" for value in (one.brightness, one.brightness_deviation, one.red, one.green, one.blue)))
        for dx, one in description.colour.items()
    ]
    header = ("diagnosis", "brightness", "its deviation", "red", "green", "blue")
    yield table(header, colours, "Mean of the middle squares, from 0 to 255; the deviation is between images")


def _split_table(description: Description) -> Markup:
    assert description.split is not None
    split, names = description.as_json()["split"], description.images.label_set.names
    rows = [
        (part, *(f"{split['images'][part][dx]:,}" for dx in names), f"{sum(split['images'][part].values()):,}",
         f"{split['lesions'][part]:,}")
        for part in PARTS
    ]  # fmt: skip
    caption = f"Images by part, split by {description.split.by} with seed {description.split.seed}"
    return table(("part", *names, "all", "lesions"), rows, caption)


def _first_rows(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str, most: int = MAXIMUM_ROWS) -> Markup:
    """A table of the first rows, whose caption says so where there are more."""
    more = f": the first {most} of {len(rows):,}" if len(rows) > most else ""
    return table(header, rows[:most], caption + more)
