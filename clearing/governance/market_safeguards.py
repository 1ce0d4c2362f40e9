"""Market safeguards: what charges on net amounts and live surfaces protect, in numbers that no vote may wear away.

Rule: each is a place with a value, where a lower value protects less. A charge counts by what it costs, so no change of
rate, depth, concession or sizes gets around it. How far a value may fall is in `clearing.governance.immutable_fields`.
"""

from collections.abc import Iterator

from clearing.margin.risk_arrays.net_charges import net_lines
from clearing.schema.risk.group_charges import BasisMove
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.genesis import Genesis

AMOUNTS_MICROS = (10**9, 10**12, 10**15)
"""Net amounts at which charges are compared: a thousand, a million and a billion dollars."""


def market_safeguards(genesis: Genesis) -> Iterator[tuple[str, int]]:
    """(place, value) of every charge on net amounts, 0 for one that is off, and of what keeps live surfaces honest."""
    for group in genesis.risk.groups:
        yield from _charges(group)
    for terms in genesis.surfaces:
        yield f"surfaces.{terms.group}.level_min_ppm", terms.level_min_ppm
        yield f"surfaces.{terms.group}.sources_min", terms.sources_min


def _charges(group: RiskGroup) -> Iterator[tuple[str, int]]:
    at, charges = f"risk.groups.{group.id}.charges", group.charges
    yield f"{at}.basis.together", max((_largest_shift(move) for move in charges.basis), default=0)
    yield f"{at}.basis.apart", max((_widest_spread(move) for move in charges.basis), default=0)
    for name, charge in (("delta", charges.delta), ("vega", charges.vega)):
        lines = net_lines(charge)
        yield from ((f"{at}.{name}.of_{amount}", lines.at(amount)) for amount in AMOUNTS_MICROS)


def _shifts(move: BasisMove) -> list[int]:
    return [move.perpetual_ppm, *(point.shift_ppm for point in move.points)]


def _largest_shift(move: BasisMove) -> int:
    return max(map(abs, _shifts(move)))


def _widest_spread(move: BasisMove) -> int:
    return max(_shifts(move)) - min(_shifts(move))
