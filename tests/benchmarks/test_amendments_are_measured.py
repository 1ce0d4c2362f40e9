"""What the benchmark of amendments measures is amendments that took effect."""

import pytest

from benchmarks.governance import applied, due, measured
from benchmarks.liquidation import filled
from clearing.base.errors import Bug
from clearing.genesis.paths import change_at
from clearing.schema.requests.governance import TermsAmendment
from clearing.schema.terms.genesis import CrisisParameters


def test_every_amendment_is_judged_tried_out_and_put_in_force() -> None:
    names = [each.name for each in measured(100, rounds=1)]
    assert names == [
        f"{what}: {how}"
        for what in ("fee", "range", "listing")
        for how in ("judged", "tried out on 100 accounts", "block in which it takes effect")
    ]


def test_a_block_without_its_amendment_is_not_measured() -> None:
    world = filled(2, CrisisParameters())
    place = change_at(world.state.terms.genesis, "risk.groups.1.range_ppm", 1)
    with pytest.raises(Bug):
        applied(due(world.state, TermsAmendment((place,))), world.make_block())
