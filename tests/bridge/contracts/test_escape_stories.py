"""Random stories of a vault that end in its escape: a few here, many by `make escapes`."""

from pathlib import Path

import pytest

from tests.sim.escape.planted import PLANTED
from tests.sim.escape.story import failures_of

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("seed", range(4))
def test_in_every_story_each_owner_gets_what_is_its_own_and_nobody_more(anvil_binary: Path, seed: int) -> None:
    assert anvil_binary
    assert failures_of([seed]) == []


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_each_planted_fault_has_its_place_in_the_vault(name: str) -> None:
    """`python -m tests.sim.escape --plants` looks for them."""
    assert PLANTED[name].planted in PLANTED[name].source()
