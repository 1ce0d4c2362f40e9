"""Votes on live surfaces: what no vote may set, and what happens to a surface when its terms change."""

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.genesis.effective_terms import Terms
from clearing.genesis.paths import change_at, change_genesis, value_at
from clearing.governance.bounds import check_bounds
from clearing.governance.listing import write_listing_change
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.surfaces import SurfaceTerms
from tests.kit.clearing.surfaced import GROUP, QUOTES, SurfacedWorld, surfaced_genesis

change = msgspec.structs.replace


def voted(genesis: Genesis, **values: int) -> Genesis:
    (terms,) = genesis.surfaces
    return change(genesis, surfaces=(change(terms, **values),))


def test_a_vote_names_the_terms_of_one_group_by_its_id() -> None:
    genesis = surfaced_genesis()
    after = change_genesis(genesis, (change_at(genesis, "surfaces.1.level_max_ppm", 3_000_000),))
    assert value_at(after, "surfaces.1.level_max_ppm") == 3_000_000
    added = change_genesis(genesis, (change_at(genesis, "surfaces.2", SurfaceTerms(2)),))
    assert [terms.group for terms in added.surfaces] == [1, 2]


def test_a_value_is_written_without_what_is_off_as_earlier_releases_wrote_it() -> None:
    """An amendment that was enacted before a field was added still reads, and means the same."""
    genesis = surfaced_genesis()
    first = genesis.risk.groups[0]
    wider = change(first, range_ppm=300_000)
    written = change_at(genesis, "risk.groups.1", wider)
    earlier = encode([getattr(wider, name) for name in type(wider).__struct_fields__[:10]])
    assert written.after == earlier
    assert change_genesis(genesis, (written,)).risk.groups[0] == wider
    longer = change_genesis(genesis, (change(written, after=encode(wider)),))
    assert isinstance(longer, Rejected)
    assert dict(longer.values)["why"] == "NON_CANONICAL"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age_ms_max", 999), ("age_ms_max", 600_001), ("sources_min", 9), ("level_min_ppm", 49_999),
        ("level_max_ppm", 5_000_001), ("rate_max_ppm", 500_001), ("grace_blocks", 101), ("keep_blocks", 99),
    ],
)  # fmt: skip
def test_no_vote_sets_terms_beyond_these(field: str, value: int) -> None:
    genesis = surfaced_genesis()
    refusal = check_bounds(genesis, voted(genesis, **{field: value}))
    assert refusal is not None
    assert refusal.at == f"bounds.surfaces.1.{field}"
    assert check_bounds(genesis, voted(genesis, level_max_ppm=4_000_000, keep_blocks=100)) is None


def test_other_bounds_drop_the_surface_and_the_reports_agree_on_one_within_them() -> None:
    world = SurfacedWorld()
    world.quote()
    state = world.state.fork()
    for after, surfaces, reports in (
        (world.genesis, 1, 4),
        (voted(world.genesis, level_max_ppm=600_000), 0, 4),
        (change(world.genesis, surfaces=()), 0, 0),
    ):
        state.terms = Terms(after, world.genesis)
        write_listing_change(state, world.genesis, after, 0)
        assert (state.surfaces.get(GROUP) is not None) == bool(surfaces)
        assert len(list(state.surface_reports.ordered())) == reports
    assert world.state.surfaces[GROUP].expiries == QUOTES
