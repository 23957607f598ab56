"""A network that is traced in a moment, for tests in which it does not matter which."""

from collections.abc import Iterator

import pytest

from tests.conftest import light_networks


@pytest.fixture(scope="module")
def light() -> Iterator[None]:
    """Have `vgg` be one convolution throughout a file."""
    with light_networks():
        yield
