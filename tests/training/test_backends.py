"""Keras's other backends train, resume and export, too: a smoke test each, where they are installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lesionflow.training.backend import MAX_POOLING, OWN_EXPORT, TENSORFLOW_EXPORT
from lesionflow.training.imagenet import has_imagenet_weights
from tests.conftest import needs_torch

PROGRAM = """
import sys
if sys.argv[3] == "without TensorFlow":
    sys.modules["tensorflow"] = None
import numpy as np
from pathlib import Path
from lesionflow.model.card import Card
from lesionflow.training.export.onnx import write_bundle
from lesionflow.model.files import read_bundle
from lesionflow.datasets.split import Split
from lesionflow.training import augmentation
from lesionflow.training.checkpoint import Checkpoints
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Examples, fit

folder, name = Path(sys.argv[1]), sys.argv[2]
pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
split = Split(np.arange(40), np.arange(40, 52), np.arange(52, 64), 0, (0.6, 0.2, 0.2), "")
config = TrainingConfig(
    epochs=2, batch_size=8, mixup=0.2, averaging=0.9, label_smoothing=0.1, small_first=0.5
).resolved(name, "quick")
sizes, whole = [], augmentation.resample
augmentation.resample = lambda *given: sizes.append(given[2:]) or whole(*given)
kept, given = [], (config, Examples(pixels, np.arange(64) % 7, split))
fitted = fit(*given, checkpoints=Checkpoints(kept.append))
assert list(dict.fromkeys(sizes)) == [(24, 24), (32, 32)]  # the step is compiled for each
assert fit(*given, checkpoints=Checkpoints(last=kept[0])).history == fitted.history
card = Card(name, 32, 32, "made up", "", True, "", 0, (0.6, 0.2, 0.2))
write_bundle(folder, fitted.network, card, given[1])
assert all(np.isfinite(list(result.metrics.values())).all() for result in fitted.history)
print(len(fitted.history), read_bundle(folder)[0].network)
"""


@pytest.mark.parametrize("name", ["cnn", "efficientnet"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("way", ["by TensorFlow", "without TensorFlow"])
def test_trains_resumes_and_exports(way: str, backend: str, name: str, tmp_path: Path) -> None:
    if backend == "torch":
        needs_torch()
    needed = [backend] + ([OWN_EXPORT[backend]] if way == "without TensorFlow" else [*TENSORFLOW_EXPORT])
    if missing := [each for each in needed if importlib.util.find_spec(each) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    if way == "without TensorFlow" and backend == "jax" and name in MAX_POOLING:
        pytest.skip("jax2onnx cannot export max pooling")
    if name == "efficientnet" and not has_imagenet_weights():
        pytest.skip("the ImageNet weights are not installed")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "bundle"), name, way],
        capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", name]
