"""Rules of reading a vault's counters: a call returns one word, a balance is a quantity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest
import trio

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.rpc.endpoint import Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, VaultCustody, read_custody
from bridge.watched_chain import FinalityPolicy, WatchedChain
from tests.kit.refusals import refused

BLOCK = BlockHeader(7, bytes(32), bytes(32), bytes(32), bytes(32), bytes(256), 0, 0)
WORD, QUANTITY = "0x" + "00" * 31 + "05", "0x5"


@dataclass
class Answering:
    """Endpoints that all answer alike."""

    results: list[Result]

    async def undisputed(
        self, calls: Sequence[RpcCall], parse: Callable[[list[Result]], tuple[int, ...]]
    ) -> tuple[int, ...]:
        assert len(calls) == len(self.results)
        return parse(self.results)


def custody(*results: Result) -> VaultCustody:
    chain = WatchedChain(1, bytes(19) + b"v", 1, (NATIVE,), FinalityPolicy(quorum=1))
    quorum = cast(EndpointQuorum, Answering(list(results)))
    return trio.run(read_custody, chain, quorum, BLOCK)


def test_counters_and_the_balance_are_read() -> None:
    seen = custody(WORD, WORD, WORD, QUANTITY)
    assert (seen.deposit_nonce, int.from_bytes(seen.tokens[0].balance, "big")) == (5, 5)


@pytest.mark.parametrize("answer", [QUANTITY, "0x", WORD + "00", WORD[:-2], WORD.replace("0x", "0X"), 5, None, [WORD]])
def test_what_a_call_returns_is_one_word_and_no_quantity(answer: Result) -> None:
    with refused(BridgeCode.MALFORMED_ANSWER):
        custody(WORD, answer, WORD, QUANTITY)


@pytest.mark.parametrize("answer", ["0x", "5", 5, None, WORD + "00", "0x1" + "0" * 64])
def test_a_balance_is_a_quantity_of_at_most_256_bits(answer: Result) -> None:
    with refused(BridgeCode.MALFORMED_ANSWER):
        custody(WORD, WORD, WORD, answer)
