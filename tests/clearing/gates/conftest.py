"""What tests of gates share."""

from collections.abc import Callable

import pytest

from clearing.default.unresolved import Unresolved
from clearing.gates import deficits
from clearing.gates.terms import AssetGate
from tests.kit.clearing.gated import gated
from tests.kit.clearing.world import World


@pytest.fixture
def with_deficit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """A world in which somebody else owes so many micros that nobody has borne.

    400,000 dollars are owed by the ledger, 100,000 each to the house, Alice, Bob and Carol. How defaults come to be and
    end is told in `test_gates_in_a_default`.
    """

    def make(micros: int, blocks: int = 20, gates: tuple[AssetGate, ...] = (), **terms: object) -> World:
        world = gated(*gates, **{"deficit_reserve": True} | terms)
        until = world.state.now.height + blocks
        monkeypatch.setattr(Unresolved, "micros", lambda *_: micros)
        monkeypatch.setattr(deficits, "deadline_height", lambda _: until)
        return world

    return make
