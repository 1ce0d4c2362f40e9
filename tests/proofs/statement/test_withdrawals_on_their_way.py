"""An epoch with withdrawals that wait, are out, and came back: its reserves add up and verify, term by term."""

from clearing.base.codec import u256
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.gated import GATE, counted, gated, not_executed
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import executed


def test_what_waits_and_what_is_out_is_released_and_what_came_back_is_owed(market):
    world = gated(GATE, give_back_expired=True)
    small = [world.withdrawal(each, USDC_1, 700 * DOLLAR) for each in (ALICE, BOB, CAROL)]
    world.block(*small)
    world.block(after_ms=62_000)
    world.block(facts=[not_executed(world, 0), executed(1, 1)])
    large = world.block(world.withdrawal(ALICE, USDC_1, 9_000 * DOLLAR), prices=((1, 790_000), (2, 20_000)))
    assert [type(each).__name__ for each in large.receipts][-1] == "WithdrawalDelayed"
    world.block(facts=counted(world, 100, paid=[1]))
    proven = market.package_of_state(world.state)
    statement = proven.statement
    verdict = verify_package(proven.data, network=statement.network)
    assert verdict.ok, verdict.checks[-1]
    (term,) = [each for each in statement.custody if each.token == world.genesis.assets[0].token]
    assert term.withdrawn == u256(700 * DOLLAR), "Bob's was paid"
    assert term.released == u256((700 + 9_000) * DOLLAR), "Carol's is out, Alice's waits"
    assert term.held == (400_000 - 700 - 700 - 9_000) * DOLLAR, "Alice's small one is owed to her again"
    assert world.cash(ALICE) == (100_000 - 9_000) * DOLLAR
