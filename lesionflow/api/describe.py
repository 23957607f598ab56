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
    """Describe labelled images, as description.json and description.html.

    Parameters
    ----------
    data
        Labelled images: a HAM10000 folder, another layout that `read_labelled_images` takes, or `demo`.
    out
        Folder for the files.
    overwrite
        Replace files of an earlier description.
    cache
        Folder for the demo set.
    console
        Where progress goes; stderr by default.

    Returns
    -------
    Description
        Counts, findings and copies; images that cannot be decoded are part of it. Copies are looked for across the
        split that training makes by default.

    Raises
    ------
    LesionflowError
        Where there is no data set, or nothing can be written.
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
