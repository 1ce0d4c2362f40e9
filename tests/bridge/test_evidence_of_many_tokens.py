"""Storage proofs of more tokens than one call may ask for, from endpoints that have parts of a state or none."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.codes import BridgeCode
from bridge.evm.layouts import FIRST_FIELDS
from bridge.rpc.endpoint import BATCH_MAX, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from bridge.watch.custody_evidence import EvidenceCollector
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.evm.rlp_coding import decode
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.hashing import keccak256
from clearing.schema.facts import CustodySeen
from tests.kit.evm_state import MadeState

PLAIN = BalanceLocation(BalanceOrder.KEY_FIRST)
VAULT = b"\xaa" * 20
TOKENS = tuple(number.to_bytes(20, "big") for number in range(1, 1 + 150))


def state_of() -> MadeState:
    state = MadeState()
    for at, token in enumerate(TOKENS):
        state.hold(VAULT, token, PLAIN, (1_000 + at, at, 1_000))
    return state


HEADER, NODES = state_of().header(32), state_of().nodes


class Node:
    """Answers from the state, but for the tokens that it has lost."""

    name = "node"

    def __init__(self, lost: Sequence[bytes] = ()) -> None:
        self.lost = {"0x" + token.hex() for token in lost}
        self.asked: list[int] = []

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        assert len(calls) <= BATCH_MAX
        self.asked.append(len(calls))
        return [self._answer(call) for call in calls]

    def _answer(self, call: RpcCall) -> Any:
        if call.method == "eth_getBlockByHash":
            fields = zip((*(name for name, _ in FIRST_FIELDS), "baseFeePerGas"), decode(HEADER), strict=True)
            sizes = dict(FIRST_FIELDS)
            return {name: _hex(field, sizes.get(name, 0) == 0) for name, field in fields}
        if call.params[0] in self.lost:
            raise RemoteFault(BridgeCode.ENDPOINT_REFUSED, "eth_getProof", message="missing trie node")
        nodes = ["0x" + node.hex() for node in NODES.values()]
        return {
            "accountProof": nodes[:64],
            "storageProof": [{"proof": nodes[at : at + 64]} for at in range(64, len(nodes), 64)],
        }


def _hex(field: object, is_number: bool) -> str:
    assert isinstance(field, bytes)
    return hex(int.from_bytes(field, "big")) if is_number else "0x" + field.hex()


CHAIN = WatchedChain(7, VAULT, 1, TOKENS, FinalityPolicy(quorum=2), balances=(PLAIN,) * len(TOKENS))
FACTS = tuple(
    CustodySeen(7, VAULT, token, 32, keccak256(HEADER), u256(1_000 + at), u256(at), u256(1_000))
    for at, token in enumerate(TOKENS)
)


async def asked(*nodes: Node) -> tuple[list[BlockEvidence], EvidenceCollector]:
    kept: list[BlockEvidence] = []
    keeper = EvidenceCollector(CHAIN, EndpointQuorum(nodes, 2), lambda _, evidence: kept.append(evidence))
    keeper.request(FACTS)
    await keeper.ask()
    return kept, keeper


@pytest.mark.parametrize("lost", [((), ()), (TOKENS[:1], TOKENS[-1:])], ids=["whole", "each a part"])
async def test_many_tokens_are_proven_in_parts_by_whoever_has_them(lost: tuple[Sequence[bytes], ...]) -> None:
    kept, keeper = await asked(*(Node(each) for each in lost))
    assert keeper.last_fault == ""
    assert len(kept) == keeper.proven == 1
    assert kept[0].header == HEADER
    assert len(set(kept[0].nodes)) == len(kept[0].nodes)


async def test_tokens_that_nobody_proves_stop_no_watcher() -> None:
    kept, keeper = await asked(Node(TOKENS[:1]), Node(TOKENS[:1]))
    assert not kept
    assert "missing trie node" in keeper.last_fault
