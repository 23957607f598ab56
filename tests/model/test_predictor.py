import dataclasses
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lesionflow.defaults import usable_cores
from lesionflow.errors import BundleError, UsageError
from lesionflow.model.card import Calibration
from lesionflow.model.decision import softmax
from lesionflow.model.files import read_bundle
from lesionflow.model.predictor import Predictor, load_predictor, views

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)


def test_gives_what_keras_gives(trained_bundle: Path) -> None:
    import keras

    network = keras.models.load_model(trained_bundle / "model.keras")
    expected = softmax(network.predict(PIXELS.astype(np.float32), verbose=0))
    np.testing.assert_allclose(softmax(load_predictor(trained_bundle).measure(PIXELS)[0]), expected, atol=1e-4)


def test_batches_change_nothing(trained_bundle: Path) -> None:
    predictor = load_predictor(trained_bundle)
    logits, distances = predictor.measure(PIXELS)
    members = np.array([7, 0, 3, 3, 9])
    some, of_these = predictor.measure_many(PIXELS, members, batch_size=2)
    np.testing.assert_allclose(some, logits[members], atol=1e-5)
    np.testing.assert_allclose(of_these, distances[members], rtol=1e-4)
    assert predictor.predict_many(PIXELS, np.array([], dtype=int)).probabilities.shape == (0, 7)


def test_large_batches_go_through_the_network_in_pieces(trained_bundle: Path) -> None:
    predictor = load_predictor(trained_bundle, threads=1)
    many = np.random.default_rng(1).integers(0, 256, (predictor.at_once + 3, *PIXELS.shape[1:]), dtype=np.uint8)
    logits, distances = predictor.measure(many)
    last, of_these = predictor.measure(many[-5:])
    np.testing.assert_allclose(logits[-5:], last, atol=1e-5)
    np.testing.assert_allclose(distances[-5:], of_these, rtol=1e-4)
    assert predictor.measure(many[:0])[0].shape == (0, 7)


def test_no_more_batches_than_cores_are_in_the_network_at_once(trained_bundle: Path) -> None:
    predictor = load_predictor(trained_bundle, threads=1)
    session, inside, most = predictor.session, [], 0

    class Watched:
        def run(self, *arguments: object) -> list[np.ndarray]:
            nonlocal most
            inside.append(1)
            most = max(most, len(inside))
            time.sleep(0.02)
            inside.pop()
            return session.run(*arguments)

    predictor.session = Watched()
    with ThreadPoolExecutor(3 * usable_cores()) as threads:
        found = list(threads.map(predictor.measure, [PIXELS] * 6 * usable_cores()))
    assert 1 <= most <= usable_cores()
    assert all(np.array_equal(logits, found[0][0]) for logits, _ in found)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound to cores here")
def test_as_many_threads_as_cores_that_the_process_may_use(trained_bundle: Path) -> None:
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        assert load_predictor(trained_bundle).threads == 1
    finally:
        os.sched_setaffinity(0, usable)
    assert load_predictor(trained_bundle).threads == len(usable)


def test_averaging_looks_at_all_flips_and_turns(trained_bundle: Path) -> None:
    averaged = load_predictor(trained_bundle, averaged=True)
    logits, distances = averaged.measure(PIXELS)
    for turned in (np.rot90(PIXELS, axes=(1, 2)), PIXELS[:, ::-1], PIXELS[:, :, ::-1]):  # the same eight views
        again, also = averaged.measure(turned)
        np.testing.assert_allclose(again, logits, atol=1e-4)
        np.testing.assert_allclose(also, distances, rtol=1e-4)
    assert np.abs(logits - load_predictor(trained_bundle).measure(PIXELS)[0]).max() > 1e-3
    assert len(views(PIXELS[:, :, :16])) == 4  # a quarter turn of what is not square would not fit the network
    card, graph = read_bundle(trained_bundle)
    with pytest.raises(UsageError, match="not calibrated"):
        Predictor(dataclasses.replace(card, calibrations={"single": card.calibrations["single"]}), graph, averaged=True)


def test_temperature_and_offsets_of_the_card_are_applied(trained_bundle: Path) -> None:
    card, graph = read_bundle(trained_bundle)

    def probabilities(calibration: Calibration) -> np.ndarray:
        changed = dataclasses.replace(card, calibrations={"single": calibration})
        return Predictor(changed, graph).predict(PIXELS).probabilities

    plain, warm = probabilities(Calibration()), probabilities(Calibration(temperature=2.0))
    expected = np.sqrt(plain) / np.sqrt(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(warm, expected, atol=1e-6)
    offsets = tuple(np.log([2.0, 1, 1, 1, 1, 1, 1]))
    shifted = probabilities(Calibration(logit_offsets=offsets))
    np.testing.assert_allclose(shifted[:, 0] / shifted[:, 1], 2 * plain[:, 0] / plain[:, 1], rtol=1e-5)


def test_a_graph_that_is_none_is_refused(bundle: Path) -> None:
    card, _ = read_bundle(bundle)
    with pytest.raises(BundleError, match="cannot be run"):
        Predictor(card, b"not a graph")


def test_scoring_a_bundle_imports_neither_keras_nor_tensorflow(bundle: Path, demo_folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from lesionflow.api.score import score\n"
        f"score({str(demo_folder)!r}, {str(tmp_path / 'out.csv')!r}, {str(bundle)!r})\n"
        "print(sorted({'keras', 'tensorflow', 'tf2onnx', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
