"""`crossclear settle run`: settlement steps out of one file.

Rule: the file is hostile until checked; a step that makes no sense is refused with a code and the path. Steps run in
their order; a later one may use an earlier one's price or premium. It must not touch a node, the network or a clock.
"""

from typing import Any

from clearing.base.errors import BaseCode, RemoteFault
from lab.models.named import from_json
from lab.runs import allocation_steps, payment_steps
from lab.runs.payment_steps import Results
from lab.runs.settle_file import (
    Allocate,
    Average,
    FundingStep,
    FundSizeStep,
    HaircutGains,
    HaircutStep,
    Interest,
    LossWaterfallStep,
    MedianStep,
    PremiumStep,
    Rescale,
    Settle,
    SettleRun,
    ShareLoss,
    Shortfall,
    SkewFee,
    Step,
    VarianceStep,
    VariationMargin,
)
from lab.runs.units import Units, check_names, require, step_result

STEPS_MAX = 1024


def read_settle_run(data: bytes) -> SettleRun:
    """Read and check the form of a file. Raises RemoteFault with the path."""
    run = from_json(data, SettleRun)
    check_names([step.name for step in run.steps], "steps", STEPS_MAX)
    check_names([instrument.id for instrument in run.instruments], "instruments", len(run.instruments))
    return run


def settle_run(run: SettleRun) -> dict[str, Any]:
    """Run the steps: a JSON object. Raises RemoteFault with the path of a step that makes no sense."""
    try:
        return _run(run)
    except OverflowError as error:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "file", why=str(error)) from None


def _run(run: SettleRun) -> dict[str, Any]:
    units = {
        instrument.id: Units(instrument, f"instruments[{number}]") for number, instrument in enumerate(run.instruments)
    }
    results: dict[str, dict[str, Any]] = {}
    steps = []
    for number, step in enumerate(run.steps):
        at = f"steps[{number}]"
        if isinstance(step, VariationMargin | PremiumStep | FundingStep | Settle):
            require(step.instrument in units, f"{at}.instrument", step.instrument)
            result = _paid(step, units[step.instrument], results, at)
        else:
            result = _shared(step, at)
        results[step.name] = result
        steps.append(step_result(step, result))
    return {"format": "crossclear.settle.result.v1", "steps": steps}


def _paid(
    step: VariationMargin | PremiumStep | FundingStep | Settle, units: Units, results: Results, at: str
) -> dict[str, Any]:
    if isinstance(step, VariationMargin):
        return payment_steps.variation_margin(step, units, at)
    if isinstance(step, PremiumStep):
        return payment_steps.premium(step, units, at)
    if isinstance(step, FundingStep):
        return payment_steps.funding(step, units, results, at)
    return payment_steps.settle(step, units, results, at)


def _shared(step: Step, at: str) -> dict[str, Any]:
    if isinstance(step, Average):
        return payment_steps.average(step, at)
    if isinstance(step, Allocate):
        return allocation_steps.allocation(step, at)
    if isinstance(step, ShareLoss):
        return allocation_steps.share_loss(step, at)
    if isinstance(step, HaircutGains):
        return allocation_steps.haircut_gains(step, at)
    if isinstance(step, LossWaterfallStep):
        return allocation_steps.waterfall(step, at)
    if isinstance(step, FundSizeStep):
        return allocation_steps.fund_size(step, at)
    if isinstance(step, SkewFee):
        return allocation_steps.skew_fee(step, at)
    if isinstance(step, HaircutStep):
        return allocation_steps.haircut(step, at)
    if isinstance(step, Interest):
        return allocation_steps.interest(step, at)
    if isinstance(step, MedianStep):
        return allocation_steps.median(step, at)
    if isinstance(step, VarianceStep):
        return allocation_steps.variance(step, at)
    if isinstance(step, Rescale):
        return allocation_steps.rescaled(step, at)
    if isinstance(step, Shortfall):
        return allocation_steps.shortfall(step, at)
    raise TypeError(step)
