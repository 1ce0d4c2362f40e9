"""The default auction: bids for equal slices of a defaulter's portfolio, filled cheapest first, and bidder ranks.

Rule: lots move at the mark, which does not change; the bidder's ask is the estate's loss. The lowest ask is filled
first, then the earliest bid, then the lower member id. A buyer must cover initial margin afterwards, and the growth of
its member's stress exposure, or it gets fewer slices. Contributions of members that did not bid for their share, or
only at a bad price, are used before those of the others. Where bids are sealed, only what was committed to and revealed
counts, and a good price is one that was filled.
"""

from dataclasses import dataclass, field

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import POSITION_MAX, PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active, is_restricted, member_status
from clearing.context.request_checks import check_request, use_nonce
from clearing.context.stress_exposure import check_stress_growth
from clearing.default.auction_duty import AuctionOutcome, absence_charges
from clearing.default.auction_reserve import (
    PositionLots,
    auction_portfolio,
    own_money_ask,
    reserve_ask,
    slice_margin,
)
from clearing.default.deleveraging import option_value, pass_position
from clearing.default.sealed_bids import auction_of, bid_size_refused
from clearing.default_fund.contributions import contributing_and_owing, required_contribution
from clearing.prices.stale_options import margin_at_floor
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default import BiddersRanked, DefaultBidTaken, MovedPosition, PortfolioSold
from clearing.schema.records.default import DefaultBidRecord, DefaultRecord, MemberStatus
from clearing.schema.requests.auctions import DefaultBid
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_holdings
from clearing.state.ledger import cash_currency, soft_credit_of
from clearing.state.state import State
from clearing.trades.balance_limits import beyond_balance_limit
from clearing.trades.novation import is_position_too_large

AT = "default_bid"


def bid_for_default(context: BlockContext, index: int, request: DefaultBid) -> Rejected | None:
    """Accept a bid, replacing the member's last one; or refuse it and change nothing. As in `commit_to_bid` the account
    may be restricted."""
    if bid_size_refused(context, request.slices, request.ask_micros):
        return reject(ClearingCode.BAD_SIZE, AT, slices=request.slices, ask_micros=request.ask_micros)
    refusal = (
        check_request(context, AT, request)
        or check_member_active(context, AT, request.account)
        or _check_auction(context, request)
    )
    if refusal is not None:
        return refusal
    member = context.state.accounts[request.account].member
    use_nonce(context, request.account, request.nonce)
    if request.slices:
        bid = DefaultBidRecord(request.account, request.slices, request.ask_micros, context.block.height)
        context.state.default_bids.put((request.number, member), bid)
    else:
        context.state.default_bids.remove((request.number, member))
    context.receipts.append(
        DefaultBidTaken(index, request.number, member, request.account, request.slices, request.ask_micros)
    )
    return None


def _check_auction(context: BlockContext, request: DefaultBid) -> Rejected | None:
    default = auction_of(context, AT, request.account, request.number)
    if isinstance(default, Rejected):
        return default
    if default.reveal_height:
        return reject(ClearingCode.BIDS_ARE_SEALED, AT, number=request.number, reveal_height=default.reveal_height)
    highest_ask = reserve_ask(context, auction_portfolio(context, default))
    if request.ask_micros > highest_ask:
        return reject(ClearingCode.ASK_TOO_HIGH, AT, ask_micros=request.ask_micros, most=highest_ask)
    return None


def sell_portfolio(context: BlockContext, number: int, default: DefaultRecord) -> DefaultRecord:
    """Fill the bids for a default's portfolio, rank the members, charge those that failed their duty, and delete the
    bids."""
    lots = auction_portfolio(context, default)
    made = {member: bid for (of, member), bid in list(context.state.default_bids.ordered()) if of == number}
    if lots:
        bids = {member: bid for member, bid in made.items() if bid.is_readable and bid.slices}
        reserve = reserve_ask(context, lots)
        own_money = own_money_ask(context, default, reserve)
        sale = _PortfolioSale(lots, slice_margin(context, lots), bids, reserve, own_money)
        for ask, _, member in sorted((bid.ask_micros, bid.height, member) for member, bid in bids.items()):
            if ask <= sale.reserve_ask:
                _consider_bid(context, number, default, sale, member)
        unrevealed = tuple(member for member, bid in made.items() if not bid.is_readable)
        receipt = _seniorities(context, number, default, sale)
        charges = absence_charges(context, receipt, AuctionOutcome(bids, sale.filled, unrevealed))
        receipt = msgspec.structs.replace(receipt, unrevealed=unrevealed, absence_charges=charges)
        context.receipts.append(receipt)
        ranked = tuple((member, rank) for member, _, _, _, rank in receipt.members)
        default = msgspec.structs.replace(
            default, seniority=ranked, absence_charges=charges, lots_sold=tuple(sale.lots_sold)
        )
    for member in made:
        context.state.default_bids.remove((number, member))
    return default


@dataclass(slots=True)
class _PortfolioSale:
    """A sale in progress."""

    lots: PositionLots
    margin: int
    """Initial margin of a slice."""
    bids: dict[int, DefaultBidRecord]
    """By member, those that are readable."""
    reserve_ask: int
    """The highest ask that fulfils the duty to bid, and the one that is paid."""
    own_money_ask: int
    sold: int = 0
    filled: dict[int, int] = field(default_factory=dict)
    """Slices taken, by member."""
    highest_ask: int = 0
    """The highest ask filled so far; the last one, because the cheapest are filled first."""
    lots_sold: list[tuple[int, int, int]] = field(default_factory=list)
    """(account, instrument, lots) of every filled bid."""
    affordable: set[int] = field(default_factory=set)
    """Members that could carry all that they bid for, including what was sold before their turn."""
    uncovered: set[int] = field(default_factory=set)
    """Members that could margin all of it, but would lack more under stress than the fund was sized for."""


def _consider_bid(
    context: BlockContext, number: int, default: DefaultRecord, sale: _PortfolioSale, member: int
) -> None:
    """Process one bid: as many slices as it wants, are left, and it can margin; none above the ask that is paid."""
    bid, of_slices = sale.bids[member], context.terms.crisis.default.auction_slices
    wanted = min(bid.slices, of_slices - sale.sold) if bid.ask_micros <= sale.own_money_ask else 0
    margined = _slices_affordable(context, member, bid, sale, sale.sold, wanted, growth=False)
    slices = _slices_affordable(context, member, bid, sale, sale.sold, margined, growth=True)
    if slices:
        moved = _fill_bid(context, number, default, (member, bid), (sale.sold, slices), sale.lots)
        sale.lots_sold += [(bid.account, position.instrument, position.lots) for position in moved]
        sale.sold, sale.highest_ask = sale.sold + slices, bid.ask_micros
        sale.filled[member] = slices
    rest = bid.slices - slices
    if margined < wanted or _slices_affordable(context, member, bid, sale, 0, rest, growth=False) < rest:
        return
    covered = slices == wanted and _slices_affordable(context, member, bid, sale, 0, rest, growth=True) == rest
    (sale.affordable if covered else sale.uncovered).add(member)


def _fill_bid(
    context: BlockContext,
    number: int,
    default: DefaultRecord,
    bidder: tuple[int, DefaultBidRecord],
    part: tuple[int, int],
    portfolio_lots: PositionLots,
) -> list[MovedPosition]:
    """Sell a bidder a number of slices; `part`: (first slice, number of slices). Returns what it received."""
    (member, bid), (first, slices) = bidder, part
    of_slices = context.terms.crisis.default.auction_slices
    moved: list[MovedPosition] = []
    for instrument, lots in _slice_lots(portfolio_lots, first, slices, of_slices):
        moved.append(pass_position(context, default.estate, bid.account, instrument, lots))
    paid, currency = slices * bid.ask_micros, cash_currency(context.terms.cash_groups[0])
    payer, payee = (default.estate, bid.account) if paid >= 0 else (bid.account, default.estate)
    context.journal.transfer(payer, payee, currency, abs(paid), TransferCode.DEFAULT_AUCTION_PAID, number)
    context.receipts.append(
        PortfolioSold(
            number=number,
            member=member,
            account=bid.account,
            first=first,
            slices=slices,
            of_slices=of_slices,
            wanted=bid.slices,
            ask_micros=bid.ask_micros,
            paid=paid,
            positions=tuple(moved),
        )
    )
    return moved


def _slice_lots(lots: PositionLots, first: int, slices: int, of_slices: int) -> PositionLots:
    """The lots of slices `first` to `first + slices`. All slices together are all lots, for any split among buyers."""
    parts = []
    for instrument, position in lots:
        size = abs(position) * (first + slices) // of_slices - abs(position) * first // of_slices
        if size:
            parts.append((instrument, size if position > 0 else -size))
    return tuple(parts)


def _slices_affordable(
    context: BlockContext,
    member: int,
    bid: DefaultBidRecord,
    sale: _PortfolioSale,
    first: int,
    wanted: int,
    *,
    growth: bool,
) -> int:
    """The most slices from `first` on, up to `wanted`, that the bidder may have; found by bisection. None to a
    restricted account.

    They leave it at initial margin; with `growth` its member's stress exposure within its allowance, too.
    """
    record = context.state.accounts.get(bid.account)
    if record is None or record.member != member or is_restricted(context.state, bid.account):
        return 0
    if member_status(context.state, member) is not MemberStatus.ACTIVE:
        return 0
    of_slices = context.terms.crisis.default.auction_slices
    enough, too_many = 0, wanted + 1
    while too_many - enough > 1:
        middle = wanted if enough == 0 and too_many == wanted + 1 else (enough + too_many) // 2
        if _is_affordable(context, bid, _slice_lots(sale.lots, first, middle, of_slices), middle, growth=growth):
            enough = middle
        else:
            too_many = middle
    return enough


def _is_affordable(
    context: BlockContext, bid: DefaultBidRecord, lots: PositionLots, slices: int, *, growth: bool
) -> bool:
    """Whether the bidder covers initial margin with these lots, without soft credit, and within all limits; with
    `growth`, whether its member's stress exposure grows no further than it may."""
    after = current_holdings(context.state, bid.account)
    lent = [soft_credit_of(context.state, bid.account, group) for group in context.terms.cash_groups]
    after.cash = [has - part for has, part in zip(after.cash, lent, strict=True)]
    before = tuple(after.cash)
    after.cash[0] += slices * bid.ask_micros
    for instrument, moved in lots:
        listed, at = context.terms.instruments[instrument], context.terms.array_index[instrument]
        grows = abs(after.lots[at] + moved) > abs(after.lots[at])
        after.lots[at] += moved
        after.cash[context.terms.cash_groups.index(listed.cash_group)] -= option_value(context, instrument) * moved
        if abs(after.lots[at]) > POSITION_MAX or (grows and is_position_too_large(context, listed, after)):
            return False
    limit = context.terms.risk.cash_limit_micros
    if any(claim < -limit for claim in after.cash) or beyond_balance_limit(before, after.cash) is not None:
        return False
    if not margin_at_floor(context, after).initial_ok:
        return False
    after.cash = [has + part for has, part in zip(after.cash, lent, strict=True)]
    return not growth or check_stress_growth(context, AT, bid.account, lambda: after) is None


def surviving_members(state: State, defaulter: int) -> tuple[int, ...]:
    """Members that may bid and be assessed: not the house, not in default, not left; ordered."""
    surviving = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)
    return tuple(
        member
        for member in contributing_and_owing(state)
        if member not in (HOUSE_MEMBER, defaulter) and member_status(state, member) in surviving
    )


def contributing_members(state: State, defaulter: int) -> tuple[int, ...]:
    """Members whose contributions may be used, as long as they are in the fund; also of members that left or defaulted.

    Otherwise a member that expects a loss could leave, or default on a small amount, to save its contribution.
    Contributions of members in default first bear their own losses, then what is left of others (`late_contributions`).
    """
    return tuple(
        member
        for member in contributing_and_owing(state)
        if member not in (HOUSE_MEMBER, defaulter) and member_status(state, member) is not MemberStatus.DEFAULTING
    )


def _seniorities(context: BlockContext, number: int, default: DefaultRecord, sale: _PortfolioSale) -> BiddersRanked:
    """Every survivor's rank with its inputs. Lower ranks pay first."""
    terms, survivors = context.terms.crisis.default, surviving_members(context.state, default.member)
    # Nobody knows others' sealed bids, so a bid needs no room above the dearest that was filled.
    tolerance_ppm = 0 if default.reveal_height else terms.auction_tolerance_ppm
    good_ask = sale.highest_ask + mul_div_down(sale.margin, tolerance_ppm, PPM)
    needed = {member: required_contribution(context.state, member) for member in survivors}
    whole = sum(needed.values())
    ranked = []
    for member in survivors:
        share = terms.auction_slices * needed[member] // whole if whole else 0
        bid = sale.bids.get(member)
        good = bid is not None and bid.ask_micros <= good_ask
        rank = 0 if bid is None or not good else 2 if bid.slices >= share and member in sale.affordable else 1
        ranked.append((member, share, bid.slices if bid else 0, bid.ask_micros if bid else 0, rank))
    return BiddersRanked(
        number=number,
        sold=sale.sold,
        of_slices=terms.auction_slices,
        competitive_ask=good_ask,
        members=tuple(ranked),
        portfolio=sale.lots,
        slice_margin=sale.margin,
        tolerance_ppm=tolerance_ppm,
        required=tuple(needed.items()),
        carried=tuple(sorted(sale.affordable)),
        reserve_ask=sale.reserve_ask,
        own_money_ask=sale.own_money_ask,
        uncovered=tuple(sorted(sale.uncovered)),
    )
