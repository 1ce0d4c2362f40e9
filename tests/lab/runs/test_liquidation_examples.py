"""Every file under configs/examples/liquidation, run through the command line and held to its figures."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, RemoteFault
from clearing.schema.codes import ClearingCode
from cli.main import run
from lab.models.numbers import exact_rational
from lab.runs.liquidation import liquidation_run, read_liquidation_run

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/liquidation"


def steps(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["liquidation", "run", str(EXAMPLES / f"{name}.json")]) == 0
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["steps"]}


def test_c05_280_are_closed_in_four_steps(capsys):
    assert steps("c05-disposal-steps", capsys)["disposal"]["steps"] == ["100", "90", "45", "45"]


def test_c20_the_size_that_covers_a_shortage(capsys):
    found = steps("c20-liquidation-size", capsys)
    assert [each["units"] for each in found.values()] == [1_010_101_010, 990_099_009, 1_250_000_000]


def test_what_is_closed_brings_the_account_back_to_initial_margin(capsys):
    found = steps("back-to-initial-margin", capsys)
    share = exact_rational(found["share"]["share"])
    kept, penalty = 1 - share, share * 600
    assert 9_000 - penalty >= 400 + kept * (12_000 - 400) > 9_000 - penalty - Fraction(1, 10**4)
    assert [each["closed"] for each in found["share"]["positions"]] == [208, -83]
    assert found["in steps"]["sum"] == "16363.636375"
    assert found["in steps"]["steps"][:2] == ["5000", "5000"]
    path = found["slice"]["blocks"]
    assert [each["discount"] for each in path] == ["0.001", "0.00325", "0.0055", "0.00775", "0.01"]
    for each in path:
        assert exact_rational(each["account_pays"]) == exact_rational(each["bidder_gets"]) + exact_rational(
            each["fund_gets"]
        )


SHARE = {"kind": "restoring_share", "name": "s", "equity": 1, "initial": 2, "notional": 3}
STEPS = {"kind": "steps", "name": "s", "total": 10}
AUCTION = {"kind": "auction", "name": "s", "notional": 10, "blocks": 3, "end": "0.1"}
SIZE = {"kind": "liquidation_size", "name": "s", "ratio": 1, "price": 1, "shortage": 1}
REFUSED = [
    (SHARE, {"initial": -1}, ClearingCode.BAD_STEP, "steps[0].initial"),
    (SHARE, {"equity": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].equity"),
    (SHARE, {"cost": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].cost"),
    (SHARE, {"collateral_charge": 3}, ClearingCode.BAD_STEP, "steps[0].collateral_charge"),
    (SHARE, {"positions": [{"of": "A", "lots": 2**39}]}, ClearingCode.BAD_STEP, "steps[0].positions[0].lots"),
    (SHARE, {"positions": [{"of": "A", "lots": 2**64}]}, BaseCode.MALFORMED, "steps[0].positions[0].lots"),
    (STEPS, {"step": 0}, ClearingCode.BAD_STEP, "steps[0].step"),
    (STEPS, {"step": "1.1"}, ClearingCode.BAD_STEP, "steps[0].step"),
    (STEPS, {"most": "0.000001"}, ClearingCode.BAD_STEP, "steps[0]"),
    (STEPS, {"decimals": 31}, ClearingCode.BAD_STEP, "steps[0].decimals"),
    (AUCTION, {"blocks": 0}, ClearingCode.BAD_STEP, "steps[0].blocks"),
    (AUCTION, {"blocks": 1001}, ClearingCode.BAD_STEP, "steps[0].blocks"),
    (AUCTION, {"start": "0.2"}, ClearingCode.BAD_STEP, "steps[0].end"),
    (AUCTION, {"bidder_share": "1.1"}, ClearingCode.BAD_STEP, "steps[0].bidder_share"),
    (SIZE, {"shortage": None}, ClearingCode.BAD_STEP, "steps[0].shortage"),
    (SIZE, {"account": "A", "shortage": None}, ClearingCode.BAD_STEP, "steps[0].shortage"),
]


@pytest.mark.parametrize(("step", "changes", "code", "at"), REFUSED)
def test_a_refusal_names_code_and_path(step, changes, code, at):
    assert liquidation_run(read_liquidation_run(file_of(step)))
    with pytest.raises(RemoteFault) as refused:
        liquidation_run(read_liquidation_run(file_of({**step, **changes})))
    assert (refused.value.code, refused.value.at) == (code, at)


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_steps_sum_to_the_total_and_none_is_above_the_most(total, ppm, whole_at, most):
    step = {**STEPS, "total": total, "decimals": 0, "step": str(Fraction(ppm, 10**6)), "whole_at": whole_at}
    try:
        told = liquidation_run(read_liquidation_run(file_of({**step, "most": most})))["steps"][0]
    except RemoteFault as refused:
        assert refused.at == "steps[0]", "too many steps"
        return
    sizes = [exact_rational(each) for each in told["steps"]]
    assert sum(sizes) == total
    assert all(0 < size <= (most or total) for size in sizes)


def file_of(*each: dict[str, Any]) -> bytes:
    return json.dumps({"format": "crossclear.liquidation.v1", "steps": each}).encode()
