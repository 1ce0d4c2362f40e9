"""What tests of gates share."""

from collections.abc import Callable

import pytest

from clearing.context.unresolved_losses import UnresolvedLosses
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.withdrawals import deficit_reserve
from tests.kit.clearing.gated import gated
from tests.kit.clearing.world import World


@pytest.fixture
def with_deficit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """A world in which somebody else owes so many micros that nobody has borne.

    400,000 dollars are owed by the ledger, 100,000 each to the house, Alice, Bob and Carol. How defaults come to be and
    end is told in `test_withdrawals_and_defaults`.
    """

    def make(micros: int, blocks: int = 20, gates: tuple[AssetWithdrawalLimits, ...] = (), **terms: object) -> World:
        world = gated(*gates, **{"deficit_reserve": True} | terms)
        until = world.state.now.height + blocks
        monkeypatch.setattr(UnresolvedLosses, "micros", lambda *_: micros)
        monkeypatch.setattr(deficit_reserve, "resolution_deadline", lambda _: until)
        return world

    return make
