"""Real chains for the adapter's tests: anvil, a contract that says whatever it is told, endpoints that lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trio

from bridge.evm.events import DEPOSITED, WITHDRAWN, Deposited, rolled_deposits_hash
from bridge.evm.layouts import ETHEREUM, ChainLayout
from bridge.rpc.dissent import DISSENT_SECONDS
from bridge.rpc.endpoint import Endpoint, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.witness import FinalWitness
from bridge.watch.branch import BranchWatch
from bridge.watch.cursor import FileFactStore
from bridge.watch.custody import CUSTODY_WAIT_SECONDS
from bridge.watch.status import Alarm
from bridge.watch.watcher import Watcher
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.schema.facts import CustodySeen, DepositSeen, Fact, WithdrawalExecuted
from devnet.anvil import Anvil
from tests.kit.chains import anvil, anvil_binary
from tests.kit.until import until_now

__all__ = ["anvil", "anvil_binary"]

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

    anvil: Anvil
    emitter: bytes = b""
    profile: WatchedChain = field(init=False)
    """How the contract is watched."""
    rolled: dict[int, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.anvil.url

    def rpc(self, method: str, *params: object) -> Any:
        return self.anvil.rpc(method, *params)

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
        found: list[dict] = []

        def is_mined() -> bool:
            found.append(self.rpc("eth_getTransactionReceipt", sent))
            return found[-1] is not None

        until_now(is_mined, f"{sent} was not mined", poll_seconds=0.002)
        return found[-1]

    def deploy_emitter(self) -> WatchedChain:
        size = len(EMITTER)
        init = bytes.fromhex(f"60{size:02x}600c60003960{size:02x}6000f3") + EMITTER
        receipt = self.send(init)
        self.emitter, self.rolled = bytes.fromhex(receipt["contractAddress"][2:]), {}
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

    def deposit_log(self, nonce: int, account: int = 7, amount: int = 1000) -> tuple[tuple[bytes, ...], bytes]:
        """What the vault would emit: the hash continues that of the nonce before, as this chain emitted it last."""
        event = Deposited(nonce, TOKEN, account, amount, b"\x11" * 20, b"")
        self.rolled[nonce] = rolled_deposits_hash(self.rolled.get(nonce - 1, bytes(32)), event)
        topics = (DEPOSITED, u256(nonce), word(TOKEN), u256(account))
        return topics, u256(amount) + word(event.sender) + self.rolled[nonce]

    def deposited(self, nonce: int, account: int = 7, amount: int = 1000) -> dict:
        return self.emit(*self.deposit_log(nonce, account, amount))

    def deposit_in_next_block(self, nonce: int) -> str:
        """With automine off: the hash of a deposit that waits."""
        topics, data = self.deposit_log(nonce)
        calldata = (b"".join(topics) + data).hex()
        fields = {"from": SENDER, "to": "0x" + self.emitter.hex(), "data": "0x" + calldata, "gas": hex(200_000)}
        return str(self.rpc("eth_sendTransaction", fields))

    def deposits_in_bulk(self, first: int, count: int, per_block: int = 200, **fields: int) -> None:
        """So many deposits from nonce `first` on, each a transaction, in as few requests as blocks."""
        self.rpc("evm_setAutomine", *[False])
        sent = int(self.rpc("eth_getTransactionCount", SENDER, "latest"), 16)
        for start in range(first, first + count, per_block):
            calls = []
            for nonce in range(start, min(start + per_block, first + count)):
                topics, data = self.deposit_log(nonce, **fields)
                calldata = "0x" + (b"".join(topics) + data).hex()
                to = "0x" + self.emitter.hex()
                calls.append({"from": SENDER, "to": to, "data": calldata, "gas": hex(60_000), "nonce": hex(sent)})
                sent += 1
            self.anvil.rpc_batch("eth_sendTransaction", calls)
            self.mine()
        self.rpc("evm_setAutomine", *[True])

    def final_deposits(self, *nonces: int, **fields: int) -> None:
        """Each in a block of its own, and all final."""
        for nonce in nonces:
            self.deposited(nonce, **fields)
        self.mine(6)

    def withdrawn(self, nonce: int, amount: int = 10) -> dict:
        return self.emit((WITHDRAWN, u256(nonce), word(TOKEN), word(b"\x22" * 20)), u256(7) + u256(amount))


@dataclass
class Liar:
    """An endpoint that passes on what a true one says, altered by `alter(call, result)`, or is lost."""

    true: Endpoint
    alter: Callable[[RpcCall, Result], Result] = lambda call, result: result
    lost: bool = False
    silent: bool = False
    name: str = "liar"
    asked: list[str] = field(default_factory=list)

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        self.asked += [call.method for call in calls]
        if self.lost:
            from bridge.codes import BridgeCode

            raise RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, self.name)
        if self.silent:
            await trio.sleep_forever()
        results = await self.true.batch(calls)
        return [self.alter(call, result) for call, result in zip(calls, results, strict=True)]


class Late:
    """An endpoint that answers rightly, after a while."""

    def __init__(self, true: Any, seconds: float) -> None:
        self.name, self.true, self.seconds = "late", true, seconds

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        await trio.sleep(self.seconds)
        return await self.true.batch(calls)


def calls_answered(value: str, selector: bytes = b"") -> Callable[[RpcCall, Result], Result]:
    """Every contract call, or those of this function, is answered so."""

    def alter(call: RpcCall, result: Result) -> Result:
        if call.method != "eth_call":
            return result
        data: Any = call.params[0]
        return value if data["data"].startswith("0x" + selector.hex()) else result

    return alter


class Watch:
    """A watcher with a list for what it emits. `until_quiet` polls until nothing is new."""

    def __init__(
        self,
        chain: WatchedChain,
        sources: Sequence[object],
        folder: Path,
        dissent_seconds: float = DISSENT_SECONDS,
        custody_wait_seconds: float = CUSTODY_WAIT_SECONDS,
        layout: ChainLayout = ETHEREUM,
        witness: FinalWitness | None = None,
        branch: BranchWatch | None = None,
    ) -> None:
        self.facts: list[Fact] = []
        self.store = FileFactStore(folder)
        self.quorum = EndpointQuorum(sources, chain.finality.quorum, dissent_seconds, layout, witness)

        async def emit(fact: Fact) -> None:
            self.facts.append(fact)

        self.alarms: list[tuple[Alarm, bool]] = []
        self.watcher = Watcher(
            chain,
            self.quorum,
            self.store,
            emit,
            alarm=lambda alarm, why: self.alarms.append((alarm, bool(why))),
            custody_wait_seconds=custody_wait_seconds,
            branch=branch,
        )

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


@pytest.fixture
def chain(anvil: Callable[..., Anvil]) -> Chain:
    """A fresh chain for each test, with a contract to watch: it starts in 30 ms."""
    made = Chain(anvil(CHAIN_ID))
    made.profile = made.deploy_emitter()
    return made


@pytest.fixture
async def endpoint(chain: Chain) -> Endpoint:
    async with Endpoint(chain.url) as endpoint:
        yield endpoint


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Watch]:
    """`watch(chain, *sources)`: a watcher over these endpoints, its store under the test's folder."""
    return lambda chain, *sources, **named: Watch(chain, sources, tmp_path / "store", **named)


@pytest.fixture
def watched(chain: Chain, watch: Callable[..., Watch]) -> Callable[..., Watch]:
    """`watched(*sources, quorum=2, blooms=False)`: a watcher of the chain's contract over these endpoints."""

    def made(
        *sources: object,
        quorum: int = 1,
        depth: int = 0,
        dissent_seconds: float = DISSENT_SECONDS,
        witness: FinalWitness | None = None,
        **changes: Any,
    ) -> Watch:
        finality = FinalityPolicy(quorum=quorum, depth=depth)
        watched = replace(chain.profile, finality=finality, **changes)
        return watch(watched, *sources, dissent_seconds=dissent_seconds, witness=witness)

    return made


@pytest.fixture
def liar(endpoint: Endpoint) -> Callable[..., Liar]:
    """`liar(alter)`: an endpoint before the test's chain that alters answers."""
    return lambda *args, **named: Liar(endpoint, *args, **named)
