"""The API's ranges: genesis' at first, then what was published."""

import msgspec

from node.api.state import group_ranges
from tests.kit.clearing.ranged import ranged, walk
from tests.kit.clearing.world import funded


def test_genesis_ranges_are_shown_while_nothing_was_published() -> None:
    for world in (funded(), ranged()):
        shown = group_ranges(world.state)
        assert [(each.name, each.range_ppm, each.raw_ppm) for each in shown] == [
            ("BTC", 200_000, 0),
            ("ETH", 250_000, 0),
        ]


def test_published_ranges_are_shown_with_all_they_are_made_of() -> None:
    world = ranged()
    walk(world, times=2)
    for shown in group_ranges(world.state):
        held = msgspec.structs.asdict(world.state.price_ranges[shown.group])
        fields = msgspec.structs.asdict(shown)
        assert fields["change_ratio_ppm"] == held["ratio_ppm"]
        assert fields["published_height"] == held["height"] > 0
        assert all(fields[name] == held[name] for name in fields.keys() & held.keys())
