"""The page of textbook portfolios has the figures that its command prints, and its rules are those of their sources."""

import json
import subprocess
import sys
from fractions import Fraction
from math import exp

import msgspec
import pytest

from benchmarks.textbook.compare import FOLDER, comparisons, roll_shock, tables
from lab.evaluation.evaluate import Evaluator
from lab.models.named import from_json
from lab.models.portfolio import Contract, Group, Portfolio, PortfolioAccount, PortfolioPosition
from lab.models.terms import RiskModel
from lab.runs.margin import margin_run, read_margin_run
from tests.kit.lab.run_files import ROOT

PAGE = (ROOT / "docs/explanation/textbook-portfolios.md").read_text()
FOUND = {each.portfolio: each for each in comparisons()}
MONTH, QUARTER = 30 / 365, 90 / 365


def model(name: str) -> RiskModel:
    return from_json((FOLDER / f"{name}.json").read_bytes(), RiskModel)


def test_the_page_has_the_tables_that_the_command_prints() -> None:
    command = [sys.executable, "-m", "benchmarks.textbook"]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True).stdout
    assert printed.strip() == tables()
    for table in tables().split("\n\n"):
        assert table in PAGE


@pytest.mark.parametrize("name", ["deribit", "derive"])
def test_the_commands_of_the_page_evaluate_the_models(name: str) -> None:
    result = margin_run(
        read_margin_run((FOLDER / "portfolios.json").read_bytes(), (FOLDER / f"{name}.json").read_bytes())
    )
    assert [each["account"] for each in result["accounts"]] == list(FOUND)
    assert "python -m benchmarks.textbook" in PAGE
    assert "crossclear margin run benchmarks/textbook/portfolios.json" in PAGE


def test_the_model_of_deribit_gives_a_recorded_answer_of_it() -> None:
    """`pme/simulate`, 15 February 2026: an inverse perpetual, which loses the linear loss over the moved price."""
    size, index = Fraction("0.999487053"), Fraction("1949.34")
    account = PortfolioAccount("a", positions=(PortfolioPosition("P", f"-{size}"),))
    portfolio = Portfolio((Group("ETH", str(index)),), (Contract("P", "perpetual", "ETH"),), (), (account,))
    result = Evaluator(model("deribit"), portfolio).account(account)
    worst = result.term("risk matrix").amount / (index * Fraction("1.18"))
    roll = roll_shock(result, portfolio) / index
    assert float(worst) == pytest.approx(0.15246412672881357, rel=1e-12)
    assert float(roll) == pytest.approx(0.004997435265, rel=1e-12)
    assert float(worst + roll) == pytest.approx(0.157461562265, abs=1e-9)
    assert float((worst + roll) * Fraction(8, 10)) == pytest.approx(0.125969249812, abs=1e-9)


def test_a_basis_between_months_charges_what_deribits_roll_shock_charges_for_dated_legs() -> None:
    """Deribit charges the perpetual of a cash-and-carry as well: 0.5 % of 3,000."""
    for name, of_perpetual in (("calendar", 0), ("butterfly", 0), ("cash-and-carry", 15), ("short strangle", 0)):
        dated = float(FOUND[name].deribit.further["roll shock"]) - of_perpetual
        assert float(FOUND[name].net["basis"]) == pytest.approx(dated, rel=0.03, abs=0.02)
        assert f"{float(FOUND[name].net['basis']):,.2f}" in PAGE
    assert max(FOUND["box"].net.values()) < Fraction(1, 1000)


def test_derives_box_loses_what_the_static_discount_takes() -> None:
    box = FOUND["box"]
    assert float(box.derive.scan) == pytest.approx(float(box.option_value) * (1 - 0.95 * exp(-0.16 * MONTH)), rel=1e-6)
    assert float(box.deribit.initial) == pytest.approx(0, abs=1e-9)


def test_derives_cash_and_carry_moves_the_expiry_without_the_perpetual() -> None:
    discount, forward = 1 / (1 + 0.05 * QUARTER), 3000 * (1 + 0.05 * QUARTER)
    loss = 0.045 * forward * discount * (0.5 + 2 * QUARTER)
    assert float(FOUND["cash-and-carry"].derive.scan) == pytest.approx(loss, rel=1e-6)


def test_the_minimum_of_short_options_decides_spreads_here() -> None:
    for name, shorts in (("butterfly", 2), ("box", 2), ("cash-and-carry", 1), ("calendar", 1)):
        here = FOUND[name].here
        assert here.scan + here.further["minimum"] == shorts * 120


def test_caps_and_widths_of_a_skew_may_grow_with_the_root_of_time() -> None:
    """0.25 - 0.1 x root(1/4) = 0.2 at the cap, and the width 2.4 x root(1/4) is beyond ln(1.5)."""
    quarter = 365 * 86_400 // 4
    scan = msgspec.structs.replace(model("derive").terms[0], static_discount=None, basis=None)
    listed = [Contract("C", "call", "X", seconds_to_expiry=quarter, strike=100_000, volatility="0.5")]
    listed.append(msgspec.structs.replace(listed[0], id="D", volatility="0.6"))
    portfolio = Portfolio((Group("X", 100),), tuple(listed))
    evaluator = Evaluator(RiskModel((scan,), model("derive").levels), portfolio)
    at = next(number for number, point in enumerate(scan.points) if point.skew == "linear")
    assert evaluator.scanners["scenarios"].values("C")[at] == evaluator.quotes["D"].value
    assert json.loads((FOLDER / "derive.json").read_text())["terms"][0]["skew"]["width_per_root_year"] == "2.4"
