"""Rules of the mempool and of trade batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.accounts.signatories import Signatory
from clearing.base import ed25519, secp256k1
from clearing.base.codec import encode
from clearing.base.errors import BaseCode, CodeBook, Rejected, RemoteFault
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.codes import ClearingCode
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.trades import BundledTrade, Trade, TradeBundle
from member.api.submit import BATCH_TRANSACTIONS_MAX
from member.codes import NodeCode
from member.signing.requests import signed
from node.pool import mempool
from node.pool.block_budget import BUNDLED_TRADE_BYTES
from node.pool.mempool import Accepted, Mempool, PoolLimits
from node.pool.transaction_service import make_batch, open_batch
from tests.kit.refusals import refused

NETWORK = NetworkId(b"n" * 32)
KEYS = {account: bytes([account]) * 32 for account in range(1, 6)}
NOW = 1_000_000
NODE_KEY = b"k" * 32


def keys_of(who: Signatory) -> tuple[bytes, ...]:
    return (secp256k1.address(KEYS[who.id]),) if who.id in KEYS else ()


def transfer(
    account: int = 1, nonce: int = 1, not_after_ms: int = NOW + 1000, key: bytes | None = None
) -> CashTransfer:
    blank = CashTransfer(account, 9, 1, 5, nonce, not_after_ms, bytes(65))
    return signed(NETWORK, blank, signature=key or KEYS[account])


def trade(buyer: int = 1, seller: int = 2, number: int = 1, network: NetworkId = NETWORK) -> Trade:
    blank = Trade(1, number, buyer, seller, 1, 2, 300, NOW + 1000, bytes(65), bytes(65))
    return signed(network, blank, buyer_signature=KEYS[buyer], seller_signature=KEYS[seller])


def bundle(trades: int, first: int = 1) -> TradeBundle:
    lines = tuple(BundledTrade(number, 1, 2, 300) for number in range(first, first + trades))
    blank = TradeBundle(1, 1, 2, lines, NOW + 1000, bytes(65), bytes(65))
    return signed(NETWORK, blank, signature=KEYS[1], counterparty_signature=KEYS[2])


def pool(**limits: int) -> Mempool:
    return Mempool(NETWORK, keys_of, PoolLimits(**limits))


def code_of(answer: Accepted | Rejected) -> CodeBook | None:
    return answer.code if isinstance(answer, Rejected) else None


def test_an_accepted_transaction_waits_until_a_block_decides_it() -> None:
    waiting, one = pool(), trade()
    assert waiting.add(one, NOW) == Accepted(transaction_hash(one))
    assert waiting.select(NOW) == (one,)
    assert waiting.select(NOW) == (one,)
    waiting.remove([one])
    assert (len(waiting), waiting.size, waiting.select(NOW)) == (0, 0, ())


def test_the_same_transaction_waits_once_and_never_comes_back() -> None:
    waiting, one = pool(), trade()
    waiting.add(one, NOW)
    assert waiting.add(one, NOW) == Accepted(transaction_hash(one), known=True)
    assert len(waiting) == 1
    waiting.remove([one, trade(number=7)])
    assert waiting.add(one, NOW) == Accepted(transaction_hash(one), known=True)
    assert waiting.add(trade(number=7), NOW) == Accepted(transaction_hash(trade(number=7)), known=True)
    assert len(waiting) == 0


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(
            replace(trade(), seller_signature=trade(seller=3).seller_signature),
            ClearingCode.WRONG_SIGNER,
            id="of_another_account",
        ),
        pytest.param(trade(network=NetworkId(b"m" * 32)), ClearingCode.WRONG_SIGNER, id="for_another_network"),
        pytest.param(replace(trade(), buyer_signature=bytes(65)), ClearingCode.WRONG_SIGNER, id="of_no_shape"),
        pytest.param(transfer(key=KEYS[2]), ClearingCode.WRONG_SIGNER, id="of_another_key"),
        pytest.param(replace(trade(), buyer=77), ClearingCode.UNKNOWN_ACCOUNT, id="of_nobody"),
    ],
)
def test_a_signature_is_refused(request_: Transaction, code: ClearingCode) -> None:
    waiting = pool()
    assert code_of(waiting.add(request_, NOW)) is code
    assert len(waiting) == 0


@pytest.mark.parametrize(
    ("not_after_ms", "code"),
    [
        (NOW - 1, ClearingCode.REQUEST_EXPIRED),
        (NOW, None),
        (NOW + 500, None),
        (NOW + 501, ClearingCode.REQUEST_TOO_FAR_AHEAD),
    ],
)
def test_a_request_is_taken_only_within_its_time(not_after_ms: int, code: ClearingCode | None) -> None:
    assert code_of(pool(ahead_ms_max=500).add(transfer(not_after_ms=not_after_ms), NOW)) is code


def test_expired_requests_leave_and_make_room() -> None:
    waiting = pool(transactions_max=2)
    waiting.add(transfer(nonce=1, not_after_ms=NOW + 10), NOW)
    waiting.add(transfer(nonce=2, not_after_ms=NOW + 20), NOW)
    assert code_of(waiting.add(transfer(nonce=3), NOW)) is NodeCode.POOL_FULL
    assert waiting.expire(NOW + 10) == 0
    assert waiting.expire(NOW + 11) == 1
    assert isinstance(waiting.add(transfer(nonce=3), NOW + 11), Accepted)


def test_one_account_cannot_fill_the_pool() -> None:
    waiting = pool(per_account_max=2)
    assert isinstance(waiting.add(trade(1, 2, 1), NOW), Accepted)
    assert isinstance(waiting.add(trade(2, 1, 2), NOW), Accepted)
    assert code_of(waiting.add(trade(3, 1, 3), NOW)) is NodeCode.POOL_ACCOUNT_LIMIT
    waiting.remove([trade(1, 2, 1)])
    assert isinstance(waiting.add(trade(3, 1, 3), NOW), Accepted)


def test_a_bundle_counts_as_many_as_it_has_trades() -> None:
    waiting = pool(transactions_max=7)
    assert isinstance(waiting.add(bundle(5), NOW), Accepted)
    assert (len(waiting), waiting.asked, waiting.waiting_of(trade(2, 3))) == (1, 5, 5)
    assert code_of(waiting.add(bundle(3, 10), NOW)) is NodeCode.POOL_FULL
    assert isinstance(waiting.add(bundle(2, 10), NOW), Accepted)
    waiting.remove([bundle(5)])
    assert (waiting.asked, waiting.waiting_of(trade(2, 3))) == (2, 2)
    assert code_of(pool(per_account_max=4).add(bundle(5), NOW)) is NodeCode.POOL_ACCOUNT_LIMIT


def test_a_proposal_leaves_room_for_the_work_of_bundles() -> None:
    """The trades of a bundle are few bytes for what they take to execute."""
    waiting, bundles = pool(), [bundle(24, first) for first in range(1, 200, 24)]
    for each in bundles:
        waiting.add(each, NOW)
    size = len(encode((bundles[-1],)))
    chosen = waiting.select(NOW, 4 * (size + 23 * BUNDLED_TRADE_BYTES))
    assert chosen == tuple(bundles[:4])
    assert waiting.select(NOW) == tuple(bundles)


def test_a_proposal_asks_for_no_more_trades_than_a_block_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "BLOCK_TRADES_MAX", 50)
    waiting, bundles = pool(), [bundle(24, first) for first in range(1, 200, 24)]
    for each in bundles:
        waiting.add(each, NOW)
    assert waiting.select(NOW) == tuple(bundles[:2])


def test_the_pool_is_bounded_in_bytes() -> None:
    waiting = pool(bytes_max=300)
    assert isinstance(waiting.add(trade(number=1), NOW), Accepted)
    assert code_of(waiting.add(trade(number=2), NOW)) is NodeCode.POOL_FULL


def test_accounts_take_turns_and_each_keeps_its_order() -> None:
    waiting = pool()
    flood = [transfer(1, nonce) for nonce in range(1, 6)]
    others = [transfer(2, 1), transfer(3, 1), transfer(3, 2)]
    for each in [*flood, *others]:
        waiting.add(each, NOW)
    chosen = waiting.select(NOW)
    assert chosen == (flood[0], others[0], others[1], flood[1], others[2], flood[2], flood[3], flood[4])
    waiting.remove(chosen[:2])
    assert waiting.select(NOW)[:2] == (others[1], flood[1])


def test_a_proposal_takes_no_more_bytes_than_it_may() -> None:
    size = len(encode((transfer(),)))
    waiting = pool(block_bytes_max=2 * size + size // 2)
    for nonce in range(1, 6):
        waiting.add(transfer(1, nonce), NOW)
    assert waiting.select(NOW) == (transfer(1, 1), transfer(1, 2))


def test_a_proposal_takes_nothing_that_its_block_would_refuse_as_late() -> None:
    waiting = pool()
    waiting.add(transfer(1, 1, NOW + 5), NOW)
    waiting.add(transfer(1, 2, NOW + 6), NOW)
    assert waiting.select(NOW + 6) == (transfer(1, 2, NOW + 6),)


@given(steps=st.lists(st.tuples(st.sampled_from("aaar"), st.integers(1, 5), st.integers(1, 3)), max_size=40))
@settings(deadline=None, max_examples=60)
def test_the_pool_keeps_its_own_books_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    waiting = pool(per_account_max=3, transactions_max=8)
    for what, account, nonce in steps:
        one = transfer(account, nonce)
        if what == "a":
            waiting.add(one, NOW)
        else:
            waiting.remove([one])
        everything = waiting.select(NOW)
        assert len(everything) == len(waiting) == len(set(everything)) <= 8
        assert waiting.size == sum(len(encode((each,))) for each in everything)
    waiting.expire(NOW + 10_000)
    assert (len(waiting), waiting.size) == (0, 0)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_decoding_of_batches(data: bytes) -> None:
    with pytest.raises(RemoteFault):
        open_batch(NETWORK, data)


@given(at=st.integers(0, 1000), bit=st.integers(0, 7))
def test_no_bit_of_a_batch_can_be_changed(at: int, bit: int) -> None:
    data = bytearray(encode(make_batch(NETWORK, NODE_KEY, 7, [trade(), transfer()])))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(RemoteFault):
        open_batch(NETWORK, bytes(data))


def test_a_batch_opens_as_it_was_made() -> None:
    batch = make_batch(NETWORK, NODE_KEY, 7, [trade(), transfer()])
    opened = open_batch(NETWORK, encode(batch), frozenset((ed25519.public_key(NODE_KEY),)))
    assert opened == batch
    assert opened.transactions == (trade(), transfer())


GOOD = make_batch(NETWORK, NODE_KEY, 1, [trade()])
MANY = [trade()] * (BATCH_TRANSACTIONS_MAX + 1)
BAD_BATCHES = {
    "other order": (encode(replace(GOOD, sequence=2)), NodeCode.BATCH_SENDER),
    "other content": (encode(replace(GOOD, transactions=(trade(number=2),))), NodeCode.BATCH_SENDER),
    "other sender": (encode(replace(GOOD, submitter=ed25519.public_key(b"j" * 32))), NodeCode.BATCH_SENDER),
    "other network": (encode(make_batch(NetworkId(b"m" * 32), NODE_KEY, 1, [trade()])), NodeCode.BATCH_SENDER),
    "empty": (encode(make_batch(NETWORK, NODE_KEY, 1, [])), NodeCode.BATCH_SHAPE),
    "too many": (encode(make_batch(NETWORK, NODE_KEY, 1, MANY)), NodeCode.BATCH_SHAPE),
    "too long": (bytes(200_000), BaseCode.OVERSIZE),
    "trailing": (encode(GOOD) + b"\x00", BaseCode.MALFORMED),
}


@pytest.mark.parametrize(("data", "code"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_is_refused_by_name(data: bytes, code: CodeBook) -> None:
    with refused(code):
        open_batch(NETWORK, data)


def test_a_batch_of_an_unknown_node_is_refused() -> None:
    with refused(NodeCode.BATCH_SENDER):
        open_batch(NETWORK, encode(GOOD), frozenset((b"x" * 32,)))
