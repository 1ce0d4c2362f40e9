"""`crossclear liquidation run`: how much is closed, in which steps, along which auction path, out of one file."""

from fractions import Fraction
from typing import Any, Literal, TypeAlias

from clearing.base.codec import I64, U8, U32, Wire
from clearing.base.units import MONEY_MAX, POSITION_MAX, PPM, mul_div_down, mul_div_up
from clearing.context.block_context import DENOMINATOR
from clearing.liquidation.auction import auction_discount_ppm
from clearing.liquidation.slices import restoring_share, slice_costs, step_size
from lab.evaluation.evaluate import Evaluator
from lab.evaluation.rules import LiquidationSize, apply_rule
from lab.models.named import from_json
from lab.models.numbers import DECIMALS_MAX, Number, exact_rational
from lab.models.portfolio import Name, Portfolio
from lab.runs.block_gate import BlockGate, block_gate
from lab.runs.insolvent_portfolios import DeleveragingCase, RisingAuction, deleveraging, rising_auction
from lab.runs.margin import NO_MODEL
from lab.runs.settle_file import Note
from lab.runs.units import check_names, micros, money, require, step_result, units, whole


class SizedPosition(Wire, frozen=True):
    """A position in whole lots, signed."""

    of: Name
    lots: I64


class RestoringShare(Wire, frozen=True, tag_field="kind", tag="restoring_share"):
    """The share of every position that brings an account back to initial margin: (I - E) / (I - C - p N), up."""

    name: Name
    equity: Number
    initial: Number
    notional: Number
    """Of all positions with an open price."""
    cost: Number = 0
    """Of the notional that is closed, what the account pays: penalty, and discount in an auction; six decimals."""
    collateral_charge: Number = 0
    """The part of the requirement that closing positions does not free."""
    with_credit: bool = False
    """Whether the requirement has a credit, by which it was rounded up: a micro more is missing."""
    positions: tuple[SizedPosition, ...] = ()


class DisposalCase(Wire, frozen=True, tag_field="kind", tag="steps"):
    """The steps in which so much is closed when nothing else happens."""

    name: Name
    total: Number
    step: Number = 1
    """Of what is left, the most in one step; six decimals; rounded up."""
    whole_at: Number = 0
    """So little is closed in one step."""
    most: Number = 0
    """No step closes more; 0: any."""
    decimals: U8 = 6
    cooldown_blocks: U32 = 0
    """Blocks between two steps."""
    steps_max: U32 = 0
    """After so many steps the next one closes all that is left; 0: any number."""


class AuctionLeg(Wire, frozen=True):
    """One position of a slice, long or short: both are closed at a discount."""

    of: Name
    notional: Number


class AuctionPath(Wire, frozen=True, tag_field="kind", tag="auction"):
    """The Dutch auction of a slice, block by block: discount, and who gets what of it and of the penalty."""

    name: Name
    notional: Number
    """Of the slice; the sum of the legs, where it has any."""
    blocks: U32
    end: Number
    """Discount of the last block, of the notional; six decimals."""
    start: Number = 0
    """Of the first one."""
    penalty: Number = 0
    """Of the notional, six decimals."""
    bidder_share: Number = 0
    """Of the penalty, to the bidder, six decimals; the rest is the fund's."""
    equity: Number | None = None
    """Of the account: discount and penalty together never exceed it, the discount first. Default: enough."""
    legs: tuple[AuctionLeg, ...] = ()
    """The slice's positions in the order of their instruments, whose costs round up apart. Default: one of all."""


LiquidationStep: TypeAlias = (
    RestoringShare | DisposalCase | AuctionPath | LiquidationSize | BlockGate | DeleveragingCase | RisingAuction
)


class LiquidationRun(Wire, frozen=True):
    """The input of `crossclear liquidation run`."""

    format: Literal["crossclear.liquidation.v1"]
    steps: tuple[LiquidationStep, ...]
    note: Note = ""
    """For people."""


STEPS_MAX = 256
BLOCKS_MAX = 1000
"""Of an auction that is listed block by block, and of the steps of a disposal."""
LEGS_MAX = 8
ANY_EQUITY = 100 * MONEY_MAX
"""More than discount and penalty can be."""
RATE_MAX = 10 * PPM


def read_liquidation_run(data: bytes) -> LiquidationRun:
    """Read and check the form of a file. Raises RemoteFault with the path."""
    run = from_json(data, LiquidationRun)
    check_names([step.name for step in run.steps], "steps", STEPS_MAX)
    return run


def liquidation_run(run: LiquidationRun) -> dict[str, Any]:
    """Run the steps: a JSON object. Raises RemoteFault with the path of a step that makes no sense."""
    results = [step_result(step, _result(step, f"steps[{number}]")) for number, step in enumerate(run.steps)]
    return {"format": "crossclear.liquidation.result.v1", "steps": results}


def _result(step: LiquidationStep, at: str) -> dict[str, Any]:
    if isinstance(step, RestoringShare):
        return _share(step, at)
    if isinstance(step, DisposalCase):
        return _steps(step, at)
    if isinstance(step, AuctionPath):
        return _auction(step, at)
    if isinstance(step, BlockGate):
        return block_gate(step, at)
    if isinstance(step, DeleveragingCase):
        return deleveraging(step, at)
    if isinstance(step, RisingAuction):
        return rising_auction(step, at)
    return _size(step, at)


def _share(step: RestoringShare, at: str) -> dict[str, Any]:
    equity, cost = micros(step.equity, f"{at}.equity"), _rate(step.cost, f"{at}.cost")
    initial, notional = micros(step.initial, f"{at}.initial", 0), micros(step.notional, f"{at}.notional", 0)
    fixed = micros(step.collateral_charge, f"{at}.collateral_charge", 0)
    require(fixed <= initial, f"{at}.collateral_charge", str(step.collateral_charge))
    rounding = 1 if step.with_credit else 0
    share = restoring_share(equity, initial, notional, cost_ppm=cost, fixed=fixed, rounding=rounding)
    missing, freed = initial + rounding - equity, (initial - fixed) * PPM - cost * notional
    arithmetic = [
        f"missing = {initial} + {rounding} - {equity} = {missing}",
        f"freed by everything = {initial} - {fixed} - {notional} x {cost} / {PPM} = {freed} / {PPM}",
        "equity is gone, or costs eat what is freed: everything"
        if equity <= 0 or freed <= missing * PPM
        else f"share = {missing * PPM} / {freed} of {DENOMINATOR}, rounded up, 0 at least = {share}",
    ]
    taken = []
    for place, position in enumerate(step.positions):
        require(abs(position.lots) <= POSITION_MAX, f"{at}.positions[{place}].lots", str(position.lots))
        size = mul_div_up(abs(position.lots), share, DENOMINATOR)
        taken.append({"of": position.of, "lots": position.lots, "closed": size if position.lots > 0 else -size})
        arithmetic.append(f"{position.of}: {abs(position.lots)} x {share} / {DENOMINATOR}, rounded up = {size}")
    return {
        "share": Fraction(share, DENOMINATOR),
        "notional_closed": money(mul_div_up(notional, share, DENOMINATOR)),
        "positions": taken,
        "arithmetic": arithmetic,
    }


def _steps(step: DisposalCase, at: str) -> dict[str, Any]:
    require(step.decimals <= DECIMALS_MAX, f"{at}.decimals", str(step.decimals))
    total, whole_at, most = (
        units(number, step.decimals, f"{at}.{field}", 0)
        for field, number in (("total", step.total), ("whole_at", step.whole_at), ("most", step.most))
    )
    rate = _rate(step.step, f"{at}.step")
    require(0 < rate <= PPM, f"{at}.step", str(step.step))
    scale, left = 10**step.decimals, total
    sizes: list[Fraction] = []
    arithmetic: list[str] = []
    while left > 0:
        require(len(sizes) < BLOCKS_MAX, at, f"more than {BLOCKS_MAX} steps")
        size, last = step_size(left, rate, whole_at, most), 0 < step.steps_max <= len(sizes)
        rule = "all of it" if left <= whole_at else f"{left} x {rate} / {PPM}, rounded up"
        limit = f", at most {most}" if most else ""
        if last:
            size, rule, limit = left, f"all of it after {step.steps_max} steps", ""
        arithmetic.append(f"{left} left: {rule}{limit} = {size}")
        sizes.append(Fraction(size, scale))
        left -= size
    blocks = [1 + number * (1 + step.cooldown_blocks) for number in range(len(sizes))]
    return {"steps": sizes, "blocks": blocks, "sum": sum(sizes, Fraction(0)), "arithmetic": arithmetic}


def _auction(step: AuctionPath, at: str) -> dict[str, Any]:
    notional = micros(step.notional, f"{at}.notional", 0)
    start, end = _rate(step.start, f"{at}.start"), _rate(step.end, f"{at}.end")
    require(start <= end <= PPM, f"{at}.end", str(step.end))
    require(0 < step.blocks <= BLOCKS_MAX, f"{at}.blocks", str(step.blocks))
    share = _rate(step.bidder_share, f"{at}.bidder_share")
    require(share <= PPM, f"{at}.bidder_share", str(step.bidder_share))
    rate_of_penalty = _rate(step.penalty, f"{at}.penalty")
    legs = [micros(leg.notional, f"{at}.legs[{number}].notional", 0) for number, leg in enumerate(step.legs)]
    require(len(legs) <= LEGS_MAX and (not legs or sum(legs) == notional), f"{at}.legs", str(len(legs)))
    equity = ANY_EQUITY if step.equity is None else max(micros(step.equity, f"{at}.equity"), 0)
    blocks = []
    for block in range(1, step.blocks + 1):
        rate, left = auction_discount_ppm(start, end, 1, step.blocks, block), equity
        discount = whole_penalty = 0
        for value in legs or [notional]:
            off, penalty = slice_costs(value, rate, rate_of_penalty, left)
            left, discount, whole_penalty = left - off - penalty, discount + off, whole_penalty + penalty
        bidder = mul_div_down(whole_penalty, share, PPM)
        blocks.append(
            {
                "block": block,
                "discount": Fraction(rate, PPM),
                "account_pays": money(discount + whole_penalty),
                "bidder_gets": money(discount + bidder),
                "fund_gets": money(whole_penalty - bidder),
            }
        )
    full = sum(mul_div_up(value, rate_of_penalty, PPM) for value in legs or [notional])
    return {"blocks": blocks, "penalty": money(full)}


def _size(step: LiquidationSize, at: str) -> dict[str, Any]:
    require(step.shortage is not None, f"{at}.shortage", "missing: there are no accounts here")
    found = apply_rule(step, Evaluator(NO_MODEL, Portfolio()), {}, at)
    return {"size": found.value, "units": found.units, "inputs": found.inputs}


def _rate(number: Number, at: str) -> int:
    """A ratio in millionths."""
    found = whole(exact_rational(number) * PPM, at, 0, RATE_MAX)
    require(found <= MONEY_MAX, at, str(number))
    return found
