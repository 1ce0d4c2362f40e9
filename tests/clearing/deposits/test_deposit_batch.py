"""Deposits written short: the same facts are read again, and what leads nowhere is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import VoteExtension, decode_extension, encode_extension
from clearing.schema.blocks.deposit_batch import DEPOSITS_MAX, DepositBatch, read_facts, write_facts
from clearing.schema.facts import ChainHeartbeat, DepositSeen

change = msgspec.structs.replace
BYTE = st.integers(0, 2)


def seen(chain_id: int, nonce: int, varied: int = 0, amount: int = 1) -> DepositSeen:
    word = bytes([varied]) * 32
    return DepositSeen(
        chain_id, word[:20], nonce, word[:20], varied, u256(amount), varied, word, u256(nonce), word[1:21]
    )


DEPOSITS = st.builds(seen, st.integers(1, 2), st.integers(1, 12), BYTE, st.sampled_from((0, 1, 256, 2**256 - 1)))


@given(st.lists(DEPOSITS, max_size=11, unique_by=lambda fact: (fact.chain_id, fact.vault, fact.nonce)))
def test_what_was_written_is_read(deposits: list[DepositSeen]) -> None:
    beat = ChainHeartbeat(1, 5, bytes(32))
    written = write_facts((*deposits, beat))
    read = decode_extension(encode_extension(VoteExtension(facts=written))).facts
    assert read == written
    assert set(read_facts(read)) == {*deposits, beat}
    assert len(list(read_facts(read))) == len(deposits) + 1


def test_a_batch_is_a_quarter_as_long() -> None:
    flood = [seen(1, nonce) for nonce in range(1, DEPOSITS_MAX + 1)]
    assert len(encode_extension(VoteExtension(facts=write_facts(flood)))) < DEPOSITS_MAX * 200 // 4


def batch(count: int = 2) -> DepositBatch:
    (made,) = write_facts([seen(1, nonce) for nonce in range(1, count + 1)])
    assert isinstance(made, DepositBatch)
    return made


def astray(field: str) -> DepositBatch:
    good = batch()
    return change(good, deposits=(good.deposits[0], change(good.deposits[1], **{field: 1})))


HOSTILE = {
    "a block that is not listed": (astray("block"),),
    "a token that is not listed": (astray("token"),),
    "a depositor that is not listed": (astray("depositor"),),
    "a nonce beyond the ledger's range": (change(batch(), first_nonce=2**63 - 1),),
    "too many": (batch(DEPOSITS_MAX + 1),),
    "too many in two": (batch(DEPOSITS_MAX), batch()),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_batch_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(RemoteFault, match="out_of_range"):
        decode_extension(encode_extension(VoteExtension(facts=HOSTILE[name])))
    assert decode_extension(encode_extension(VoteExtension(facts=(batch(), batch(DEPOSITS_MAX - 2)))))
