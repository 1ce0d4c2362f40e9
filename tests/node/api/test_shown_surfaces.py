"""The agreed surface of a risk group as it is shown, and what its options may be used for."""

from node.api.state import group_ranges
from tests.kit.clearing.surfaced import FAR, NEAR, QUOTES, SurfacedWorld, surfaced_genesis


def test_a_group_shows_its_agreed_surface_and_its_status() -> None:
    world = SurfacedWorld(surfaced_genesis({"age_ms_max": 1, "grace_blocks": 1, "keep_blocks": 2}))
    world.unquoted()
    first, second = group_ranges(world.state)
    assert (first.surface, first.surface_status, first.surface_in_force) == ((), "no_new_risk", False)
    assert (second.surface, second.surface_status) == ((), "")
    world.quote()
    (shown, _) = group_ranges(world.state)
    assert [each.level_ppm for each in shown.surface] == [NEAR.level_ppm, FAR.level_ppm]
    assert [each.forward_ppb for each in shown.surface] == [each.forward_ppb for each in QUOTES]
    assert (shown.surface_status, shown.surface_in_force, shown.surface_since_height) == ("usable", True, 0)
    assert shown.surface_agreed_ms == world.time_ms
    seen = []
    for _ in range(3):
        world.unquoted()
        (shown, _) = group_ranges(world.state)
        seen.append((shown.surface_status, shown.surface_in_force))
    assert seen == [("no_new_risk", True), ("no_liquidation", True), ("no_new_risk", False)]
    assert shown.surface_since_height == world.state.now.height - 2
