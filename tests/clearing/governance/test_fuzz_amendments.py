"""Random stories in which the rules change under trades, prices, deposits and withdrawals: replicas stay one."""

import random
from typing import Any

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.errors import Rejected
from clearing.genesis.paths import UnknownPathError, value_at
from clearing.governance.effects import validate_terms
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalClosed
from clearing.schema.records.governance import ProposalStage
from clearing.schema.requests.governance import InstrumentHalt, TermsAmendment
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, SALT, USD
from tests.kit.clearing.replay import replay
from tests.kit.clearing.whole_state import check_whole_book, check_whole_ledger
from tests.kit.clearing.world import World, of_kind, reports
from tests.sim.clearing.crisis_terms import STRESS, crisis_of

FIELDS = (
    "market",
    "risk",
    "risk.groups.1",
    "risk.groups.2",
    "risk.joint",
    "ranges",
    "instruments.1",
    "instruments.4",
    "instruments.1.funding",
    "assets.1",
    "assets.3",
    "assets.3.haircut",
    "assets.1.depeg",
    "cash_groups.1.interest",
    "cash_groups.1.skew",
    "cash_groups.1.call",
    "chains.1",
    "soft_credit",
    "crisis.calls",
    "crisis.liquidation",
    "crisis.default",
    "crisis.gates",
    "crisis.governance",
    "market.prices",
)


def random_amendment(house: World, chance: random.Random) -> TermsAmendment | None:
    """Some number somewhere, or something new; often nothing that may be."""
    genesis = house.state.terms.genesis
    if chance.random() < 0.3:
        number = 10 + chance.randrange(40)
        kind = chance.choice((InstrumentKind.PERPETUAL, InstrumentKind.FUTURE, InstrumentKind.CALL))
        dated = {} if kind is InstrumentKind.PERPETUAL else {"expiry_ms": house.time_ms + chance.randrange(1, 400_000)}
        struck = {"strike_ticks": 800_000, "band_ppm": 1_000_000} if kind is InstrumentKind.CALL else {}
        new = Instrument(number, f"X{number}", kind, 1, 1, USD, 10, **dated, **struck)
        gone = chance.random() < 0.3
        return house.changes((f"instruments.{number}", None if gone else new)) if not gone else _gone(house, chance)
    path = chance.choice(FIELDS)
    try:
        value = value_at(genesis, path)
    except UnknownPathError:  # an earlier amendment took it off
        return None
    if value is None:
        return None
    names = [
        name
        for name in value.__struct_fields__
        if isinstance(getattr(value, name), int) and not name.startswith(("id", "timelock", "vote"))
    ]
    name = chance.choice(names)
    present: Any = getattr(value, name)
    if isinstance(present, bool):
        after: Any = not present
    else:
        after = chance.choice((0, 1, 2, 5, present + 1, present * 2, present // 2, present + 1_000, 100_000, 10**6))
    return None if after == present else house.changes((f"{path}.{name}", after))


def _gone(house: World, chance: random.Random) -> TermsAmendment:
    listed = [each.id for each in house.state.terms.genesis.instruments]
    return house.changes((f"instruments.{chance.choice(listed)}", None))


def trades(house: World, chance: random.Random) -> list[Any]:
    found = []
    for _ in range(chance.randrange(3)):
        buyer, seller = chance.sample((ALICE, BOB, CAROL), 2)
        instrument = chance.choice(list(house.state.terms.instruments))
        mark = house.state.marks.get(instrument)
        if mark is not None and mark.ticks:
            found.append(house.trade(buyer, seller, instrument, chance.randrange(1, 300), mark.ticks))
    return found


def block(house: World, chance: random.Random, *transactions: Any, btc: int) -> None:
    feeds = ((1, btc), (2, 20_000 + chance.randrange(-200, 200)))
    said = VoteExtension(reports(*feeds, time_ms=house.state.now.time_ms + 1_000), ())
    facts = house.custody_facts(4 * house.state.now.height) if chance.random() < 0.2 else ()
    if chance.random() < 0.1:
        facts = (*facts, house.deposit_fact(chance.choice((ALICE, BOB)), chance.choice((1, 3)), 500 * DOLLAR))
    house.hear(dict.fromkeys(house.speakers(), msgspec.structs.replace(said, facts=facts)), *transactions)


@pytest.mark.parametrize("seed", range(6))
def test_replicas_stay_one_whatever_is_voted(seed: int) -> None:
    chance = random.Random(seed)
    ranges = RangeParameters(interval_ms=2_000, window=20, window_min=5, horizon_ms=4_000, joint_scenarios=3)
    genesis = msgspec.structs.replace(governed_genesis(), ranges=ranges if seed % 2 else RangeParameters())
    if seed % 3 == 2:
        tested = msgspec.structs.replace(genesis.risk, stress=STRESS)
        crisis = msgspec.structs.replace(crisis_of(seed), governance=genesis.crisis.governance)
        genesis = msgspec.structs.replace(genesis, risk=tested, crisis=crisis)
    house = parliament_world(genesis, dollars=20_000)
    btc, copy, waiting, accepted = 790_000, house.state, [], 0
    for step in range(70):
        btc = max(btc + chance.randrange(-12_000, 12_000), 300_000)
        requests = trades(house, chance)
        amendment = random_amendment(house, chance)
        if amendment is not None and not isinstance(validate_terms(house.state, amendment), Rejected):
            proposal = house.proposal(amendment, chance.choice((None, 1, 2, 3, 4)))
            requests.append(proposal)
            waiting.append(proposal)
        if chance.random() < 0.05:
            requests.append(house.proposal(InstrumentHalt(1, house.state.now.height + 5)))
        for each in [one for one in waiting if one.content(house.network) in house.state.proposals]:
            held = house.state.proposals[each.content(house.network)]
            if held.stage is ProposalStage.OPEN and not any(
                key[0] == held.number for key, _ in house.state.votes.ordered()
            ):
                requests += house.votes(each)
        block(house, chance, *requests, btc=btc)
        accepted += len(of_kind(house.results[-1], AmendmentEnacted))
        if step == 35:
            copy = import_state(genesis, SALT, export_state(house.state))
            behind = len(house.blocks)
    assert accepted >= 5
    assert all(isinstance(each, ProposalClosed) for result in house.results for each in of_kind(result, ProposalClosed))
    check_whole_ledger(house.state)
    check_whole_book(house.state)
    for each in house.blocks[behind:]:
        copy = apply_block(copy, each)[0].absorb()
    assert copy.module_roots() == house.state.module_roots()
    assert copy.terms.genesis == house.state.terms.genesis
    *_, (_, roots) = replay(genesis, SALT, house.blocks)
    assert roots == house.state.module_roots()
    for account in (ALICE, BOB, CAROL):
        margin = holdings_margin(current_arrays(house.state), current_holdings(house.state, account))
        assert margin_book(house.state).margin(account) == margin
