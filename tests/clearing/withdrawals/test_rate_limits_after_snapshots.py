"""What may leave after the snapshot by which vaults pay: the bound that the page on the escape states."""

from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from tests.kit.clearing.gated import WINDOW, counted, gated
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1

LIMIT = 1_000 * DOLLAR
LIMITS = AssetWithdrawalLimits(USDC_1, window_units_max=LIMIT)


def test_two_windows_may_leave_between_the_snapshot_and_the_last_header_with_its_root() -> None:
    world = gated(LIMITS)
    released = dict[int, int]()
    for _ in range(6 * WINDOW):
        # The first block of a window closes an epoch, after its withdrawals: they are in that snapshot.
        asked = [world.withdrawal(ALICE, USDC_1, LIMIT)] if world.state.now.height % WINDOW == 0 else []
        result = world.block(*asked, facts=counted(world, 100 + world.state.now.height))
        left = sum(each.units for each in result.receipts if isinstance(each, WithdrawalReleased))
        for epoch, tree in world.state.exits.ordered():
            if result.height > tree.height:
                released[epoch] = released.get(epoch, 0) + left
    assert world.state.now.epoch >= 5
    assert max(released.values()) == 2 * LIMIT
