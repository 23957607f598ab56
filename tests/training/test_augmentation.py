import io

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import affine_transform

from lesionflow.training.augmentation import Augmentation, Mixup, compress, resample, small_side, soften


def pictures(count: int = 8, height: int = 32, width: int = 32) -> np.ndarray:
    """Smooth random images: (count, height, width, 3) uint8."""
    coarse = np.random.default_rng(0).integers(60, 200, (count, 4, 4, 3))
    return np.kron(coarse, np.ones((1, height // 4, width // 4, 1))).astype(np.uint8)


def test_outside_training_nothing_changes() -> None:
    images = pictures()
    unchanged = np.asarray(Augmentation(seed=1)(images, training=False))
    assert unchanged.dtype == np.float32
    np.testing.assert_array_equal(unchanged, images)


def test_each_image_is_changed_in_its_own_way_and_stays_in_range() -> None:
    images = np.repeat(pictures(1), 8, axis=0)
    changed = np.asarray(Augmentation(seed=1)(images, training=True))
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 255
    for one in range(8):
        assert np.abs(changed[one] - images[one]).mean() > 1
        for other in range(one):
            assert np.abs(changed[one] - changed[other]).mean() > 1


def test_strength_zero_only_flips_and_turns() -> None:
    images = pictures(64)
    changed = np.asarray(Augmentation(strength=0, seed=2)(images, training=True))
    seen = set()
    for before, after in zip(images.astype(np.float32), changed, strict=True):
        candidates = [np.rot90(side, turns) for side in (before, before[:, ::-1]) for turns in range(4)]
        distances = [np.abs(candidate - after).max() for candidate in candidates]
        assert min(distances) < 0.5
        seen.add(int(np.argmin(distances)))
    assert seen == set(range(8))  # all flips and quarter turns occur


def test_images_that_are_not_square_keep_their_frame() -> None:
    images = pictures(16, 32, 48)
    changed = np.asarray(Augmentation(strength=0, seed=3)(images, training=True))
    for before, after in zip(images.astype(np.float32), changed, strict=True):
        candidates = [np.rot90(side, turns) for side in (before, before[:, ::-1]) for turns in (0, 2)]
        assert min(np.abs(candidate - after).max() for candidate in candidates) < 0.5


def test_the_seed_decides() -> None:
    one, same, other = (np.asarray(Augmentation(seed=seed)(pictures(), training=True)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).mean() > 1


@pytest.mark.parametrize("height, width", [(32, 32), (20, 28)])
def test_resampling_agrees_with_an_independent_one(height: int, width: int) -> None:
    generator = np.random.default_rng(6)
    images = generator.integers(0, 256, (6, height, width, 3), dtype=np.uint8)
    maps = generator.uniform(-1.4, 1.4, (6, 6))  # mirrored, turned, sheared, zoomed
    maps[:, [2, 5]] *= 40  # far over the edges
    maps[0] = 1, 0, 0, 0, 1, 0
    moved = np.asarray(resample(images, maps.astype(np.float32), height, width))
    np.testing.assert_array_equal(moved[0], images[0])
    for image, (a0, a1, a2, b0, b1, b2), result in zip(images, maps, moved, strict=True):
        for colour in range(3):  # scipy counts rows first
            expected = affine_transform(
                image[..., colour].astype(float), [[b1, b0], [a1, a0]], [b2, a2], order=1, mode="reflect"
            )
            np.testing.assert_allclose(result[..., colour], expected, atol=0.01)


def test_small_images_show_all_of_the_large_ones() -> None:
    assert [small_side(side) for side in (16, 48, 64, 112, 128, 160)] == [16, 32, 40, 72, 88, 104]
    images = np.random.default_rng(7).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    same = np.tile(np.array([1, 0, 0, 0, 1, 0], np.float32), (2, 1))
    # Half the size is read in the middle of four pixels, whose mean that is.
    halved = images.reshape(2, 16, 2, 24, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(resample(images, same, 16, 24)), halved, atol=1e-3)


def test_augmentation_makes_images_small_while_it_is_told_to() -> None:
    changing, images = Augmentation(quality=1, seed=1), pictures(height=48, width=64)
    changing.small = True
    small = np.asarray(changing(images, training=True))
    assert small.shape == (8, 32, 40, 3) and np.ptp(small) > 50
    assert changing(images, training=False).shape == images.shape
    changing.small = False
    assert changing(images, training=True).shape == images.shape


def test_small_images_are_closer() -> None:
    across = np.tile(np.arange(48, dtype=np.uint8) * 5, (256, 48, 1))[..., None].repeat(3, axis=3)
    widths = []
    for small in (False, True):
        changing = Augmentation(seed=1)
        changing.small = small
        seen = np.asarray(changing._move(across)).mean(axis=3)  # positions are read off as grey levels
        middle = seen[
            :, seen.shape[1] // 2 - 8 : seen.shape[1] // 2 + 8, seen.shape[2] // 2 - 8 : seen.shape[2] // 2 + 8
        ]
        steps = np.stack(np.gradient(middle, axis=(1, 2)))
        widths.append(np.median(np.hypot(*steps)) / 5)  # pixels of the image to a pixel of what is shown
    assert widths[0] == pytest.approx(1, abs=0.05) and widths[1] == pytest.approx(48 / 32 * 3 / 4, abs=0.05)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
def test_everything_before_the_network_compiles() -> None:
    # On a GPU, TensorFlow's step is compiled by XLA, and one operation without a kernel there would end the training.
    images, kept = keras.Input((16, 16, 3), dtype="uint8"), keras.Input((), dtype="float32")
    mixed = Mixup()([Augmentation(seed=1)(images), kept])
    model = keras.Model([images, kept], keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(mixed)))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=True)
    inputs = [pictures(8, 16, 16), np.full(8, 0.7, np.float32)]
    assert np.isfinite(model.train_on_batch(inputs, np.eye(7, dtype=np.float32)[np.arange(8) % 7]))


@pytest.mark.parametrize("quality", [35, 60, 75])
def test_compression_leaves_what_a_jpeg_file_does(quality: int) -> None:
    generator = np.random.default_rng(8)
    images = (pictures(4, 48, 48) + generator.normal(0, 6, (4, 48, 48, 3))).clip(0, 255).astype(np.uint8)
    ours = np.asarray(compress(images.astype(np.float32), np.full((4, 1, 1, 1), quality, np.float32)))
    for image, compressed in zip(images, ours, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        pillow = np.asarray(Image.open(file), np.float32)
        # Pillow smooths halved colours when it doubles them; the loss of brightness is nearly the same in both.
        brightness = np.array([0.299, 0.587, 0.114])
        ours_lost, lost = ((image - kept) @ brightness for kept in (compressed, pillow))
        assert np.corrcoef(ours_lost.ravel(), lost.ravel())[0, 1] > 0.9


def test_compression_repeats_the_edges_of_frames_that_are_no_whole_blocks() -> None:
    images = pictures(2, 32, 48)[:, :21, :37].astype(np.float32)
    quality = np.full((2, 1, 1, 1), 50, np.float32)
    whole = np.pad(images, ((0, 0), (0, 11), (0, 11), (0, 0)), mode="edge")
    np.testing.assert_array_equal(compress(images, quality), np.asarray(compress(whole, quality))[:, :21, :37])


def test_softening_is_a_blur_that_keeps_flat_areas() -> None:
    images = pictures(3).astype(np.float32)
    soft = np.asarray(soften(images))
    assert np.abs(np.diff(soft, axis=1)).sum() < np.abs(np.diff(images, axis=1)).sum()
    np.testing.assert_allclose(soften(np.full((1, 9, 7, 3), 80, np.float32)), 80)


def test_quality_changes_what_cameras_and_archives_change() -> None:
    images = pictures(64)
    plain = np.asarray(Augmentation(strength=0, seed=2)(images, training=True))
    changed = np.asarray(Augmentation(strength=0, quality=1, seed=2)(images, training=True))
    assert changed.shape == plain.shape and changed.min() >= 0 and changed.max() <= 255
    assert 0.5 < np.abs(changed - plain).mean() < 40


def test_mixup_blends_each_view_in_itself() -> None:
    images = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1) * np.ones((4, 2, 2, 3), np.float32)
    kept = np.array([0.5, 1, 0.5, 1], np.float32)
    mixed = np.asarray(Mixup(views=2)([images, kept], training=True))[:, 0, 0, 0]
    np.testing.assert_allclose(mixed, [0.5, 1, 2.5, 3])
