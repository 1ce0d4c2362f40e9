"""The newest checkpoint of a vault, told by endpoints that lag, lie or refuse, and by a real chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trio

from bridge.contracts import load_artifact
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import CHECKPOINTED, newest_checkpoint
from bridge.watched_chain import FinalityPolicy
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import FOUR, VaultChain, make_header

VAULT = b"\xaa" * 20
POLICY = FinalityPolicy(quorum=2)


@dataclass
class Chain:
    """One endpoint's word on a vault: checkpoints by block number, as (height, header hash)."""

    name: str
    final: int = 100
    checkpoints: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    spans: list[int] = field(default_factory=list)
    refuses: bool = False

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        return [self.answer(call) for call in calls]

    def answer(self, call: RpcCall) -> Result:
        if self.refuses:
            return Refusal(-32000, "no")
        match call.method:
            case "eth_getBlockByNumber":
                at = call.params[0]
                number = self.final if at == "finalized" else int(str(at), 16)
                return {"number": hex(number), "hash": "0x" + number.to_bytes(32, "big").hex()}
            case "eth_call":
                at = int(str(call.params[1]), 16)
                height = max((found for block, (found, _) in self.checkpoints.items() if block <= at), default=0)
                return "0x" + b"".join(u256(each) for each in (height, 0, 7, 1, 1, 2, 3)).hex()
            case "eth_getLogs":
                asked = call.params[0]
                assert isinstance(asked, dict)
                first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
                self.spans.append(last - first + 1)
                wanted = int(asked["topics"][1], 16)
                return [
                    {"topics": ["0x" + word.hex() for word in (CHECKPOINTED, u256(height), hash_)]}
                    for block, (height, hash_) in self.checkpoints.items()
                    if first <= block <= last and height == wanted
                ]
        raise AssertionError(call.method)


def three(**of: object) -> list[Chain]:
    checkpoints = {10: (40, b"a" * 32), 60: (90, b"b" * 32), 120: (99, b"c" * 32)}
    return [Chain(name, checkpoints=dict(checkpoints), **of) for name in "xyz"]  # type: ignore[arg-type]


async def newest(chains: list[Chain], span: int = 1000) -> tuple[int, bytes]:
    return await newest_checkpoint(EndpointQuorum(chains, 2), POLICY, VAULT, 1, span)


async def test_only_what_is_final_counts() -> None:
    assert await newest(three()) == (90, b"b" * 32)
    assert await newest(three(final=30)) == (40, b"a" * 32)


async def test_a_vault_without_checkpoint_says_so() -> None:
    assert await newest(three(final=5)) == (0, b"")


async def test_the_event_is_looked_for_in_spans_that_endpoints_allow() -> None:
    chains = three()
    assert await newest(chains, span=20) == (90, b"b" * 32)
    assert max(chains[0].spans) == 20
    assert len(chains[0].spans) == 3


@pytest.mark.parametrize(
    "lie", [{"checkpoints": {60: (90, b"z" * 32)}}, {"checkpoints": {60: (95, b"z" * 32)}}, {"refuses": True}], ids=str
)
async def test_one_liar_of_three_changes_nothing(lie: dict[str, Any]) -> None:
    first, second, third = three()
    assert await newest([first, replace(second, **lie), third]) == (90, b"b" * 32)


async def test_without_a_quorum_nothing_is_told() -> None:
    chains = three()
    chains[1].checkpoints[60] = (90, b"z" * 32)
    chains[2].checkpoints[60] = (90, b"y" * 32)
    with pytest.raises(RemoteFault):
        await newest(chains)


async def test_a_state_without_its_event_is_a_fault() -> None:
    chains = three()
    for chain in chains:
        chain.checkpoints[0] = (91, b"q" * 32)  # before the vault's first block
        del chain.checkpoints[60]
    with pytest.raises(RemoteFault, match="logs_unavailable"):
        await newest(chains)


def test_the_event_is_the_contracts() -> None:
    (event,) = (each for each in load_artifact("Vault").abi if each.get("name") == "Checkpointed")
    words = ",".join(argument["type"] for argument in event["inputs"])
    assert keccak256(f"Checkpointed({words})".encode()) == CHECKPOINTED
    assert [argument["indexed"] for argument in event["inputs"]] == [True, True, False]


@pytest.mark.chain
async def test_a_vault_tells_the_hash_of_the_header_that_it_took_last(anvil: Callable[..., Anvil]) -> None:
    deployed = await trio.to_thread.run_sync(VaultChain, anvil(), FOUR)
    async with Endpoint(deployed.chain.url) as endpoint:

        async def read(span: int = 2_000) -> tuple[int, bytes]:
            vault, quorum = deployed.vault_at, EndpointQuorum([endpoint], 1)
            return await newest_checkpoint(quorum, FinalityPolicy(quorum=1), vault.address, vault.block_number, span)

        deployed.chain.rpc("anvil_mine", hex(80))
        assert await read() == (0, b"")
        for height in (5, 9):
            header = make_header(FOUR, height)
            await trio.to_thread.run_sync(deployed.certified, header)
        deployed.chain.rpc("anvil_mine", hex(80))
        assert await read() == (9, header.hash)
        assert await read(7) == (9, header.hash)
