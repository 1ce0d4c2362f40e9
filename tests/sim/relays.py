"""Heights of networks whose relays starve one validator, beside those of an ideal flood: `python -m tests.sim.relays`.

Rule: a hostile relay is a validator that votes and proposes as it should, and lies about what it passes on. The flood
takes no path through it. The honest validators are a connected graph, but for the cases that say so.
`--json FILE` writes a list of `{"case", "heights", "flood"}`; heights are those of the slowest honest node.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from clearing.base.certificate import signer_bitmap
from consensus.messages import Envelope, HaveList, LinkList, MessageKind, read_envelope, read_message
from consensus.outputs import Lane
from consensus.signing import seal
from tests.sim.consensus.network import CALM, Faults, SimNetwork
from tests.sim.consensus.node import SimNode
from tests.sim.links import DELAY_MS_MAX, VIRTUAL_MS, Flood, heights

LATE_US = 900_000
"""Longer than a round waits for a proposal."""
SHARE_PERCENT = 80
"""Of the flood's heights."""

Tactic = Callable[["HostileRelays", int, int, bytes], list[tuple[int, bytes]]]
"""What a relay sends in place of a message: (extra microseconds, bytes)."""


def honest(_: "HostileRelays", __: int, ___: int, data: bytes) -> list[tuple[int, bytes]]:
    """Everything, at once."""
    return [(0, data)]


def drops(network: "HostileRelays", _: int, __: int, data: bytes) -> list[tuple[int, bytes]]:
    """Nothing of the victim."""
    return [] if network.is_of_victim(data) else [(0, data)]


def delays(network: "HostileRelays", _: int, __: int, data: bytes) -> list[tuple[int, bytes]]:
    """What is of the victim, too late."""
    return [(LATE_US if network.is_of_victim(data) else 0, data)]


def lies(network: "HostileRelays", sender: int, _: int, data: bytes) -> list[tuple[int, bytes]]:
    """Nothing of the victim; it says that it hears everybody and that it lacks everything."""
    if network.is_of_victim(data):
        return []
    envelope = read_envelope(data)
    if envelope.sender != network.nodes[sender].key:
        return [(0, data)]
    return [(0, network.retold(sender, envelope, data))]


def promises(network: "HostileRelays", sender: int, _: int, data: bytes) -> list[tuple[int, bytes]]:
    """It votes for blocks, so that they are requested from it, and gives no block and no vote of others to anybody."""
    envelope = read_envelope(data)
    own = envelope.sender == network.nodes[sender].key
    return [(0, network.retold(sender, envelope, data))] if own else []


def halves(network: "HostileRelays", sender: int, to: int, data: bytes) -> list[tuple[int, bytes]]:
    """As before, and it shows its own blocks to every second validator only: to each, it is linked with it."""
    shown = promises(network, sender, to, data)
    return shown if read_envelope(data).kind is not MessageKind.PROPOSAL or to % 2 else []


class HostileRelays(SimNetwork):
    """Some nodes pass on by a tactic."""

    def __init__(self, seed: int, faults: Faults, relays: tuple[int, ...], victim: int, tactic: Tactic) -> None:
        self.relays, self._victim, self.tactic = relays, victim, tactic
        super().__init__(seed, faults)

    @property
    def honest(self) -> list[SimNode]:
        return [node for node in super().honest if node.index not in self.relays]

    def is_of_victim(self, data: bytes) -> bool:
        """Whether the victim signed it, no matter who passes it on."""
        return read_envelope(data).sender == self.nodes[self._victim].key

    def retold(self, sender: int, envelope: Envelope, data: bytes) -> bytes:
        """A relay's own message with its lies in it."""
        message = read_message(envelope)
        if isinstance(message, HaveList):
            message = msgspec.structs.replace(message, steps=(), polka_round=-1)
        elif isinstance(message, LinkList):
            message = msgspec.structs.replace(message, linked=signer_bitmap(range(len(self.nodes))))
        else:
            return data
        return seal(self.signer(self.nodes[sender]), message)

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender not in self.relays or not self.linked(sender, to):
            super().send(sender, to, lane, data)
            return
        for extra_us, shown in self.tactic(self, sender, to, data):
            delay_us = 500 + self.random.randrange(self.faults.delay_ms_max * 1000)
            self.schedule(delay_us + extra_us, "deliver", to, (sender, int(lane), shown))


class FloodPast(Flood):
    """The ideal flood, which no relay passes on."""

    def __init__(self, seed: int, faults: Faults, relays: tuple[int, ...]) -> None:
        self.relays = relays
        super().__init__(seed, faults)

    def passes_on(self, node: int) -> bool:
        return node not in self.relays


@dataclass(frozen=True)
class Case:
    """A graph, its relays, and the one validator that they starve."""

    name: str
    nodes: int
    cut: tuple[tuple[int, int], ...]
    relays: tuple[int, ...]
    only_path: bool = False
    """The honest validators are not connected without the relay: the flood goes through it, too."""
    victim: int = 0

    @property
    def faults(self) -> Faults:
        return replace(CALM, nodes=self.nodes, cut=self.cut, delay_ms_max=DELAY_MS_MAX)


def _all_but(nodes: int, *links: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The pairs without a link."""
    pairs = ((one, other) for one in range(nodes) for other in range(one + 1, nodes))
    return tuple(pair for pair in pairs if pair not in links)


def _to_all(relay: int, count: int) -> tuple[tuple[int, int], ...]:
    return tuple((each, relay) for each in range(count))


TRIANGLES = ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5))
RING = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (0, 6))
CASES = (
    Case("four: a line of three, and a relay", 4, ((0, 2),), (3,)),
    Case("seven: two triangles, one link, and a relay", 7, _all_but(7, *TRIANGLES, (2, 3), *_to_all(6, 6)), (6,)),
    Case(
        "ten: a ring of seven, and three relays",
        10,
        _all_but(10, *RING, *_to_all(7, 7), *_to_all(8, 7), *_to_all(9, 7), (7, 8), (7, 9), (8, 9)),
        (7, 8, 9),
    ),
)
ONLY_PATH = Case(
    "seven: two triangles, and a relay between them", 7, _all_but(7, *TRIANGLES, *_to_all(6, 6)), (6,), only_path=True
)
TACTICS = {"honest": honest, "drops": drops, "delays": delays, "lies": lies, "promises": promises, "halves": halves}


@dataclass(frozen=True)
class Figures:
    """One case with one tactic."""

    case: str
    tactic: str
    heights: int
    flood: int

    @property
    def percent(self) -> int:
        """Of the flood's heights."""
        return self.heights * 100 // self.flood


def flooded(case: Case, milliseconds: int = VIRTUAL_MS, seed: int = 1) -> int:
    """Heights of the ideal flood."""
    return heights(FloodPast(seed, case.faults, () if case.only_path else case.relays), milliseconds)


def attacked(case: Case, tactic: Tactic, milliseconds: int = VIRTUAL_MS, seed: int = 1) -> int:
    """Heights of the honest validators with such relays."""
    return heights(HostileRelays(seed, case.faults, case.relays, case.victim, tactic), milliseconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.relays", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--seconds", type=int, default=VIRTUAL_MS // 1000, help="of virtual time")
    options = parser.parse_args()
    found, milliseconds = [], options.seconds * 1000
    for case in (*CASES, ONLY_PATH):
        flood = flooded(case, milliseconds)
        for name, tactic in TACTICS.items():
            figures = Figures(case.name, name, attacked(case, tactic, milliseconds), flood)
            found.append(figures)
            print(f"{case.name}: {name}: {figures.heights} heights, flood {flood}", flush=True)
    if options.json:
        rows = [vars(each) for each in found]
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(each.percent >= SHARE_PERCENT for each in found if each.case != ONLY_PATH.name) else 1


if __name__ == "__main__":
    sys.exit(main())
