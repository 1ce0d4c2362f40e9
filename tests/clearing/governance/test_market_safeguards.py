"""Votes on charges on net amounts and on live surfaces: what stays on, and marks in the block of a change."""

import msgspec
import pytest

from clearing.governance.immutable_fields import KEPT_DIVISOR, safeguards
from clearing.governance.market_safeguards import AMOUNTS_MICROS, market_safeguards
from clearing.pricing.marks import mark_ticks
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.state.effective_parameters import effective_parameters
from tests.kit.clearing.chamber import FOUR, GOVERNED, governed_genesis, parliament_world
from tests.kit.clearing.genesis import BTC
from tests.kit.clearing.surfaced import BTC_CALL, FAR_PUT, GROUP, QUOTES, SurfacedWorld, surfaced_genesis
from tests.kit.clearing.world import World

change = msgspec.structs.replace
MOVE = BasisMove((BasisPoint(0, -4_000), BasisPoint(10**9, 8_000)), perpetual_ppm=0)
CHARGES = GroupCharges(
    basis=(MOVE,),
    delta=NetCharge(rate_ppm=400, depth_micros=10**12, linear_impact_ppm=4_000, root_impact_ppm=2_000),
    vega=NetCharge(rate_ppm=40_000),
)
AT = "risk.groups.1.charges"


def charged_genesis(charges: GroupCharges = CHARGES) -> Genesis:
    base = governed_genesis()
    first, *others = base.risk.groups
    return change(base, risk=change(base.risk, groups=(change(first, charges=charges), *others)))


@pytest.fixture(scope="module")
def house() -> World:
    return parliament_world(charged_genesis())


def refused_at(world: World, *places: tuple[str, object]) -> str:
    refused = world.judged(*places)
    return refused.at if refused else ""


LOOSER = {
    "delta off": ("delta", NetCharge()),
    "a fifth of the rate": ("vega", NetCharge(rate_ppm=8_000)),
    "no impact": ("delta", NetCharge(rate_ppm=400)),
    "a market a thousand times as deep": ("delta", change(CHARGES.delta, depth_micros=2**50)),
    "sizes of a millionth": ("delta", change(CHARGES.delta, sizes_ppm=(1,))),
    "vega off": ("vega", NetCharge()),
    "basis off": ("basis", ()),
    "a basis that moves alike": ("basis", (BasisMove((BasisPoint(0, 8_000),), 8_000),)),
    "a basis of a fifth": ("basis", (BasisMove((BasisPoint(0, -800), BasisPoint(1, 1_600))),)),
}


@pytest.mark.parametrize("name", LOOSER)
def test_no_vote_takes_charges_on_net_amounts_away(house: World, name: str) -> None:
    field, value = LOOSER[name]
    assert refused_at(house, (f"{AT}.{field}", value)).startswith(f"bounds.{AT}.{field}.")


def test_charges_may_be_halved_and_raised(house: World) -> None:
    half = change(CHARGES.delta, rate_ppm=200, linear_impact_ppm=2_000, root_impact_ppm=1_000)
    assert refused_at(house, (f"{AT}.delta", half)) == ""
    assert refused_at(house, (f"{AT}.vega", NetCharge(rate_ppm=90_000))) == ""
    assert refused_at(house, ("risk.groups.2.charges", CHARGES)) == "", "where there is none yet"


def test_no_sequence_of_votes_wears_a_charge_away() -> None:
    world = parliament_world(charged_genesis())
    first = dict(safeguards(world.genesis))
    for rate in (20_000, 10_000):
        world.amend((f"{AT}.vega", NetCharge(rate_ppm=rate)))
        assert world.state.terms.risk.groups[0].charges.vega.rate_ppm == rate
    least = -(-first[f"{AT}.vega.of_1000000000"] // KEPT_DIVISOR)
    assert dict(safeguards(world.state.terms.genesis))[f"{AT}.vega.of_1000000000"] == least
    assert refused_at(world, (f"{AT}.vega", NetCharge(rate_ppm=9_999))) == f"bounds.{AT}.vega.of_1000000000"


def test_every_charge_is_compared_at_every_amount() -> None:
    places = dict(market_safeguards(charged_genesis()))
    for name in ("delta", "vega"):
        costs = [places[f"{AT}.{name}.of_{amount}"] for amount in AMOUNTS_MICROS]
        assert costs == sorted(costs)
        assert costs[0] > 0
    assert (places[f"{AT}.basis.together"], places[f"{AT}.basis.apart"]) == (8_000, 12_000)
    assert not any(dict(market_safeguards(charged_genesis(GroupCharges()))).values())


def surfaced(**terms: int) -> SurfacedWorld:
    genesis = surfaced_genesis({"sources_min": 2} | terms, powers=FOUR)
    made = SurfacedWorld(change(genesis, crisis=CrisisParameters(governance=GOVERNED)), fresh=True)
    made.quote()
    made.endow(100_000)
    made.quote()
    return made


def model_marks(made: SurfacedWorld) -> list[int]:
    risk, valued_ms = effective_parameters(made.state), made.state.now.arrays_time_ms
    listed = [made.state.terms.instruments[option] for option in (BTC_CALL, FAR_PUT)]
    return [mark_ticks(each, made.ticks[BTC], risk.groups[0], risk.rate_ppm, valued_ms) for each in listed]


def marks(made: SurfacedWorld) -> list[int]:
    return [made.state.marks[option].ticks for option in (BTC_CALL, FAR_PUT)]


def enacted(made: SurfacedWorld, *places: tuple[str, object]) -> None:
    """A vote takes effect in the last block; the index does not move."""
    made.agree(made.changes(*places))
    before = made.state.terms.genesis
    while made.state.terms.genesis == before:
        made.block()


def test_marks_are_made_anew_in_the_block_in_which_a_surface_is_dropped() -> None:
    made = surfaced()
    before = marks(made)
    enacted(made, (f"surfaces.{GROUP}.level_max_ppm", 690_000))
    assert made.state.surfaces.get(GROUP) is None
    assert marks(made) == model_marks(made) != before
    made.check_replay()


def test_marks_are_made_anew_in_the_block_in_which_a_voted_volatility_changes() -> None:
    genesis = surfaced_genesis(powers=FOUR)
    plain = change(genesis, surfaces=(), crisis=CrisisParameters(governance=GOVERNED))
    made = SurfacedWorld(plain, fresh=True)
    made.block()
    made.endow(100_000)
    before = marks(made)
    enacted(made, (f"risk.groups.{GROUP}.volatility_ppm", 1_000_000))
    assert marks(made) == model_marks(made) != before
    made.check_replay()


def test_a_surface_within_its_new_bounds_stays_and_no_mark_moves() -> None:
    made = surfaced()
    before = marks(made)
    enacted(made, (f"surfaces.{GROUP}.level_max_ppm", 700_000), (f"surfaces.{GROUP}.grace_blocks", 3))
    assert made.state.surfaces[GROUP].expiries == QUOTES
    assert marks(made) == before


def test_no_vote_ends_a_live_surface_that_is_in_force() -> None:
    made = surfaced(age_ms_max=1_000, grace_blocks=1, keep_blocks=2)
    gone = (f"surfaces.{GROUP}", None)
    refusal = made.judged(gone)
    assert refusal is not None
    assert dict(refusal.values)["why"] == "its agreed surface is in force"
    made.unquoted(blocks=5)
    assert not made.state.surfaces[GROUP].in_force
    assert refused_at(made, gone) == ""


@pytest.mark.parametrize(
    ("field", "value"), [("sources_min", 0), ("basis_max_ppm", 100_001), ("carry_change_ppm", 100_001)]
)
def test_no_vote_loosens_what_a_live_surface_must_be(field: str, value: int) -> None:
    made = surfaced(carry_change_ppm=10_000)
    assert refused_at(made, (f"surfaces.{GROUP}.{field}", value)) == f"bounds.surfaces.{GROUP}.{field}"
