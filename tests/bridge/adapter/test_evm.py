"""The pure readers: RLP tries, headers, receipts, events; and that hostile bytes only ever make a RemoteFault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from bridge.evm.events import (
    DEPOSITED,
    WITHDRAWN,
    Deposited,
    SubmittedEvent,
    Withdrawn,
    make_submission,
    read_event,
    verify_submitted_event,
)
from bridge.evm.header import BlockHeader, read_header
from bridge.evm.hexadecimal import read_data, read_quantity
from bridge.evm.layouts import ETHEREUM
from bridge.evm.receipts import (
    Log,
    Receipt,
    check_receipts_root,
    decode_receipt,
    index_key,
    read_receipts,
    receipt_items,
    trie_proof,
    trie_root,
    verify_trie_proof,
)
from clearing.base.codec import decode, encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.evm.trie import EMPTY_ROOT
from clearing.base.hashing import keccak256
from tests.kit.refusals import refused

VAULT = b"\x0a" * 20
HEADER, RECEIPTS = ETHEREUM.header, ETHEREUM.receipts
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"0x[0-9a-f]{0,66}", fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("number", "hash", "logs", "type")), inner)
    ),
    max_leaves=8,
)
KEYS = st.binary(min_size=1, max_size=4)
logs = st.builds(
    Log,
    address=st.just(VAULT) | st.binary(min_size=20, max_size=20),
    topics=st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
    data=st.binary(max_size=100),
)
receipts = st.builds(
    Receipt,
    type=st.integers(0, 4),
    succeeded=st.booleans(),
    cumulative_gas=st.integers(0, 2**64 - 1),
    bloom=st.binary(min_size=256, max_size=256),
    logs=st.lists(logs, max_size=3).map(tuple),
)


def header(receipts_root=EMPTY_ROOT):
    return BlockHeader(5, b"\x05" * 32, b"\x04" * 32, bytes(32), receipts_root, bytes(256), 1000, 7)


def receipt(kind, gas, emitted, *, succeeded=True):
    return Receipt(kind, succeeded, gas, bytes(256), emitted)


def deposit_log(nonce=1, account=7, amount=5):
    topics = (DEPOSITED, u256(nonce), bytes(12) + b"\x70" * 20, u256(account))
    return Log(VAULT, topics, u256(amount) + bytes(12) + b"\x11" * 20 + b"\xdd" * 32)


# The trie ------------------------------------------------------------------------------------------------------------

# Roots that the Ethereum Foundation's trie tests state ("dogs", and the one of the wiki's tutorial).
KNOWN_TRIES = [
    (
        {"doe": "reindeer", "dog": "puppy", "dogglesworth": "cat"},
        "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
    ),
    (
        {"do": "verb", "horse": "stallion", "doge": "coin", "dog": "puppy"},
        "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
    ),
    ({}, "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
]


@pytest.mark.parametrize(("items", "root"), KNOWN_TRIES)
def test_roots_are_those_that_others_compute(items, root):
    assert trie_root({key.encode(): value.encode() for key, value in items.items()}).hex() == root


@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=50), min_size=1, max_size=20), st.data())
def test_every_item_has_a_proof_and_no_other_proof_is_taken(items, data):
    root = trie_root(items)
    key = data.draw(st.sampled_from(sorted(items)))
    proof = trie_proof(items, key)
    assert verify_trie_proof(root, key, proof) == items[key]
    place = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 8 * len(proof[place]) - 1))
    node = bytearray(proof[place])
    node[bit // 8] ^= 1 << bit % 8
    changed = (*proof[:place], bytes(node), *proof[place + 1 :])
    wrong = [(), proof[1:], proof[:-1], (*proof, proof[-1]), (*proof, b""), changed, proof * 65]
    for forged in wrong:
        with refused(BridgeCode.BAD_TRIE_PROOF):
            verify_trie_proof(root, key, forged)
    with pytest.raises(RemoteFault):
        verify_trie_proof(bytes(32), key, proof)


@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=50), min_size=1, max_size=20), KEYS, st.data())
def test_a_proof_shows_no_other_key(items, other, data):
    key = data.draw(st.sampled_from(sorted(items)))
    if other != key:
        try:
            assert verify_trie_proof(trie_root(items), other, trie_proof(items, key)) == items[other]
        except RemoteFault as fault:
            assert fault.code == BridgeCode.BAD_TRIE_PROOF


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=4))
def test_any_bytes_as_a_node_are_a_fault(node, key):
    try:
        verify_trie_proof(keccak256(node), key, (node,))
    except RemoteFault as fault:
        assert fault.code == BridgeCode.BAD_TRIE_PROOF


def test_nesting_beyond_all_depth_is_a_fault():
    node = b""
    for _ in range(20_000):
        size = len(node)
        length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
        node = (bytes((0xC0 + size,)) if size < 56 else bytes((0xF7 + len(length),)) + length) + node
    with pytest.raises(RemoteFault):
        verify_trie_proof(keccak256(node), b"\x80", (node,))
    with pytest.raises(RemoteFault):
        decode_receipt(node, RECEIPTS)


# Receipts, headers, values -------------------------------------------------------------------------------------------


# The first block of Ethereum, as every node states it: 15 fields.
FIRST_BLOCK = {
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
}


def test_a_header_of_the_first_form_has_the_hash_that_everybody_knows():
    assert read_header(FIRST_BLOCK, HEADER).hash.hex() == FIRST_BLOCK["hash"][2:]
    assert read_header({**FIRST_BLOCK, "baseFeePerGas": None, "unknownField": [1]}, HEADER).number == 0


@pytest.mark.parametrize("name", [name for name in FIRST_BLOCK if name != "hash"])
def test_every_field_of_a_header_is_hashed(name):
    text = FIRST_BLOCK[name]
    other = text[:-1] + ("1" if text[-1] == "0" else "0")
    with refused(BridgeCode.HEADER_HASH_MISMATCH):
        read_header({**FIRST_BLOCK, name: other}, HEADER)
    with pytest.raises(RemoteFault):
        read_header({key: value for key, value in FIRST_BLOCK.items() if key != name}, HEADER)


def test_a_field_that_a_later_fork_appended_is_hashed_too():
    with refused(BridgeCode.HEADER_HASH_MISMATCH):
        read_header({**FIRST_BLOCK, "baseFeePerGas": "0x7"}, HEADER)


@given(receipts)
def test_a_receipt_is_read_back_from_its_bytes(receipt):
    assert decode_receipt(receipt.encode(), RECEIPTS) == receipt


@given(st.binary(max_size=400))
def test_any_bytes_as_a_receipt_are_a_fault(data):
    with pytest.raises(RemoteFault) as caught:
        decode_receipt(data, RECEIPTS)
    assert caught.value.code in (BridgeCode.MALFORMED_RECEIPT, BridgeCode.UNKNOWN_RECEIPT_TYPE)


@given(JSON)
def test_any_json_as_an_answer_is_a_fault(value):
    for read in (lambda v: read_header(v, HEADER), lambda v: read_quantity(v, "x", 8), lambda v: read_data(v, "x", 33)):
        try:
            read(value)
        except RemoteFault as fault:
            assert fault.code == BridgeCode.MALFORMED_ANSWER
        else:
            assert read_quantity(value, "x") < 256
    if value != []:
        with pytest.raises(RemoteFault):
            read_receipts(value, RECEIPTS, header())


@pytest.mark.parametrize("value", ["0x", "0x_1", "0x 1", "1", "0x+1", "0x1\n", "0x" + "0" * 65, 1, True, None, "0x100"])
def test_a_quantity_has_one_form(value):
    with pytest.raises(RemoteFault):
        read_quantity(value, "x", 8)


@pytest.mark.parametrize("value", ["0x1", "0x11 11", "1111", "0x111", "0xzz11", "0x11\u0661\u0661", 7, None])
def test_data_has_one_form(value):
    with pytest.raises(RemoteFault):
        read_data(value, "x", 2)


@given(st.lists(receipts, max_size=5), receipts)
def test_a_receipt_more_or_less_or_other_changes_the_root(block, extra):
    root = trie_root(receipt_items(block))
    check_receipts_root(block, root)
    forgeries = [[*block, extra], block[:-1] if block else [extra]]
    if block and block[-1] != extra:
        forgeries.append([*block[:-1], extra])
    for forged in forgeries:
        with refused(BridgeCode.RECEIPTS_ROOT_MISMATCH):
            check_receipts_root(forged, root)


# Events and submissions ----------------------------------------------------------------------------------------------


def test_events_are_read_strictly():
    assert read_event(deposit_log(3, 2**64 - 1, 2**256 - 1)) == Deposited(
        3, b"\x70" * 20, 2**64 - 1, 2**256 - 1, b"\x11" * 20, b"\xdd" * 32
    )
    log = Log(VAULT, (WITHDRAWN, u256(4), bytes(12) + b"\x70" * 20, bytes(12) + b"\x22" * 20), u256(7) + u256(9))
    assert read_event(log) == Withdrawn(4, b"\x70" * 20, b"\x22" * 20, 7, 9)
    assert read_event(Log(VAULT, (), b"")) is None


@given(logs, st.sampled_from((DEPOSITED, WITHDRAWN)))
def test_any_log_is_an_event_or_none_or_a_fault(log, topic):
    for tried in (log, Log(log.address, (topic, *log.topics[1:]), log.data)):
        try:
            read_event(tried)
        except RemoteFault as fault:
            assert fault.code == BridgeCode.MALFORMED_EVENT


BLOCK = [
    receipt(2, 21_000, ()),
    receipt(2, 90_000, (Log(b"\x0b" * 20, (), b"other"), deposit_log())),
    receipt(0, 120_000, (deposit_log(9),), succeeded=False),
    receipt(1, 150_000, (Log(b"\x0b" * 20, deposit_log().topics, deposit_log().data),)),
]


def submitted(receipt_index, log_index):
    trusted = header(trie_root(receipt_items(BLOCK)))
    return make_submission(1, trusted.hash, BLOCK, receipt_index, log_index), trusted


def test_a_submitted_event_is_the_fact_that_the_watcher_would_tell():
    submission, trusted = submitted(1, 1)
    again = decode(encode(submission), SubmittedEvent)
    fact = verify_submitted_event(again, trusted, 1, VAULT, RECEIPTS)
    assert (fact.nonce, fact.account, fact.amount) == (1, 7, u256(5))
    assert (fact.vault, fact.block_number, fact.block_hash) == (VAULT, 5, trusted.hash)


@pytest.mark.parametrize("place", [(1, 0), (1, 2), (2, 0), (3, 0), (0, 0)])
def test_other_logs_are_refused(place):
    submission, trusted = submitted(*place)
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        verify_submitted_event(submission, trusted, 1, VAULT, RECEIPTS)


def test_a_submission_for_another_chain_block_place_or_receipt_is_refused():
    submission, trusted = submitted(1, 1)
    other = [receipt(2, 90_000, (deposit_log(amount=10**9),))] * 4
    for tried, chain_id, code in (
        (submission, 2, BridgeCode.WRONG_CHAIN),
        (SubmittedEvent(1, bytes(32), 1, 1, submission.proof), 1, BridgeCode.UNTRUSTED_BLOCK),
        (make_submission(1, trusted.hash, other, 1, 0), 1, BridgeCode.BAD_TRIE_PROOF),
        (SubmittedEvent(1, trusted.hash, 2, 1, submission.proof), 1, BridgeCode.BAD_TRIE_PROOF),
        (SubmittedEvent(1, trusted.hash, 1, 1, ()), 1, BridgeCode.BAD_TRIE_PROOF),
    ):
        with refused(code):
            verify_submitted_event(tried, trusted, chain_id, VAULT, RECEIPTS)


def test_the_key_of_a_receipt_is_the_rlp_of_its_index():
    assert [index_key(i).hex() for i in (0, 1, 127, 128, 256)] == ["80", "01", "7f", "8180", "820100"]


def test_every_code_is_in_its_range():
    assert all(600 <= code < 700 for code in BridgeCode)
