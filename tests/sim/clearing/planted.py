"""Bugs put into the rulebook on purpose: a simulation that does not find them looks for nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

import clearing.calls.margin_calls
import clearing.liquidation.takeover
import clearing.settling.perpetuals
import clearing.trades.novation
from clearing.base.units import mul_div_down
from clearing.holdings import Holdings
from clearing.margin.requirement import AccountMargin
from clearing.run import Run
from clearing.state.state import State
from tests.sim.clearing.story import Story

liquidation: Any = clearing.liquidation.takeover
margin_calls: Any = clearing.calls.margin_calls
perpetuals: Any = clearing.settling.perpetuals
novation: Any = clearing.trades.novation


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

    return _put(liquidation, "may_close_out", always)


def _moved() -> Any:
    """A liquidation moves the mark that the others are settled at next."""
    take_over = margin_calls.liquidate

    def moving(run: Run, account: int, held: Holdings, margin: AccountMargin) -> Holdings:
        after: Holdings = take_over(run, account, held, margin)
        instrument, mark = next(iter(run.state.marks.ordered()))
        run.state.marks.put(instrument, msgspec.structs.replace(mark, ticks=mark.ticks + 1))
        return after

    return _put(margin_calls, "liquidate", moving)


PLANTED: dict[str, Callable[[], Any]] = {
    "rounding": _rounding,
    "remainder": _remainder,
    "stale": _stale,
    "moved-mark": _moved,
}


def find(name: str, seeds: range, blocks: int) -> tuple[int, str] | None:
    """The first seed whose story fails with this bug, and how."""
    with PLANTED[name]():
        for seed in seeds:
            try:
                Story(seed).run(blocks)
            except Exception as error:
                return seed, f"{type(error).__name__}: {str(error)[:300]}"
    return None
