import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lesionflow.images import duplicates
from lesionflow.images.decode import decode
from lesionflow.images.duplicates import (
    ALIKE,
    NEAR,
    TURNS,
    VIEW,
    known_by_hash,
    perceptual_hashes,
    same_content,
    similar_pairs,
)


@pytest.fixture(scope="module")
def originals(demo_folder: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(demo_folder.glob("*/*.jpg"))]


@pytest.fixture(scope="module")
def views(originals: list[Image.Image]) -> np.ndarray:
    return np.stack([view_of(image, quality=95) for image in originals])


def view_of(image: Image.Image, quality: int = 75, kind: str = "JPEG") -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return decode(buffer.getvalue(), VIEW, VIEW)


CHANGES: dict[str, Callable[[Image.Image], np.ndarray]] = {
    "recompressed": lambda image: view_of(image, quality=30),
    "another format": lambda image: view_of(image, kind="PNG"),
    "smaller": lambda image: view_of(image.resize((100, 75), Image.Resampling.BICUBIC)),
    "larger": lambda image: view_of(image.resize((600, 450), Image.Resampling.BICUBIC)),
    "trimmed": lambda image: view_of(image.crop((1, 1, image.width - 1, image.height - 1))),
    "brighter": lambda image: view_of(ImageEnhance.Brightness(image).enhance(1.2)),
    "darker": lambda image: view_of(ImageEnhance.Brightness(image).enhance(0.7)),
    "more contrast": lambda image: view_of(ImageEnhance.Contrast(image).enhance(1.3)),
    "grey": lambda image: view_of(image.convert("L").convert("RGB")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(originals: list[Image.Image], views: np.ndarray, change: str) -> None:
    planted = range(0, 150, 10)
    copies = np.stack([CHANGES[change](originals[place]) for place in planted])
    found = {(pair.first, pair.second) for pair in similar_pairs(np.concatenate([views, copies]), NEAR)}
    assert found == {(place, 150 + number) for number, place in enumerate(planted)}


@pytest.mark.parametrize(
    ("transpose", "turn"),
    [
        (None, "as it is"),
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored left to right"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored top to bottom"),
        (Image.Transpose.ROTATE_180, "turned by 180 degrees"),
        (Image.Transpose.TRANSPOSE, "mirrored along the diagonal"),
        (Image.Transpose.ROTATE_270, "turned by 90 degrees clockwise"),  # Pillow turns the other way
        (Image.Transpose.ROTATE_90, "turned by 90 degrees anticlockwise"),
        (Image.Transpose.TRANSVERSE, "mirrored along the other diagonal"),
    ],
)
def test_a_turned_copy_is_found_and_its_turn_named(
    originals: list[Image.Image], views: np.ndarray, transpose: Image.Transpose | None, turn: str
) -> None:
    assert turn in TURNS
    copy = originals[7] if transpose is None else originals[7].transpose(transpose)
    (pair,) = similar_pairs(np.concatenate([views, view_of(copy)[None]]), NEAR)
    assert (pair.first, pair.second, pair.turn) == (7, 150, turn)
    assert 0.98 < pair.correlation <= 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_known_by_its_hash_and_nothing_else(
    originals: list[Image.Image], views: np.ndarray, change: str
) -> None:
    known = perceptual_hashes(views[:75])
    assert known.shape == (75, 4) and known.dtype == np.uint64
    copies = perceptual_hashes(np.stack([CHANGES[change](originals[place]) for place in range(0, 150, 5)]))
    found = known_by_hash(copies, known)
    assert found[:15].sum() >= 14 and not found[15:].any()


def test_a_turned_copy_is_known_by_its_hash(
    originals: list[Image.Image], views: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = np.stack([view_of(originals[7].transpose(turn)) for turn in Image.Transpose])
    hashes = perceptual_hashes(turned)
    assert known_by_hash(hashes, perceptual_hashes(views[7:8])).all() and len(hashes) == 7
    assert not known_by_hash(hashes, perceptual_hashes(views[8:])).any()
    assert not known_by_hash(hashes, perceptual_hashes(views[:0])).any()
    assert known_by_hash(hashes[:0], hashes).shape == (0,)
    monkeypatch.setattr(duplicates, "_DISTANCES", 3 * 1024)  # pairs at a time, of at least so many known images
    mixed = np.concatenate([perceptual_hashes(views[:4]), hashes])
    assert known_by_hash(mixed, hashes[:1]).tolist() == [False] * 4 + [True] * 7


def test_images_that_show_too_little_are_known_by_no_hash() -> None:
    blank = np.full((1, VIEW, VIEW, 3), 200, np.uint8)
    spot = blank.copy()
    spot[:, 15:18, 14:17] = 60  # one small mole on bare skin, as there are many
    ring = np.zeros_like(blank)  # and one in a dark field
    rows, columns = np.mgrid[:VIEW, :VIEW] - 15.5
    ring[:, rows**2 + columns**2 < 150] = 200
    ring[:, 15:18, 14:17] = 60
    views = np.concatenate([blank, spot, ring])
    assert not perceptual_hashes(views).any()
    assert not known_by_hash(perceptual_hashes(views), perceptual_hashes(views)).any()


def test_of_two_sets_only_copies_of_one_in_the_other_are_found(views: np.ndarray) -> None:
    # The first of the later set is blank, as is the last before, and each set has copies within itself.
    blank = np.zeros_like(views[:1])
    earlier = np.concatenate([views[:3], views[:1], blank])
    later = np.concatenate([blank, views[5:6], views[2:3], views[5:6], views[:1]])
    found = [(pair.first, pair.second) for pair in similar_pairs(np.concatenate([earlier, later]), NEAR, before=5)]
    assert found == [(0, 9), (2, 7), (3, 9)]


def test_photographs_of_one_lesion_and_of_many_are_no_copies(views: np.ndarray) -> None:
    assert not list(similar_pairs(views, NEAR))


def test_the_hash_alone_would_call_very_different_images_copies(views: np.ndarray) -> None:
    close = list(similar_pairs(views, limit=-1))
    assert len(close) > 100 and min(pair.correlation for pair in close) < 0.5


def test_blocks_do_not_change_what_is_found(views: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    doubled = np.concatenate([views, views[::-1]])
    whole = list(similar_pairs(doubled, ALIKE))
    assert {(pair.first, pair.second) for pair in whole} >= {(place, 299 - place) for place in range(150)}
    monkeypatch.setattr(duplicates, "_DISTANCES", 2_000)  # six rows at a time
    monkeypatch.setattr(duplicates, "_CANDIDATES", 7)
    in_blocks = list(similar_pairs(doubled, ALIKE))
    assert [(pair.first, pair.second, pair.turn) for pair in in_blocks] == [
        (pair.first, pair.second, pair.turn) for pair in whole
    ]


def test_blank_views_are_like_nothing_and_few_views_are_no_problem() -> None:
    noise = np.random.default_rng(0).integers(0, 2, (3, VIEW, VIEW, 3))
    blank = (200 + noise).astype(np.uint8)
    assert duplicates.is_blank(blank).all()
    assert not list(similar_pairs(np.concatenate([blank, np.zeros_like(blank)]), NEAR))
    assert not list(similar_pairs(np.zeros((0, VIEW, VIEW, 3), np.uint8)))


def test_same_content_pairs_equal_digests_and_leaves_empty_ones_out() -> None:
    assert sorted(same_content(["a", "", "b", "a", "", "a"])) == [(0, 3), (0, 5), (3, 5)]


def in_the_dark(image: Image.Image, radius: float) -> Image.Image:
    """A photograph as through a small lens: a round lit field, with a blurred rim, in the dark."""
    across, down = np.meshgrid(np.linspace(-1, 1, 168), np.linspace(-1, 1, 168))
    light = np.clip((radius - np.hypot(across, down)) * 20, 0, 1)[..., None]
    side = min(image.size)
    square = image.crop(((image.width - side) // 2, 0, (image.width + side) // 2, side)).resize((168, 168))
    return Image.fromarray((np.asarray(square) * light + 4 * (1 - light)).astype(np.uint8))


@pytest.fixture(scope="module")
def fields(originals: list[Image.Image]) -> list[Image.Image]:
    return [in_the_dark(image, radius=(0.65, 0.8, 0.98)[number % 3]) for number, image in enumerate(originals)]


def test_two_dark_fields_are_no_copies(fields: list[Image.Image]) -> None:
    views = np.stack([view_of(image, quality=95) for image in fields])
    dark = duplicates.dark_fields(views)
    assert dark[:, 0, 0].all() and dark[:, VIEW // 2, VIEW // 2].mean() < 0.05  # black lesions reach the darkness
    assert not list(similar_pairs(views, NEAR))


def test_hashes_of_dark_fields_are_of_what_is_lit(fields: list[Image.Image]) -> None:
    hashes = perceptual_hashes(np.stack([view_of(image, quality=95) for image in fields]))
    for number in range(0, 150, 5):
        assert not known_by_hash(hashes[number : number + 1], np.delete(hashes, number, axis=0)).any()
    again = perceptual_hashes(np.stack([view_of(image, quality=60) for image in fields]))
    assert known_by_hash(again[hashes.any(axis=1)], hashes).mean() > 0.95


@pytest.mark.parametrize("change", [*CHANGES, "turned", "mirrored", "of another colour", "of less contrast"])
def test_a_changed_copy_of_a_dark_field_is_found(fields: list[Image.Image], change: str) -> None:
    more: dict[str, Callable[[Image.Image], np.ndarray]] = {
        "turned": lambda image: view_of(image.transpose(Image.Transpose.ROTATE_90)),
        "mirrored": lambda image: view_of(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "of another colour": lambda image: view_of(Image.merge("RGB", image.split()[::-1])),
        "of less contrast": lambda image: view_of(ImageEnhance.Contrast(image).enhance(0.7)),
        "smaller": lambda image: view_of(image.resize((84, 84), Image.Resampling.BICUBIC)),
        "larger": lambda image: view_of(image.resize((500, 500), Image.Resampling.BICUBIC)),
    }
    views = np.stack([view_of(image, quality=95) for image in fields[:60]])
    copies = np.stack([(CHANGES | more)[change](image) for image in fields[:60:4]])
    found = {(pair.first, pair.second) for pair in similar_pairs(np.concatenate([views, copies]), NEAR)}
    assert found == {(4 * number, 60 + number) for number in range(15)}


def test_an_image_without_darkness_has_no_dark_field(views: np.ndarray) -> None:
    assert not duplicates.dark_fields(views).any()
