"""Describe a labelled data set: contents, missing values, and images that are copies of each other."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from rich.console import Console

from lesionflow.atomic import output_folder
from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.label_words import built_in_as_yaml, read_label_words, words_as_yaml
from lesionflow.datasets.labelled import decided_words, read_labelled_images
from lesionflow.diagnoses import HAM10000, read_label_set
from lesionflow.errors import DataError
from lesionflow.profile.description import Description, describe_images
from lesionflow.profile.page import DESCRIPTION_FILES, write_description
from lesionflow.progress import show_status, stderr_console
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

    Copies are reported with regard to the default split of training.

    Parameters
    ----------
    data : path
        What `read_labelled_images` takes, such as a HAM10000 folder or `demo`.
    out : path
        The folder for both files.
    labels : path, optional
        A YAML file with the meaning of the data set's words.
    diagnoses : str
        A built-in label set, or a YAML file.
    overwrite : bool
        Replace files of an earlier description.
    cache : Path, optional
        Folder in which the demo set is kept.
    console : Console, optional
        Where progress goes; stderr by default.

    Returns
    -------
    Description
        It includes images that cannot be decoded.

    Raises
    ------
    LesionflowError
        If there is no data set, or the files cannot be written.
    """
    console, out = console or stderr_console(), path_here(out, "out")
    label_set = read_label_set(diagnoses)
    with output_folder(out, DESCRIPTION_FILES, overwrite), show_status("reading images", console) as status:
        images = read_labelled_images(data, cache, labels, label_set)
        split = None
        with contextlib.suppress(DataError):  # that a diagnosis has too few lesions is then one of the findings
            split = split_data_sets(images)
        description = describe_images(
            images, split,
            progress=lambda done, total: status(
                f"reading images: {done} of {total}" if done < total else "comparing all pairs of images"
            ),
        )  # fmt: skip
        status("drawing pictures")
        write_description(description, out, overwrite)
    return description


def describe_labels(
    data: str | os.PathLike[str] | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    diagnoses: str = HAM10000.name,
    cache: Path | None = None,
) -> str:
    """Return the meaning of a data set's words, as YAML for `labels`; without a data set, the built-in words.

    Parameters
    ----------
    data : path, optional
        What `read_labelled_images` takes; its images are not looked at.
    labels : path, optional
        A YAML file with meanings that override the built-in ones.
    diagnoses : str
        A built-in label set, or a YAML file.
    cache : Path, optional
        Folder in which the demo set is kept.

    Raises
    ------
    LesionflowError
        If there is no data set, or the file is empty.
    """
    label_set = read_label_set(diagnoses)
    if data is None:
        return built_in_as_yaml(label_set)
    columns = read_label_words(labels, label_set).columns
    about = f"Words of {Path(data).name}, and what they mean"
    return words_as_yaml(decided_words(data, cache, labels, label_set), about, columns)
