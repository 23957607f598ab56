"""A synthetic data set laid out like HAM10000, for a first run without the real one.

The pictures are drawn, not photographed: they carry the structures a dermatoscopist looks for (pigment
network, lacunae, arborising vessels, ...) with a strength that varies from lesion to lesion, so the seven
diagnoses can be learned but overlap. What a model scores on them says nothing about skin. Names of other label sets
are drawn with the looks of the seven, or with a look of their own that is put together from two of these.
"""

from __future__ import annotations

import csv
import errno
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng

from lesionflow.atomic import atomic_folder
from lesionflow.datasets.demo.painting import paint_skin, photograph
from lesionflow.datasets.ids import DEMO_PREFIX
from lesionflow.defaults import usable_cores
from lesionflow.diagnoses import HAM10000, LabelSet, normalized
from lesionflow.errors import UsageError

METADATA_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
SHARES = {"akiec": 0.033, "bcc": 0.051, "bkl": 0.11, "df": 0.0115, "mel": 0.111, "nv": 0.67, "vasc": 0.014}
SHARE_OF_MIXTURES = 0.05  # of all names together that none of the seven represents
IMAGES_A_LESION = 1.3
FEWEST_LESIONS, FEWEST_IMAGES = 4, 6  # of each kind, so that every split can have every diagnosis

MEAN_AGE = {"akiec": 66, "bcc": 66, "bkl": 64, "df": 52, "mel": 61, "nv": 46, "vasc": 51}
CONFIRMED = {  # how a diagnosis was made; the malignant kinds, not named here, by histopathology
    "nv": {"follow_up": 55, "histo": 34, "consensus": 10, "confocal": 1},
    "bkl": {"histo": 70, "consensus": 24, "confocal": 6},
    "df": {"histo": 50, "consensus": 50},
    "vasc": {"consensus": 60, "histo": 40},
}
SEXES = {"male": 54, "female": 45, "unknown": 1}
SITES = {"back": 20, "lower extremity": 18, "trunk": 14, "upper extremity": 11, "abdomen": 10, "face": 6}
SITES |= {"chest": 5, "foot": 3, "neck": 2, "unknown": 2, "scalp": 1, "hand": 1, "ear": 1, "genital": 1}
SITES |= {"acral": 1}
SITES_OF_KIND = {  # where a kind differs from SITES
    "akiec": {"face": 35, "scalp": 8, "hand": 6, "ear": 3, "abdomen": 3, "trunk": 4},
    "bcc": {"face": 22, "scalp": 5, "neck": 6, "abdomen": 5, "foot": 1},
    "bkl": {"face": 26, "scalp": 4},
    "df": {"lower extremity": 55, "face": 1, "scalp": 0, "ear": 0},
}


@dataclass(frozen=True)
class Look:
    """The look of a name's lesions."""

    body: str  # the one of the seven whose size, colours and patients it has
    marks: str  # the one of the seven whose structures it has
    share: float  # of the set's images; the most frequent name gets the rest


def draw_demo_set(folder: Path, images: int = 900, seed: int = 0, label_set: LabelSet = HAM10000) -> None:
    """Draw a synthetic HAM10000-like data set into folder, with the diagnoses of a label set.

    The same seed gives the same files, byte for byte. The set is drawn under another name and renamed when it is whole,
    so an interrupted run leaves nothing that could pass for a data set. Raises `FileExistsError` where the folder is
    there and not empty; `UsageError` for too few images to have some of each diagnosis.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(errno.EEXIST, "exists and is not empty", str(folder))
    looks = looks_of(label_set)
    lesions = plan_lesions(images, seed, {name: sum(look.share for look in each) for name, each in looks.items()})
    prefix = DEMO_PREFIX
    if label_set.names != HAM10000.names:  # lesions of another set are other lesions, and say so
        prefix += re.sub(r"\W", "_", label_set.name).upper() + "_"
    first = seed * 10_000_000  # lesions of another seed are other lesions, and say so

    def draw(number: int, folders: Sequence[Path]) -> list[tuple[str, ...]]:
        """Write the images of a lesion into one of two folders, and give their rows of the metadata."""
        name, views = lesions[number]
        shares = np.array([look.share for look in looks[name]])
        look = looks[name][default_rng([seed, number, 0]).choice(len(shares), p=shares / shares.sum())]
        # A lesion has its own random numbers, so it is the same whichever thread draws it.
        patient = invent_patient(look.body, default_rng([seed, number, 1]))
        skin = paint_skin(look.body, default_rng([seed, number, 2]), look.marks)
        rows = []
        for view, image in enumerate(views):
            image_id = f"{prefix}I_{first + image:07d}"
            path = folders[2 * image > images + 1] / f"{image_id}.jpg"
            photograph(skin, default_rng([seed, number, 3 + view])).save(path, quality=90)
            rows.append((f"{prefix}{first + number:07d}", image_id, name, *patient))
        return rows

    with atomic_folder(folder) as unfinished:
        folders = [unfinished / f"HAM10000_images_part_{number}" for number in (1, 2)]
        for each in folders:
            each.mkdir()
        # numpy and Pillow release the interpreter lock while they work, so threads are enough.
        with ThreadPoolExecutor(usable_cores()) as pool:
            drawn = pool.map(functools.partial(draw, folders=folders), lesions)
            table = [METADATA_COLUMNS, *itertools.chain.from_iterable(drawn)]
        with (unfinished / "HAM10000_metadata.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)


def looks_of(label_set: LabelSet) -> dict[str, tuple[Look, ...]]:
    """The look of each name's lesions: that of the one of the seven that its words mean, or a mixture of two.

    No look stands for two names.
    """
    meant = {name: _meant((name, label_set.full_names[name])) for name in label_set.names}
    taken = {kind for kinds in meant.values() for kind in kinds}
    for name, kinds in meant.items():  # the name itself takes precedence over its other words
        if not kinds:
            meant[name] = [kind for kind in _meant(label_set.aliases.get(name, ())) if kind not in taken]
            taken.update(meant[name])
    mixtures = [(body, marks) for body in SHARES for marks in SHARES if body != marks]
    without = sum(not kinds for kinds in meant.values())
    looks = {}
    for name, kinds in meant.items():
        looks[name] = tuple(Look(kind, kind, SHARES[kind]) for kind in kinds)
        if not kinds:
            malignant = name in label_set.malignant
            alike = [pair for pair in mixtures if (pair[0] in HAM10000.malignant) == malignant]
            mixtures.remove(pair := (alike or mixtures)[0])
            looks[name] = (Look(*pair, SHARE_OF_MIXTURES / without),)
    return looks


def _meant(words: Sequence[str]) -> list[str]:
    """Those of the seven that some words mean."""
    return sorted({HAM10000.words.get(normalized(word), "") for word in words} - {""})


def plan_lesions(images: int, seed: int, shares: Mapping[str, float] = SHARES) -> dict[int, tuple[str, list[int]]]:
    """Draw the lesions: for each lesion number, the name and the numbers of its images."""
    common = max(shares, key=shares.__getitem__)
    wanted = {name: max(FEWEST_IMAGES, round(share * images)) for name, share in shares.items()}
    wanted[common] += images - sum(wanted.values())
    if wanted[common] < FEWEST_IMAGES:
        raise UsageError(f"{images} images are too few for {FEWEST_IMAGES} of {len(shares)} diagnoses each; draw more")
    random = default_rng([seed, 0])
    views: list[tuple[str, int]] = []
    for kind, count in wanted.items():
        lesions = max(FEWEST_LESIONS, round(count / IMAGES_A_LESION))
        # Every lesion has one image; the others are dealt out, at most two more a lesion.
        dealt = random.permutation(np.repeat(np.arange(lesions), 2))[: count - lesions]
        views += [(kind, 1 + int(more)) for more in np.bincount(dealt, minlength=lesions)]
    numbers = iter((random.permutation(images) + 1).tolist())
    order = (views[which] for which in random.permutation(len(views)))
    return {n: (kind, [next(numbers) for _ in range(count)]) for n, (kind, count) in enumerate(order, 1)}


def invent_patient(kind: str, random: Generator) -> tuple[str, ...]:
    """Make up dx_type, age, sex and localization, with the leanings the kind has in HAM10000."""
    years = 5 * round(min(max(random.normal(MEAN_AGE[kind], 15), 5), 85) / 5)
    age = "" if random.random() < 0.01 else f"{years}.0"
    weights = (CONFIRMED.get(kind, {"histo": 1}), SEXES, SITES | SITES_OF_KIND.get(kind, {}))
    chances = (np.array([*words.values()]) / sum(words.values()) for words in weights)
    dx_type, sex, site = (str(random.choice([*w], p=p)) for w, p in zip(weights, chances, strict=True))
    return dx_type, age, sex, site
