"""Blame and measures of endpoints: what an endpoint did counts, and never its place in the list."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
import rlp
import trio

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader, is_same_header, read_header
from bridge.evm.hexadecimal import hex_data, read_quantity
from bridge.evm.layouts import ETHEREUM, FIRST_FIELDS, QUANTITY
from bridge.evm.receipts import Log, Receipt, receipt_items, trie_root
from bridge.rpc.endpoint import Result, RpcCall
from bridge.rpc.endpoint_health import lags
from bridge.rpc.quorum import EndpointQuorum
from bridge.watched_chain import FinalityPolicy
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256
from tests.kit.refusals import refused

RECEIPT = Receipt(2, succeeded=True, cumulative_gas=21_000, bloom=bytes(256), logs=(Log(b"\x0a" * 20, (), b"x"),))
ORDERS = list(permutations(("liar", "anna", "bert")))
Answer = Callable[[RpcCall], Result]


def stated_block(number: int, **changes: object) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: hex(number) if size == QUANTITY else "0x" + "00" * max(size, 0) for name, size in FIRST_FIELDS
    }
    fields["receiptsRoot"] = hex_data(trie_root(receipt_items([RECEIPT])))
    items = [number if size == QUANTITY else bytes.fromhex(fields[name][2:]) for name, size in FIRST_FIELDS]
    return {**fields, "hash": hex_data(keccak256(rlp.encode(items))), **changes}


def stated_receipt(gas: int = 21_000) -> dict[str, object]:
    return {
        "type": "0x2",
        "status": "0x1",
        "cumulativeGasUsed": hex(gas),
        "logsBloom": "0x" + "00" * 256,
        "logs": [{"address": "0x" + "0a" * 20, "topics": [], "data": "0x78"}],
        "transactionIndex": "0x0",
    }


def true_answer(call: RpcCall) -> Result:
    match call.method:
        case "eth_chainId":
            return "0x1"
        case "eth_getBlockReceipts":
            return [stated_receipt()]
        case "eth_getBalance":
            return "0x5"
    at = call.params[0]
    return stated_block(100 if at in ("finalized", "latest") else read_quantity(at, "at"))


class ScriptedEndpoint:
    """An endpoint that answers by a function, after some seconds."""

    def __init__(self, name: str, answer: Answer = true_answer, seconds: float = 0.0) -> None:
        self.name, self.answer, self.seconds = name, answer, seconds
        self.asked = 0

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        self.asked += 1
        await trio.sleep(self.seconds)
        return [self.answer(call) for call in calls]


def quorum_of(order: Sequence[str], lie: Answer, quorum: int = 2) -> EndpointQuorum:
    return EndpointQuorum([ScriptedEndpoint(name, lie if name == "liar" else true_answer) for name in order], quorum)


def faults(quorum: EndpointQuorum) -> dict[str, dict[str, int]]:
    return {health.name: dict(health.faults) for health in quorum.health}


def lying_about(method: str, change: Callable[[Any], Result]) -> Answer:
    return lambda call: change(true_answer(call)) if call.method == method else true_answer(call)


async def read_headers(quorum: EndpointQuorum) -> None:
    assert (await quorum.headers((7,)))[0] == read_header(stated_block(7), ETHEREUM.header)


async def read_final_headers(quorum: EndpointQuorum) -> None:
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="liar"):
        await quorum.final_headers((7,))


async def read_balance(quorum: EndpointQuorum) -> None:
    calls = (RpcCall("eth_getBalance", ("0x00", "latest")),)
    assert await quorum.agreed(calls, lambda results: read_quantity(results[0], "balance")) == 5


async def read_chain_id(quorum: EndpointQuorum) -> None:
    await quorum.check_chain(1)


BLOCK = "eth_getBlockByNumber"
OTHER = {"hash": "0x" + "22" * 32}
LIES = {
    "another_hash": (BLOCK, lambda block: {**block, **OTHER}, read_headers, "ENDPOINTS_DISAGREE"),
    "other_fields": (BLOCK, lambda block: {**block, "gasUsed": "0x5"}, read_headers, "HEADER_HASH_MISMATCH"),
    "no_fields": (BLOCK, lambda block: {**block, "miner": None}, read_headers, "MALFORMED_ANSWER"),
    "padded_number": (BLOCK, lambda block: {**block, "number": "0x07"}, read_headers, "MALFORMED_ANSWER"),
    "padded_field": (BLOCK, lambda block: {**block, "gasUsed": "0x07"}, read_headers, "MALFORMED_ANSWER"),
    "padded_balance": ("eth_getBalance", lambda _: "0x05", read_balance, "MALFORMED_ANSWER"),
    "padded_chain_id": ("eth_chainId", lambda _: "0x01", read_chain_id, "MALFORMED_ANSWER"),
    "no_object": (BLOCK, lambda block: [block], read_headers, "MALFORMED_ANSWER"),
    "a_final_hash": (
        BLOCK,
        lambda block: {**block, "hash": "0x" + "22" * 32},
        read_final_headers,
        "ENDPOINTS_DISAGREE",
    ),
    "a_balance": ("eth_getBalance", lambda _: "0x6", read_balance, "ENDPOINTS_DISAGREE"),
    "a_chain_id": ("eth_chainId", lambda _: "0x2", read_chain_id, "WRONG_CHAIN"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("lie", LIES)
async def test_a_liar_is_blamed_for_its_kind_of_lie_wherever_it_is_listed(order: Sequence[str], lie: str) -> None:
    method, change, read, kind = LIES[lie]
    quorum = quorum_of(order, lying_about(method, change))
    await read(quorum)
    assert faults(quorum) == {"liar": {kind: 1}, "anna": {}, "bert": {}}


@pytest.mark.parametrize("order", ORDERS)
async def test_an_endpoint_that_alters_receipts_is_found_out_wherever_it_is_listed(order: Sequence[str]) -> None:
    lie = lying_about("eth_getBlockReceipts", lambda _: [stated_receipt(gas=9)])
    quorum = quorum_of(order, lie)
    block = read_header(stated_block(7), ETHEREUM.header)
    for _ in order:
        assert await quorum.receipts(block) == (RECEIPT,)
    assert faults(quorum) == {"liar": {"RECEIPTS_ROOT_MISMATCH": 1}, "anna": {}, "bert": {}}


async def test_endpoints_of_equal_record_prove_in_turn() -> None:
    sources = [ScriptedEndpoint(name) for name in ("anna", "bert", "cleo")]
    quorum = EndpointQuorum(sources, 2)
    block: BlockHeader = read_header(stated_block(7), ETHEREUM.header)
    for _ in range(6):
        await quorum.receipts(block)
    assert [source.asked for source in sources] == [2, 2, 2]


@pytest.mark.parametrize("order", list(permutations(("liar", "anna"))))
async def test_where_one_says_this_and_one_says_that_both_are_named(order: Sequence[str]) -> None:
    quorum = quorum_of(order, lying_about("eth_getBalance", lambda _: "0x6"))
    with refused(BridgeCode.ENDPOINTS_DISAGREE) as caught:
        await quorum.undisputed((RpcCall("eth_getBalance", ()),), lambda results: str(results[0]))
    assert caught.value.values["alone"] == "anna, liar"


@pytest.mark.parametrize("order", ORDERS)
async def test_where_two_say_this_and_one_says_that_one_is_named(order: Sequence[str]) -> None:
    quorum = quorum_of(order, lying_about("eth_getBalance", lambda _: "0x6"))
    with refused(BridgeCode.ENDPOINTS_DISAGREE) as caught:
        await quorum.undisputed((RpcCall("eth_getBalance", ()),), lambda results: str(results[0]))
    assert caught.value.values["alone"] == "liar"


async def test_time_and_distance_of_each_endpoint_are_noted(autojump_clock: trio.testing.MockClock) -> None:
    behind = lying_about(BLOCK, lambda block: stated_block(90) if block["number"] == "0x64" else block)
    sources = [ScriptedEndpoint("slow", seconds=0.25), ScriptedEndpoint("fast"), ScriptedEndpoint("behind", behind)]
    quorum = EndpointQuorum(sources, 2)
    for _ in range(4):
        await quorum.tips(FinalityPolicy(2), 7)
    slow, fast, late = quorum.health
    assert (slow.answers, fast.answers, late.answers) == (4, 4, 4)
    assert (slow.answer_seconds, fast.answer_seconds) == (pytest.approx(1.0), pytest.approx(0.0))
    assert [health.final_number for health in quorum.health] == [100, 100, 90]
    assert lags(quorum.health) == [0, 0, 10]
    assert lags(()) == []


@pytest.mark.parametrize(
    "change", [{"gasUsed": "0x8"}, {"gasUsed": None}, {"gasUsed": ["0x7"]}, {"baseFeePerGas": "0x1"}]
)
def test_an_answer_is_the_same_only_with_every_hashed_field(change: dict[str, object]) -> None:
    good = stated_block(7)
    assert is_same_header({**good, "size": "0x1", "hash": "0x"}, good, ETHEREUM.header)
    assert not is_same_header({**good, **change}, good, ETHEREUM.header)
    for other in (None, [], "0x"):
        assert not is_same_header(other, good, ETHEREUM.header)
        assert not is_same_header(good, other, ETHEREUM.header)


def test_a_fault_is_counted_once_by_its_kind() -> None:
    async def note() -> EndpointQuorum:
        quorum = EndpointQuorum([ScriptedEndpoint("anna")], 1)
        quorum.blame(0, RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, "anna"))
        quorum.blame(0, RemoteFault(BridgeCode.ENDPOINT_UNREACHABLE, "anna"))
        return quorum

    (health,) = trio.run(note).health
    assert dict(health.faults) == {"ENDPOINT_UNREACHABLE": 2}
    assert health.faults_total == 2
