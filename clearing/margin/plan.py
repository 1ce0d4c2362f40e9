"""What prices and time don't change about risk arrays: the listing in order, and instruments by group and feed.

Rule: made once for a listing and its parameters, and kept from tick to tick. It must not know prices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.assets import Asset, CashGroup
from clearing.base.errors import Bug
from clearing.instruments import Instrument
from clearing.margin.bulk_rows import Block, make_block
from clearing.margin.parameters import RiskParameters


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPlan:
    """Where each instrument's row is, and how rows are computed together."""

    instruments: tuple[Instrument, ...]
    """Ordered by id."""
    cash_groups: tuple[CashGroup, ...]
    """Ordered by id."""
    parameters: RiskParameters
    blocks: tuple[Block, ...]
    """Ordered by risk group and feed; every instrument is in one."""

    @property
    def shape(self) -> tuple[int, int]:
        """Of the array: instruments, scenarios with the base."""
        return len(self.instruments), 1 + self.parameters.width

    def fits(
        self, instruments: Sequence[Instrument], cash_groups: Sequence[CashGroup], parameters: RiskParameters
    ) -> bool:
        """Whether this is the plan of a listing, given in order."""
        return (
            (self.instruments is instruments or self.instruments == tuple(instruments))
            and (self.cash_groups is cash_groups or self.cash_groups == tuple(cash_groups))
            and (self.parameters is parameters or self.parameters == parameters)
        )


def make_plan(
    instruments: Sequence[Instrument], cash_groups: Sequence[CashGroup], parameters: RiskParameters
) -> ArrayPlan:
    """Raises Bug when an instrument is in no risk group."""
    listed = tuple(sorted(instruments, key=lambda each: each.id))
    groups = {group.id: group for group in parameters.groups}
    strays = [each.name for each in listed if each.group not in groups]
    if strays:
        raise Bug(f"instruments {strays} are in no risk group")
    numbered: dict[tuple[int, int], list[tuple[int, Instrument]]] = {}
    for row, each in enumerate(listed):
        numbered.setdefault((each.group, each.feed), []).append((row, each))
    return ArrayPlan(
        instruments=listed,
        cash_groups=tuple(sorted(cash_groups, key=lambda group: group.id)),
        parameters=parameters,
        blocks=tuple(
            make_block(groups[group], feed, rows, parameters) for (group, feed), rows in sorted(numbered.items())
        ),
    )


def sorted_tokens(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """Collateral tokens only, ordered by id."""
    return tuple(sorted((each for each in assets if not each.is_cash), key=lambda each: each.id))
