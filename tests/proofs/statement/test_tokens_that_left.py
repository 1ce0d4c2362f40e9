"""A cash token that left its group: its reserves and everybody's margin are proven as before, in a slot of its own."""

from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, USDC_1
from tests.kit.clearing.guarded import counted, guarded, leave


def test_a_package_after_a_token_left_verifies_and_names_its_reserves(market):
    world = guarded(dollars=20_000)
    world.block(world.withdrawal(ALICE, USDC_1, 1_234_567), world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    leave(world)
    world.block(facts=counted(world, 400))
    proven = market.package_of_state(world.state)
    statement = proven.statement
    verdict = verify_package(proven.data, network=statement.network)
    assert verdict.ok, verdict.checks[-1]
    (term,) = [each for each in statement.custody if each.token == world.genesis.assets[0].token]
    assert statement.slots[term.slot].name == "token:1:USDC-1"
    assert term.held == sum(each.values[term.slot] for each in proven.accounts) > 0
    assert int.from_bytes(term.released, "big") == 1_234_567, "under way, exactly"
