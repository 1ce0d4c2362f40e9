"""Real chains for the adapter's tests: anvil, a contract that says whatever it is told, endpoints that lie."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import trio

from bridge.chain import FinalityPolicy, WatchedChain
from bridge.cursor import FileFactStore
from bridge.evm.events import DEPOSITED, WITHDRAWN
from bridge.quorum import EndpointQuorum
from bridge.rpc import Call, Endpoint, Result
from bridge.watcher import Watcher
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.facts import CustodySeen, DepositSeen, Fact, WithdrawalExecuted

CHAIN_ID = 31337
SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
TOKEN = bytes.fromhex("70" * 20)
# Calldata of 128 bytes and more: four topics, then data, emitted as one log. Shorter: the storage word whose key is
# the selector, as the answer to any view.
EMITTER = bytes.fromhex(
    "60803610602457608036036080600037606035604035602035600035608036036000a4005b60003560e01c5460005260206000f3"
)


def word(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


@dataclass
class Chain:
    """Drives one anvil."""

    url: str
    client: httpx.Client
    emitter: bytes = b""

    def rpc(self, method: str, *params: object) -> object:
        answer = self.client.post(self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    @property
    def head(self) -> int:
        return int(str(self.rpc("eth_blockNumber")), 16)

    @property
    def final(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "finalized", *[False])["number"], 16)

    def send(self, data: bytes, to: bytes | None = None) -> dict:
        """One transaction in a block of its own; its receipt."""
        fields = {"from": SENDER, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
        if to is not None:
            fields["to"] = "0x" + to.hex()
        return self.receipt(self.rpc("eth_sendTransaction", fields))

    def receipt(self, sent: str) -> dict:
        """Automine is a task of its own, so the receipt may come a moment after the answer."""
        while (receipt := self.rpc("eth_getTransactionReceipt", sent)) is None:
            time.sleep(0.002)
        return receipt

    def deploy_emitter(self) -> WatchedChain:
        size = len(EMITTER)
        init = bytes.fromhex(f"60{size:02x}600c60003960{size:02x}6000f3") + EMITTER
        receipt = self.send(init)
        self.emitter = bytes.fromhex(receipt["contractAddress"][2:])
        return WatchedChain(
            chain_id=CHAIN_ID,
            vault=self.emitter,
            deployment_block=int(receipt["blockNumber"], 16),
            tokens=(),
            finality=FinalityPolicy(quorum=1),
            custody_stride=1_000_000,
            poll_seconds=0.01,
        )

    def emit(self, topics: Sequence[bytes], data: bytes) -> dict:
        return self.send(b"".join(topics) + data, self.emitter)

    def deposited(self, nonce: int, account: int = 7, amount: int = 1000) -> dict:
        data = u256(amount) + word(b"\x11" * 20) + bytes(32)
        return self.emit((DEPOSITED, u256(nonce), word(TOKEN), u256(account)), data)

    def deposit_in_next_block(self, nonce: int) -> str:
        """With automine off: the hash of a deposit that waits."""
        data = b"".join((DEPOSITED, u256(nonce), word(TOKEN), u256(7), u256(1), word(b"\x11" * 20), bytes(32)))
        fields = {"from": SENDER, "to": "0x" + self.emitter.hex(), "data": "0x" + data.hex(), "gas": hex(200_000)}
        return str(self.rpc("eth_sendTransaction", fields))

    def withdrawn(self, nonce: int, amount: int = 10) -> dict:
        return self.emit((WITHDRAWN, u256(nonce), word(TOKEN), word(b"\x22" * 20)), u256(amount))


@dataclass
class Liar:
    """An endpoint that passes on what a true one says, altered by `alter(call, result)`, or is lost."""

    true: Endpoint
    alter: Callable[[Call, Result], Result] = lambda call, result: result
    lost: bool = False
    name: str = "liar"
    asked: list[str] = field(default_factory=list)

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        self.asked += [call.method for call in calls]
        if self.lost:
            from bridge.codes import BridgeCode

            raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name)
        results = await self.true.batch(calls)
        return [self.alter(call, result) for call, result in zip(calls, results, strict=True)]


class Watch:
    """A watcher with a list for what it emits. `until_quiet` polls until nothing is new."""

    def __init__(self, chain: WatchedChain, sources: Sequence[object], folder: Path) -> None:
        self.facts: list[Fact] = []
        self.store = FileFactStore(folder)
        self.quorum = EndpointQuorum(sources, chain.finality.quorum)

        async def emit(fact: Fact) -> None:
            self.facts.append(fact)

        self.watcher = Watcher(chain, self.quorum, self.store, emit)

    async def until_quiet(self) -> None:
        while await self.watcher.step():
            pass

    @property
    def deposits(self) -> list[DepositSeen]:
        return [fact for fact in self.facts if isinstance(fact, DepositSeen)]

    @property
    def nonces(self) -> list[int]:
        return [fact.nonce for fact in self.deposits]

    @property
    def withdrawals(self) -> list[WithdrawalExecuted]:
        return [fact for fact in self.facts if isinstance(fact, WithdrawalExecuted)]

    @property
    def custody(self) -> list[CustodySeen]:
        return [fact for fact in self.facts if isinstance(fact, CustodySeen)]


def start_anvil(binary: Path, folder: Path) -> tuple[subprocess.Popen, str]:
    arguments = ["--port", "0", "--hardfork", "osaka", "--enable-tx-gas-limit", "--prune-history", "64"]
    arguments += ["--slots-in-an-epoch", "2"]
    process = subprocess.Popen(
        [binary, *arguments, "--chain-id", str(CHAIN_ID), "--cache-path", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"Listening on (127\.0\.0\.1:\d+)", line):
            return process, f"http://{found[1]}"
    raise RuntimeError("anvil did not start")


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    return Path("/tmp/anv/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")


@pytest.fixture
def chain(anvil_binary: Path, tmp_path: Path) -> Iterator[Chain]:
    """A fresh chain for each test: it starts in 30 ms."""
    process, url = start_anvil(anvil_binary, tmp_path / "anvil")
    try:
        with httpx.Client(trust_env=False) as client:
            yield Chain(url, client)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
async def endpoint(chain: Chain) -> Endpoint:
    async with Endpoint(chain.url) as endpoint:
        yield endpoint


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Watch]:
    """`watch(chain, *sources)`: a watcher over these endpoints, its store under the test's folder."""
    return lambda chain, *sources: Watch(chain, sources, tmp_path / "store")


@pytest.fixture
def liar(endpoint: Endpoint) -> Callable[..., Liar]:
    """`liar(alter)`: an endpoint before the test's chain that alters answers."""
    return lambda *args, **named: Liar(endpoint, *args, **named)


@pytest.fixture
def within() -> Callable[[float], trio.CancelScope]:
    return trio.move_on_after
