"""Describe: what a labelled data set holds, what is missing, and which of its images are copies of each other."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from lesionflow.atomic import check_folder
from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.labelled import LabelledImages, read_labelled_images
from lesionflow.datasets.split import Split
from lesionflow.errors import DataError
from lesionflow.profile.description import Description, describe_images
from lesionflow.profile.page import FILES, write_description

DEFAULT_OUT = Path("description")


def describe(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] = DEFAULT_OUT,
    *,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> Description:
    """Describe a HAM10000 folder, or 'demo', as description.json and description.html in the folder out.

    Copies are looked for with an eye on the split that training makes unless told otherwise. Progress goes to console,
    stderr by default. Raises a `LesionflowError` where there is no data set or nothing can be written; images that
    cannot be decoded are part of the description.
    """
    console, out = console or Console(stderr=True), Path(out)
    check_folder(out, FILES, overwrite)
    images = read_labelled_images(data, cache)
    with console.status("reading images") as status:
        description = describe_images(
            images, _default_split(images),
            progress=lambda done, total: status.update(
                f"reading images: {done} of {total}" if done < total else "comparing all pairs of images"
            ),
        )  # fmt: skip
        status.update("drawing pictures")
        write_description(description, out, overwrite)
    return description


def _default_split(images: LabelledImages) -> Split | None:
    """None where a diagnosis has too few lesions: that is then one of the findings."""
    try:
        return split_data_sets(images)
    except DataError:
        return None
