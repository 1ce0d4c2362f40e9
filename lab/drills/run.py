"""`run_drill`: a member's default, from the first price move to the end of every default, on a copy of a state.

Rule: blocks are those of `Rehearsal`; nothing but prices, the forced failure and the assumed bids is put into them. The
given state is not changed.
"""

from collections.abc import Sequence

from clearing.base.errors import LocalFault
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.member_status import accounts_by_member, member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.prices import FeedStatusChanged, PriceApplied
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency
from clearing.state.state import State
from lab.drills.bids import AssumedBids, AuctionRequest, take_over_keys
from lab.drills.outcome import (
    DrillOutcome,
    Event,
    auctioned,
    closed_positions,
    contributions,
    default_outcomes,
)
from lab.drills.rehearsal import Rehearsal, failing_account
from lab.drills.scenario import DrillScenario, check_member
from member.api.receipts import ReceiptAt
from member.codes import NodeCode
from member.explaining.default_fund import explain_fund
from member.explaining.defaults import explain_defaults
from member.explaining.formatting import Listing, listing_of
from member.explaining.liquidations import explain_liquidations
from member.explaining.receipt_index import DEFAULTS, FUNDS, LIQUIDATIONS

IN_DEFAULT = (MemberStatus.DEFAULTING, MemberStatus.DEFAULTED)


def run_drill(state: State, scenario: DrillScenario) -> DrillOutcome:
    """Run it; linear in the state, then as costly as its blocks. Raises LocalFault DRILL_SCENARIO."""
    check_member(state, scenario.member)
    rehearsal = Rehearsal(state, scenario.block_ms)
    accounts = accounts_by_member(state).get(scenario.member)
    if accounts is None:
        raise LocalFault(NodeCode.DRILL_SCENARIO, "member", member=scenario.member, why="it has no account")
    if scenario.bid_ppm is not None:
        take_over_keys(rehearsal.state)
    forced, bidding = False, AssumedBids(scenario.bid_ppm) if scenario.bid_ppm is not None else None
    for block in range(scenario.blocks_max):
        if _is_over(rehearsal.state, scenario):
            break
        due = scenario.force_after is not None and block >= scenario.steps + scenario.force_after
        fails = due and member_status(rehearsal.state, scenario.member) not in IN_DEFAULT
        forced = forced or fails
        bids = _bids(rehearsal, scenario, block, bidding)
        made = rehearsal.next_block(_prices(rehearsal, scenario, block), bids)
        rehearsal.apply(made, failing_account(rehearsal.state, scenario.member) if fails else None)
    return _outcome(state, rehearsal, scenario, frozenset((*accounts.own, *accounts.clients)), forced=forced)


def _is_over(state: State, scenario: DrillScenario) -> bool:
    return member_status(state, scenario.member) is MemberStatus.DEFAULTED and not defaults_under_way(state)


def _prices(rehearsal: Rehearsal, scenario: DrillScenario, block: int) -> dict[int, int]:
    begin = rehearsal.begin
    return begin | {move.feed: move.ticks(begin[move.feed], block) for move in scenario.moves if move.feed in begin}


def _bids(
    rehearsal: Rehearsal, scenario: DrillScenario, block: int, bidding: AssumedBids | None
) -> tuple[AuctionRequest, ...]:
    """Requests for every portfolio that is for sale."""
    if bidding is None:
        return ()
    above = rehearsal.next_block(_prices(rehearsal, scenario, block))
    found: tuple[AuctionRequest, ...] = ()
    for number, default in defaults_under_way(rehearsal.state):
        if default.phase is DefaultPhase.OPEN and default.auction_height >= above.height:
            found += bidding.requests(rehearsal.state, above, number, default)
    return found


def _outcome(
    before: State, rehearsal: Rehearsal, scenario: DrillScenario, accounts: frozenset[int], *, forced: bool
) -> DrillOutcome:
    after, results = rehearsal.state, rehearsal.results
    defaults = default_outcomes(after, results)
    estates = {number: record.estate for number, record in after.defaults.ordered() if record.member == scenario.member}
    closed = (*closed_positions(results, accounts), *auctioned(results, estates))
    names = {member.id: member.name for member in before.terms.genesis.members}
    feeds = {feed.id: feed.name for feed in before.terms.genesis.feeds}
    return DrillOutcome(
        height=before.now.height,
        member=scenario.member,
        member_name=names.get(scenario.member, ""),
        forced=forced,
        ended=_is_over(after, scenario),
        blocks=len(results),
        prices=tuple((feeds[feed], ticks, after.feeds[feed].ticks) for feed, ticks in sorted(rehearsal.begin.items())),
        timeline=timeline(results, before.now.height, listing_of(before.terms), feeds),
        closed=tuple(sorted(closed, key=lambda each: each.block)),
        defaults=defaults,
        house_before=_cash(before, HOUSE_ACCOUNT),
        house_after=_cash(after, HOUSE_ACCOUNT),
        fund_before=max(_cash(before, FUND_ACCOUNT), 0),
        fund_after=max(_cash(after, FUND_ACCOUNT), 0),
        contributions=contributions(before, after, results),
        refused=tuple(
            ClearingCode(receipt.code).label
            for result in results
            for receipt in result.receipts
            if isinstance(receipt, Refused)
        ),
    )


def _cash(state: State, account: int) -> int:
    return sum(balance(state, account, cash_currency(group)) for group in state.terms.cash_groups)


def timeline(results: Sequence[BlockResult], height: int, listing: Listing, feeds: dict[int, str]) -> tuple[Event, ...]:
    """Prices, and the titles by which receipts of calls, liquidations, defaults and the fund are explained."""
    at = [
        ReceiptAt(result.height, index, receipt) for result in results for index, receipt in enumerate(result.receipts)
    ]
    found: dict[tuple[int, int], str] = {}
    for explain, kinds in ((explain_liquidations, LIQUIDATIONS), (explain_fund, FUNDS), (explain_defaults, DEFAULTS)):
        known = [each for each in at if type(each.receipt) in kinds]
        found |= {(each.height, each.index): each.title for each in explain(known, lambda _: listing)}
    for each in at:
        if isinstance(each.receipt, PriceApplied):
            moved = each.receipt
            found[each.height, each.index] = (
                f"{feeds[moved.feed]} moves from {moved.previous_ticks} to {moved.ticks} ticks"
            )
        elif isinstance(each.receipt, FeedStatusChanged):
            status = each.receipt.status.name.lower()
            found[each.height, each.index] = f"{feeds[each.receipt.feed]} is {status} at {each.receipt.ticks} ticks"
    return tuple(
        Event(block=at_height - height, height=at_height, text=text) for (at_height, _), text in sorted(found.items())
    )
