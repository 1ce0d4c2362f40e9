"""Weaknesses put into the rulebook on purpose: a search that does not find them finds nothing.

Rule: each is a scenario of its own, in which nobody profits without the weakness.
"""

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from lab.engine import LocalEngine
from tests.sim.adversary.rules import RULES
from tests.sim.adversary.scenarios import SCENARIOS
from tests.sim.adversary.search import search


def withdrawal_without_margin(*_: Any, **__: Any) -> None:
    """Whoever withdraws need not cover initial margin afterwards."""


PLANTED: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "withdrawal-margin": (
        "withdrawals",
        (
            ("clearing.withdrawals.permission.check_can_leave", withdrawal_without_margin),
            ("clearing.withdrawals.permission.check_deficit_reserve", withdrawal_without_margin),
        ),
    ),
}
"""By name: the scenario, and what takes the place of which functions."""


def find(name: str, operations: int, seed: int = 1) -> int | None:
    """After how many operations the search finds a profit with this weakness; None: not within `operations`."""
    scenario, patches = PLANTED[name]
    with ExitStack() as stack:
        for place, weakness in patches:
            stack.enter_context(patch(place, weakness))
        found = search(SCENARIOS[scenario], tuple(RULES), operations, seed, LocalEngine(), stop_at_profit=True)
    return found.first_profit
