import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from lesionflow.datasets.split import Split
from lesionflow.errors import UsageError
from lesionflow.training import devices
from lesionflow.training.checkpoint import EpochResult
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Examples, fit, one_hot
from lesionflow.training.objective import BalancedAccuracy
from lesionflow.training.pixel_store import PixelStore


def noise(count: int = 60) -> tuple[np.ndarray, np.ndarray, Split]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    parts = np.split(np.arange(count), [32, 51])  # 19 of validation: no device can have as many as another
    return pixels, np.arange(count) % 7, Split(parts[0], parts[1], parts[2], 0, (0.6, 0.2, 0.2), "")


def test_a_batch_has_as_many_images_for_each_device() -> None:
    assert [devices.divisible(*given) for given in ((64, 1), (64, 3), (8, 8), (5, 8))] == [64, 63, 8, 8]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_rows_that_fill_a_batch_up_do_not_count(count: int) -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 7, 16)
    logits = (generator.normal(size=(16, 7)) + one_hot(labels, 7)).astype(np.float32)
    rows, weights = devices.in_whole_parts(np.arange(16), count)
    assert len(rows) % count == 0 and len(rows) - 16 < count
    whole, filled = BalancedAccuracy(np.ones(7)), BalancedAccuracy(np.ones(7))
    whole.update_state(one_hot(labels, 7), logits)
    filled.update_state(one_hot(labels[rows], 7), logits[rows], sample_weight=weights)
    assert float(filled.result()) == pytest.approx(float(whole.result()), rel=1e-6)
    losses = generator.normal(size=16)
    if weights is not None:  # as Keras reduces a loss: by the number of rows
        assert (losses[rows] * weights).mean() == pytest.approx(losses.mean(), rel=1e-5)


pytestmark = pytest.mark.usefixtures("light")
CONFIG = TrainingConfig(epochs=2, batch_size=8, mixup=0.2).resolved("vgg", "quick")


@pytest.fixture(scope="module")
def ordinary(light: None) -> tuple[EpochResult, ...]:
    """The epochs of a training whose pixels are on the device, with a step in each call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesionflow.training.devices.steps_at_once", lambda steps: 1)
        return fit(CONFIG, Examples(*noise())).history


def test_pixels_larger_than_the_device_are_fed_from_the_host(
    ordinary: tuple[EpochResult, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, labels, split = noise()
    assert PixelStore(pixels, np.arange(51)).on_device
    monkeypatch.setattr(devices, "device_memory", lambda: 51 * 16 * 16 * 3 * 1.5)
    assert not PixelStore(pixels, np.arange(51)).on_device
    from_host = fit(CONFIG, Examples(pixels, labels, split)).history
    for one, other in zip(ordinary, from_host, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-2)


def test_several_steps_in_a_call_are_the_same_steps(
    ordinary: tuple[EpochResult, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionflow.training.devices.steps_at_once", lambda steps: 2)  # of the four in an epoch
    together = fit(CONFIG, Examples(*noise())).history
    for one, other in zip(ordinary, together, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-2)


def test_memory_is_the_machines_where_there_is_no_gpu() -> None:
    if devices.has_gpu():
        assert min(devices.gpu_memories()) > 2**30
    else:
        assert 2**28 < devices.device_memory() < 2**45


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lesionflow.training import devices, fit
from lesionflow.training.checkpoint import EpochResult
from lesionflow.training.config import TrainingConfig
from tests.training.test_devices import noise

told = [devices.device_count()]
config = TrainingConfig(epochs=2, batch_size=8, mixup=0.2, averaging=0.9).resolved("vgg", "quick")
for count in told[0], 1:
    fit.device_count = devices.device_count = lambda: count
    told.append([result.metrics for result in fit.fit(config, fit.Examples(*noise())).history])
print(json.dumps(told))
"""


def test_two_devices_compute_what_one_does() -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    two = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, os.getcwd()], capture_output=True, text=True, env=os.environ | two
    )
    assert done.returncode == 0, done.stderr
    count, on_two, on_one = json.loads(done.stdout)
    assert count == 2
    for one, other in zip(on_one, on_two, strict=True):
        assert one == pytest.approx(other, rel=2e-2)


@pytest.mark.parametrize(
    ("network", "size", "gpu", "instructions", "expected"),
    [
        ("cnn", 48, False, True, "mixed_bfloat16"),
        ("cnn", None, False, True, "mixed_bfloat16"),
        ("cnn", 47, False, True, "float32"),  # where the last convolutions see one pixel, numbers are lost at random
        ("cnn", 48, False, False, "float32"),
        ("efficientnet", 48, False, True, "float32"),  # half as fast in bfloat16
        ("efficientnet", 16, True, True, "mixed_float16"),
    ],
)
def test_auto_mixes_where_that_is_faster(
    network: str, size: int | None, gpu: bool, instructions: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: instructions)
    assert devices.chosen_precision("auto", network, size) == expected
    assert devices.chosen_precision("float32", network, size) == "float32"


def test_the_processor_is_asked_as_the_system_tells_it() -> None:
    told = subprocess.run(["lscpu"], capture_output=True, text=True).stdout
    assert devices.multiplies_bfloat16() == ("avx512_bf16" in told or "amx_bf16" in told)


def test_jax_on_a_gpu_names_what_has_to_be_set_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    devices.make_deterministic()
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.raises(UsageError, match="XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        devices.make_deterministic()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0 --xla_gpu_deterministic_ops=true")
    devices.make_deterministic()
