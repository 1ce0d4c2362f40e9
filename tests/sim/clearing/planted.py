"""Bugs put into the rulebook on purpose: a simulation that does not find them looks for nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import msgspec

from clearing.base.units import mul_div_down
from clearing.context.block_context import BlockContext, Failure
from clearing.context.request_checks import trade_key
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.records.default import ContributionRecord
from clearing.schema.terms.instruments import Instrument
from clearing.state.holdings import Holdings
from clearing.state.state import State
from tests.sim.clearing.story import Story

Bug = Callable[..., Any]
"""Called as the function that it stands for, with that function in front."""


@dataclass(frozen=True)
class Planted:
    """One bug of these."""

    place: str
    """The function of the product that the bug takes the place of."""
    made: Bug
    found_by: int
    """A seed whose story of sixty blocks is known to find it. A change of the stories may need another one."""


PLANTED: dict[str, Planted] = {}


def bug(name: str, place: str, *, found_by: int = 2) -> Callable[[Bug], Bug]:
    """Plants the function below at this place under this name."""

    def plant(made: Bug) -> Bug:
        PLANTED[name] = Planted(place, made, found_by)
        return made

    return plant


@bug("rounding", "clearing.trades.novation.mul_div_up")
def fee_rounded_down(_: Bug, *of: int) -> int:
    """The trade fee is rounded down, which is what a member would like."""
    return mul_div_down(*of)


@bug("remainder", "clearing.settlement.funding.funding_payments")
def remainder_to_nobody(pay: Bug, lots: Sequence[int], *terms: int) -> tuple[list[int], int]:
    """What is left of funding goes to nobody."""
    payments, _ = pay(lots, *terms)
    return payments, 0


@bug("stale", "clearing.liquidation.takeover.can_close_out_position", found_by=14)
def at_any_price(_: Bug, state: State, instrument: Instrument) -> bool:
    """Any price will do to liquidate."""
    return state.feeds.get(instrument.feed) is not None


@bug("moved-mark", "clearing.margin_calls.margin_calls.liquidate_account")
def mark_moved(liquidate: Bug, context: BlockContext, *of: int | Holdings | AccountMargin) -> Holdings:
    """A liquidation moves the mark that the others are settled at next."""
    after: Holdings = liquidate(context, *of)
    instrument, mark = next(iter(context.state.marks.ordered()))
    context.state.marks.put(instrument, msgspec.structs.replace(mark, ticks=mark.ticks + 1))
    return after


@bug("fund-part", "clearing.default_fund.contribution_calls.move_into_fund")
def part_too_large(pay_in: Bug, context: BlockContext, member: int, *paid: ContributionRecord | int) -> Any:
    """A member's part of the fund is written down as one more than was paid."""
    pay_in(context, member, *paid)
    after = context.state.contributions[member]
    context.state.contributions.put(member, msgspec.structs.replace(after, micros=after.micros + 1))
    return context.state.contributions[member]


@bug("client-in-estate", "clearing.default.declaration.declare", found_by=6)
def clients_in_estate(
    declare: Bug, context: BlockContext, failure: Failure, own: tuple[int, ...], clients: tuple[int, ...]
) -> None:
    """Clients' accounts become part of their member's estate."""
    declare(context, failure, (*own, *clients), ())


@bug("endless-default", "clearing.default.declaration.default_blocks_max")
def endless(*_: object) -> int:
    """A default may take as long as it likes."""
    return 10**6


@bug("uncovered-bidder", "clearing.liquidation.auction.can_take_slice", found_by=1)
def any_bidder(*_: object) -> bool:
    """Any bidder takes a slice, with margin or without."""
    return True


@bug("slice-rounding", "clearing.liquidation.slices.mul_div_up")
def slice_rounded_down(_: Bug, *of: int) -> int:
    """What a slice costs the account is rounded down."""
    return mul_div_down(*of)


@bug("layer-remainder", "clearing.default.waterfall.allocate_capped")
def shares_rounded_down(_: Bug, total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Remainders of a layer are borne by nobody in it."""
    whole = max(sum(weights), 1)
    return [min(total * weight // whole, cap) for weight, cap in zip(weights, caps, strict=True)]


@bug("client-key", "clearing.context.request_checks.owner_key")
def member_signs_for_client(_: Bug, *of: Any) -> Any:
    """A member signs for its client's money, whatever key the client has."""
    return trade_key(*of)


@bug("ported-without-word", "clearing.accounts.porting._check_consents")
def nobody_asked(*_: object, **__: object) -> None:
    """A member that takes a client needs nobody's word."""


@bug("mandate", "clearing.trades.consent.check_mandate")
def mandate_without_limits(check: Bug, context: BlockContext, at: str, account: int, venue: int, *_: int) -> Any:
    """A venue trades as much as it likes for any member that gave it a mandate."""
    return check(context, at, account, venue, 1, 0, 0)


@bug("session-limits", "clearing.trades.bilateral_trades.check_session")
def session_without_limits(*_: object) -> None:
    """A session key signs trades as large as it likes."""


@bug("session-day", "clearing.trades.bilateral_trades.use_session")
def day_not_counted(*_: object) -> None:
    """What a session key traded in a day is not counted."""


@bug("bundle-unsigned", "clearing.trades.bilateral_trades._check_signatures")
def nobody_signs(*_: object) -> tuple[()]:
    """A bundle, or a trade, needs nobody's signature."""
    return ()


@bug("bundle-twice", "clearing.trades.bilateral_trades.use_bilateral")
def trade_not_remembered(*_: object) -> None:
    """A bilateral trade can be novated again."""


@bug("venue-id-twice", "clearing.trades.reports.use_venue_id", found_by=11)
def id_not_used_up(*_: object, **__: object) -> None:
    """A venue's trade id can be used again."""


@bug("seed-stays", "clearing.accounts.porting.transfer_membership")
def seed_stays(move: Bug, context: BlockContext, account: int, to_member: int) -> tuple[int, ...]:
    """An account that another address owns from now on keeps the seed that its former owner chose."""
    before = [
        (each, context.state.sealed_seeds.get(each)) for each in (account, *context.state.accounts[account].children)
    ]
    moved: tuple[int, ...] = move(context, account, to_member)
    for each, record in before:
        if record is not None:
            context.state.sealed_seeds.put(each, record)
    return moved


@bug("power-moves", "clearing.validators.set_changes.moved_power", found_by=6)
def any_power_moves(*_: object) -> tuple[int, int]:
    """Any part of the validators' power may go at once."""
    return 0, 0


def find(name: str, seeds: Iterable[int], blocks: int) -> tuple[int, str] | None:
    """The first seed whose story fails with this bug, and how."""
    planted = PLANTED[name]
    with patch(planted.place, partial(planted.made, resolve_name(planted.place))):
        for seed in seeds:
            try:
                Story(seed).run(blocks)
            except Exception as error:
                return seed, f"{type(error).__name__}: {str(error)[:300]}"
    return None
