"""Recorded headers and receipts of each chain hash to what the chain states, read in the layout of its profile.

The files are facts that others recorded (`chains` under CROSSCLEAR_VECTORS; its README names each source). What nobody
recorded is built here from the encoding that the client documents, and marked "built".
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader, header_bytes, read_header
from bridge.evm.layouts import FIRST_FIELDS, QUANTITY
from bridge.evm.receipts import (
    Log,
    Receipt,
    check_receipts_root,
    decode_receipt,
    read_receipts,
    receipt_items,
    trie_root,
)
from bridge.rpc.chain_profiles import all_profiles
from clearing.base.errors import RemoteFault
from clearing.base.evm.trie import EMPTY_ROOT
from clearing.base.hashing import keccak256
from tests.kit.refusals import refused

LAYOUTS = {name: profile.layout for name, profile in all_profiles().items()}
HEADERS = {
    "arbitrum": ["arbitrum-150000000-block", "arbitrum-511882413-header"],
    "avalanche": ["avalanche-30806864-header", "avalanche-42845876-header", "avalanche-testchain-1-header"],
    "base": ["base-29139628-header"],
    "bnb": [
        "bnb-19410524-header",
        "bnb-7705800-epoch-header",
        "bnb-testnet-45214600-epoch-header",
        "bnb-testnet-55475000-epoch-header",
        "bnb-testnet-55475001-header",
        "bnb-testnet-55475596-header",
        "bnb-testnet-55475597-header",
    ],
    "ethereum": [
        "ethereum-1000000-block",
        "ethereum-18000000-block",
        "ethereum-21925176-block",
        "ethereum-24629076-header",
        "ethereum-4369999-block",
        "ethereum-testchain-45-header",
        "ethereum-testchain-54-block",
    ],
    "linea": ["linea-2868124-header", "linea-32235911-header"],
    # Unichain is of the OP stack, with the same receipts.
    "optimism": ["op-mainnet-105849734-header", "unichain-sepolia-35535698-block"],
    "polygon": ["polygon-44766032-state-sync-block", "polygon-50000000-header", "polygon-89174945-header"],
    "scroll": ["scroll-14919991-header", "scroll-19604676-header"],
}
PARTS = ["op-goerli-regolith-receipts", "polygon-amoy-8185855-sprint-end-extra"]
"""Receipts without a header, and extra data alone."""
RECORDED = [(name, file) for name, files in HEADERS.items() for file in files]
BLOCKS = [(name, file) for name, file in RECORDED if file.endswith("-block") and "state-sync" not in file]
"""With all their receipts."""


@dataclass(frozen=True)
class Item:
    """One file."""

    kind: str
    data: Any

    @property
    def header(self) -> dict[str, Any]:
        return self.data["block"] if self.kind == "block_receipts" else self.data


@pytest.fixture
def chains_dir(vectors_dir: Path) -> Path:
    return vectors_dir / "chains"


def item(folder: Path, file: str) -> Item:
    found = json.loads((folder / f"{file}.json").read_text())
    return Item(found["kind"], found["data"])


def block(number: int = 7, block_hash: bytes = b"\x07" * 32) -> BlockHeader:
    return BlockHeader(number, block_hash, bytes(32), bytes(32), EMPTY_ROOT, bytes(256), 1000, 7)


def test_no_recorded_chain_is_left_out(chains_dir: Path) -> None:
    files = {path.stem for path in chains_dir.glob("*.json") if "-lc-" not in path.stem}
    assert files == {file for _, file in RECORDED} | set(PARTS)
    assert set(HEADERS) == {name for name, profile in all_profiles().items() if profile.facts.chain_ids}


@pytest.mark.parametrize(("name", "file"), RECORDED)
def test_a_recorded_header_hashes_to_its_block(chains_dir: Path, name: str, file: str) -> None:
    stated = item(chains_dir, file).header
    layout = LAYOUTS[name].header
    header = read_header(stated, layout)
    assert header.hash.hex() == stated["hash"][2:]
    assert (header.number, header.timestamp) == (int(stated["number"], 16), int(stated["timestamp"], 16))
    assert header.base_fee == int(stated.get("baseFeePerGas") or "0x0", 16)
    assert keccak256(header_bytes(stated, layout)) == header.hash


@pytest.mark.parametrize(("name", "file"), RECORDED)
def test_every_hashed_field_of_a_recorded_header_counts(chains_dir: Path, name: str, file: str) -> None:
    stated = item(chains_dir, file).header
    layout = LAYOUTS[name].header
    names = [field for field, _ in (*FIRST_FIELDS, *layout.appended) if stated.get(field) is not None]
    hashed: list[Any] = rlp.decode(header_bytes(stated, layout))
    assert len(hashed) == len(names)
    for field in names:
        text = stated[field]
        other = text + "00" if text == "0x" else text[:-1] + ("1" if text[-1] == "0" else "0")
        with pytest.raises(RemoteFault):
            read_header({**stated, field: other}, layout)


@pytest.mark.parametrize(("name", "file"), BLOCKS)
def test_recorded_receipts_rebuild_the_root_in_their_header(chains_dir: Path, name: str, file: str) -> None:
    found = item(chains_dir, file)
    layout = LAYOUTS[name]
    header = read_header(found.header, layout.header)
    receipts = read_receipts(found.data["receipts"], layout.receipts, header)
    check_receipts_root(receipts, header.receipts_root)
    assert [decode_receipt(receipt.encode(), layout.receipts) for receipt in receipts] == list(receipts)


def test_a_receipt_is_read_only_with_the_types_of_its_chain(chains_dir: Path) -> None:
    found = item(chains_dir, "unichain-sepolia-35535698-block")
    header = read_header(found.header, LAYOUTS["optimism"].header)
    receipts = found.data["receipts"]
    for name in ("ethereum", "arbitrum", "polygon"):
        with refused(BridgeCode.UNKNOWN_RECEIPT_TYPE):
            read_receipts(receipts, LAYOUTS[name].receipts, header)
    as_scroll = read_receipts(receipts, LAYOUTS["scroll"].receipts, header)
    with refused(BridgeCode.RECEIPTS_ROOT_MISMATCH):
        check_receipts_root(as_scroll, header.receipts_root)


def test_a_deposit_nonce_is_hashed_only_with_its_version(chains_dir: Path) -> None:
    found = item(chains_dir, "op-goerli-regolith-receipts").data
    receipts = read_receipts(found["receipts"], LAYOUTS["optimism"].receipts, block())
    assert receipts[0].type == 0x7E
    assert receipts[0].appended == ()
    check_receipts_root(receipts, bytes.fromhex(found["root_without_deposit_nonce"][2:]))


def test_a_state_sync_receipt_before_madhugiri_is_not_under_the_root(chains_dir: Path) -> None:
    stated = item(chains_dir, "polygon-44766032-state-sync-block").header
    layout = LAYOUTS["polygon"]
    header = read_header(stated, layout.header)
    (transaction,) = stated["transactions"]
    # Built: the block is recorded, the receipt of its pseudo transaction is not.
    pseudo = {**receipt_json(0, 0), "transactionHash": transaction["hash"]}
    assert read_receipts([pseudo], layout.receipts, header) == ()
    assert header.receipts_root == EMPTY_ROOT
    with refused(BridgeCode.RECEIPTS_ROOT_MISMATCH):
        check_receipts_root(read_receipts([pseudo], LAYOUTS["ethereum"].receipts, header), EMPTY_ROOT)


def test_validators_at_the_end_of_a_sprint_fit_into_the_extra_data(chains_dir: Path) -> None:
    extra = item(chains_dir, "polygon-amoy-8185855-sprint-end-extra").data["extraData"]
    assert len(extra) // 2 - 1 <= LAYOUTS["polygon"].header.extra_data_max
    # Built: the rest of the header is not recorded. Its hash is computed by another library.
    stated = built_header("polygon", extraData=extra, number=hex(8_185_855))
    assert read_header(stated, LAYOUTS["polygon"].header).number == 8_185_855


# Built from documented encodings: nobody recorded one --------------------------------------------------------------


def built_header(name: str, fields: int | None = None, **stated: str) -> dict[str, str]:
    """A header with the first `fields` appended fields of a layout, all if None; hashed by the library `rlp`."""
    layout = (*FIRST_FIELDS, *LAYOUTS[name].header.appended[:fields])
    header: dict[str, str] = {}
    for place, (field, size) in enumerate(layout):
        header[field] = stated.get(field) or (
            hex(place + 1) if size == QUANTITY else "0x" + f"{place + 1:02x}" * max(size, 0)
        )
    items = [int(header[field], 16) if size == QUANTITY else bytes.fromhex(header[field][2:]) for field, size in layout]
    encoded: bytes = rlp.encode(items)
    return {**header, "hash": "0x" + keccak256(encoded).hex()}


def receipt_json(kind: int, index: int, **more: object) -> dict[str, object]:
    return {
        "type": hex(kind),
        "status": "0x1",
        "cumulativeGasUsed": hex(21_000 * (index + 1)),
        "logsBloom": "0x" + "00" * 256,
        "logs": [{"address": "0x" + "0a" * 20, "topics": ["0x" + "01" * 32], "data": "0x1234"}],
        "transactionIndex": hex(index),
        **more,
    }


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        # go-ethereum and execution-specs: blockAccessListHash, then slotNumber, behind requestsHash (Amsterdam).
        ("ethereum", 8),
        ("optimism", 6),
        ("base", 6),
        # avalanchego, customtypes/header_ext.go: the six fields of Helicon behind minDelayExcess.
        ("avalanche", 15),
        ("avalanche", 9),
    ],
)
def test_a_header_built_as_the_client_documents_it_is_read(name: str, fields: int) -> None:
    stated = built_header(name, fields)
    layout = LAYOUTS[name].header
    assert read_header(stated, layout).hash.hex() == stated["hash"][2:]
    last = layout.appended[fields - 1][0]
    with refused(BridgeCode.HEADER_HASH_MISMATCH):
        read_header({key: value for key, value in stated.items() if key != last}, layout)


def test_the_extra_data_of_45_validators_on_bnb_is_read() -> None:
    # BEP-126, BEP-341: vanity, count, 45 times an address and a BLS key, turn length, an attestation, a seal.
    stated = built_header("bnb", 6, extraData="0x" + "ab" * (32 + 1 + 45 * 68 + 1 + 200 + 65))
    assert read_header(stated, LAYOUTS["bnb"].header)
    with refused(BridgeCode.MALFORMED_ANSWER):
        read_header(stated, LAYOUTS["ethereum"].header)


@pytest.mark.parametrize(
    ("name", "kind", "more", "hashed"),
    [
        ("polygon", 0x7F, {}, []),  # PIP-74: status 1, the gas of the transaction before, the logs of all state syncs
        ("scroll", 0x7E, {"queueIndex": "0x5"}, []),
        ("base", 0x79, {"phaseStatuses": ["0x1"]}, []),  # base/base, Eip8130Receipt
        ("arbitrum", 0x78, {"gasUsedForL1": "0x5"}, []),
        ("arbitrum", 0x69, {}, []),
        ("optimism", 0x7E, {"depositNonce": "0x9", "depositReceiptVersion": "0x1"}, [9, 1]),
        ("base", 0x7E, {"depositNonce": "0x0", "depositReceiptVersion": "0x1"}, [0, 1]),
    ],
)
def test_a_receipt_built_as_the_client_documents_it_is_read(
    name: str, kind: int, more: dict[str, object], hashed: list[int]
) -> None:
    layout = LAYOUTS[name].receipts
    (receipt,) = read_receipts([receipt_json(kind, 0, **more)], layout, block())
    log = [b"\x0a" * 20, [b"\x01" * 32], b"\x12\x34"]
    encoded = bytes((kind,)) + rlp.encode([b"\x01", 21_000, bytes(256), [log], *hashed])
    assert receipt.encode() == encoded
    assert decode_receipt(encoded, layout) == receipt


# Hostile input -------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(LAYOUTS))
FIELD_NAMES = sorted(
    {field for layout in LAYOUTS.values() for field, _ in (*FIRST_FIELDS, *layout.header.appended)}
    | {"hash", "type", "status", "root", "logs", "topics", "data", "address", "transactionIndex", "transactionHash"}
    | {"cumulativeGasUsed", "depositNonce", "depositReceiptVersion"}
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.from_regex(r"0x[0-9a-f]{0,66}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELD_NAMES), inner, max_size=6),
    max_leaves=12,
)
READING = (BridgeCode.MALFORMED_ANSWER, BridgeCode.HEADER_HASH_MISMATCH, BridgeCode.UNKNOWN_RECEIPT_TYPE)


@given(NAMES, st.dictionaries(st.sampled_from(FIELD_NAMES), JSON, max_size=4))
def test_any_answer_is_a_header_of_its_hash_or_a_fault(name: str, changes: dict[str, object]) -> None:
    stated = built_header(name)
    layout = LAYOUTS[name].header
    try:
        header = read_header({**stated, **changes}, layout)
    except RemoteFault as fault:
        assert fault.code in READING
    else:
        assert keccak256(header_bytes({**stated, **changes}, layout)) == header.hash


@given(NAMES, st.integers(0, 0x7F), st.dictionaries(st.sampled_from(FIELD_NAMES), JSON, max_size=3))
def test_any_answer_is_receipts_or_a_fault(name: str, kind: int, changes: dict[str, object]) -> None:
    layout = LAYOUTS[name].receipts
    try:
        receipts = read_receipts([{**receipt_json(kind, 0), **changes}], layout, block())
    except RemoteFault as fault:
        assert fault.code in READING
    else:
        for receipt in receipts:
            assert receipt.type in layout.kinds
            assert decode_receipt(receipt.encode(), layout) == receipt


@given(
    NAMES, st.binary(max_size=400), st.sampled_from((b"", *(bytes((kind,)) for kind in (2, 0x6A, 0x79, 0x7E, 0x7F))))
)
def test_any_bytes_of_any_type_are_a_fault(name: str, data: bytes, kind: bytes) -> None:
    with pytest.raises(RemoteFault) as caught:
        decode_receipt(kind + data, LAYOUTS[name].receipts)
    assert caught.value.code in (BridgeCode.MALFORMED_RECEIPT, BridgeCode.UNKNOWN_RECEIPT_TYPE)


@given(NAMES, st.data())
def test_a_receipt_of_each_type_is_read_back_and_nothing_is_added_to_it(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name].receipts
    kind = data.draw(st.sampled_from(sorted(layout.kinds)))
    whole = tuple(data.draw(st.integers(0, 2**64 - 1)) for _ in layout.kinds[kind])
    logs = (Log(b"\x0a" * 20, (b"\x01" * 32,), data.draw(st.binary(max_size=40))),)
    appended = data.draw(st.sampled_from(((), whole)))
    receipt = Receipt(kind, data.draw(st.booleans()), 21_000, bytes(256), logs, appended=appended)
    assert decode_receipt(receipt.encode(), layout) == receipt
    longer = replace(receipt, appended=(*whole, 1))
    with refused(BridgeCode.MALFORMED_RECEIPT):
        decode_receipt(longer.encode(), layout)
    assert trie_root(receipt_items([receipt])) != trie_root(receipt_items([longer]))
