"""A beacon chain of generated keys with the minimal preset, one slot for each execution block, served over HTTP.

Every object is as the specification has it, so the light client verifies it as it would Ethereum's.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import trio

from bridge.beacon.containers import BeaconHeader, ExecutionHeader, SyncCommittee
from bridge.beacon.network import ELECTRA, EXECUTION_PAYLOAD, BeaconNetwork, Fork
from bridge.beacon.ssz import ZERO, depth_of
from clearing.base import bls
from clearing.base.hashing import sha256

NETWORK = BeaconNetwork(
    genesis_time=1_000_000,
    genesis_validators_root=b"\x07" * 32,
    forks=(Fork(0, bytes.fromhex("06000001"), ELECTRA),),
    committee_size=32,
    slots_per_epoch=8,
    epochs_per_period=8,
    seconds_per_slot=1,
)
PERIOD_SLOTS = 64
FINAL_DEPTH = 3
"""A header's state has the block so many slots before as final."""
KEYS = 4
"""Each has several places."""
Execution = Callable[[int], ExecutionHeader]


def invented(number: int, salt: bytes = b"") -> ExecutionHeader:
    """An execution header that no chain has."""
    return execution_header({"number": hex(number), "hash": "0x" + sha256(salt + str(number).encode()).hex()})


def execution_header(block: dict[str, Any]) -> ExecutionHeader:
    """The execution header of a block as JSON-RPC has it."""

    def data(name: str, size: int = 32) -> bytes:
        return bytes.fromhex(block.get(name, "0x" + "00" * size)[2:])

    def number(name: str) -> int:
        return int(block.get(name, "0x0"), 16)

    return ExecutionHeader(
        parent_hash=data("parentHash"),
        fee_recipient=data("miner", 20),
        state_root=data("stateRoot"),
        receipts_root=data("receiptsRoot"),
        logs_bloom=data("logsBloom", 256),
        prev_randao=data("mixHash"),
        block_number=number("number"),
        gas_limit=number("gasLimit"),
        gas_used=number("gasUsed"),
        timestamp=number("timestamp"),
        extra_data=data("extraData", 0),
        base_fee_per_gas=number("baseFeePerGas").to_bytes(32, "little"),
        block_hash=data("hash"),
        transactions_root=data("transactionsRoot"),
        withdrawals_root=data("withdrawalsRoot"),
        blob_gas_used=number("blobGasUsed"),
        excess_blob_gas=number("excessBlobGas"),
    )


@cache
def secret(period: int, place: int, keys: int = KEYS) -> int:
    return bls.secret_from_seed(sha256(f"{period} {place % keys}".encode()))


@cache
def committee(period: int, size: int = NETWORK.committee_size, keys: int = KEYS) -> SyncCommittee:
    pubkeys = tuple(bls.public_key(secret(period, place, keys)) for place in range(size))
    return SyncCommittee(pubkeys, pubkeys[0])


class Tree:
    """A Merkle tree of which only some leaves matter, by generalized index."""

    def __init__(self, leaves: dict[int, bytes]) -> None:
        self._leaves = leaves

    def node(self, index: int) -> bytes:
        if index in self._leaves:
            return self._leaves[index]
        if any(leaf >> depth_of(leaf) - depth_of(index) == index for leaf in self._leaves if leaf > index):
            return sha256(self.node(2 * index) + self.node(2 * index + 1))
        return sha256(str(index).encode())

    def branch(self, index: int) -> list[str]:
        return ["0x" + self.node(index >> height ^ 1).hex() for height in range(depth_of(index))]


class BeaconChain:
    """Slot n has execution block n. `final_slot`: of the newest final header that it states. `signers`: all unless
    given; `network`: NETWORK, or one that has another size of its committees; `keys`: how many each has."""

    def __init__(
        self,
        execution: Execution = invented,
        signers: int | None = None,
        network: BeaconNetwork = NETWORK,
        keys: int = KEYS,
    ) -> None:
        self.final_slot = 0
        self._execution = execution
        self._signers = network.committee_size if signers is None else signers
        self._network = network
        self._keys = keys
        self._headers: dict[int, BeaconHeader] = {}
        self._aggregates: dict[int, dict[str, str]] = {}

    @property
    def unix_time(self) -> float:
        """When the newest finality update was signed."""
        return self._network.time_of(self.final_slot + FINAL_DEPTH + 1)

    def header(self, slot: int) -> BeaconHeader:
        if slot not in self._headers:
            self._headers[slot] = BeaconHeader(slot, 1, ZERO, self._state(slot).node(1), self._body(slot).node(1))
        return self._headers[slot]

    def bootstrap(self, slot: int) -> dict[str, Any]:
        return {
            "header": self._light_header(slot),
            "current_sync_committee": _shown_committee(self._committee(slot // PERIOD_SLOTS)),
            "current_sync_committee_branch": self._state(slot).branch(ELECTRA.current_committee),
        }

    def finality_update(self, final_slot: int | None = None) -> dict[str, Any]:
        final = self.final_slot if final_slot is None else final_slot
        attested = final + FINAL_DEPTH
        return {
            "attested_header": self._light_header(attested),
            "finalized_header": self._light_header(final),
            "finality_branch": self._state(attested).branch(ELECTRA.finalized_root),
            "sync_aggregate": self._aggregate(attested),
            "signature_slot": str(attested + 1),
        }

    def update(self, period: int) -> dict[str, Any] | None:
        """The best of a period: the last final header for which all is within it."""
        final = min(self.final_slot, (period + 1) * PERIOD_SLOTS - FINAL_DEPTH - 2)
        if final < period * PERIOD_SLOTS:
            return None
        return self.finality_update(final) | self.next_committee(final)

    def next_committee(self, final_slot: int) -> dict[str, Any]:
        """What the state that has this slot as final proves of the committee after its period."""
        attested = final_slot + FINAL_DEPTH
        return {
            "next_sync_committee": _shown_committee(self._committee(attested // PERIOD_SLOTS + 1)),
            "next_sync_committee_branch": self._state(attested).branch(ELECTRA.next_committee),
        }

    def _committee(self, period: int) -> SyncCommittee:
        return committee(period, self._network.committee_size, self._keys)

    def _state(self, slot: int) -> Tree:
        period = slot // PERIOD_SLOTS
        return Tree(
            {
                ELECTRA.current_committee: self._committee(period).root,
                ELECTRA.next_committee: self._committee(period + 1).root,
                ELECTRA.finalized_root: self.header(slot - FINAL_DEPTH).root if slot >= FINAL_DEPTH else ZERO,
            }
        )

    def _body(self, slot: int) -> Tree:
        return Tree({EXECUTION_PAYLOAD: self._execution(slot).root(ELECTRA)})

    def _light_header(self, slot: int) -> dict[str, Any]:
        return {
            "beacon": _shown(self.header(slot)),
            "execution": _shown(self._execution(slot)),
            "execution_branch": self._body(slot).branch(EXECUTION_PAYLOAD),
        }

    def _aggregate(self, attested: int) -> dict[str, str]:
        if attested not in self._aggregates:
            self._aggregates[attested] = self._signed(attested)
        return self._aggregates[attested]

    def _signed(self, attested: int) -> dict[str, str]:
        period = (attested + 1) // PERIOD_SLOTS
        message = self._network.signing_root(self.header(attested).root, self._network.forks[0])
        places = range(self._signers)
        signature = bls.aggregate([bls.sign(secret(period, place, self._keys), message) for place in places])
        bits = ((1 << self._signers) - 1).to_bytes(self._network.committee_size // 8, "little")
        return {"sync_committee_bits": "0x" + bits.hex(), "sync_committee_signature": "0x" + signature.hex()}


def _shown(header: BeaconHeader | ExecutionHeader) -> dict[str, str]:
    """As the Beacon API shows it."""
    fields = {name: getattr(header, name) for name in header.__struct_fields__}
    shown = {name: "0x" + value.hex() if isinstance(value, bytes) else str(value) for name, value in fields.items()}
    if isinstance(header, ExecutionHeader):
        shown["base_fee_per_gas"] = str(int.from_bytes(header.base_fee_per_gas, "little"))
    return shown


def _shown_committee(shown: SyncCommittee) -> dict[str, Any]:
    keys = ["0x" + key.hex() for key in shown.pubkeys]
    return {"pubkeys": keys, "aggregate_pubkey": "0x" + shown.aggregate_pubkey.hex()}


class BeaconServer:
    """The light-client part of the Beacon API, on a port of loopback. `alter(path, answer)` may lie."""

    def __init__(self, chain: BeaconChain) -> None:
        self.chain = chain
        self.alter: Callable[[str, bytes], bytes] = lambda path, answer: answer
        self.asked: list[str] = []
        self.url = ""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._serve, 0)
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            task_status.started()

    async def _serve(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # an answer that is too long is not read to its end
            received = b""
            while True:
                while b"\r\n\r\n" not in received:
                    piece = await stream.receive_some(1 << 16)
                    if not piece:
                        return
                    received += piece
                head, _, received = received.partition(b"\r\n\r\n")
                await stream.send_all(self._response(head.split(b" ")[1].decode()))

    def _response(self, path: str) -> bytes:
        self.asked.append(path)
        value = self._answer(path)
        status = b"404 Not Found" if value is None else b"200 OK"
        answer = self.alter(path, json.dumps(value).encode())
        return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(answer), answer)

    def _answer(self, path: str) -> object:
        *_, last = path.split("/")
        if "/bootstrap/" in path:
            slots = [slot for slot in range(self.chain.final_slot + 1) if _root(self.chain, slot) == last]
            return {"version": "fulu", "data": self.chain.bootstrap(slots[0])} if slots else None
        if last == "finality_update":
            return {"version": "fulu", "data": self.chain.finality_update()}
        first, count = (int(pair.split("=")[1]) for pair in last.partition("?")[2].split("&"))
        found = [self.chain.update(period) for period in range(first, first + count)]
        return [{"version": "fulu", "data": update} for update in found if update is not None]


def _root(chain: BeaconChain, slot: int) -> str:
    return "0x" + chain.header(slot).root.hex()
