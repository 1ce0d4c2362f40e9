"""A nonce only rises, and no single one uses up all that would come after it."""

import pytest

from clearing.context.request_checks import NONCE_STEP_MAX
from clearing.schema.codes import ClearingCode
from clearing.schema.requests.accounts import AccountOpening
from clearing.schema.terms.genesis import AccountKind
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes


def opening(world: World, nonce: int) -> AccountOpening:
    """What a member may sign in its client's name: it takes no money, but uses a nonce."""
    unsigned = AccountOpening(KEYED_CLIENT, AccountKind.CLIENT, 0, bytes(20), nonce, world.time_ms + 60_000, bytes(65))
    return world.sign(unsigned, secret(1))


def test_a_member_cannot_lock_its_client_in_by_using_up_the_clients_nonces() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(keyed=50_000)
    assert codes(world.block(opening(world, 2**63 - 1))) == [ClearingCode.NONCE_TOO_FAR]
    farthest = (world.time_ms + 1_000) * 1_000_000 + NONCE_STEP_MAX
    assert codes(world.block(opening(world, farthest))) == []
    world.nonce = farthest
    assert codes(world.block(world.withdrawal(KEYED_CLIENT, USDC_1, 50_000 * DOLLAR, key=CLIENT_SECRET))) == []
    assert world.cash(KEYED_CLIENT) == 0


@pytest.mark.parametrize(("beyond", "refused"), [(0, []), (1, [ClearingCode.NONCE_TOO_FAR])])
def test_a_nonce_may_be_a_clock_or_a_counter(beyond: int, refused: list[ClearingCode]) -> None:
    world = default_world(fund=NO_FUND)
    at = (world.time_ms + 1_000) * 1_000_000
    assert codes(world.block(opening(world, at + NONCE_STEP_MAX + beyond))) == refused


def test_after_the_farthest_nonce_the_next_ones_are_still_good() -> None:
    world = default_world(fund=NO_FUND)
    nonce = (world.time_ms + 1_000) * 1_000_000 + NONCE_STEP_MAX
    assert codes(world.block(opening(world, nonce))) == []
    assert codes(world.block(opening(world, nonce + 1), opening(world, nonce + 1 + NONCE_STEP_MAX))) == []
    again = nonce + 1 + NONCE_STEP_MAX
    assert codes(world.block(opening(world, again), opening(world, again + 2 * NONCE_STEP_MAX))) == [
        ClearingCode.NONCE_USED,
        ClearingCode.NONCE_TOO_FAR,
    ]
