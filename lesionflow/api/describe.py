"""Describe a labelled data set: contents, missing values, and images that are copies of each other."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from lesionflow.atomic import output_folder
from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.label_words import built_in_as_yaml, read_label_words, words_as_yaml
from lesionflow.datasets.labelled import LabelledImages, decided_words, read_labelled_images
from lesionflow.datasets.split import Split
from lesionflow.diagnoses import HAM10000, read_label_set
from lesionflow.errors import DataError
from lesionflow.profile.description import Description, describe_images
from lesionflow.profile.page import DESCRIPTION_FILES, write_description
from lesionflow.progress import stderr_console
from lesionflow.storage.location import path_here

DEFAULT_OUT = Path("description")


def describe(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] = DEFAULT_OUT,
    *,
    labels: str | os.PathLike[str] | None = None,
    diagnoses: str = HAM10000.name,
    overwrite: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> Description:
    """Describe labelled images as `description.json` and `description.html`.

    Copies are looked for with an eye on the split that training makes unless told otherwise.

    Parameters
    ----------
    data : path
        What `read_labelled_images` takes, such as a HAM10000 folder or `demo`.
    out : path
        The folder for both files.
    labels : path, optional
        A YAML file that says what the words of the data set mean.
    diagnoses : str
        The diagnoses that there are: a built-in label set, or a YAML file.
    overwrite : bool
        Whether files of an earlier description are replaced.
    cache : Path, optional
        Where the demo set is kept.
    console : Console, optional
        Where progress goes; stderr by default.

    Returns
    -------
    Description
        Images that cannot be decoded are part of it.

    Raises
    ------
    LesionflowError
        Where there is no data set or nothing can be written.
    """
    console, out = console or stderr_console(), path_here(out, "out")
    label_set = read_label_set(diagnoses)
    with output_folder(out, DESCRIPTION_FILES, overwrite), console.status("reading images") as status:
        images = read_labelled_images(data, cache, labels, label_set)
        description = describe_images(
            images, _default_split(images),
            progress=lambda done, total: status.update(
                f"reading images: {done} of {total}" if done < total else "comparing all pairs of images"
            ),
        )  # fmt: skip
        status.update("drawing pictures")
        write_description(description, out, overwrite)
    return description


def describe_labels(
    data: str | os.PathLike[str] | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    diagnoses: str = HAM10000.name,
    cache: Path | None = None,
) -> str:
    """What the words of a data set mean, as YAML that `labels` takes; without a data set, the built-in words.

    Parameters
    ----------
    data : path, optional
        What `read_labelled_images` takes; its images are not looked at.
    labels : path, optional
        A YAML file with meanings that come before the built-in ones.
    diagnoses : str
        The diagnoses that there are: a built-in label set, or a YAML file.
    cache : Path, optional
        Where the demo set is kept.

    Raises
    ------
    LesionflowError
        Where there is no data set, or the file says nothing.
    """
    label_set = read_label_set(diagnoses)
    if data is None:
        return built_in_as_yaml(label_set)
    columns = read_label_words(None if labels is None else os.fspath(labels), label_set).columns
    about = f"Words of {Path(data).name}, and what they mean"
    return words_as_yaml(decided_words(data, cache, labels, label_set), about, columns)


def _default_split(images: LabelledImages) -> Split | None:
    """None where a diagnosis has too few lesions: that is then one of the findings."""
    try:
        return split_data_sets(images)
    except DataError:
        return None
