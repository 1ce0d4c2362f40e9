"""Adversaries whose machine is at fault: late, heard by some only, or with a disk that loses and changes bytes."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from consensus.outputs import Broadcast, Output, Persist, Send
from consensus.wal import Record
from tests.kit.adversaries.context import Adversary, AdversaryContext

DELAY_MS_MAX = 3000


class Slow(Adversary):
    """Sends everything up to three seconds late, each message by itself: long after its round."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self._held: list[tuple[int, Output]] = []

    def outgoing(self, output: Output) -> list[Output] | None:
        replica = self.context.replica()
        if not isinstance(output, Broadcast | Send) or replica is None:
            return None
        at = replica.clock.steady_ms() + self.random.randrange(DELAY_MS_MAX)
        self._held.append((at, output))
        return []

    def due(self) -> list[Output]:
        replica = self.context.replica()
        if replica is None:
            return []
        now = replica.clock.steady_ms()
        late = [output for at, output in self._held if at <= now]
        self._held = [held for held in self._held if held[0] > now]
        return late


class Hider(Adversary):
    """Each thing it says reaches some of the others only: locks that most can't see."""

    def outgoing(self, output: Output) -> list[Output] | None:
        if not isinstance(output, Broadcast):
            return None
        peers = self.peers()
        recipients = self.random.sample(peers, self.random.randint(0, len(peers)))
        return [Send(peer, output.lane, output.data) for peer in sorted(recipients)]


class DiskCorrupting(Adversary):
    """Its log loses records or holds others than it was given: after a restart it knows less than it has said."""

    def outgoing(self, output: Output) -> list[Output] | None:
        if not isinstance(output, Persist) or self.random.randrange(3):
            return None
        records = list(output.records)
        victim = self.random.randrange(len(records)) if records else 0
        if records and self.random.randrange(2):
            del records[victim]
        elif records:
            changed = flip(records[victim].data, self.random)
            records[victim] = Record(height=records[victim].height, kind=records[victim].kind, data=changed)
        return [Persist(tuple(records))]


def flip(data: bytes, random: Random) -> bytes:
    """One bit changed."""
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def damage_file(path: Path, random: Random, how: Callable[[bytes, Random], bytes] = flip) -> None:
    """Change a file of a node that is down as a failing disk does, in place."""
    data = path.read_bytes()
    with path.open("r+b") as file:
        changed = how(data, random)
        file.write(changed)
        file.truncate(len(changed))
