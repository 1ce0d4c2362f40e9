"""`DrillOutcome`: what a drill came to, read from its receipts: events, positions closed, and who bears which loss.

Rule: every figure is of a receipt or of the state before and after; nothing is estimated. Amounts are micros, shares of
one payer in one layer are added up over all allocations of a default.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from clearing.base.codec import I64, U32, U63
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts import default as receipts
from clearing.schema.receipts import liquidation
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.receipts.default_fund import FundCalled
from clearing.state.state import State
from member.api.types import Body
from member.statements.receipt_moves import lots_moved

OF_ACCOUNTS = frozenset({WaterfallLayer.HOUSE_CAPITAL, WaterfallLayer.GAINS, WaterfallLayer.CLAIMS})
"""Layers whose payers are accounts."""
HOW = {
    "PortfolioSold": "sold in the default auction",
    "HouseTakeover": "taken over by the house",
    "Deleveraged": "closed against the other side",
    "PositionsTornUp": "torn up",
    "Liquidated": "liquidated into the house",
    "SliceSold": "sold in the liquidation auction",
    "BackstopTakeover": "taken over by the backstop",
}


class ClosedPosition(Body, frozen=True):
    """Lots that left or came to an account by a rule, not by a trade."""

    block: U32
    """Of the drill, from 1."""
    how: str
    account: U63
    counterparty: U63
    """The account that took them."""
    instrument: U32
    lots: I64
    """As the account had them: positive for a long position."""


class Share(Body, frozen=True):
    """What one payer bears in a layer."""

    member: U63
    account: U63 | None
    """In layers whose payers are accounts."""
    micros: U63


class Layer(Body, frozen=True):
    """One layer of the waterfall."""

    layer: str
    micros: U63
    shares: tuple[Share, ...]
    """Without zeros, largest first, then lowest member and account."""


class Contribution(Body, frozen=True):
    """A member's contribution to the default fund before and after the drill, and what it is called for then."""

    member: U63
    before: U63
    after: U63
    required: U63
    called: U63


class DefaultOutcome(Body, frozen=True):
    """One default of the drill."""

    number: U63
    member: U63
    declared_block: U32
    """0: before the drill began."""
    ended_block: U32
    """0: it has not ended."""
    loss: U63
    layers: tuple[Layer, ...]
    replenished: tuple[tuple[U63, U63], ...]
    """(member, micros) called again for what was used."""


class Event(Body, frozen=True):
    """One line of the timeline."""

    block: U32
    height: U63
    text: str


class DrillOutcome(Body, frozen=True):
    """The whole drill."""

    height: U63
    """Of the state that it began with."""
    member: U63
    member_name: str
    forced: bool
    """Whether the moves alone did not bring the member into default."""
    ended: bool
    """Whether the member's default, and every other one, is over."""
    blocks: U32
    prices: tuple[tuple[str, U63, U63], ...]
    """(feed, ticks before, ticks after)."""
    timeline: tuple[Event, ...]
    closed: tuple[ClosedPosition, ...]
    defaults: tuple[DefaultOutcome, ...]
    """The named member's and those that follow from it, by number."""
    house_before: I64
    house_after: I64
    """The house's own cash in all groups, in micros."""
    fund_before: U63
    fund_after: U63
    contributions: tuple[Contribution, ...]
    refused: tuple[str, ...]
    """Codes of the bids that were refused."""

    @property
    def loss(self) -> int:
        """The named member's."""
        return sum(each.loss for each in self.defaults if each.member == self.member)

    def paid_by(self, member: int) -> int:
        """What a member and its clients bear of all losses of the drill."""
        return sum(
            share.micros
            for default in self.defaults
            for layer in default.layers
            for share in layer.shares
            if share.member == member
        )


def numbered(results: Sequence[BlockResult], kind: Any) -> Iterator[tuple[int, Any]]:
    """(block of the drill, receipt) of one kind or a union of kinds, in order."""
    for block, result in enumerate(results, 1):
        for receipt in result.receipts:
            if isinstance(receipt, kind):
                yield block, receipt


def closed_positions(results: Sequence[BlockResult], accounts: frozenset[int]) -> tuple[ClosedPosition, ...]:
    """Every position of these accounts that ended by a rule of liquidation or default."""
    found = []
    for block, result in enumerate(results, 1):
        for receipt in result.receipts:
            for account, taker, instrument, lots in _ended(receipt):
                if account in accounts and lots:
                    found.append(_closed(block, HOW[type(receipt).__name__], account, taker, instrument, lots))
    return tuple(found)


def _closed(block: int, how: str, account: int, taker: int, instrument: int, lots: int) -> ClosedPosition:
    return ClosedPosition(block=block, how=how, account=account, counterparty=taker, instrument=instrument, lots=lots)


def _ended(receipt: Any) -> Iterator[tuple[int, int, int, int]]:
    """(account, taker, instrument, lots as the account had them)."""
    if isinstance(receipt, receipts.PortfolioSold):
        return  # it names no estate: `auctioned` reads it
    if isinstance(receipt, receipts.PositionsTornUp):
        (first, lots, _), *others = receipt.positions
        yield first, others[0][0] if others else first, receipt.instrument, lots
        return
    if isinstance(receipt, receipts.Deleveraged):
        for account, _, _, _, lots, _ in receipt.counterparties:
            yield receipt.account, account, receipt.instrument, lots
        return
    if isinstance(
        receipt, receipts.HouseTakeover | liquidation.Liquidated | liquidation.SliceSold | liquidation.BackstopTakeover
    ):
        moves = list(lots_moved(receipt))
        for (giver, _, _), (taker, instrument, lots) in zip(moves[::2], moves[1::2], strict=True):
            yield giver, taker, instrument, lots


def auctioned(results: Sequence[BlockResult], estates: dict[int, int]) -> tuple[ClosedPosition, ...]:
    """What default auctions sold. `estates`: the estate of each default."""
    return tuple(
        _closed(block, HOW["PortfolioSold"], estates[sold.number], sold.account, each.instrument, each.lots)
        for block, sold in numbered(results, receipts.PortfolioSold)
        for each in sold.positions
        if sold.number in estates
    )


def default_outcomes(state: State, results: Sequence[BlockResult]) -> tuple[DefaultOutcome, ...]:
    """Every default of which the drill has a receipt. `state`: the one after it."""
    numbers = {receipt.number for _, receipt in numbered(results, receipts.DefaultDeclared | receipts.LossAllocated)}
    return tuple(_default_outcome(state, results, number) for number in sorted(numbers))


def _default_outcome(state: State, results: Sequence[BlockResult], number: int) -> DefaultOutcome:
    borne: dict[WaterfallLayer, dict[tuple[int, int | None], int]] = {}
    for _, allocated in numbered(results, receipts.LossAllocated):
        for step in allocated.steps if allocated.number == number else ():
            shares = borne.setdefault(step.layer, {})
            for share in step.shares:
                payer = _payer(state, step.layer, share.payer)
                shares[payer] = shares.get(payer, 0) + share.amount
    layers = tuple(
        Layer(layer=layer.name.lower(), micros=sum(shares.values()), shares=_largest_first(shares))
        for layer, shares in sorted(borne.items())
        if any(shares.values())
    )
    ends = [(block, each) for block, each in numbered(results, receipts.DefaultEnded) if each.number == number]
    declared = [block for block, each in numbered(results, receipts.DefaultDeclared) if each.number == number]
    return DefaultOutcome(
        number=number,
        member=state.defaults[number].member,
        declared_block=declared[0] if declared else 0,
        ended_block=ends[0][0] if ends else 0,
        loss=ends[0][1].loss if ends else sum(layer.micros for layer in layers),
        layers=layers,
        replenished=ends[0][1].replenished if ends else (),
    )


def _largest_first(shares: dict[tuple[int, int | None], int]) -> tuple[Share, ...]:
    ordered = sorted(shares.items(), key=lambda each: (-each[1], each[0][0], each[0][1] or 0))
    return tuple(
        Share(member=member, account=account, micros=micros) for (member, account), micros in ordered if micros
    )


def _payer(state: State, layer: WaterfallLayer, payer: int) -> tuple[int, int | None]:
    if layer not in OF_ACCOUNTS:
        return payer, None
    if payer == HOUSE_ACCOUNT:
        return HOUSE_MEMBER, payer
    record = state.accounts.get(payer)
    return (record.member if record is not None else HOUSE_MEMBER), payer


def contributions(before: State, after: State, results: Sequence[BlockResult]) -> tuple[Contribution, ...]:
    """Every member's contribution before and after. `called`: the open call after the drill."""
    members = sorted(
        {member for state in (before, after) for member, _ in state.contributions.ordered()}
        | {receipt.member for _, receipt in numbered(results, FundCalled)}
    )
    found = []
    for member in members:
        first, then = before.contributions.get(member), after.contributions.get(member)
        found.append(
            Contribution(
                member=member,
                before=first.micros if first else 0,
                after=then.micros if then else 0,
                required=then.required if then else 0,
                called=then.called if then else 0,
            )
        )
    return tuple(found)
