"""A vote on what marks are made of makes them anew, whatever their feeds: an honest package stays within its bounds."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.schema.records.prices import FeedStatus
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, ETH
from tests.kit.clearing.world import World

replace = msgspec.structs.replace
RATE, LOWER = 100_000, 90_000


@pytest.fixture(params=[False, True], ids=["halted", "open"])
def house(request: pytest.FixtureRequest) -> World:
    """A dated future is carried at a rate; then its price does not move any more, or its feed has none."""
    genesis = governed_genesis()
    made = parliament_world(replace(genesis, risk=replace(genesis.risk, rate_ppm=RATE)))
    made.block(made.trade(ALICE, BOB, BTC_FUT, 10, made.state.marks[BTC_FUT].ticks))
    made.block(facts=made.custody_facts(400))
    if not request.param:
        for ticks in (20_001, 20_002):
            made.block(prices=((ETH, ticks),), after_ms=60_000)
    assert (made.state.feeds[BTC].status == FeedStatus.OPEN) == request.param
    return made


def test_a_lower_rate_marks_a_future_anew(house: World) -> None:
    before = house.state.marks[BTC_FUT].ticks
    house.amend(("risk.rate_ppm", LOWER))
    assert house.state.terms.risk.rate_ppm == LOWER
    assert house.state.marks[BTC_FUT].ticks < before
    statement = take_snapshot(house.state).statement
    assert check_rulebook(statement, house.state.terms.genesis, network=house.network)
    book = read_rulebook(statement.rules, 10**6)
    lie = tuple(replace(mark, ticks=before) if mark.instrument == BTC_FUT else mark for mark in book.marks)
    stale = replace(book, marks=lie)
    slots, rows = stale.slots_and_rows()
    bent = replace(statement, slots=slots, rows=rows, prices=stale.prices, rules=write_rulebook(stale))
    with pytest.raises(VerificationFailed) as refused:
        check_rulebook(bent, house.state.terms.genesis, network=house.network)
    assert refused.value.code == ProofCode.PRICE_OUT_OF_BOUNDS


def test_what_a_vote_moves_is_paid_between_holders(house: World) -> None:
    before = {account: house.cash(account) for account in (ALICE, BOB)}
    moved = house.state.marks[BTC_FUT].ticks
    house.amend(("risk.rate_ppm", LOWER))
    paid = {account: house.cash(account) - before[account] for account in before}
    assert moved > house.state.marks[BTC_FUT].ticks
    assert paid[ALICE] == -paid[BOB] < 0
