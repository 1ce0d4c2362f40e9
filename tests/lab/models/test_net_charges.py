"""Charges on net amounts in a run file: by hand, and the engine's own figures for the same market and charges."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from clearing.base.errors import RemoteFault
from clearing.base.units import DAY_MS
from clearing.margin.requirement.account_margin import AccountMargin, account_margin
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.net_charges import NANO, net_lines
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from lab.models.numbers import exact_rational
from lab.runs.margin import margin_run, read_margin_run

EXAMPLE = Path(__file__).resolve().parents[3] / "configs/examples/margin/model-net-charges.json"
FILE: dict[str, Any] = json.loads(EXAMPLE.read_text())
NOW_MS, LOTS, MICROS = 1_584_000_000_000, 1_000, 10**6
DELTA = NetCharge(1_000, 10_000 * MICROS, 2_000, 0, (1_000_000, 4_000_000))
CHARGES = GroupCharges(
    basis=(
        BasisMove((BasisPoint(0, 10_000),)),
        BasisMove((BasisPoint(30 * DAY_MS, -5_000), BasisPoint(90 * DAY_MS, 5_000))),
    ),
    delta=DELTA,
    vega=NetCharge(20_000),
)
GROUP = RiskGroup(1, "BTC", 1, 150_000, 900_000, 250_000, charges=CHARGES)
MONTH, QUARTER = NOW_MS + 30 * DAY_MS, NOW_MS + 90 * DAY_MS
INSTRUMENTS = (
    Instrument(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1, 1, 1, 10),
    Instrument(2, "BTC-30D", InstrumentKind.FUTURE, 1, 1, 1, 10, MONTH),
    Instrument(3, "BTC-90D", InstrumentKind.FUTURE, 1, 1, 1, 10, QUARTER),
    Instrument(4, "BTC-30D-8000-C", InstrumentKind.CALL, 1, 1, 1, 10, MONTH, 800_000),
)
"""Lots of a thousandth at ticks of a hundredth."""
ACCOUNTS = [account["id"] for account in FILE["portfolio"]["accounts"]]


def run(file: dict[str, Any] = FILE) -> dict[str, dict[str, Fraction]]:
    """The amounts of terms by account."""
    found = margin_run(read_margin_run(json.dumps(file).encode()))
    return {
        account["account"]: {term["name"]: exact_rational(term["amount"]) for term in account["terms"]}
        for account in found["accounts"]
    }


def of_engine(account: str) -> AccountMargin:
    sizes = next(each["positions"] for each in FILE["portfolio"]["accounts"] if each["id"] == account)
    lots = [sum(int(each["size"]) for each in sizes if each["instrument"] == i.name) * LOTS for i in INSTRUMENTS]
    marks = {1: 800_000, 2: 800_000, 3: 800_000}
    arrays = build_risk_arrays(
        INSTRUMENTS, (), (CashGroup(1, "USD"),), marks, {1: 800_000}, RiskParameters((GROUP,), rate_ppm=30_000), NOW_MS
    )
    return account_margin(arrays, (0,), (), lots)


@pytest.mark.parametrize(
    ("account", "basis", "delta"),
    [
        ("calendar", 160, 0),  # two futures of 8,000 at 1 % against the perpetuals
        ("months", 240, 0),  # three months of 8,000 turn by 1 % against each other
        ("outright", 0, 184),  # 24,000 x 0.011 - 80
    ],
)
def test_what_positions_net_to_is_charged(account: str, basis: int, delta: int) -> None:
    found = run()[account]
    assert (found["basis"], found["delta"], found["vega"]) == (basis, delta, 0)


def test_the_lines_of_the_file_are_those_of_the_networks_charge() -> None:
    stated = next(term["secants"] for term in FILE["model"]["terms"] if term["name"] == "delta")
    own = [(Fraction(slope, NANO), Fraction(-intercept, NANO * MICROS)) for slope, intercept in net_lines(DELTA).lines]
    assert [(exact_rational(line["slope"]), exact_rational(line.get("intercept", 0))) for line in stated] == own


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_run_file_charges_what_the_engine_charges(account: str) -> None:
    found, wanted = run()[account], of_engine(account)
    for name, micros in zip(("basis", "delta", "vega"), wanted.terms.net, strict=True):
        # A forward is a whole number of ticks, of which a delta takes fifty; a coefficient is a whole micro a lot.
        assert float(found[name]) == pytest.approx(micros / MICROS, rel=3e-4, abs=0.01)
    assert float(found["scan"]) == pytest.approx(sum(wanted.group_losses) / MICROS, rel=1e-4, abs=0.1)


def test_a_hedged_writer_owes_for_vega_and_little_for_delta() -> None:
    found = run()["hedged writer"]
    assert found["vega"] > found["delta"] > 0


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("secants",), []),
        (("secants",), [{"slope": -1}]),
        (("volatility_range",), "0.1"),
        (("of",), "gamma"),
        (("select",), {"groups": ["ETH"]}),
    ],
)
def test_a_charge_out_of_range_is_refused(path: tuple[str, ...], value: object) -> None:
    file = json.loads(EXAMPLE.read_text())
    next(term for term in file["model"]["terms"] if term["name"] == "delta")[path[0]] = value
    with pytest.raises(RemoteFault):
        run(file)


def test_expiries_of_a_basis_move_rise() -> None:
    file = json.loads(EXAMPLE.read_text())
    file["model"]["terms"][1]["moves"][1]["points"].reverse()
    with pytest.raises(RemoteFault):
        run(file)


def test_an_order_in_a_group_with_a_net_charge_is_refused() -> None:
    file = json.loads(EXAMPLE.read_text())
    file["portfolio"]["accounts"][0]["orders"] = [{"instrument": "BTC-PERP", "side": "buy", "size": 1}]
    with pytest.raises(RemoteFault):
        run(file)


def test_given_rows_take_the_largest() -> None:
    file = json.loads(EXAMPLE.read_text())
    rows = [
        {"coefficients": [{"instrument": "BTC-PERP", "coefficient": factor}], "intercept": -10} for factor in (100, -90)
    ]
    file["model"]["terms"] = [{"kind": "net_rows", "name": "rows", "group": "BTC", "rows": rows}]
    found = run(file)
    assert [found[account]["rows"] for account in ACCOUNTS] == [170, 0, 290, 90]


def test_a_liquidation_price_under_net_charges_is_exact() -> None:
    file = json.loads(EXAMPLE.read_text())
    file["portfolio"]["accounts"] = [each for each in file["portfolio"]["accounts"] if each["id"] == "outright"]
    file["liquidation_prices"] = [{"account": "outright", "group": "BTC", "level": "initial"}]
    (found,) = margin_run(read_margin_run(json.dumps(file).encode()))["liquidation_prices"]
    assert found["complete"]
