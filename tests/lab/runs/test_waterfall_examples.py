"""Every file under configs/examples/waterfall, run through the command line and held to its figures."""

import io
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, RemoteFault
from clearing.default.waterfall import allocate_capped
from clearing.schema.codes import ClearingCode
from cli.main import run
from lab.models.numbers import exact_rational
from lab.runs.waterfall import read_waterfall_run, waterfall_run
from member.explaining.loss_allocation import Payer, allocation_lines

EXAMPLES = Path(__file__).resolve().parents[3] / "configs/examples/waterfall"


def steps(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["waterfall", "run", str(EXAMPLES / f"{name}.json")]) == 0
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["steps"]}


def amounts(shares: list[dict[str, Any]]) -> list[Fraction]:
    return [exact_rational(each["amount"]) for each in shares]


def test_c03_the_last_bears_the_remainder_of_gains_that_were_not_collected(capsys):
    share = steps("c03-c04-gains-beyond-what-was-collected", capsys)["c03"]
    assert amounts(share["shares"]) == [50, 5030]
    assert [each["short"] for each in share["shares"]] == ["30", "2970"]
    assert share["sum"] == "5080", "the grand total is what was collected"


def test_c04_hardly_anything_was_collected(capsys):
    assert amounts(steps("c03-c04-gains-beyond-what-was-collected", capsys)["c04"]["shares"]) == [124, 1]


def test_c16_the_fund_covers_two_or_the_largest_or_the_next_two(capsys):
    cover = steps("c16-cover-of-the-fund", capsys)["cover"]
    assert (cover["cover_2"], cover["largest_or_next_two"], cover["fund"]) == ("200", "160", "200")


def test_c17_each_layer_bears_its_part_and_the_rest_is_assessed(capsys):
    layers = steps("c17-all-layers-to-assessments", capsys)["default"]["layers"]
    assert [(each["layer"], each["borne"]) for each in layers] == [
        ("own_margin", "4000"),
        ("own_contribution", "1000"),
        ("house_capital", "500"),
        ("survivors", "3000"),
        ("assessments", "1500"),
    ]
    assert amounts(layers[-1]["shares"]) == [750, 500, 250]
    assert layers[-1]["arithmetic"][0] == "A: 1500 x 1500 / 3000 = 750 rest 0 = 750"


def test_c18_gains_are_cut_in_proportion(capsys):
    haircut = steps("c18-gains-haircut", capsys)["haircut"]["layers"][0]
    keeps = [exact_rational(each["keeps"]) for each in haircut["shares"]]
    assert (keeps, sum(keeps)) == ([9049, 6033, 251], 15_333)


def test_c19_remainders_go_to_the_largest_fraction_then_the_first(capsys):
    assert amounts(steps("c19-remainders", capsys)["thirds"]["layers"][0]["shares"]) == [34, 33, 33]


def test_who_did_not_bid_pays_first_and_what_nobody_bears_is_torn_up(capsys):
    told = steps("seniority-caps-and-tear-up", capsys)["default"]
    assert [(each["layer"], exact_rational(each["borne"])) for each in told["layers"]] == [
        ("own_margin", 400_000),
        ("own_contribution", 100_000),
        ("house_capital", 50_000),
        ("survivors", 200_000),
        ("survivors", 250_000),
        ("survivors", 300_000),
        ("assessments", 275_000),
        ("gains", 730_000),
        ("tear_up", 0),
    ]
    assessed, gains = told["layers"][6]["shares"], told["layers"][7]["shares"]
    assert amounts(assessed) == [150_000, 125_000, 0], "the third was assessed more than its cap already"
    assert amounts(gains) == [700_000, 0, 30_000], "nobody is cut below its initial margin"
    assert exact_rational(told["borne"]) + exact_rational(told["torn_up"]) == exact_rational("2500000.000001")


def test_every_example_recomputes(capsys):
    for path in sorted(EXAMPLES.glob("*.json")):
        assert run(["waterfall", "run", "--pretty", str(path)]) == 0
        assert "STATES" not in capsys.readouterr().out


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=7), st.integers(0, 10**7))
def test_the_arithmetic_told_is_that_of_the_rulebook(payers, total):
    paid = allocate_capped(total, [each[0] for each in payers], [each[1] for each in payers])
    named = [
        Payer(f"m{at}", weight, most, share)
        for at, ((weight, most), share) in enumerate(zip(payers, paid, strict=True))
    ]
    lines = allocation_lines(total, named)
    assert all(line.ok is not False for line in lines)
    assert sum(line.ok is True for line in lines) == len(payers), "every share is recomputed"


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=7),
    st.integers(1, 10**7),
    st.data(),
)
def test_a_share_that_is_off_by_a_unit_is_told(payers, total, data):
    paid = allocate_capped(total, [each[0] for each in payers], [each[1] for each in payers])
    wrong = data.draw(st.integers(0, len(payers) - 1))
    paid[wrong] += data.draw(st.sampled_from([-1, 1]))
    named = [
        Payer(f"m{at}", weight, most, share)
        for at, ((weight, most), share) in enumerate(zip(payers, paid, strict=True))
    ]
    failed = [line.text for line in allocation_lines(total, named) if line.ok is False]
    assert len(failed) == 1
    assert failed[0].startswith(f"m{wrong}:")
    assert f"BUT THE RECEIPT STATES {paid[wrong]}" in failed[0]


WATERFALL = {"kind": "waterfall", "name": "w", "loss": 10}
REFUSED = [
    ({"loss": -1}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": str(2**63)}, ClearingCode.BAD_STEP, "steps[0].loss"),
    ({"loss": "1e3"}, BaseCode.MALFORMED, "steps[0].loss"),
    ({"decimals": 31}, ClearingCode.BAD_STEP, "steps[0].decimals"),
    ({"assessment": "0.0000001"}, ClearingCode.BAD_STEP, "steps[0].assessment"),
    ({"assessment": 1001}, ClearingCode.BAD_STEP, "steps[0].assessment"),
    ({"survivors": [{"of": "A"}], "gainers": [{"of": "A", "gains": 1}]}, ClearingCode.BAD_STEP, "steps[0]"),
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


@pytest.mark.parametrize(("changes", "code", "at"), REFUSED)
def test_a_refusal_names_code_and_path(changes, code, at):
    with pytest.raises(RemoteFault) as refused:
        waterfall_run(read_waterfall_run(file_of({**WATERFALL, **changes})))
    assert (refused.value.code, refused.value.at) == (code, at)


def test_a_name_that_appears_twice_is_refused():
    with pytest.raises(RemoteFault):
        read_waterfall_run(file_of(WATERFALL, WATERFALL))


def test_a_file_from_standard_input_is_refused_with_six(monkeypatch, capsys):
    for data, code in ((file_of(WATERFALL), 0), (b"{}", 6), (b"[" * 10_000, 6)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run(["waterfall", "run", "-"]) == code
    assert "remedy" not in capsys.readouterr().err


def file_of(*each: dict[str, Any]) -> bytes:
    return json.dumps({"format": "crossclear.waterfall.v1", "steps": each}).encode()
