"""Bugs put into the rulebook on purpose: a simulation that does not find them looks for nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

import clearing.accounts.porting
import clearing.context.request_checks
import clearing.default.declaration
import clearing.default.waterfall
import clearing.default_fund.contribution_calls
import clearing.liquidation.auction
import clearing.liquidation.slices
import clearing.liquidation.takeover
import clearing.margin_calls.margin_calls
import clearing.settlement.funding
import clearing.trades.consent
import clearing.trades.novation
import clearing.trades.reports
import clearing.validators.set_changes
from clearing.base.errors import Rejected
from clearing.base.units import mul_div_down
from clearing.context.block_context import BlockContext, Failure
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.records.default import ContributionRecord
from clearing.state.holdings import Holdings
from clearing.state.state import State
from tests.sim.clearing.story import Story

liquidation: Any = clearing.liquidation.takeover
margin_calls: Any = clearing.margin_calls.margin_calls
collecting: Any = clearing.default_fund.contribution_calls
declare: Any = clearing.default.declaration
auction: Any = clearing.liquidation.auction
slices: Any = clearing.liquidation.slices
waterfall: Any = clearing.default.waterfall
perpetuals: Any = clearing.settlement.funding
novation: Any = clearing.trades.novation
porting: Any = clearing.accounts.porting
consent: Any = clearing.trades.consent
reports: Any = clearing.trades.reports
changes: Any = clearing.validators.set_changes
request_checks: Any = clearing.context.request_checks


@contextmanager
def _put(module: Any, name: str, bug: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, bug)
    try:
        yield
    finally:
        setattr(module, name, before)


def _rounding() -> Any:
    """The trade fee is rounded down, which is what a member would like."""
    return _put(novation, "mul_div_up", mul_div_down)


def _remainder() -> Any:
    """What is left of funding goes to nobody."""
    pay = perpetuals.funding_payments

    def short(lots: Sequence[int], *terms: int) -> tuple[list[int], int]:
        payments, _ = pay(lots, *terms)
        return payments, 0

    return _put(perpetuals, "funding_payments", short)


def _stale() -> Any:
    """Any price will do to liquidate."""

    def always(state: State, feed: int) -> bool:
        return state.feeds.get(feed) is not None

    return _put(liquidation, "can_close_out", always)


def _moved() -> Any:
    """A liquidation moves the mark that the others are settled at next."""
    take_over = margin_calls.liquidate_account

    def moving(context: BlockContext, account: int, holdings: Holdings, margin: AccountMargin) -> Holdings:
        after: Holdings = take_over(context, account, holdings, margin)
        instrument, mark = next(iter(context.state.marks.ordered()))
        context.state.marks.put(instrument, msgspec.structs.replace(mark, ticks=mark.ticks + 1))
        return after

    return _put(margin_calls, "liquidate_account", moving)


def _part() -> Any:
    """A member's part of the fund is written down as one more than was paid."""
    pay_in = collecting.move_into_fund

    def generous(
        context: BlockContext, member: int, contribution: ContributionRecord, micros: int, *index: int
    ) -> ContributionRecord:
        pay_in(context, member, contribution, micros, *index)
        after: ContributionRecord = context.state.contributions[member]
        context.state.contributions.put(member, msgspec.structs.replace(after, micros=after.micros + 1))
        return context.state.contributions[member]

    return _put(collecting, "move_into_fund", generous)


def _clients() -> Any:
    """Clients' accounts become part of their member's estate."""
    judge = declare.declare

    def all_own(
        context: BlockContext, failure: Failure, own_accounts: tuple[int, ...], clients: tuple[int, ...]
    ) -> None:
        judge(context, failure, (*own_accounts, *clients), ())

    return _put(declare, "declare", all_own)


def _endless() -> Any:
    """A default may take as long as it likes."""

    def unbounded(*_: object) -> int:
        return 10**6

    return _put(declare, "default_blocks_max", unbounded)


def _uncovered() -> Any:
    """Whoever bids takes a slice, with margin or without."""

    def always(*_: object) -> bool:
        return True

    return _put(auction, "can_take_slice", always)


def _slice() -> Any:
    """What a slice costs the account is rounded down."""
    return _put(slices, "mul_div_up", mul_div_down)


def _layer() -> Any:
    """Remainders of a layer are borne by nobody in it."""

    def floors(total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
        whole = max(sum(weights), 1)
        return [min(total * weight // whole, cap) for weight, cap in zip(weights, caps, strict=True)]

    return _put(waterfall, "allocate_capped", floors)


def _nothing(*_: object, **__: object) -> None:
    """What a check that never refuses says."""


def _key() -> Any:
    """A member signs for its client's money, whatever key the client has."""
    return _put(request_checks, "owner_key", request_checks.trade_key)


def _ported() -> Any:
    """Whoever takes a client needs nobody's word."""
    return _put(porting, "_check_consents", _nothing)


def _mandate() -> Any:
    """A venue trades as much as it likes for whoever gave it a mandate."""
    check = consent.check_mandate

    def small(context: BlockContext, at: str, account: int, venue: int, *_: int) -> Rejected | None:
        refused: Rejected | None = check(context, at, account, venue, 1, 0, 0)
        return refused

    return _put(consent, "check_mandate", small)


def _twice() -> Any:
    """A venue's trade id can be used again."""
    return _put(reports, "use_venue_id", _nothing)


def _power() -> Any:
    """Any part of the validators' power may go at once."""

    def none(*_: object) -> tuple[int, int]:
        return 0, 0

    return _put(changes, "moved_power", none)


PLANTED: dict[str, Callable[[], Any]] = {
    "rounding": _rounding,
    "remainder": _remainder,
    "stale": _stale,
    "moved-mark": _moved,
    "fund-part": _part,
    "client-in-estate": _clients,
    "endless-default": _endless,
    "uncovered-bidder": _uncovered,
    "slice-rounding": _slice,
    "layer-remainder": _layer,
    "client-key": _key,
    "ported-without-word": _ported,
    "mandate": _mandate,
    "venue-id-twice": _twice,
    "power-moves": _power,
}


def find(name: str, seeds: Iterable[int], blocks: int) -> tuple[int, str] | None:
    """The first seed whose story fails with this bug, and how."""
    with PLANTED[name]():
        for seed in seeds:
            try:
                Story(seed).run(blocks)
            except Exception as error:
                return seed, f"{type(error).__name__}: {str(error)[:300]}"
    return None
