"""`crossclear waterfall run`: losses and who bears them, from one file; the stress losses that size a default fund."""

from fractions import Fraction
from typing import Any, Literal, TypeAlias

from clearing.base.codec import U8, U32, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.units import MONEY_MAX, PPM
from clearing.default import waterfall
from clearing.default.waterfall import allocate_collected
from clearing.default_fund.cover_rules import stress_size
from clearing.schema.receipts import default
from lab.models.named import from_json
from lab.models.numbers import DECIMALS_MAX, Number, exact_rational
from lab.models.portfolio import Name
from lab.runs.settle_file import Note
from lab.runs.units import check_names, require, step_result, units, whole
from member.explaining.formatting import Line, condition_line
from member.explaining.loss_allocation import Payer, allocation_lines


class FundMember(Wire, frozen=True):
    """A member that has not defaulted, and what it has in the default fund."""

    of: Name
    contribution: Number = 0
    required: Number = 0
    """What it has to contribute: assessments are weighed by it, and capped at a multiple of it."""
    seniority: U32 = 0
    """Who has a lower one pays all it has first: those who did not bid well in the auction."""
    assessed: Number = 0
    """What it was assessed already in the period that the cap is for."""


class GainerInput(Wire, frozen=True):
    """An account that gained since the defaulter was last fully margined. A survivor's account may have its name."""

    of: Name
    gains: Number
    free_equity: Number | None = None
    """Above its initial margin: it is not cut below. Default: as much as its gains."""


class WaterfallCase(Wire, frozen=True, tag_field="kind", tag="waterfall"):
    """A loss through all layers."""

    name: Name
    loss: Number
    own_margin: Number = 0
    own_contribution: Number = 0
    house_capital: Number = 0
    survivors: tuple[FundMember, ...] = ()
    assessment: Number = 0
    """The most a member is assessed in a period, as a multiple of what it has to contribute; six decimals."""
    gainers: tuple[GainerInput, ...] = ()
    decimals: U8 = 6


class MemberLoss(Wire, frozen=True):
    """The shortfall of a member's accounts in a stress scenario."""

    of: Name
    loss: Number


class CoverScenario(Wire, frozen=True):
    """One scenario."""

    name: Name
    losses: tuple[MemberLoss, ...]


class CoverCase(Wire, frozen=True, tag_field="kind", tag="cover"):
    """How large the fund has to be: both sizes of every scenario, and the largest of each."""

    name: Name
    scenarios: tuple[CoverScenario, ...]
    decimals: U8 = 6


class CreditorClaim(Wire, frozen=True):
    """What somebody is to be paid."""

    of: Name
    amount: Number


class Collected(Wire, frozen=True, tag_field="kind", tag="collected"):
    """Claims are paid out of what was collected: in full, or in proportion rounded down, what is left to the last."""

    name: Name
    collected: Number
    claims: tuple[CreditorClaim, ...]
    decimals: U8 = 6


WaterfallStep: TypeAlias = WaterfallCase | CoverCase | Collected


class WaterfallRun(Wire, frozen=True):
    """The input of `crossclear waterfall run`."""

    format: Literal["crossclear.waterfall.v1"]
    steps: tuple[WaterfallStep, ...]
    note: Note = ""
    """For people."""


STEPS_MAX = 256
PEOPLE_MAX = 1024
"""Survivors and gainers of all steps together: a layer costs the square of its payers at worst."""
RATIO_MAX = 1000
DEFAULTER, HOUSE = "the defaulter", "the house"


def read_waterfall_run(data: bytes) -> WaterfallRun:
    """Read and check the form of a file. Raises RemoteFault with the path."""
    run = from_json(data, WaterfallRun)
    check_names([step.name for step in run.steps], "steps", STEPS_MAX)
    people = sum(len(step.survivors) + len(step.gainers) for step in run.steps if isinstance(step, WaterfallCase))
    if people > PEOPLE_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "steps", people=people, limit=PEOPLE_MAX)
    return run


def waterfall_run(run: WaterfallRun) -> dict[str, Any]:
    """Run the steps: a JSON object. Raises RemoteFault with the path of a step that makes no sense."""
    results = []
    for number, step in enumerate(run.steps):
        at = f"steps[{number}]"
        if isinstance(step, WaterfallCase):
            result = _waterfall(step, at)
        elif isinstance(step, CoverCase):
            result = _cover(step, at)
        else:
            result = _collected(step, at)
        results.append(step_result(step, result))
    return {"format": "crossclear.waterfall.result.v1", "steps": results}


def _layer_lines(step: default.LayerAllocation, names: dict[int, str]) -> list[Line]:
    """The arithmetic of one layer, in whole units."""
    payers = [Payer(names[share.payer], share.weight, share.cap, share.amount) for share in step.shares]
    paid = sum(share.amount for share in step.shares)
    return [
        *allocation_lines(step.loss_before, payers),
        condition_line(f"the shares sum to {step.loss_borne}", paid == step.loss_borne),
    ]


def _waterfall(step: WaterfallCase, at: str) -> dict[str, Any]:
    require(step.decimals <= DECIMALS_MAX, f"{at}.decimals", str(step.decimals))
    survivors, gainers = [each.of for each in step.survivors], [each.of for each in step.gainers]
    for field, listed in (("survivors", survivors), ("gainers", gainers)):
        require(len(set(listed)) == len(listed), f"{at}.{field}", "somebody appears twice")
    loss = _loss(step, at)
    names = {1: DEFAULTER, 0: HOUSE} | dict(enumerate([*survivors, *gainers], start=2))
    scale = 10**step.decimals
    steps = waterfall.run_waterfall(loss)
    borne = sum(step.loss_borne for step in steps)
    return {
        "layers": [_layer(step, names, scale) for step in steps],
        "borne": Fraction(borne, scale),
        "torn_up": Fraction(loss.loss - borne, scale),
    }


def _layer(step: default.LayerAllocation, names: dict[int, str], scale: int) -> dict[str, Any]:
    shares = [
        {
            "of": names[share.payer],
            "weight": Fraction(share.weight, scale if len(step.shares) > 1 else 1),
            "most": Fraction(share.cap, scale),
            "amount": Fraction(share.amount, scale),
            "keeps": Fraction(share.cap - share.amount, scale),
        }
        for share in step.shares
    ]
    return {
        "layer": step.layer.name.lower(),
        "before": Fraction(step.loss_before, scale),
        "borne": Fraction(step.loss_borne, scale),
        "left": Fraction(step.loss_before - step.loss_borne, scale),
        "shares": shares,
        "arithmetic": [line.text for line in _layer_lines(step, names)] if shares else [],
    }


def _loss(step: WaterfallCase, at: str) -> waterfall.DefaultLoss:
    def amount(number: Number, path: str) -> int:
        found = units(number, step.decimals, f"{at}.{path}", 0)
        require(found <= MONEY_MAX, f"{at}.{path}", str(number))
        return found

    survivors = tuple(
        waterfall.Survivor(
            member=2 + place,
            contribution=amount(survivor.contribution, f"survivors[{place}].contribution"),
            required=amount(survivor.required, f"survivors[{place}].required"),
            seniority=survivor.seniority,
            assessed=amount(survivor.assessed, f"survivors[{place}].assessed"),
        )
        for place, survivor in enumerate(step.survivors)
    )
    gainers = tuple(
        waterfall.GainingAccount(
            account=2 + len(survivors) + place,
            gains=amount(gainer.gains, f"gainers[{place}].gains"),
            equity=amount(
                gainer.gains if gainer.free_equity is None else gainer.free_equity, f"gainers[{place}].free_equity"
            ),
        )
        for place, gainer in enumerate(step.gainers)
    )
    return waterfall.DefaultLoss(
        defaulter=1,
        loss=amount(step.loss, "loss"),
        own_margin=amount(step.own_margin, "own_margin"),
        own_contribution=amount(step.own_contribution, "own_contribution"),
        house_capital=amount(step.house_capital, "house_capital"),
        survivors=survivors,
        assessment_ppm=whole(exact_rational(step.assessment) * PPM, f"{at}.assessment", 0, RATIO_MAX * PPM),
        gainers=gainers,
    )


def _cover(step: CoverCase, at: str) -> dict[str, Any]:
    require(bool(step.scenarios), f"{at}.scenarios", "0")
    scale = 10**step.decimals
    sizes = []
    scenarios: list[dict[str, Any]] = []
    for number, scenario in enumerate(step.scenarios):
        path = f"{at}.scenarios[{number}]"
        names = [loss.of for loss in scenario.losses]
        require(len(set(names)) == len(names), path, "a member appears twice")
        shortfalls = {
            place: max(units(loss.loss, step.decimals, f"{path}.losses[{place}].loss"), 0)
            for place, loss in enumerate(scenario.losses)
        }
        size = stress_size(scenario.name, shortfalls)
        sizes.append(size)
        scenarios.append(
            {
                "scenario": scenario.name,
                "lacking": [{"of": names[place], "loss": Fraction(loss, scale)} for place, loss in size.shortfalls],
                "cover_2": Fraction(size.cover_two, scale),
                "largest_or_next_two": Fraction(size.largest_or_next_two, scale),
            }
        )
    cover, largest = max(size.cover_two for size in sizes), max(size.largest_or_next_two for size in sizes)
    return {
        "scenarios": scenarios,
        "cover_2": Fraction(cover, scale),
        "largest_or_next_two": Fraction(largest, scale),
        "fund": Fraction(max(cover, largest), scale),
    }


def _collected(step: Collected, at: str) -> dict[str, Any]:
    names = [claim.of for claim in step.claims]
    require(len(set(names)) == len(names), at, "somebody appears twice")
    collected = units(step.collected, step.decimals, f"{at}.collected", 0)
    claims = [
        units(claim.amount, step.decimals, f"{at}.claims[{place}].amount", 0) for place, claim in enumerate(step.claims)
    ]
    paid, scale, whole_claim = allocate_collected(collected, claims), 10**step.decimals, sum(claims)
    shares = [
        {"of": name, "amount": Fraction(amount, scale), "short": Fraction(claim - amount, scale)}
        for name, claim, amount in zip(names, claims, paid, strict=True)
    ]
    return {
        "shares": shares,
        "sum": Fraction(sum(paid), scale),
        "short": Fraction(whole_claim - sum(paid), scale),
        "surplus": Fraction(max(collected - whole_claim, 0), scale),
        "arithmetic": _paid_lines(collected, dict(zip(names, claims, strict=True)), paid),
    }


def _paid_lines(collected: int, claims: dict[str, int], paid: list[int]) -> list[str]:
    whole_claim = sum(claims.values())
    if collected >= whole_claim:
        return [f"{collected} pay all claims, {whole_claim} together, in full"]
    lines = []
    for (name, claim), amount in zip(claims.items(), paid, strict=True):
        floor = claim * collected // whole_claim
        more = f" + {amount - floor} that rounding leaves over" if amount > floor else ""
        lines.append(f"{name}: {claim} x {collected} / {whole_claim}, rounded down, = {floor}{more} = {amount}")
    return lines
