"""Charges on net amounts while a surface is stale: deltas and vegas of the surface in force, and none lower for it."""

import msgspec

from clearing.margin.risk_arrays.floor_rows import arrays_at_floor
from clearing.margin.risk_arrays.net_charges import ChargeRows
from clearing.prices.stale_options import margin_for_calls
from clearing.schema.records.prices import PriceStatus
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays
from tests.kit.clearing.genesis import ALICE, BOB, RISK
from tests.kit.clearing.surfaced import BTC_CALL, FAR_PUT, GROUP, QUOTES, SurfacedWorld, surfaced_genesis
from tests.kit.margin.books import NET

change = msgspec.structs.replace


def charged(**terms: int) -> SurfacedWorld:
    """Alice is long calls, Bob short; the group charges net amounts."""
    first, *others = RISK.groups
    risk = change(RISK, groups=(change(first, charges=NET[0]), *others))
    made = SurfacedWorld(surfaced_genesis({"age_ms_max": 1, "grace_blocks": 1} | terms, risk=risk))
    made.quote()
    made.endow(1_000_000)
    made.quote()
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, 1_500, made.state.marks[BTC_CALL].ticks))
    return made


def charges(made: SurfacedWorld) -> tuple[ChargeRows, ...]:
    """In force, which are those that a package states."""
    found = current_arrays(made.state).tariff.net
    assert found == current_rulebook(made.state).arrays().tariff.net
    assert found
    return found


def test_a_stale_surface_leaves_deltas_and_vegas_as_they_were() -> None:
    made = charged()
    before = charges(made)
    made.unquoted(blocks=3, after_ms=1)
    assert made.state.surfaces[GROUP].status is PriceStatus.NO_LIQUIDATION
    assert charges(made) == before


def test_they_follow_the_index_on_the_last_surface() -> None:
    stale, fresh = charged(), charged()
    stale.ticks[1] = 760_000
    stale.unquoted(blocks=3)
    for _ in range(3):
        fresh.quote(btc=760_000)
    assert stale.state.surfaces[GROUP].status is PriceStatus.NO_LIQUIDATION
    assert charges(stale) == charges(fresh)


def test_the_floor_of_long_options_lowers_no_charge() -> None:
    """A delta or vega of intrinsic values would be none at all for an option out of the money."""
    made = charged()
    made.unquoted(blocks=3)
    margin = made.margin(ALICE)
    counted = margin_for_calls(made.state, ALICE, margin)
    assert counted.equity < margin.equity
    assert counted.terms.net == margin.terms.net
    assert sum(margin.terms.net) > 0
    arrays = current_arrays(made.state)
    assert arrays_at_floor(arrays, (BTC_CALL, FAR_PUT)).tariff == arrays.tariff


def test_with_the_voted_surface_in_force_they_are_its_own() -> None:
    made = charged(keep_blocks=2)
    before = charges(made)
    made.unquoted(blocks=3)
    assert not made.state.surfaces[GROUP].in_force
    assert charges(made) != before
