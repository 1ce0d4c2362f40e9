"""Positions that cost nothing stay small enough for the proofs of an epoch: no member makes epochs unprovable."""

from collections.abc import Sequence

import msgspec

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.stress import DEFICIT_MAX, stressed_equity
from clearing.schema.risk.parameters import Scenario, StressScenario
from clearing.schema.terms.genesis import Genesis, MarketParameters
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.effective_parameters import current_rulebook
from clearing.trades.novation import NOTIONAL_MAX
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC, CAROL, ETH, EXPIRY_MS, USD, make_genesis
from tests.kit.clearing.world import World, codes, funded

PRICES = ((BTC, 790_000), (ETH, 20_000))
STRIKE = 1_200_000
FAR = range(5, 45)
"""Calls that are worth nothing in every scenario of margin, and much in the worst that stress may state."""
POSITION_LIMIT = 216


def far_genesis(stressed: bool, accounts: int = 2) -> Genesis:
    genesis = make_genesis(MarketParameters(move_cap_ppm=300_000, epoch_blocks=5, member_accounts_max=accounts))
    far = tuple(
        Instrument(i, f"FAR-{i}", InstrumentKind.CALL, BTC, 1, USD, 10, EXPIRY_MS, STRIKE + i, band_ppm=1_000_000)
        for i in FAR
    )
    rally = StressScenario("rally", (Scenario(3, 1, 1, of_index=True), Scenario(3, 1, 1, of_index=True)))
    risk = msgspec.structs.replace(genesis.risk, stress=(rally,) if stressed else ())
    return msgspec.structs.replace(genesis, instruments=genesis.instruments + far, risk=risk)


def buy_far(world: World, pairs: Sequence[tuple[int, int]]) -> set[int]:
    """Every pair trades as much as one position may be worth, and less, of every far call; refusals' codes."""
    refused = set[int]()
    for instrument in FAR:
        most = NOTIONAL_MAX // ((STRIKE + instrument) * 10)
        for buyer, seller in pairs:
            for lots in (most, most // 64):
                trade = world.trade(buyer, seller, instrument, lots, 0)
                refused |= set(codes(world.block(trade, prices=PRICES)))
    return refused


def test_what_members_would_lack_has_its_place_in_the_proof_however_much_they_sell() -> None:
    world = funded(check=False, genesis=far_genesis(stressed=True))
    assert buy_far(world, ((ALICE, BOB), (CAROL, ALICE_CLIENT), (CAROL, BOB))) == {POSITION_LIMIT}
    world.block(prices=PRICES, facts=world.custody_facts(400))
    while world.state.now.snapshot_height != world.state.now.height:
        world.block()
    snapshot = take_snapshot(world.state)
    stress = current_rulebook(world.state).stress()
    worths = [
        stressed_equity(stress, each.values[:1], each.values[1:2], each.values[2:])[0] for each in snapshot.accounts
    ]
    assert min(worths) < -(2**55), "something was sold"
    assert all(-(2**62) < worth < 2**62 for worth in worths)
    assert all(0 < deficit < DEFICIT_MAX // 2 for deficit in snapshot.statement.cover[0].deficits)


def test_where_no_fund_is_tested_each_position_alone_is_bounded() -> None:
    world = funded(check=False, genesis=far_genesis(stressed=False))
    for instrument in FAR[:2]:
        most = NOTIONAL_MAX // ((STRIKE + instrument) * 10)
        assert codes(world.block(world.trade(ALICE, BOB, instrument, most, 0))) == []
        assert codes(world.block(world.trade(ALICE, BOB, instrument, most, 0))) == [POSITION_LIMIT]


def test_positions_that_shrink_are_never_too_large() -> None:
    world = funded(check=False, genesis=far_genesis(stressed=True))
    most = NOTIONAL_MAX // 2 // ((STRIKE + FAR[0]) * 10)
    assert codes(world.block(world.trade(ALICE, BOB, FAR[0], most, 0))) == []
    assert codes(world.block(world.trade(ALICE, BOB, FAR[1], most, 0))) == [POSITION_LIMIT]
    assert codes(world.block(world.trade(BOB, ALICE, FAR[0], 1, 0))) == []
