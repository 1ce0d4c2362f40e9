"""`crossclear settle run`: settlement steps out of one file.

Rule: the file is hostile until checked; a step that makes no sense is refused with a code and the path. Steps run in
their order; a later one may use an earlier one's price or premium. It must not touch a node, the network or a clock.
"""

from typing import Any

from clearing.base.errors import BaseCode, RemoteFault
from clearing.models.named import from_json
from node.runs import pay_steps, share_steps
from node.runs.pay_steps import Results
from node.runs.shown import as_json
from node.runs.steps import (
    Allocate,
    Average,
    Funding,
    FundSize,
    Haircut,
    HaircutGains,
    Interest,
    Median,
    Premium,
    Rescale,
    Settle,
    SettleRun,
    ShareLoss,
    Shortfall,
    SkewFee,
    Step,
    Variance,
    VariationMargin,
    Waterfall,
)
from node.runs.units import Units, require

STEPS_MAX = 1024


def read_settle_run(data: bytes) -> SettleRun:
    """Read and check the form of a file. Raises RemoteFault with the path."""
    run = from_json(data, SettleRun)
    if len(run.steps) > STEPS_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "steps", items=len(run.steps), limit=STEPS_MAX)
    for at, names in (("steps", [each.name for each in run.steps]), ("instruments", [i.id for i in run.instruments])):
        require(len(set(names)) == len(names), at, "a name appears twice")
    return run


def settle_run(run: SettleRun) -> dict[str, Any]:
    """Run the steps: a JSON object. Raises RemoteFault with the path of a step that makes no sense."""
    try:
        return _run(run)
    except OverflowError as error:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "file", why=str(error)) from None


def _run(run: SettleRun) -> dict[str, Any]:
    units = {each.id: Units(each, f"instruments[{number}]") for number, each in enumerate(run.instruments)}
    results: dict[str, dict[str, Any]] = {}
    told = []
    for number, step in enumerate(run.steps):
        at = f"steps[{number}]"
        if isinstance(step, VariationMargin | Premium | Funding | Settle):
            require(step.instrument in units, f"{at}.instrument", step.instrument)
            result = _paid(step, units[step.instrument], results, at)
        else:
            result = _shared(step, at)
        results[step.name] = result
        told.append({"name": step.name, "kind": str(type(step).__struct_config__.tag), **as_json(result)})
    return {"format": "crossclear.settle.result.v1", "steps": told}


def _paid(
    step: VariationMargin | Premium | Funding | Settle, units: Units, results: Results, at: str
) -> dict[str, Any]:
    if isinstance(step, VariationMargin):
        return pay_steps.variation_margin(step, units, at)
    if isinstance(step, Premium):
        return pay_steps.premium(step, units, at)
    if isinstance(step, Funding):
        return pay_steps.funding(step, units, results, at)
    return pay_steps.settle(step, units, results, at)


def _shared(step: Step, at: str) -> dict[str, Any]:
    if isinstance(step, Average):
        return pay_steps.average(step, at)
    if isinstance(step, Allocate):
        return share_steps.allocation(step, at)
    if isinstance(step, ShareLoss):
        return share_steps.share_loss(step, at)
    if isinstance(step, HaircutGains):
        return share_steps.haircut_gains(step, at)
    if isinstance(step, Waterfall):
        return share_steps.waterfall(step, at)
    if isinstance(step, FundSize):
        return share_steps.fund_size(step, at)
    if isinstance(step, SkewFee):
        return share_steps.skew_fee(step, at)
    if isinstance(step, Haircut):
        return share_steps.haircut(step, at)
    if isinstance(step, Interest):
        return share_steps.interest(step, at)
    if isinstance(step, Median):
        return share_steps.median(step, at)
    if isinstance(step, Variance):
        return share_steps.variance(step, at)
    if isinstance(step, Rescale):
        return share_steps.rescaled(step, at)
    if isinstance(step, Shortfall):
        return share_steps.shortfall(step, at)
    raise TypeError(step)
