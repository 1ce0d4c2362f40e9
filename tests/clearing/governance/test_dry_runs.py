"""A dry run tells everybody's margins as they are then, and changes nothing."""

import msgspec

from clearing.apply_block import apply_block
from clearing.base.errors import Rejected
from clearing.governance.dry_run import AmendmentImpact, amendment_impact
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.requests.governance import ValidatorsAmendment
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.validators.validator_sets import set_numbers, stored_set
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL
from tests.kit.clearing.gone_chain import GONE, stuck
from tests.kit.clearing.signer import key_of
from tests.kit.clearing.world import World, of_kind

WIDER = ("risk.groups.1.range_ppm", 400_000)


def positioned() -> World:
    house = parliament_world(dollars=5_000)
    house.block(house.trade(ALICE, BOB, BTC_PERP, 2_000, 790_000), house.trade(CAROL, BOB, BTC_PERP, 100, 790_000))
    return house


def tried(house: World, *places: tuple[str, object]) -> AmendmentImpact:
    found = amendment_impact(house.state, house.changes(*places))
    assert isinstance(found, AmendmentImpact)
    return found


def test_what_is_foreseen_is_what_then_happens() -> None:
    house = positioned()
    found = tried(house, WIDER)
    assert found.called_accounts == (ALICE, BOB)
    assert found.initial_after == 2 * found.initial_before
    result = house.amend(WIDER)
    assert {each.account for each in of_kind(result, MarginCalled)} == set(found.called_accounts)
    for each in found.accounts:
        margin = holdings_margin(current_arrays(house.state), current_holdings(house.state, each.account))
        if each.account not in found.liquidated_accounts and each.account != 0:
            assert (margin.equity, margin.initial) == (each.after.equity, each.after.initial)


def test_a_dry_run_changes_nothing() -> None:
    house = positioned()
    before, terms = house.state.module_roots(), house.state.terms
    block = house.make_block()
    expected = apply_block(house.state, block)[1]
    for _ in range(2):
        tried(house, WIDER)
        assert (house.state.module_roots(), house.state.terms) == (before, terms)
        assert apply_block(house.state, block)[1] == expected
    assert house.apply(block) == expected


def test_a_dry_run_says_why_an_amendment_may_not_be() -> None:
    house = positioned()
    found = amendment_impact(house.state, house.changes(("risk.groups.1.range_ppm", 1)))
    assert isinstance(found, Rejected)
    assert found.code == ClearingCode.AMENDMENT_REFUSED
    assert ("value", 1) in found.values


def test_of_a_change_of_validators_while_another_is_under_way_it_says_so() -> None:
    """Members ask for it of a node that agrees on blocks: a Bug there would end the node."""
    house = parliament_world()
    house.change([3])
    in_force = stored_set(house.state, set_numbers(house.state).next)
    proposal = house.proposal(ValidatorsAmendment(in_force.hash, (key_of(4),), ()))
    house.block(proposal)
    assert proposal.content(house.network) in house.state.proposals
    found = amendment_impact(house.state, proposal.amendment)
    assert isinstance(found, Rejected)
    assert found.code == ClearingCode.VALIDATOR_CHANGE_UNDER_WAY
    house.settle()
    assert isinstance(amendment_impact(house.state, proposal.amendment), AmendmentImpact)


def test_the_dry_run_of_a_detachment_shows_who_loses_what() -> None:
    house = stuck(guarded=True)
    house.wait(10)
    found = amendment_impact(house.state, GONE)
    assert isinstance(found, AmendmentImpact)
    lost = {each.account: each.before.equity - each.after.equity for each in found.accounts}
    assert sum(lost.values()) == 3_000_000_000
    assert lost[BOB] == 4 * lost[ALICE]


def test_a_listing_costs_nobody_anything() -> None:
    house = positioned()
    perpetual = msgspec.structs.replace(house.genesis.instruments[0], id=9, name="BTC-2")
    assert not any(each.changes for each in tried(house, ("instruments.9", perpetual)).accounts)
