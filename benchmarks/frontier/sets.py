"""The sets of parameters on the frontier: the shipped one, and what differs from it in one or two things.

Rule: the shipped one is read from `configs/risk/default.toml`, in blocks of five minutes; nothing of it is repeated.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from benchmarks.march2020.hours import BLOCKS, HOUR_MS
from devnet.risk_set import RiskSet, read_risk_set

SHIPPED = "shipped"
HOUR = HOUR_MS
_PARTS = ("calls", "liquidation", "default", "fund")


def shipped() -> RiskSet:
    """The file, in blocks of five minutes."""
    return read_risk_set().in_blocks_of(HOUR_MS // BLOCKS)


def changed(base: RiskSet, changes: Mapping[str, Mapping[str, Any]]) -> RiskSet:
    """`base` with other fields in `ranges` and in parts of `crisis`."""
    parts = {
        part: msgspec.structs.replace(getattr(base.crisis, part), **changes[part]) for part in _PARTS if part in changes
    }
    ranges = msgspec.structs.replace(base.ranges, **changes.get("ranges", {}))
    own = changes.get("set", {})
    return msgspec.structs.replace(base, ranges=ranges, crisis=msgspec.structs.replace(base.crisis, **parts), **own)


_FREE = {"range_min_ppm": 10_000, "range_max_ppm": 900_000}
CHANGES: dict[str, Mapping[str, Mapping[str, Any]]] = {
    SHIPPED: {},
    "before": {
        "ranges": _FREE,
        "calls": {"deadline_blocks": 12},
        "liquidation": {"auction_blocks": 3, "start_ppm": 0, "end_ppm": 20_000},
    },
    "no floor, no cap": {"ranges": _FREE},
    "floor 20 %, no cap": {"ranges": {"range_min_ppm": 200_000, "range_max_ppm": 900_000}},
    "floor 29 %, no cap": {"ranges": {"range_max_ppm": 900_000}},
    "24 h, no floor, no cap": {"ranges": _FREE | {"horizon_ms": 24 * HOUR}},
    "24 h, 20 to 31 %": {
        "ranges": {"range_min_ppm": 200_000, "range_max_ppm": 310_000, "horizon_ms": 24 * HOUR, "buffer_ppm": 0}
    },
    "floor 25 %": {"ranges": {"range_min_ppm": 250_000}},
    "floor 27 %": {"ranges": {"range_min_ppm": 270_000}},
    "floor 28 %": {"ranges": {"range_min_ppm": 280_000}},
    "floor and cap 30 %": {"ranges": {"range_min_ppm": 300_000}},
    "an hour's time": {"calls": {"deadline_blocks": 12}},
    "no early calls": {"calls": {"early_ppm": 0, "early_release_ppm": 0}},
    "early 12 h ahead": {"calls": {"early_horizon_ms": 12 * HOUR}},
    "26 %, maintenance 90 %": {"ranges": {"range_min_ppm": 260_000}, "set": {"maintenance": (9, 10)}},
    "sale: 15 min to 2 %": {"liquidation": {"auction_blocks": 3, "start_ppm": 6_667, "end_ppm": 20_000}},
    "sale: 2 h to 20 %": {"liquidation": {"auction_blocks": 24, "start_ppm": 20_000, "end_ppm": 200_000}},
    "sale: 4 h to 38 %": {"liquidation": {"auction_blocks": 48, "end_ppm": 380_000}},
}
"""What is changed, by name."""


def all_sets() -> dict[str, RiskSet]:
    """Every set by its name."""
    base = shipped()
    return {name: changed(base, changes) for name, changes in CHANGES.items()}
