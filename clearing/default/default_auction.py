"""The default auction: bids for equal slices of a defaulter's portfolio, filled cheapest first, bidders ranked.

Rule: lots pass at the mark, which does not move; what a bidder asks beyond that is the estate's loss. The lowest ask
is filled first, then the earliest bid, then the lower member. A buyer covers initial margin afterwards or gets fewer
slices. Contributions of members who did not bid for their share, or only at a bad price, are used before those of the
others.
"""

from dataclasses import dataclass, field

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import POSITION_MAX, PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active, check_restriction, member_status
from clearing.context.request_checks import check_account, check_expiry, check_nonce, check_signer, use_nonce
from clearing.context.unresolved_losses import defaults_under_way
from clearing.default.deleveraging import option_value, pass_position
from clearing.default_fund.contributions import contributing_and_owing, required_contribution
from clearing.genesis.checks import CASH_MICROS_MAX
from clearing.prices.price_status import can_close_out
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default import BiddersRanked, DefaultBidTaken, MovedPosition, PortfolioSold
from clearing.schema.records.default import DefaultBidRecord, DefaultPhase, DefaultRecord, MemberStatus
from clearing.schema.requests.auctions import DefaultBid
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin, positions_of
from clearing.state.ledger import cash_currency, soft_credit_of
from clearing.state.state import State
from clearing.trades.novation import is_position_too_large

AT = "default_bid"

PositionLots = tuple[tuple[int, int], ...]


def bid_for_default(run: BlockContext, index: int, request: DefaultBid) -> Rejected | None:
    """Take a bid in, in place of the member's last one; or refuse it and change nothing."""
    terms = run.terms.crisis.default
    if request.slices > terms.auction_slices or abs(request.ask_micros) * max(request.slices, 1) > CASH_MICROS_MAX:
        return reject(ClearingCode.BAD_SIZE, AT, slices=request.slices, ask_micros=request.ask_micros)
    refusal = (
        check_expiry(run, AT, request.not_after_ms)
        or check_account(run, AT, request.account)
        or check_nonce(run, AT, request.account, request.nonce)
        or check_signer(run, AT, request.account, request.digest(run.terms.network), request.signature)
        or check_member_active(run, AT, request.account)
        or check_restriction(run, AT, request.account)
        or _check_own_account(run, request)
        or _check_auction(run, request)
    )
    if refusal is not None:
        return refusal
    member = run.state.accounts[request.account].member
    use_nonce(run, request.account, request.nonce)
    if request.slices:
        held = DefaultBidRecord(request.account, request.slices, request.ask_micros, run.block.height)
        run.state.default_bids.put((request.number, member), held)
    else:
        run.state.default_bids.remove((request.number, member))
    run.receipts.append(
        DefaultBidTaken(index, request.number, member, request.account, request.slices, request.ask_micros)
    )
    return None


def _check_own_account(run: BlockContext, request: DefaultBid) -> Rejected | None:
    """A bid spares the member's part of the fund, and may give money: a client's pays for neither."""
    if run.state.accounts[request.account].kind is AccountKind.CLIENT:
        return reject(ClearingCode.CLIENT_MONEY, AT, account=request.account)
    return None


def _check_auction(run: BlockContext, request: DefaultBid) -> Rejected | None:
    held = dict(defaults_under_way(run.state)).get(request.number)
    if held is None:
        return reject(ClearingCode.NO_SUCH_DEFAULT, AT, number=request.number)
    if held.phase is not DefaultPhase.OPEN or run.block.height > held.auction_height:
        return reject(ClearingCode.DEFAULT_AUCTION_OVER, AT, number=request.number, last=held.auction_height)
    member = run.state.accounts[request.account].member
    if member == HOUSE_MEMBER:
        return reject(ClearingCode.OWN_DEFAULT, AT, account=request.account, member=member)
    most = ask_max(run, auction_portfolio(run, held))
    if request.ask_micros > most:
        return reject(ClearingCode.ASK_TOO_HIGH, AT, ask_micros=request.ask_micros, most=most)
    return None


def auction_portfolio(run: BlockContext, held: DefaultRecord) -> PositionLots:
    """(instrument, lots) of the estate whose prices are open."""
    if not held.own_accounts:
        return ()
    listed = run.terms.instruments
    return tuple(
        (instrument, lots)
        for instrument, lots in positions_of(run.state, held.estate).lots
        if can_close_out(run.state, listed[instrument].feed)
    )


def slice_margin(run: BlockContext, lots: PositionLots) -> int:
    """Initial margin of a slice: that of the whole portfolio alone, divided, rounded down."""
    alone = Holdings([0] * len(run.terms.cash_groups), [0] * len(run.terms.tokens), [0] * len(run.terms.instruments))
    for instrument, held in lots:
        alone.lots[run.terms.array_index[instrument]] = held
    return holdings_margin(current_arrays(run.state), alone).initial // run.terms.crisis.default.auction_slices


def ask_max(run: BlockContext, lots: PositionLots) -> int:
    """The most that may be asked for a slice."""
    return mul_div_down(slice_margin(run, lots), run.terms.crisis.default.auction_worst_ppm, PPM)


def sell_portfolio(run: BlockContext, number: int, held: DefaultRecord) -> DefaultRecord:
    """Fill the bids for a default's portfolio, rank who could bid, and forget the bids."""
    lots = auction_portfolio(run, held)
    bids = {member: bid for (of, member), bid in list(run.state.default_bids.ordered()) if of == number}
    sale = _PortfolioSale(lots, slice_margin(run, lots), bids)
    for ask, _, member in sorted((bid.ask_micros, bid.height, member) for member, bid in bids.items()):
        if not lots or ask > mul_div_down(sale.margin, run.terms.crisis.default.auction_worst_ppm, PPM):
            break
        _consider_bid(run, number, held, sale, member)
    if lots:
        receipt = _seniorities(run, number, held, sale)
        run.receipts.append(receipt)
        ranked = tuple((member, rank) for member, _, _, _, rank in receipt.members)
        held = msgspec.structs.replace(held, seniority=ranked)
    for member in bids:
        run.state.default_bids.remove((number, member))
    return held


@dataclass(slots=True)
class _PortfolioSale:
    """A sale in progress."""

    lots: PositionLots
    margin: int
    """Of a slice."""
    bids: dict[int, DefaultBidRecord]
    """By member."""
    sold: int = 0
    highest_ask: int = 0
    """The dearest ask filled so far; the last one, as the cheapest are filled first."""
    affordable: set[int] = field(default_factory=set)
    """Members who could carry all that they bid for, also what was sold before their turn."""


def _consider_bid(run: BlockContext, number: int, held: DefaultRecord, sale: _PortfolioSale, member: int) -> None:
    """A bid's turn: as much as it wants, is left and it carries."""
    bid, of_slices = sale.bids[member], run.terms.crisis.default.auction_slices
    wanted = min(bid.slices, of_slices - sale.sold)
    slices = _slices_affordable(run, member, bid, sale.lots, sale.sold, wanted)
    if slices:
        _fill_bid(run, number, held, (member, bid), (sale.sold, slices), sale.lots)
        sale.sold, sale.highest_ask = sale.sold + slices, bid.ask_micros
    rest = bid.slices - wanted
    if slices == wanted and _slices_affordable(run, member, bid, sale.lots, 0, rest) == rest:
        sale.affordable.add(member)


def _fill_bid(
    run: BlockContext,
    number: int,
    held: DefaultRecord,
    bidder: tuple[int, DefaultBidRecord],
    part: tuple[int, int],
    portfolio_lots: PositionLots,
) -> None:
    """Sell a bidder the slices from the first of `part`, as many as its second says."""
    (member, bid), (first, slices) = bidder, part
    of_slices = run.terms.crisis.default.auction_slices
    moved: list[MovedPosition] = []
    for instrument, lots in slice_lots(portfolio_lots, first, slices, of_slices):
        moved.append(pass_position(run, held.estate, bid.account, instrument, lots))
    paid, currency = slices * bid.ask_micros, cash_currency(run.terms.cash_groups[0])
    payer, payee = (held.estate, bid.account) if paid >= 0 else (bid.account, held.estate)
    run.journal.transfer(payer, payee, currency, abs(paid), TransferCode.DEFAULT_AUCTION_PAID, number)
    run.receipts.append(
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


def slice_lots(lots: PositionLots, first: int, slices: int, of_slices: int) -> PositionLots:
    """The lots of slices `first` to `first + slices`: all slices together are all lots, whoever takes which."""
    parts = []
    for instrument, held in lots:
        size = abs(held) * (first + slices) // of_slices - abs(held) * first // of_slices
        if size:
            parts.append((instrument, size if held > 0 else -size))
    return tuple(parts)


def _slices_affordable(
    run: BlockContext, member: int, bid: DefaultBidRecord, lots: PositionLots, first: int, wanted: int
) -> int:
    """The most slices, up to those wanted, that leave the bidder at initial margin; found by halving."""
    record = run.state.accounts.get(bid.account)
    if record is None or record.member != member or member_status(run.state, member) is not MemberStatus.ACTIVE:
        return 0
    of_slices = run.terms.crisis.default.auction_slices
    enough, too_many = 0, wanted + 1
    while too_many - enough > 1:
        middle = wanted if enough == 0 and too_many == wanted + 1 else (enough + too_many) // 2
        if _is_affordable(run, bid, slice_lots(lots, first, middle, of_slices), middle):
            enough = middle
        else:
            too_many = middle
    return enough


def _is_affordable(run: BlockContext, bid: DefaultBidRecord, lots: PositionLots, slices: int) -> bool:
    """Whether the bidder covers initial margin with these lots, without what is lent to it, within all limits."""
    after = current_holdings(run.state, bid.account)
    for at, of in enumerate(run.terms.cash_groups):
        after.cash[at] -= soft_credit_of(run.state, bid.account, of)
    after.cash[0] += slices * bid.ask_micros
    for instrument, moved in lots:
        listed, at = run.terms.instruments[instrument], run.terms.array_index[instrument]
        grows = abs(after.lots[at] + moved) > abs(after.lots[at])
        after.lots[at] += moved
        after.cash[run.terms.cash_groups.index(listed.cash_group)] -= option_value(run, instrument) * moved
        if abs(after.lots[at]) > POSITION_MAX or (grows and is_position_too_large(run, listed, after)):
            return False
    limit = run.terms.risk.cash_limit_micros
    if any(claim < -limit for claim in after.cash):
        return False
    return holdings_margin(current_arrays(run.state), after).initial_ok


def surviving_members(state: State, defaulter: int) -> tuple[int, ...]:
    """Members who bid, and may be assessed: neither the house nor in default nor gone; ordered."""
    standing = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)
    return tuple(
        each
        for each in contributing_and_owing(state)
        if each not in (HOUSE_MEMBER, defaulter) and member_status(state, each) in standing
    )


def contributing_members(state: State, defaulter: int) -> tuple[int, ...]:
    """Members whose contributions may be used: as long as they are in the fund, also of who has left or defaulted.

    Else whoever sees a loss coming would leave, or fail on a trifle, to keep its own. Those in default answer for
    their own losses first.
    """
    return tuple(
        each
        for each in contributing_and_owing(state)
        if each not in (HOUSE_MEMBER, defaulter) and member_status(state, each) is not MemberStatus.DEFAULTING
    )


def _seniorities(run: BlockContext, number: int, held: DefaultRecord, sale: _PortfolioSale) -> BiddersRanked:
    """Every survivor's rank, lower ones paying first, with all that it follows from."""
    terms, survivors = run.terms.crisis.default, surviving_members(run.state, held.member)
    good_ask = sale.highest_ask + mul_div_down(sale.margin, terms.auction_tolerance_ppm, PPM)
    needed = {member: required_contribution(run.state, member) for member in survivors}
    whole = sum(needed.values())
    told = []
    for member in survivors:
        share = terms.auction_slices * needed[member] // whole if whole else 0
        bid = sale.bids.get(member)
        good = bid is not None and bid.ask_micros <= good_ask
        rank = 0 if bid is None or not good else 2 if bid.slices >= share and member in sale.affordable else 1
        told.append((member, share, bid.slices if bid else 0, bid.ask_micros if bid else 0, rank))
    return BiddersRanked(
        number=number,
        sold=sale.sold,
        of_slices=terms.auction_slices,
        competitive_ask=good_ask,
        members=tuple(told),
        portfolio=sale.lots,
        slice_margin=sale.margin,
        tolerance_ppm=terms.auction_tolerance_ppm,
        required=tuple(needed.items()),
        carried=tuple(sorted(sale.affordable)),
    )
