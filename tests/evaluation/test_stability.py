import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import BINARY
from lesionflow.evaluation.evaluate import EvaluatedPart, Measuring, evaluate_model
from lesionflow.evaluation.label_mapping import map_between
from lesionflow.evaluation.stability import CHANGES, HarmlessChange, Stability, _variants, measure_stability
from lesionflow.images.decode import decode, fit_array, header
from lesionflow.model.card import SINGLE, Calibration, read_card, write_card
from lesionflow.model.decision import MEAN_LOGITS, decide
from lesionflow.model.predictor import Predictor, load_predictor
from tests.conftest import invoke
from tests.scoring.conftest import write_small_bundle


@pytest.fixture(scope="module")
def predictor(images: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A bundle whose calls and flags differ between the images, and are close to the limits."""
    folder = write_small_bundle(tmp_path_factory.mktemp("stability") / "bundle")
    card = read_card(folder)
    pixels = np.stack([decode(path, card.height, card.width) for path in images["path"]])
    logits, distances = load_predictor(folder, threads=1).measure(pixels)
    calibration = Calibration(temperature=0.05, logit_offsets=tuple((-20 * np.median(logits, axis=0)).tolist()))
    said = decide(logits, distances, calibration, card.prior)
    middle = np.sort(said.malignant_probability)[20:40]
    threshold = float((middle[:-1] + middle[1:])[np.diff(middle).argmax()] / 2)  # far from every image
    calibrations = {SINGLE: dataclasses.replace(calibration, malignant_threshold=threshold)}
    write_card(folder, dataclasses.replace(card, calibrations=calibrations))
    return load_predictor(folder, threads=1)


@pytest.fixture(scope="module")
def images(demo_folder: Path) -> dict[str, list[str]]:
    table = read_labelled_images(demo_folder).table.iloc[:60]
    return {name: table[name].tolist() for name in ("image_id", "lesion_id", "path")}


def found(predictor: Predictor, images: dict[str, list[str]] | pd.DataFrame, **options: object) -> Stability:
    measured = measure_stability(predictor, images, **options)  # type: ignore[arg-type]
    assert measured is not None
    return measured


def test_progress_counts_the_drawn_images_also_where_one_cannot_be_read(
    predictor: Predictor, images: dict[str, list[str]], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    some = {name: values[:10] for name, values in images.items()}
    some["path"][2] = str(tmp_path / "gone.jpg")
    measured = found(predictor, some, most=50, progress=lambda done, total: told.append((done, total)))
    assert measured.images == 9
    assert told == [(0, 10), (5, 10), (9, 10), (10, 10)]


def test_a_changed_image_is_scaled_as_its_pixels_are(images: dict[str, list[str]]) -> None:
    """Also those that came through a JPEG file: nothing but pixels counts, as for a file of them."""
    for path in images["path"][:3]:
        _, columns, rows = header(path)
        whole = Image.fromarray(decode(path, rows, columns))
        seen = _variants(path, 24, 32, CHANGES, seed=5)
        assert len(seen) == 1 + len(CHANGES)
        for index, change in enumerate(CHANGES):
            changed = np.array(change.make(whole, np.random.default_rng((5, index))))
            np.testing.assert_array_equal(seen[1 + index], fit_array(changed, 24, 32), err_msg=change.name)


def test_shares_are_those_of_scoring_the_changed_images(predictor: Predictor, images: dict[str, list[str]]) -> None:
    measured = found(predictor, images)
    height, width = predictor.card.height, predictor.card.width
    before = predictor.predict(np.stack([decode(path, height, width) for path in images["path"]]))
    for name, change in (("mirrored", lambda pixels: pixels[:, ::-1]), ("darker", lambda pixels: 0.9 * pixels)):
        changed = []
        for path in images["path"]:
            with Image.open(path) as opened:
                pixels = change(np.asarray(opened.convert("RGB")))
            changed.append(fit_array(np.ascontiguousarray(np.round(pixels)).astype(np.uint8), height, width))
        after = predictor.predict(np.stack(changed))
        moved = next(each for each in measured.changes if each.name == name)
        assert moved.calls.value == pytest.approx((before.called != after.called).mean())
        assert moved.flags.value == pytest.approx((before.malignant != after.malignant).mean())
        assert moved.calls.low <= moved.calls.value <= moved.calls.high
    assert measured.images == 60 and measured.lesions == len(set(images["lesion_id"]))
    assert measured.calls.value == pytest.approx(np.mean([moved.calls.value for moved in measured.changes]))
    assert measured.worst.calls.value == max(moved.calls.value for moved in measured.changes) > 0
    assert measured.metrics()["calls_jpeg_60"] == next(m.calls for m in measured.changes if m.name == "jpeg_60")


def test_calls_that_count_as_the_same_diagnosis_have_not_changed(
    predictor: Predictor, images: dict[str, list[str]]
) -> None:
    """Where benign and malignant alone are told apart, as on data of no more, another benign call is the same."""
    labels, own = predictor.labels, found(predictor, images)
    coarse = np.isin(np.arange(len(labels)), labels.malignant_indices).astype(np.int64)
    counted = found(predictor, images, counted_as=coarse)
    assert 0 < counted.calls.value < own.calls.value and counted.flags == own.flags
    assert found(predictor, images, counted_as=np.zeros(len(labels), np.int64)).calls.value == 0


def test_an_evaluation_looks_at_images_alone_and_at_calls_as_they_are_counted(
    predictor: Predictor, demo_folder: Path
) -> None:
    mapping = map_between(predictor.labels, BINARY)
    assert mapping is not None and mapping.of_model
    images = read_labelled_images(demo_folder, label_set=BINARY)
    members = np.flatnonzero(images.table["lesion_id"].duplicated(keep=False))[:40]
    pixels = np.zeros((len(images.table), predictor.card.height, predictor.card.width, 3), np.uint8)
    part = EvaluatedPart("all", images, members, pixels)
    how = Measuring(resamples=100, stability=40, pool=MEAN_LOGITS, mapping=mapping)
    measured = evaluate_model(predictor, "small", part, how).stability
    assert measured is not None and measured.images == 40 > measured.lesions
    assert measured == found(predictor, images.table.iloc[members], most=40, counted_as=mapping.indices)


def test_what_is_asked_for_is_printed_also_where_no_page_is_written(
    demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    bundle = write_small_bundle(tmp_path / "bundle")
    asked = ("evaluate", str(bundle), str(demo_folder), "--resamples", "100", "--cache", str(cache))
    done = invoke(*asked, "--stability", "20")
    assert done.exit_code == 0 and "\nOf 20 images of " in done.stdout, done.output
    assert "harmless changes (mirrored, " in done.stdout and "of the malignant flags" in done.stdout
    assert "\nThe model tells nothing of its training images" in done.stdout  # which has no validation part
    assert "harmless" not in invoke(*asked).stdout


def test_what_changes_nothing_moves_nothing_and_is_not_called_certain(
    predictor: Predictor, images: dict[str, list[str]]
) -> None:
    measured = found(predictor, images, changes=(HarmlessChange("none", "nothing", lambda image, generator: image),))
    (moved,) = measured.changes
    lesions = measured.lesions
    assert moved.calls == pytest.approx((0, 0, 1 - 0.025 ** (1 / lesions)))
    assert measured.flags.value == 0


def test_the_sample_and_what_is_drawn_repeat_whatever_the_order(
    predictor: Predictor, images: dict[str, list[str]]
) -> None:
    order = np.random.default_rng(1).permutation(60)
    other = {name: [values[index] for index in order] for name, values in images.items()}
    first = found(predictor, images, most=20)
    assert first.images == 20
    assert found(predictor, other, most=20) == first
    assert found(predictor, images, most=20, seed=1) != first


def test_images_that_are_gone_are_left_out(predictor: Predictor, images: dict[str, list[str]], tmp_path: Path) -> None:
    gone = images | {"path": [*images["path"][:-1], str(tmp_path / "gone.jpg")]}
    assert found(predictor, gone, changes=CHANGES[:1]).images == 59
    assert measure_stability(predictor, {name: values[-1:] for name, values in gone.items()}) is None


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@pytest.mark.parametrize("size", [(600, 450), (90, 120), (1, 1)])
def test_every_change_is_slight_and_leaves_an_image(change: HarmlessChange, size: tuple[int, int]) -> None:
    ramp = np.linspace(40, 200, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    changed = change.make(Image.fromarray(ramp), np.random.default_rng(0))
    assert changed.mode == "RGB" and min(changed.size) >= 1
    means = np.asarray(changed).reshape(-1, 3).mean(axis=0) - ramp.reshape(-1, 3).mean(axis=0)
    assert np.abs(means).max() <= 25


def test_every_change_does_what_its_name_says() -> None:
    noise = np.random.default_rng(0).integers(60, 180, (60, 80, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(noise).resize((400, 300), Image.Resampling.BICUBIC)).astype(float)
    changed = {
        change.name: np.asarray(
            change.make(Image.fromarray(pixels.astype(np.uint8)), np.random.default_rng(1))
        ).astype(float)
        for change in CHANGES
    }  # fmt: skip
    for name, expected in {
        "mirrored": pixels[:, ::-1], "upside_down": pixels[::-1, ::-1], "quarter_turn": np.rot90(pixels),
        "saved_again": pixels,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(changed.pop(name), expected, err_msg=name)
    for name, factors in {
        "brighter": (1.1, 1.1, 1.1), "darker": (0.9, 0.9, 0.9), "warmer": (1.03, 1, 0.97), "cooler": (0.97, 1, 1.03),
    }.items():  # fmt: skip
        np.testing.assert_allclose(changed.pop(name), pixels * factors, atol=0.51, err_msg=name)
    sizes = {name: changed.pop(name).shape[:2] for name in ("cropped_2", "cropped_6", "resized")}
    assert sizes == {"cropped_2": (294, 392), "cropped_6": (282, 376), "resized": (225, 300)}
    lost = [np.abs(changed.pop(name) - pixels).mean() for name in ("jpeg_90", "jpeg_75", "jpeg_60")]
    assert 0 < lost[0] < lost[1] < lost[2]
    assert 0.2 < np.diff(changed.pop("softened"), axis=1).std() / np.diff(pixels, axis=1).std() < 0.99 and not changed


def test_a_large_image_is_changed_at_a_size_that_shows_all_there_is(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (3000, 2100), (180, 120, 100)).save(tmp_path / "large.png")
    seen: list[tuple[int, int]] = []

    def note(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        seen.append(image.size)
        return image

    large = {"image_id": ["a"], "lesion_id": ["b"], "path": [str(tmp_path / "large.png")]}
    measure_stability(predictor, large, changes=(HarmlessChange("note", "note", note),))
    assert seen == [(1429, 1000)]
