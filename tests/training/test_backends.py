"""Keras's other backends train, resume and export, too: a smoke test each, where they are installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from lesionflow.bundle.card import Card
from lesionflow.bundle.export import write_bundle
from lesionflow.bundle.files import read_bundle
from lesionflow.data.split import Split
from lesionflow.training.checkpoint import Checkpoints
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import fit

pixels = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
split = Split(np.arange(40), np.arange(40, 52), np.arange(52, 64), 0, (0.6, 0.2, 0.2), "")
config, kept = TrainingConfig(epochs=2, batch_size=8, averaging=0.9).resolved("cnn", "quick"), []
given = (config, "cnn", pixels, np.arange(64) % 7, split)
fitted = fit(*given, checkpoints=Checkpoints(kept.append))
assert fit(*given, checkpoints=Checkpoints(last=kept[0])).history == fitted.history
card = Card("cnn", 16, 16, "made up", "", True, "", 0, (0.6, 0.2, 0.2))
write_bundle(Path(sys.argv[1]), fitted.network, card, pixels, np.arange(64) % 7, split)
print(len(fitted.history), read_bundle(sys.argv[1])[0].network)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_trains_resumes_and_exports(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "bundle")],
        capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "cnn"]
