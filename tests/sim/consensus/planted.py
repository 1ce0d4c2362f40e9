"""Bugs put into the product on purpose: the simulator must find each of them.

Rule: a plant changes the product's code or its disk, never the simulator's checks, and is taken out again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import consensus.core.step as core
from clearing.base.validators import ValidatorSet
from consensus.core.events import Effect, ProposalReceived
from consensus.core.state import HeightState
from consensus.messages import Proposal
from consensus.replica.dissemination import Dissemination
from consensus.replica.height import HeightRun
from tests.sim.consensus.network import Faults, SimNetwork
from tests.sim.consensus.scenarios import faults_of
from tests.sim.violation import Violation


def _rules(**replaced: Callable[..., bool]) -> Any:
    """Other functions in place of rules of the core, by name."""
    return patch.object(core, "_RULES", tuple(replaced.get(rule.__name__, rule) for rule in core._RULES))


def lock_dropped() -> Any:
    """L22 and L28 vote for what is proposed, whatever they are locked on."""

    def careless(rule: Callable[..., bool]) -> Callable[..., bool]:
        def unlocked(state: HeightState, out: list[Effect]) -> bool:
            locked = state.locked_round, state.locked_value
            state.locked_round, state.locked_value = -1, None
            fired = rule(state, out)
            if state.locked_round == -1:
                state.locked_round, state.locked_value = locked
            return fired

        return unlocked

    return _rules(
        _l22_prevote_new=careless(core._l22_prevote_new), _l28_prevote_again=careless(core._l28_prevote_again)
    )


def unlock_dropped() -> Any:
    """L28 never opens a lock, however new the polka is."""

    def stubborn(state: HeightState, out: list[Effect]) -> bool:
        proposal = state.proposals.get(state.round)
        locked = state.locked_value
        if proposal is not None and locked is not None and proposal.value != locked and proposal.pol_round >= 0:
            known = state.known[proposal.value]
            state.known[proposal.value] = False
            fired = core._l28_prevote_again(state, out)
            state.known[proposal.value] = known
            return fired
        return core._l28_prevote_again(state, out)

    return _rules(_l28_prevote_again=stubborn)


@contextmanager
def hidden_lock_dropped() -> Iterator[None]:
    """No prevote certificate travels: not with a re-proposal, not at a round change, not when nothing moves."""

    def without(self: HeightRun, proposal: Proposal) -> object:
        fault = self._learn_block(proposal.block)
        value = proposal.block.header.hash
        valid = self.state.known.get(value, fault is None)
        self.feed(ProposalReceived(proposal.round, value, proposal.pol_round, valid))
        return fault

    replaced = {"_share": lambda *_: None, "take_proposal": without}
    unanswered = patch.object(Dissemination, "_certificates_for", lambda *_: [])
    with patch.multiple(HeightRun, **replaced), unanswered, _rules(_hidden_lock=lambda *_: False):
        yield


def two_thirds_suffice() -> Any:
    """A quorum is two thirds of the power, not more than two thirds."""
    return patch.object(ValidatorSet, "is_quorum", lambda self, power: 3 * power >= 2 * self.total_power)


def round_skip_dropped() -> Any:
    """L55 never follows others into a later round."""
    return _rules(_l55_skip=lambda *_: False)


PLANTED: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "lock": (lock_dropped, {}),
    "unlock": (unlock_dropped, {}),
    "wal-sync": (nullcontext, {"drops_syncs_of": ("wal",)}),
    "hidden-lock": (hidden_lock_dropped, {}),
    "quorum": (two_thirds_suffice, {}),
    "round-skip": (round_skip_dropped, {}),
}


def find(name: str, seeds: range, faults: Callable[[int], Faults] = faults_of) -> tuple[int, Violation] | None:
    """The first of these seeds that shows a planted bug, and how."""
    plant, changes = PLANTED[name]
    with plant():
        for seed in seeds:
            try:
                SimNetwork(seed, replace(faults(seed), **changes)).run()
            except Violation as found:
                return seed, found
    return None
