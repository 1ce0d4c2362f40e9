"""What defaults have not resolved is looked at again only where money has moved, and is always what is there."""

import pytest

from clearing.context import unresolved_losses
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import UnresolvedLosses, net_owed, unresolved_micros
from clearing.schema.transfers import TransferCode
from clearing.state.state import State
from tests.kit.clearing.defaults import NO_FUND, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, CAROL, DOLLAR, HOUSE, USD, WETH_1


def owing() -> BlockContext:
    """A block while Alice owes 16,000 dollars, and clients of hers have money."""
    world = default_world(fund=NO_FUND)
    world.bring(client=1_000, keyed=1_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    world.fall(500_000)
    assert unresolved_micros(world.state) == 16_000 * DOLLAR
    return BlockContext(world.state.fork(), world.make_block())


def asked(context: BlockContext) -> int:
    return context.unresolved_losses.micros(context.state, context.journal.transfers)


def test_however_often_withdrawals_ask_an_account_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, looked_at = owing(), []

    def looking(state: State, account: int) -> int:
        looked_at.append(account)
        return net_owed(state, account)

    monkeypatch.setattr(unresolved_losses, "net_owed", looking)
    for _ in range(5):
        assert asked(run) == 16_000 * DOLLAR
    assert looked_at == [ALICE, ALICE_CLIENT, KEYED_CLIENT]
    run.journal.transfer(BOB, CAROL, USD, DOLLAR, TransferCode.CASH_TRANSFER, 0)
    run.journal.transfer(KEYED_CLIENT, HOUSE, USD, DOLLAR, TransferCode.CASH_TRANSFER, 0)
    assert asked(run) == 16_000 * DOLLAR
    assert looked_at == [ALICE, ALICE_CLIENT, KEYED_CLIENT, KEYED_CLIENT]


def test_whatever_moves_what_is_told_is_what_is_there() -> None:
    run = owing()
    steps = (
        (KEYED_CLIENT, HOUSE, 1_500, 16_500),
        (HOUSE, ALICE, 7_000, 9_500),
        (HOUSE, KEYED_CLIENT, 300, 9_200),
        (HOUSE, ALICE, 20_000, 0),
        (ALICE, BOB, 12_000, 1_200),
    )
    for payer, payee, dollars, missing in steps:
        run.journal.transfer(payer, payee, USD, dollars * DOLLAR, TransferCode.CASH_TRANSFER, 0)
        assert asked(run) == unresolved_micros(run.state) == missing * DOLLAR


def test_other_prices_of_collateral_and_clients_that_are_taken_over_are_noticed() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(keyed=5_000)
    world.block(world.perp_trade(ALICE, BOB, 40_000), world.perp_trade(KEYED_CLIENT, BOB, 500))
    world.fall(500_000)
    known = UnresolvedLosses()
    assert known.micros(world.state, ()) == unresolved_micros(world.state)
    world.deposit(ALICE, WETH_1, 10**6)
    world.block(world.rescue(KEYED_CLIENT, 1, 3, (77).to_bytes(32, "big")))
    world.prices(500_000, 40_000)
    results = (transfer for result in world.results[-3:] for transfer in result.transfers)
    assert known.micros(world.state, tuple(results)) == unresolved_micros(world.state) > 0
