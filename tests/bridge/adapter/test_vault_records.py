"""What a vault recorded, read back out of its events: in order, without a gap, and little of it at once."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.codes import BridgeCode
from bridge.contracts.escape import PastDeposit, PastPayment
from bridge.evm.events import DEPOSITED, WITHDRAWN
from bridge.evm.hexadecimal import hex_data
from bridge.relay import vault_records
from bridge.relay.vault_records import DepositsBack, payments_of_words
from bridge.rpc.endpoint import Refusal, Result, RpcCall
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault

pytestmark = pytest.mark.trio
VAULT, TOKEN, OWNER = b"\x11" * 20, b"\x70" * 20, b"\x33" * 20
NEWEST = 25_000


class Chain:
    """Logs by block, and an endpoint that gives at most `most` of them at once."""

    def __init__(self, logs: Mapping[int, list[dict[str, Any]]], most: int = 10**6) -> None:
        self._logs, self._most = logs, most
        self.largest = 0

    async def call(self, method: str) -> str:
        assert method == "eth_blockNumber"
        return hex(NEWEST)

    async def batch(self, calls: tuple[RpcCall, ...]) -> list[Result]:
        ((wanted,),) = (call.params for call in calls)
        first, last = (int(wanted[name], 16) for name in ("fromBlock", "toBlock"))
        found = [log for block in sorted(self._logs) if first <= block <= last for log in self._logs[block]]
        if len(found) > self._most:
            return [Refusal(-32005, "too many results")]
        self.largest = max(self.largest, len(found))
        return [[log for log in found if log["topics"][0] in wanted["topics"][0]]]


def log(topic: bytes, nonce: int, third: bytes, data: bytes) -> dict[str, Any]:
    topics = (topic, u256(nonce), TOKEN.rjust(32, b"\0"), third.rjust(32, b"\0"))
    fields = {"address": hex_data(VAULT), "data": hex_data(data), "transactionHash": hex_data(u256(nonce))}
    return fields | {"topics": [hex_data(each) for each in topics]}


def deposited(nonce: int) -> dict[str, Any]:
    return log(DEPOSITED, nonce, u256(7), u256(10 * nonce) + OWNER.rjust(32, b"\0") + u256(1000 + nonce))


def withdrawn(nonce: int) -> dict[str, Any]:
    return log(WITHDRAWN, nonce, OWNER, u256(7) + u256(nonce))


def payment(nonce: int) -> PastPayment:
    return PastPayment(nonce, 7, TOKEN, OWNER, nonce)


async def test_deposits_are_read_back_without_a_gap_however_many_there_are() -> None:
    chain = Chain({block: [deposited(2 * block - 1), deposited(2 * block)] for block in range(1, 10_001)}, most=300)
    back = DepositsBack(chain, VAULT, 19_000, 0)  # type: ignore[arg-type]
    read = []
    while part := await back.take(700):
        assert len(back._read) <= 300
        read += part
    assert [each.nonce for each in read] == list(range(19_000, 0, -1)), "also after more than one span is too long"
    assert read[0].deposit == PastDeposit(TOKEN, 7, 190_000, OWNER)
    assert read[0].hash_after == u256(20_000)
    assert chain.largest <= 300


async def test_a_deposit_that_an_endpoint_leaves_out_is_missed() -> None:
    chain = Chain({1: [deposited(1)], 2: [deposited(3)]})
    with pytest.raises(RemoteFault) as caught:
        await DepositsBack(chain, VAULT, 3, 0).take(3)  # type: ignore[arg-type]
    assert caught.value.code is BridgeCode.NONCE_GAP


async def test_payments_are_given_by_word_in_the_order_in_which_they_were_made() -> None:
    order = (41, 3, 90, 85, 40, 79, 2_000)
    chain = Chain({100 * at: [withdrawn(nonce)] for at, nonce in enumerate(order, 1)}, most=2)
    found = await payments_of_words(chain, VAULT, 1, 2, 0)  # type: ignore[arg-type]
    assert found.words == {1: tuple(map(payment, (41, 40, 79))), 2: tuple(map(payment, (90, 85)))}
    assert not found.is_last
    rest = await payments_of_words(chain, VAULT, 3, 500, 0)  # type: ignore[arg-type]
    assert (rest.words, rest.is_last) == ({50: (payment(2_000),)}, True)


async def test_an_answer_with_too_many_logs_is_asked_for_in_smaller_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_records, "LOGS_MAX", 3)
    chain = Chain({block: [withdrawn(block)] for block in range(9)})
    found = await payments_of_words(chain, VAULT, 0, 1, 0)  # type: ignore[arg-type]
    assert found.words == {0: tuple(map(payment, range(9)))}
    crowded = Chain({5: [withdrawn(nonce) for nonce in range(4)]})
    with pytest.raises(RemoteFault) as caught:
        await payments_of_words(crowded, VAULT, 0, 1, 0)  # type: ignore[arg-type]
    assert caught.value.code is BridgeCode.MALFORMED_ANSWER
