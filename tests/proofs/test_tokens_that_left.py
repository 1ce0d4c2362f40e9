"""A cash token that left its group: its reserves and everybody's margin are proven as before, in a slot of its own."""

import msgspec

from clearing.epoch import take_snapshot
from proofs.epoch import commit_epoch, prove_epoch
from proofs.package import commitments_root
from proofs.verify import verify_package
from tests.clearing.collateral.test_depeg_guard import counted, guarded, leave
from tests.clearing.state.world import ALICE, BOB, BTC_PERP, USDC_1


def test_a_package_after_a_token_left_verifies_and_names_its_reserves(market):
    world = guarded(dollars=20_000)
    world.go(world.withdrawal(ALICE, USDC_1, 1_234_567), world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    leave(world)
    world.go(facts=counted(world, 400))
    shot = take_snapshot(world.state)
    statement = msgspec.structs.replace(shot.statement, network=market.NETWORK)
    shot = msgspec.structs.replace(shot, statement=statement)
    keys = {each.account: bytes([number + 1]) * 32 for number, each in enumerate(shot.accounts)}
    root = commitments_root(statement, commit_epoch(shot, keys))
    head = market.certified(
        root,
        height=statement.height + 3,
        commitments_height=statement.height,
        epoch=statement.epoch,
        time_ms=world.state.now.arrays_time_ms + 1,
    )
    verdict = verify_package(prove_epoch(shot, keys, *head), network=statement.network)
    assert verdict.ok, verdict.checks[-1]
    (term,) = [each for each in statement.custody if each.token == world.genesis.assets[0].token]
    assert statement.slots[term.slot].name == "token:1:USDC-1"
    assert term.held == sum(each.values[term.slot] for each in shot.accounts) > 0
    assert int.from_bytes(term.released, "big") == 1_234_567, "under way, exactly"
