"""lesionflow's training, and between its epochs the bare compiled step: one side of `train_throughput.py`.

The bare step is the function that the training calls, again and again with one batch that lies in memory.

Arguments: folder of `material.make_pixels`, images to train on, network, preset, epochs, JSON file to write.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

from lesionflow.datasets.split import Split
from lesionflow.training.config import TrainingConfig
from lesionflow.training.devices import has_gpu
from lesionflow.training.fit import Examples, fit

BARE_STEPS = 40  # after each epoch


class Stopwatch(keras.callbacks.Callback):
    """Seconds of each epoch, of its training steps, and of a bare step after it."""

    def __init__(self, batch: tuple):
        super().__init__()
        self.batch = batch
        self.loop: list[float] = []
        self.steps: list[float] = []
        self.bare: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_test_begin(self, logs: object = None) -> None:
        """The steps are over as soon as the device has done them."""
        float(self.model.metrics[0].result())
        self.steps.append(time.perf_counter() - self.began)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Stop, and measure the bare step."""
        self.loop.append(time.perf_counter() - self.began)
        run = {"tensorflow": bare_on_tensorflow, "jax": bare_on_jax}[keras.backend.backend()]
        run(self.model, self.batch, 2)  # the first of all is compiled
        self.bare.append(run(self.model, self.batch, BARE_STEPS) / BARE_STEPS)


def bare_on_tensorflow(learner: keras.Model, batch: tuple, count: int) -> float:
    """Seconds of so many steps."""
    import tensorflow as tf

    data = iter(tf.data.Dataset.from_tensors(batch).repeat())
    started = time.perf_counter()
    for _ in range(count):
        logs = learner.train_function(data)
    float(logs["loss"])
    return time.perf_counter() - started


def bare_on_jax(learner: keras.Model, batch: tuple, count: int) -> float:
    """Seconds of so many steps."""
    import jax

    data = itertools.repeat(jax.device_put(batch))
    parts = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    state = learner._get_jax_state(**dict.fromkeys(parts, True), purge_model_variables=True)
    started = time.perf_counter()
    for _ in range(count):
        _, state = learner.train_function(state, data)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - started
    learner._jax_state, learner._jax_state_synced = dict(zip(parts, state, strict=True)), False
    learner.jax_state_sync()
    return seconds


def training_operations(network: keras.Model) -> int:
    """Multiplications and additions in convolutions and dense layers for one image, forwards and backwards."""
    total = 0
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            # Backwards costs twice as much as forwards: once for what comes in, once for the kernel.
            total += 3 * 2 * int(np.prod(kernel.shape) * np.prod(layer.output.shape[1:-1]))
    return total


def device_name() -> str:
    """What the GPU calls itself; empty where there is none."""
    if not has_gpu():
        return ""
    if keras.backend.backend() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    return str(tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])["device_name"])


def main(folder: Path, images: int, network: str, preset: str, epochs: int, out: Path) -> None:
    """Train, and write how long everything took."""
    with contextlib.suppress(ImportError):  # an earlier build divides no cores
        from lesionflow.training.backend import divide_cores

        divide_cores([network])  # as `lesionflow train` does before TensorFlow's first operation
    pixels, labels = np.load(folder / "pixels.npy", mmap_mode="r"), np.load(folder / "labels.npy")
    places = np.arange(len(labels))
    split = Split(places[:images], places[images:], places[:0], 0, (0.7, 0.15, 0.15), "")
    config = dataclasses.replace(TrainingConfig().resolved(network, preset), epochs=epochs)
    rows = np.arange(config.batch_size, dtype=np.int32)
    kept, targets = np.ones(len(rows), np.float32), np.eye(7, dtype=np.float32)[labels[rows]]
    watch = Stopwatch(((rows, kept), targets))
    fitted = fit(config, Examples(pixels, labels, split), callbacks=(watch,))
    told = {
        "loop": watch.loop,
        "steps": watch.steps,
        "bare": watch.bare,
        "images": images // config.batch_size * config.batch_size,
        "batch_size": config.batch_size,
        "precision": fitted.precision,
        "operations": training_operations(fitted.network),
        "device": device_name(),
    }
    out.write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]), Path(sys.argv[6]))
