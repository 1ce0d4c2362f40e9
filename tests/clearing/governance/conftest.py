"""Every test has a parliament of its own."""

import pytest

from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.world import World


@pytest.fixture
def house() -> World:
    return parliament_world()
