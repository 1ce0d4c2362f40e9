"""The close-out of a default explained: the estate, the auction, auto-deleveraging, and the tear-up."""

from dataclasses import dataclass, field

from clearing.base.units import PPM
from clearing.schema.receipts.default import (
    BiddersRanked,
    ClientClosedOut,
    CollateralTaken,
    DefaultBidTaken,
    DefaultDeclared,
    Deleveraged,
    EstatePooled,
    HouseTakeover,
    LossAllocated,
    MovedPosition,
    PortfolioSold,
    PositionsTornUp,
    WaterfallLayer,
)
from member.explaining.formatting import (
    Explanation,
    Line,
    Listing,
    called,
    condition_line,
    equality_line,
    per_cent,
    plain_line,
    signed,
)


@dataclass(slots=True)
class EstateBooks:
    """Sums over the receipts so far."""

    listing: Listing
    height: int = 0
    seen: set[int] = field(default_factory=set)
    """Defaults whose declaration is known."""
    members: dict[int, int] = field(default_factory=dict)
    """The defaulter of each."""
    borne: dict[int, dict[WaterfallLayer, int]] = field(default_factory=dict)
    drawn: dict[tuple[int, int], int] = field(default_factory=dict)
    """Micros drawn from a member's contribution for a loss of another, not yet stated by a loss allocation."""
    assessed: dict[int, dict[int, int]] = field(default_factory=dict)
    sold: dict[int, int] = field(default_factory=dict)
    """Slices of a portfolio that were sold."""
    dearest: dict[int, int] = field(default_factory=dict)
    filled: dict[int, list[PortfolioSold]] = field(default_factory=dict)

    def begin(self, receipt: DefaultDeclared) -> None:
        """A default was declared."""
        self.seen.add(receipt.number)
        self.members[receipt.number] = receipt.member
        self.borne[receipt.number] = {}
        self.sold[receipt.number] = 0

    def of_another(self, number: int, member: int) -> list[Line]:
        """A failed line where a receipt names another member than the declaration did."""
        declared = self.members.get(number, member)
        return [] if declared == member else [equality_line("declared of member", member, declared)]

    def bear(self, number: int, layer: WaterfallLayer, micros: int) -> None:
        """A layer bore so much of a default's loss."""
        sums = self.borne.setdefault(number, {})
        sums[layer] = sums.get(layer, 0) + micros

    def shared(self, receipt: LossAllocated) -> None:
        """A loss was shared. What is assessed is borne when it is taken."""
        for step in receipt.steps:
            if step.layer is WaterfallLayer.ASSESSMENTS:
                self.assessed[receipt.number] = {share.payer: share.amount for share in step.shares}
            elif step.loss_borne:
                self.bear(receipt.number, step.layer, step.loss_borne)


def pooled(receipt: EstatePooled, books: EstateBooks) -> Explanation:
    """One of the member's accounts gave all it had to the estate."""
    lines = [plain_line(f"{currency_name(currency)}: {signed(amount)}") for currency, amount in receipt.money]
    lines += [
        plain_line(f"{books.listing.instrument(instrument)}: {signed(lots)} lots")
        for instrument, lots in receipt.positions
    ]
    return f"default {receipt.number}: {called(receipt.account)} is pooled into {called(receipt.estate)}", lines


def currency_name(currency: int) -> str:
    """A token or a cash group."""
    return f"token {currency - 2**32}" if currency >= 2**32 else f"cash group {currency}"


RANKS = ("no bid, or too dear", "good, but for less than its share, or more than it can carry", "for its share")


def bid_taken(receipt: DefaultBidTaken, _: EstateBooks) -> Explanation:
    """A bid was made, withdrawn, committed to or revealed."""
    who = f"default {receipt.number}: member {receipt.member}"
    if any(receipt.commitment):
        lines = [plain_line(f"commitment {receipt.commitment.hex()}")]
        if not receipt.revealed:
            return f"{who} commits to a sealed bid", lines
        return f"{who} reveals its bid for {receipt.slices} slices, {signed(receipt.ask_micros)} asked for each", lines
    if not receipt.slices:
        return f"{who} withdrew its bid", []
    return f"{who} bids for {receipt.slices} slices, {signed(receipt.ask_micros)} asked for each", []


def portfolio_sold(receipt: PortfolioSold, books: EstateBooks) -> Explanation:
    """A bid was filled."""
    sold = books.sold.get(receipt.number)
    lines = [] if sold is None else [equality_line("first slice = those sold before", receipt.first, sold)]
    text = f"slices {receipt.slices} of the {receipt.wanted} wanted, within the {receipt.of_slices} there are"
    good = receipt.slices <= receipt.wanted and receipt.first + receipt.slices <= receipt.of_slices
    lines.append(condition_line(text, good))
    before = books.dearest.get(receipt.number)
    if before is not None:
        lines.append(condition_line(f"asks no less than the bid filled before, {before}", receipt.ask_micros >= before))
    asked = f"{receipt.slices} x {receipt.ask_micros}"
    lines.append(equality_line(f"the estate paid {asked}", receipt.paid, receipt.slices * receipt.ask_micros))
    lines += [_moved_line(position, books.listing) for position in receipt.positions]
    if sold is not None:
        books.sold[receipt.number] = sold + receipt.slices
    books.dearest[receipt.number] = receipt.ask_micros
    books.filled.setdefault(receipt.number, []).append(receipt)
    return f"default {receipt.number}: member {receipt.member} took positions by {called(receipt.account)}", lines


def ranked(receipt: BiddersRanked, books: EstateBooks) -> Explanation:
    """Whose contributions are used first."""
    lines = []
    if receipt.number in books.seen:
        lines.append(equality_line("slices sold", receipt.sold, books.sold.get(receipt.number, 0)))
    for filled in books.filled.pop(receipt.number, []):
        lines += _lots(filled, receipt, books.listing)
    dearest = books.dearest.pop(receipt.number, 0)
    if receipt.number in books.seen:
        tolerated = receipt.slice_margin * receipt.tolerance_ppm // PPM
        text = (
            f"a bid is good up to {dearest}, the dearest filled, + {per_cent(receipt.tolerance_ppm)} of the margin of a"
        )
        lines.append(
            equality_line(f"{text} slice, {receipt.slice_margin}, down", receipt.competitive_ask, dearest + tolerated)
        )
    needed = dict(receipt.required)
    whole = sum(needed.values())
    for member, share, slices, ask, rank in receipt.members:
        required = needed.get(member, 0)
        found = receipt.of_slices * required // whole if whole else 0
        text = f"member {member}: share = {receipt.of_slices} x {required} / {whole}, down"
        lines.append(equality_line(text, share, found))
        good = slices > 0 and ask <= receipt.competitive_ask
        place = 0 if not good else 2 if slices >= share and member in receipt.carried else 1
        lines.append(equality_line(f"member {member}: bid for {slices} at {ask}: {RANKS[place]}: rank", rank, place))
    lines += _bounds(receipt)
    return (
        f"default {receipt.number}: {receipt.sold} of {receipt.of_slices} slices were sold; lower ranks pay first",
        lines,
    )


def _bounds(receipt: BiddersRanked) -> list[Line]:
    """The bounds of asks, and who is charged."""
    lines = [plain_line(f"nobody is paid more than {receipt.own_money_ask} a slice")]
    text = f"a bid of at most {receipt.reserve_ask} a slice fulfils the duty to bid, and no more than that is paid"
    lines.append(condition_line(text, receipt.own_money_ask <= receipt.reserve_ask))
    lines += [plain_line(f"member {member} did not reveal its bid") for member in receipt.unrevealed]
    required = dict(receipt.required)
    for member, micros in receipt.absence_charges:
        text = f"member {member}: {micros} of its contribution bear the loss first, at most what is required of it"
        lines.append(condition_line(text, micros <= required.get(member, 0)))
    return lines


def _lots(filled: PortfolioSold, receipt: BiddersRanked, listing: Listing) -> list[Line]:
    """What a bid got of each position: all up to its last slice, less all up to its first."""
    got = {position.instrument: position.lots for position in filled.positions}
    first, last, of_slices = filled.first, filled.first + filled.slices, filled.of_slices
    lines = []
    for instrument, lots in receipt.portfolio:
        size = abs(lots) * last // of_slices - abs(lots) * first // of_slices
        name = f"member {filled.member}: {listing.instrument(instrument)}"
        text = f"{name}: {signed(lots)} x {last} / {of_slices} - {signed(lots)} x {first} / {of_slices}, towards zero"
        lines.append(equality_line(text, got.get(instrument, 0), size if lots > 0 else -size))
    return lines


def _moved_line(each: MovedPosition, listing: Listing) -> Line:
    """Lots that passed at the mark."""
    value = f", {signed(each.received)} for them" if each.received else ""
    return plain_line(
        f"{listing.instrument(each.instrument)}: {signed(each.lots)} lots at mark {each.mark_ticks}{value}"
    )


RANK_SCALE = 10**9


def taken_by_house(receipt: HouseTakeover, books: EstateBooks) -> Explanation:
    """The house covers the positions."""
    lines = [_moved_line(position, books.listing) for position in receipt.positions]
    return f"default {receipt.number}: the house took over from {called(receipt.account)} at the mark", lines


def deleveraged(receipt: Deleveraged, books: EstateBooks) -> Explanation:
    """Against those who gained most at most leverage."""
    lines, ranks = [], []
    for account, profit, equity, notional, lots, received in receipt.counterparties:
        rank = profit * notional * RANK_SCALE // max(equity, 1)
        ranks.append((-rank, account))
        value = f", {signed(received)} for them" if received else ""
        text = f"rank {profit} x {notional} / {equity} = {rank} x 10^-9: {signed(lots)} lots{value}"
        lines.append(plain_line(f"{called(account)}: {text}"))
    lines.append(condition_line("the highest rank first, then the lower account", ranks == sorted(ranks)))
    lots = sum(counterparty[4] for counterparty in receipt.counterparties)
    lines.append(equality_line("lots together", receipt.lots, lots))
    name = f"{books.listing.instrument(receipt.instrument)} at mark {receipt.mark_ticks}"
    title = f"default {receipt.number}: {signed(receipt.lots)} lots of {name} of {called(receipt.account)} end"
    return f"{title} against others", lines


def client_closed(receipt: ClientClosedOut, _: EstateBooks) -> Explanation:
    """A client whose positions nobody took over."""
    lines = [plain_line(f"cash group {group}: {signed(micros)}") for group, micros in receipt.cash]
    return f"default {receipt.number}: {called(receipt.account)}, a client, was closed out", lines


def collateral_taken(receipt: CollateralTaken, _: EstateBooks) -> Explanation:
    """Tokens for debts."""
    worth = receipt.units * receipt.micros_per_unit
    bought = f"{receipt.units} of {currency_name(receipt.currency)} x {receipt.micros_per_unit}"
    text = f"{bought} - {receipt.returned} given back"
    lines = [equality_line(text, receipt.counted_micros, worth - receipt.returned)]
    if receipt.micros_per_unit:
        less = f"the {receipt.returned} given back are less than a unit is worth"
        lines.append(condition_line(less, receipt.returned < receipt.micros_per_unit))
    return f"default {receipt.number}: the house bought collateral of {called(receipt.account)}", lines


def torn_up(receipt: PositionsTornUp, books: EstateBooks) -> Explanation:
    """The fewest lots end that an account's margin needs, and as many on the other side."""
    lines = [
        plain_line(f"{called(account)}: {signed(lots)} lots, {signed(got)}") for account, lots, got in receipt.positions
    ]
    lines.append(condition_line("long and short lots are as many", sum(lots for _, lots, _ in receipt.positions) == 0))
    lines.append(condition_line("what is paid is what is received", sum(got for _, _, got in receipt.positions) == 0))
    name = books.listing.instrument(receipt.instrument)
    if receipt.shortfall:
        lines.insert(0, plain_line(f"{called(receipt.positions[0][0])} lacked {receipt.shortfall} of initial margin"))
    return f"default {receipt.number}: lots of {name} are torn up at mark {receipt.mark_ticks}", lines
