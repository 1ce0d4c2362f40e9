"""The disclosed count of days on which collateral fell by more than margin provides for."""

from clearing.schema.terms.collateral import ScenarioTerms
from lab.disclosures.observed_day import covered_falls_ppm
from tests.kit.clearing.genesis import WETH_1
from tests.kit.clearing.inside import endowed, inside_genesis


def test_margin_provides_for_the_haircut_of_a_token_that_stands_still() -> None:
    assert covered_falls_ppm(endowed(inside_genesis(ScenarioTerms())).state) == {WETH_1: 100_000}


def test_margin_provides_for_the_worst_scenario_of_a_token_that_moves_in_it() -> None:
    # A unit counts for 194 micros, for 145 in the fall of 25 %, of 200 without a haircut.
    assert covered_falls_ppm(endowed(inside_genesis()).state) == {WETH_1: 1_000_000 - 145 * 5_000}
