"""From labelled images to their description: every file is read once, and all are compared with each other."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import Split
from lesionflow.images.duplicates import grey, is_blank
from lesionflow.profile.attributes import (
    COLUMNS,
    UNKNOWN,
    contradictions,
    crosstab,
    crosstab_of_ages,
    describe_ages,
    values_of,
)
from lesionflow.profile.copies import find_copies
from lesionflow.profile.data_warnings import data_warnings
from lesionflow.profile.description import Colour, Description
from lesionflow.profile.inspection import inspect_images


def describe_images(
    images: LabelledImages, split: Split | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Description:
    """Read every file once and describe the data set.

    Parameters
    ----------
    images : LabelledImages
        What is described; what is wrong with single images is told in the description.
    split : Split, optional
        Where copies would matter most, if there is a split.
    progress : callable
        Is called with images done and all images.

    Returns
    -------
    Description
        With what a reader has to know first, as `findings`.
    """
    table, names = images.table, images.label_set.names
    diagnoses, ids = np.asarray(table["dx"], dtype=object), np.asarray(table["image_id"], dtype=object)
    inspections, views = inspect_images(table["path"].tolist(), progress)
    readable = np.array([inspection.failure is None for inspection in inspections])
    values = {column: values_of(table, column) for column in COLUMNS}
    per_lesion = table.groupby("lesion_id")["dx"].agg(["size", "first"])
    copies, complete = find_copies(images, inspections, views, split)
    sizes = Counter((one.width, one.height) for one in inspections if one.failure is None)
    description = Description(
        images=images,
        diagnoses={
            dx: {"images": int((diagnoses == dx).sum()), "lesions": int((per_lesion["first"] == dx).sum())}
            for dx in names
        },
        images_a_lesion={
            dx: dict(sorted(Counter(per_lesion["size"][per_lesion["first"] == dx].tolist()).items())) for dx in names
        },
        columns={
            column: (crosstab_of_ages if column == "age" else crosstab)(values[column], diagnoses, names)
            for column in COLUMNS
        },
        missing={column: int((values[column] == UNKNOWN).sum()) for column in COLUMNS},
        ages=describe_ages(values["age"], diagnoses, ids),
        contradictions=tuple(one for column in ("sex", "localization") for one in contradictions(table, column)),
        formats=dict(Counter(one.format for one in inspections if one.failure is None).most_common()),
        sizes=dict(sizes.most_common()),
        colour=_colours(views[readable], diagnoses[readable], names),
        unreadable={ids[index]: str(one.failure) for index, one in enumerate(inspections) if one.failure is not None},
        blank=tuple(ids[readable & is_blank(views)].tolist()),
        copies=copies,
        complete=complete,
        split=split,
    )
    return dataclasses.replace(description, findings=tuple(data_warnings(description)))


def _colours(views: np.ndarray, diagnoses: np.ndarray, names: Sequence[str]) -> dict[str, Colour]:
    """By diagnosis that has images; views: (images, 32, 32, 3) uint8."""
    means = views.mean(axis=(1, 2), dtype=np.float64)  # (images, 3)
    brightness = grey(means)  # (images,)
    colours = {}
    for dx in names:
        members = diagnoses == dx
        if members.any():
            red, green, blue = means[members].mean(axis=0).tolist()
            level, deviation = float(brightness[members].mean()), float(brightness[members].std())
            colours[dx] = Colour(*(round(value, 2) for value in (level, deviation, red, green, blue)))
    return colours
