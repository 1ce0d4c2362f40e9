"""Beacon endpoints that lie, without HTTP, and what they may do wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.beacon.containers import Bootstrap, Update
from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault
from tests.kit.bridge.beacon_chain import NETWORK, BeaconChain, invented

Json = Any
Say = Callable[[str, Json], Json]
"""What is said in place of the true answer to `bootstrap`, `updates` or `finality_update`."""


@dataclass
class BeaconLiar:
    """A `BeaconSource` that passes on what a chain has, altered by `say`, or is lost."""

    chain: BeaconChain
    name: str = "beacon"
    say: Say = lambda _, answer: answer
    lost: bool = False
    asked: list[str] = field(default_factory=list)

    async def bootstrap(self, block_root: bytes) -> Bootstrap:
        slots = (slot for slot in range(self.chain.final_slot + 1) if self.chain.header(slot).root == block_root)
        return read_bootstrap(self._answer("bootstrap", self.chain.bootstrap(next(slots))), NETWORK)

    async def updates(self, first_period: int, count: int) -> Sequence[Update]:
        found = [self.chain.update(period) for period in range(first_period, first_period + count)]
        answer = self._answer("updates", [update for update in found if update is not None])
        return [read_update(update, NETWORK) for update in answer]

    async def finality_update(self) -> Update:
        return read_update(self._answer("finality_update", self.chain.finality_update()), NETWORK)

    def _answer(self, kind: str, true: Json) -> Json:
        self.asked.append(kind)
        if self.lost:
            raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name)
        return self.say(kind, true)


@dataclass(frozen=True)
class BeaconFault:
    """What a beacon endpoint does wrong. `say` is made for a chain; None: it does not answer at all."""

    name: str
    say: Callable[[BeaconChain], Say] | None
    halts: bool = False
    """Two thirds of a committee signed it: one endpoint that shows it is enough to halt the chain."""
    needs_honest: bool = False
    """Nothing that the light client can check contradicts it but another endpoint."""


def _branch(signers: int) -> Callable[[BeaconChain], Say]:
    """Blocks that no chain has, final in the same slot, signed by so many of 32."""

    def made(chain: BeaconChain) -> Say:
        forged = BeaconChain(lambda number: invented(number, b"forged"), signers)
        forged.final_slot = chain.final_slot
        return lambda kind, true: forged.finality_update() if kind == "finality_update" else true

    return made


def _altered(_: BeaconChain) -> Say:
    def say(kind: str, true: Json) -> Json:
        if kind != "finality_update":
            return true
        header = true["finalized_header"]
        return true | {
            "finalized_header": header | {"execution": header["execution"] | {"block_hash": "0x" + "11" * 32}}
        }

    return say


def _old(chain: BeaconChain) -> Say:
    return lambda kind, true: chain.finality_update(2) if kind == "finality_update" else [] if "up" in kind else true


BEACON_FAULTS = (
    BeaconFault("does not answer", None),
    BeaconFault("answers nonsense", lambda _: lambda _, __: [{"odd": 1}]),
    BeaconFault("alters a field of headers", _altered),
    BeaconFault("forges, under two thirds sign", _branch(21)),
    BeaconFault("stands still", _old),
    BeaconFault("withholds committees", lambda _: lambda kind, true: [] if kind == "updates" else true),
    BeaconFault("forges, two thirds sign", _branch(22), halts=True, needs_honest=True),
)
