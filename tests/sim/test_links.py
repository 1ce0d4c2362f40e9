"""Every connected graph of honest validators is live, at the speed of an ideal flood or nearly so."""

from collections import Counter
from dataclasses import replace

import pytest

from consensus.messages import MessageKind, read_envelope
from consensus.outputs import Lane
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.links import CASES, Case, measure

VIRTUAL_MS = 8000
START_MS = 2000
ONLY_WITH_BROKEN_LINKS = {MessageKind.HAVE_LIST, MessageKind.PROPOSAL_REQUEST}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_links_leave_four_fifths_of_the_heights_of_a_flood(case: Case) -> None:
    found = measure(case, VIRTUAL_MS)
    assert found.met, found


def test_collectors_that_some_do_not_hear_are_passed_by() -> None:
    """Thirteen on a ring with chords: votes go to all and are passed on."""
    thirteen = Case(
        "thirteen", 13, tuple((one, other) for one in range(13) for other in range(one) if (one - other) % 13 % 11 > 2)
    )
    found = measure(thirteen, VIRTUAL_MS)
    assert found.met, found


class Counted(SimNetwork):
    """Counts what is sent by kind, and what is passed on in another's envelope, once all have heard each other."""

    def __init__(self, nodes: int) -> None:
        self.kinds: Counter[MessageKind] = Counter()
        self.relayed = 0
        super().__init__(1, replace(CALM, nodes=nodes))

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender != to and self.now_us > START_MS * 1000:
            envelope = read_envelope(data)
            self.kinds[envelope.kind] += 1
            self.relayed += envelope.sender != self.nodes[sender].key
        super().send(sender, to, lane, data)


@pytest.mark.parametrize("nodes", [4, 13])
def test_a_full_mesh_pays_nothing(nodes: int) -> None:
    network = Counted(nodes)
    network.run_for(START_MS + VIRTUAL_MS)
    assert network.relayed == 0
    assert not ONLY_WITH_BROKEN_LINKS & network.kinds.keys()
    assert network.kinds[MessageKind.LINK_LIST] * 100 < network.kinds.total()
