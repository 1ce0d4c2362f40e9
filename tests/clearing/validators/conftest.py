"""Every test has a chamber of four validators of its own."""

import pytest

from tests.kit.clearing.chamber import chamber_world
from tests.kit.clearing.world import World


@pytest.fixture
def chamber() -> World:
    return chamber_world()
