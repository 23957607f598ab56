import functools

import keras
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


@pytest.mark.parametrize(("widen", "components"), [(0.25, 4), (1.0, 16), (2.0, 27)])
def test_a_stem_of_components_has_uncorrelated_responses(widen: float, components: int) -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 60, (100, 17, 17, 1)) + generator.normal(0, 20, (100, 17, 17, 3))
    images = (noise[:, :-1, :-1] + noise[:, 1:, 1:] + 128).clip(0, 255).astype(np.uint8)  # neighbours are alike
    network = networks.build_network("cnn", 16, 16, widen)
    stem = network.layers[2]
    random = np.array(stem.kernel)

    def responses() -> np.ndarray:
        found = np.asarray(keras.ops.conv(images.astype(np.float32), stem.kernel, 1, "valid"))
        return found.reshape(-1, found.shape[-1])

    before = np.corrcoef(responses(), rowvar=False)
    networks.set_stem_to_components(network, images)
    after = responses()
    assert np.abs(before - np.eye(len(before))).max() > 0.5
    np.testing.assert_allclose(np.corrcoef(after[:, :components], rowvar=False), np.eye(components), atol=0.15)
    assert (np.diff(after[:, :components].var(axis=0)) < 0.1 * after.var(axis=0).max()).all()  # the largest first
    np.testing.assert_allclose(after[:, components : 2 * components], -after[:, :components], atol=0.01)
    np.testing.assert_array_equal(np.array(stem.kernel)[..., 2 * components :], random[..., 2 * components :])
    lengths = np.linalg.norm(np.array(stem.kernel)[..., : 2 * components].reshape(27, -1), axis=0)
    np.testing.assert_allclose(lengths, np.sqrt(2), rtol=1e-5)
