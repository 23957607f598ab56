import functools

import numpy as np
import pytest

from lesionflow.training import networks
from lesionflow.training.config import NETWORKS

build_network = functools.cache(networks.build_network)  # nothing here changes one


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 57), (150, 200)])
def test_any_size_gives_seven_logits(name: str, height: int, width: int) -> None:
    network = build_network(name, height, width)
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype(np.float32)
    logits = np.asarray(network(images))
    assert logits.shape == (2, 7) and np.isfinite(logits).all()
    assert np.abs(logits[0] - logits[1]).max() > 0  # the input matters


@pytest.mark.parametrize("name", NETWORKS)
def test_no_layer_can_carry_code(name: str) -> None:
    assert not [layer for layer in build_network(name, 32, 32).layers if "lambda" in type(layer).__name__.lower()]
