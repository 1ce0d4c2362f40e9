"""Whatever a run file holds, it is evaluated or refused with a code and a path, in bounded time."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, CodeBook, RemoteFault
from clearing.schema.codes import ClearingCode
from lab.models.named import FILE_BYTES_MAX
from lab.models.numbers import exact_rational
from lab.runs.liquidation import liquidation_run, read_liquidation_run
from lab.runs.margin import margin_run, read_margin_run
from lab.runs.settle import read_settle_run, settle_run
from lab.runs.waterfall import read_waterfall_run, waterfall_run
from tests.kit.lab.run_files import EXAMPLES, ROOT
from tests.kit.refusals import refused

MARGIN = {path.stem: json.loads(path.read_text()) for path in sorted((EXAMPLES / "margin").glob("*.json"))}
SETTLE = {path.stem: json.loads(path.read_text()) for path in sorted((EXAMPLES / "settle").glob("*.json"))}


def changed(file: Any, path: str, value: Any) -> bytes:
    copy = json.loads(json.dumps(file))
    at = copy
    *above, last = [int(each) if each.isdigit() else each for each in path.split(".")]
    for each in above:
        at = at[each]
    at[last] = value
    return json.dumps(copy).encode()


MARGIN_REFUSED = [
    ("portfolio.groups.0.price", "1e5", BaseCode.MALFORMED, "portfolio.groups[0].price"),
    ("portfolio.groups.0.price", "1/0", BaseCode.MALFORMED, "portfolio.groups[0].price"),
    ("portfolio.groups.0.price", True, BaseCode.MALFORMED, "portfolio.groups[0].price"),
    ("portfolio.groups.0.price", None, BaseCode.MALFORMED, "portfolio.groups[0].price"),
    ("portfolio.groups.0.price", -1, ClearingCode.BAD_PORTFOLIO, "portfolio.groups[0].price"),
    ("portfolio.groups.0.price", "9" * 40, ClearingCode.BAD_PORTFOLIO, "portfolio.groups[0].price"),
    ("portfolio.groups.0.prize", 1, BaseCode.MALFORMED, "portfolio.groups[0].prize"),
    ("portfolio.groups.0.id", "", BaseCode.MALFORMED, "portfolio.groups[0].id"),
    ("portfolio.groups.0.id", "a\nb", BaseCode.MALFORMED, "portfolio.groups[0].id"),
    ("portfolio.instruments.0.group", "DOGE", ClearingCode.BAD_PORTFOLIO, "portfolio.instruments[0].group"),
    ("portfolio.instruments.0.kind", "swap", BaseCode.MALFORMED, "portfolio.instruments[0].kind"),
    ("portfolio.instruments.1.strike", 0, ClearingCode.BAD_PORTFOLIO, "portfolio.instruments[1].strike"),
    ("portfolio.instruments.0.multiplier", 0, ClearingCode.BAD_PORTFOLIO, "portfolio.instruments[0].multiplier"),
    ("portfolio.accounts.0.positions.0.instrument", "X", ClearingCode.BAD_PORTFOLIO, None),
    ("portfolio.accounts.0.positions", {}, BaseCode.MALFORMED, "portfolio.accounts[0].positions"),
    ("model.terms.0.kind", "magic", BaseCode.MALFORMED, "model.terms[0].kind"),
    ("model.terms.0.grid", "span17", BaseCode.MALFORMED, "model.terms[0].grid"),
    ("model.terms.0.ranges.0.group", "DOGE", ClearingCode.BAD_MODEL, "model.terms[0].ranges"),
    ("model.terms.0.weights", [{"level": "x", "weight": 1}], ClearingCode.BAD_MODEL, None),
    ("model.levels.1.base", "initial", ClearingCode.BAD_MODEL, "model.terms[0].weights[1].level"),
    ("model.terms.1.name", "grid", ClearingCode.BAD_MODEL, "model.terms"),
    ("model.terms", [], ClearingCode.BAD_MODEL, "model.terms"),
    ("model.levels", [], ClearingCode.BAD_MODEL, "model.levels"),
    ("model.levels.0.base", "maintenance", ClearingCode.BAD_MODEL, "model.levels[0].base"),
    ("model.levels.0.decimals", 255, ClearingCode.BAD_MODEL, "model.levels[0].decimals"),
    ("model.levels.0.rounding", "sideways", BaseCode.MALFORMED, "model.levels[0].rounding"),
    ("model.option_decimals", 1000, BaseCode.MALFORMED, "model.option_decimals"),
    ("liquidation_prices.0.group", "DOGE", ClearingCode.BAD_STEP, "liquidation_prices[0]"),
    ("format", "crossclear.margin.v9", BaseCode.MALFORMED, "format"),
]
SETTLE_REFUSED = [
    ("variation-margin", "steps.0.mark", "60512.51", ClearingCode.BAD_STEP, "steps[0].mark"),
    ("variation-margin", "steps.0.instrument", "X", ClearingCode.BAD_STEP, "steps[0].instrument"),
    ("variation-margin", "steps.0.positions.0.size", "0.0005", ClearingCode.BAD_STEP, None),
    ("variation-margin", "steps.0.trades.0.size", -1, ClearingCode.BAD_STEP, "steps[0].trades[0].size"),
    ("variation-margin", "instruments.0.tick", "0.0000001", ClearingCode.BAD_STEP, "instruments[0].multiplier"),
    ("perpetual-funding", "steps.1.premium_of", "nothing", ClearingCode.BAD_STEP, "steps[1].premium_of"),
    ("perpetual-funding", "steps.1.period_ms", 0, ClearingCode.BAD_STEP, "steps[1].period_ms"),
    ("perpetual-funding", "steps.0.window_ms", 0, ClearingCode.BAD_STEP, "steps[0].window_ms"),
    ("option-expiry", "steps.0.coverage_ppm", 2_000_000, ClearingCode.BAD_STEP, "steps[0].coverage_ppm"),
    ("option-expiry", "steps.0.hold_ms", 1, ClearingCode.BAD_STEP, "steps[1].price_of"),
    ("option-expiry", "steps.1.previous", 1, ClearingCode.BAD_STEP, "steps[1].previous"),
    ("c18-gains-haircut", "steps.0.gains.0.amount", -1, ClearingCode.BAD_STEP, "steps[0].gains[0].amount"),
    ("c19-remainders", "steps.0.weights", [], ClearingCode.BAD_STEP, "steps[0].weights"),
    ("c15-filtered-historical-simulation", "steps.0.deviations.0", 0, ClearingCode.BAD_STEP, None),
    ("c15-filtered-historical-simulation", "steps.1.tail", 0, ClearingCode.BAD_STEP, "steps[1].tail"),
    ("cash", "steps.0.token", "DAI", ClearingCode.BAD_STEP, "steps[0].token"),
    ("price-median", "steps.0.reports", [], ClearingCode.BAD_STEP, "steps[0].reports"),
]
SHARE = {"kind": "restoring_share", "name": "s", "equity": 1, "initial": 2, "notional": 3}
STEPS = {"kind": "steps", "name": "s", "total": 10}
AUCTION = {"kind": "auction", "name": "s", "notional": 10, "blocks": 3, "end": "0.1"}
SIZE = {"kind": "liquidation_size", "name": "s", "ratio": 1, "price": 1, "shortage": 1}
DUE = {"of": "A", "notional": 2, "shortfall": 1}
GATE = {"kind": "block_gate", "name": "gate", "accounts": [DUE], "accounts_max": 1}
PAIRS = {
    "kind": "deleveraging",
    "name": "pairs",
    "lots": 1,
    "lot_value": 1,
    "accounts": [{"of": "A", "lots": -1, "profit": 1, "equity": 0}],
}
RISING = {"kind": "rising_auction", "name": "rising", "start": 0, "end": 1, "blocks": 2, "bids": []}
LIQUIDATION_REFUSED = [
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
    (AUCTION, {"legs": [{"of": "A", "notional": 1}]}, ClearingCode.BAD_STEP, "steps[0].legs"),
    (AUCTION, {"equity": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].equity"),
    (GATE, {"accounts": [{**DUE, "needed": 3}]}, ClearingCode.BAD_STEP, "steps[0].accounts[0].needed"),
    (GATE, {"accounts": [DUE] * 1025}, ClearingCode.BAD_STEP, "steps[0].accounts"),
    (GATE, {"loss_max": -1}, ClearingCode.BAD_STEP, "steps[0].loss_max"),
    (PAIRS, {"lots": 0}, ClearingCode.BAD_STEP, "steps[0].lots"),
    (PAIRS, {"lots": 2**39}, ClearingCode.BAD_STEP, "steps[0].lots"),
    (PAIRS, {"lot_value": -1}, ClearingCode.BAD_STEP, "steps[0].lot_value"),
    (RISING, {"start": 2}, ClearingCode.BAD_STEP, "steps[0].end"),
    (RISING, {"blocks": 1001}, ClearingCode.BAD_STEP, "steps[0].blocks"),
    (RISING, {"bids": [{"of": "A", "ask": 1}] * 17}, ClearingCode.BAD_STEP, "steps[0].bids"),
    (SIZE, {"shortage": None}, ClearingCode.BAD_STEP, "steps[0].shortage"),
    (SIZE, {"account": "A", "shortage": None}, ClearingCode.BAD_STEP, "steps[0].shortage"),
]
WATERFALL = {"kind": "waterfall", "name": "w", "loss": 10}
WATERFALL_REFUSED = [
    ({"loss": -1}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": str(2**63)}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": "1e3"}, BaseCode.MALFORMED, "steps[0].loss"),
    ({"decimals": 31}, ClearingCode.BAD_STEP, "steps[0].decimals"),
    ({"assessment": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].assessment"),
    ({"assessment": 1001}, ClearingCode.BAD_STEP, "steps[0].assessment"),
    ({"survivors": [{"of": "A"}, {"of": "A"}]}, ClearingCode.BAD_STEP, "steps[0].survivors"),
    ({"gainers": [{"of": "A", "gains": 1}, {"of": "A", "gains": 2}]}, ClearingCode.BAD_STEP, "steps[0].gainers"),
    ({"survivors": [{"of": "A", "seniority": -1}]}, BaseCode.MALFORMED, "steps[0].survivors[0].seniority"),
    (
        {"gainers": [{"of": "A", "gains": 1, "free_equity": -1}]},
        ClearingCode.BAD_STEP,
        "steps[0].gainers[0].free_equity",
    ),
    ({"survivors": [{"of": f"m{n}"} for n in range(1025)]}, BaseCode.OVERSIZE, "steps"),
    ({"kind": "collected", "collected": 1, "claims": []}, BaseCode.MALFORMED, "steps[0].loss"),
    ({"kind": "cover"}, BaseCode.MALFORMED, "steps[0].loss"),
    ({"prize": 1}, BaseCode.MALFORMED, "steps[0].prize"),
]


def steps(verb: str, *each: dict[str, Any]) -> bytes:
    return json.dumps({"format": f"crossclear.{verb}.v1", "steps": each}).encode()


@contextmanager
def refused_at(code: CodeBook, at: str | None) -> Iterator[None]:
    with refused(code) as fault:
        yield
    assert at in (None, fault.value.at)


@pytest.mark.parametrize(("path", "value", "code", "at"), MARGIN_REFUSED)
def test_a_refusal_of_a_margin_file_names_code_and_path(path, value, code, at):
    with refused_at(code, at):
        margin_run(read_margin_run(changed(MARGIN["model-option-grid"], path, value)))


@pytest.mark.parametrize(("name", "path", "value", "code", "at"), SETTLE_REFUSED)
def test_a_step_that_makes_no_sense_is_refused_with_its_path(name, path, value, code, at):
    with refused_at(code, at):
        settle_run(read_settle_run(changed(SETTLE[name], path, value)))


@pytest.mark.parametrize(("step", "changes", "code", "at"), LIQUIDATION_REFUSED)
def test_a_refusal_of_a_liquidation_names_code_and_path(step, changes, code, at):
    assert liquidation_run(read_liquidation_run(steps("liquidation", step)))
    with refused_at(code, at):
        liquidation_run(read_liquidation_run(steps("liquidation", {**step, **changes})))


@pytest.mark.parametrize(("changes", "code", "at"), WATERFALL_REFUSED)
def test_a_refusal_of_a_waterfall_names_code_and_path(changes, code, at):
    with refused_at(code, at):
        waterfall_run(read_waterfall_run(steps("waterfall", {**WATERFALL, **changes})))


def test_a_name_that_appears_twice_is_refused():
    with pytest.raises(RemoteFault):
        read_waterfall_run(steps("waterfall", WATERFALL, WATERFALL))


@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_steps_sum_to_the_total_and_none_is_above_the_most(total, ppm, whole_at, most):
    step = {**STEPS, "total": total, "decimals": 0, "step": str(Fraction(ppm, 10**6)), "whole_at": whole_at}
    try:
        (found,) = liquidation_run(read_liquidation_run(steps("liquidation", {**step, "most": most})))["steps"]
    except RemoteFault as fault:
        assert fault.at == "steps[0]", "too many steps"
        return
    sizes = [exact_rational(each) for each in found["steps"]]
    assert sum(sizes) == total
    assert all(0 < size <= (most or total) for size in sizes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"format":"crossclear.margin.v1","format":"crossclear.margin.v1"}',
        b'{"format":"crossclear.margin.v1","portfolio":{"groups":[{"id":"X","price":NaN}]}}',
        b'{"format":"crossclear.margin.v1","portfolio":{"groups":[{"id":"X","price":1e400}]}}',
        b'{"format":"crossclear.margin.v1","portfolio":{"groups":[{"id":"X","price":' + b"9" * 5000 + b"}]}}",
        b'{"format":"crossclear.margin.v1","portfolio":{"accounts":[{"id":"a"}]}}',
        b" " * (FILE_BYTES_MAX + 1),
    ],
    ids=range(12),
)
def test_bytes_that_are_no_run_file_are_refused(data):
    with pytest.raises(RemoteFault):
        read_margin_run(data)
    with pytest.raises(RemoteFault):
        read_settle_run(data)


RATIOS = [f"1/{10**28 + 7 + 2 * number}" for number in range(2_000)]


def of_ratios(*sized: dict[str, Any]) -> bytes:
    portfolio = {
        "groups": [{"id": "X", "price": 100}],
        "instruments": [{"id": "P", "kind": "perpetual", "group": "X"}],
        "accounts": [{"id": "a", "positions": list(sized)}],
    }
    model = {"terms": [{"kind": "scan", "name": "s", "grid": "span16"}], "levels": [{"name": "maintenance"}]}
    return json.dumps({"format": "crossclear.margin.v1", "portfolio": portfolio, "model": model}).encode()


def test_ratios_that_add_up_to_numbers_of_any_length_are_refused():
    few = of_ratios(*({"instrument": "P", "size": each} for each in RATIOS[:20]))
    assert margin_run(read_margin_run(few))["accounts"][0]["levels"]
    many = of_ratios(*({"instrument": "P", "size": each} for each in RATIOS))
    shares = {"name": "s", "kind": "allocate", "total": 1, "weights": [{"of": "m", "amount": each} for each in RATIOS]}
    losses = {"name": "f", "kind": "fund_size", "scenarios": [{"name": "x", "losses": RATIOS}]}
    with pytest.raises(RemoteFault, match="out_of_range"):
        margin_run(read_margin_run(many))
    with pytest.raises(RemoteFault, match="out_of_range"):
        settle_run(read_settle_run(json.dumps({"format": "crossclear.settle.v1", "steps": [shares]}).encode()))
    assert settle_run(read_settle_run(json.dumps({"format": "crossclear.settle.v1", "steps": [losses]}).encode()))


@pytest.mark.parametrize(("positions", "terms", "asks"), [(2_000, 256, 0), (400, 64, 16)])
def test_positions_times_terms_are_bounded(positions, terms, asks):
    file = json.loads(of_ratios(*({"instrument": "P", "size": 1} for _ in range(positions))))
    file["model"]["terms"] = [{"kind": "fraction", "name": str(at), "fraction": 1} for at in range(terms)]
    file["liquidation_prices"] = [{"account": "a", "group": "X"}] * asks
    with pytest.raises(RemoteFault) as refused:
        read_margin_run(json.dumps(file).encode())
    assert refused.value.code in (BaseCode.OVERSIZE, ClearingCode.BAD_MODEL)


def test_a_field_that_appears_twice_among_very_many_is_found_in_one_pass():
    """Counting each name in a list of all would be seen as hours."""
    names = ",".join(f'"{number:x}":0' for number in range(250_000))
    with pytest.raises(RemoteFault, match="'twice' appears twice"):
        read_margin_run(f'{{{names},"twice":0,"twice":0}}'.encode())


def test_a_refusal_repeats_nothing_that_a_terminal_would_obey():
    hostile = changed(MARGIN["model-option-grid"], "portfolio.groups.0.price", "\x1b[2J\u202e1" + "x" * 10_000)
    with pytest.raises(RemoteFault) as refused:
        read_margin_run(hostile)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


HOSTILE = st.one_of(
    st.sampled_from([None, True, "", "x", 0, -1, 2**63, 2**70, 10**39, "0", "-0.0", "1/3", "-1", "1e9", {}, [], [[]]]),
    st.sampled_from(["9" * 40, "0." + "0" * 29 + "1", "1/" + "9" * 30, "9" * 24, "initial", "scan", "BTC-PERP"]),
    st.integers(-(10**30), 10**30),
    st.text(max_size=20),
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [above] if above else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        found += places(each, (*above, key))
    return found


def mutated(data: Any, file: Any) -> bytes:
    copy = json.loads(json.dumps(file))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(copy)))
        at = copy
        for each in place[:-1]:
            at = at[each]
        action = data.draw(st.sampled_from(["set", "set", "drop", "double"]))
        if action == "drop":
            del at[place[-1]]
        elif action == "double" and isinstance(at, list):
            at.append(json.loads(json.dumps(at[place[-1]])))
        else:
            at[place[-1]] = json.loads(json.dumps(data.draw(HOSTILE)))
        if not places(copy):
            break
    return json.dumps(copy).encode()


RUNS = {
    "margin": (MARGIN, lambda data: margin_run(read_margin_run(data))),
    "settle": (SETTLE, lambda data: settle_run(read_settle_run(data))),
}


@pytest.mark.parametrize("verb", RUNS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_mutated_file_is_evaluated_or_refused(verb, data):
    files, evaluated = RUNS[verb]
    try:
        json.dumps(evaluated(mutated(data, files[data.draw(st.sampled_from(sorted(files)))])))
    except RemoteFault as fault:
        assert fault.at


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("portfolio.accounts.0.given", [{"group": "A", "scan": 5}]),
        ("model.terms.0.offset", "all"),
        ("model.terms.1.scenarios.0.columns", [1, 1]),
        ("model.terms.1.scenarios.0.columns", [1, 1, 5]),
        ("model.terms.1.tail", 6),
        ("model.terms.1.over", ["impact"]),
    ],
)
def test_joint_scenarios_need_the_losses_of_every_scenario(path, value):
    with refused(ClearingCode.BAD_MODEL):
        read_margin_run(changed(MARGIN["model-groups-and-joint-scenarios"], path, value))


def test_work_beyond_the_limits_is_refused_before_it_is_done():
    file = json.loads(json.dumps(MARGIN["instrument-option"]))
    option = file["portfolio"]["instruments"][1]
    file["portfolio"]["instruments"] += [option | {"id": f"option {number}"} for number in range(2000)]
    file["model"]["terms"] = [
        {"kind": "scan", "name": f"scan {number}", "points": [{"price": 0}] * 256} for number in range(2)
    ]
    with pytest.raises(RemoteFault) as refused:
        read_margin_run(json.dumps(file).encode())
    assert refused.value.at == "model.terms"


@pytest.mark.parametrize(
    ("verb", "data", "code", "words"),
    [
        ("margin", json.dumps(MARGIN["c01-slippage-plus-factor"]).encode(), 0, ""),
        ("settle", changed(SETTLE["c19-remainders"], "steps.0.total", "many"), 6, "R0102 malformed at steps[0].total"),
        (
            "margin",
            changed(MARGIN["c01-slippage-plus-factor"], "model.levels.1.base", "nothing"),
            6,
            "R0440 bad_model at model.levels[1].base",
        ),
        ("waterfall", steps("waterfall", WATERFALL), 0, ""),
        ("waterfall", b"{}", 6, ""),
        ("waterfall", b"[" * 10_000, 6, ""),
    ],
)
def test_the_command_reads_standard_input_and_tells_where_a_file_is_wrong(monkeypatch, cli, verb, data, code, words):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    printed = cli(verb, "run", "-", code=code)
    assert words in printed.err
    assert "remedy" not in printed.err
    assert bool(printed.out) is (code == 0)


def test_pretty_is_indented_and_a_file_that_is_not_there_is_a_usage_error(cli):
    printed = cli("margin", "run", EXAMPLES / "margin/c01-slippage-plus-factor.json", "--pretty")
    assert '\n  "format": "crossclear.margin.result.v1"' in printed.out
    cli("margin", "run", "/does/not/exist.json", code=2)


def test_a_model_may_be_a_file_of_its_own(tmp_path, cli):
    file = json.loads(json.dumps(MARGIN["c01-slippage-plus-factor"]))
    model, portfolio = tmp_path / "model.json", tmp_path / "portfolio.json"
    model.write_text(json.dumps(file.pop("model")))
    portfolio.write_text(json.dumps(file))
    result = cli("margin", "run", portfolio, "--model", model).json
    assert result["accounts"][0]["levels"][0]["requirement"] == "5565"
    cli("margin", "run", portfolio, code=6)
    cli("margin", "run", EXAMPLES / "margin/c01-slippage-plus-factor.json", "--model", model, code=6)


@pytest.mark.parametrize(("verb", "name"), [("margin", "model-option-grid"), ("settle", "perpetual-funding")])
def test_a_result_does_not_depend_on_the_hash_seed(verb, name):
    command = [sys.executable, "-m", "cli", verb, "run", str(EXAMPLES / verb / f"{name}.json")]
    results = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True, cwd=ROOT
        ).stdout
        for seed in ("0", "1")
    }
    assert len(results) == 1
