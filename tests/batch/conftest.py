"""The places that job files name."""

from pathlib import Path

import pytest

from tests.batch.places import Places, lay_out


@pytest.fixture
def places(store: Path) -> Places:
    return lay_out(store)
