"""Ethereum's own state: a mainnet header and proofs of two accounts, collected by others."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.evm.header import header_bytes, read_header
from bridge.evm.layouts import ETHEREUM
from bridge.rpc.proofs import _nodes
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import OrderedNodes, PooledNodes, ProvenState
from clearing.base.hashing import keccak256

VECTOR = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "evm" / "mainnet-21925176.json").read_text())
DEPOSIT_CONTRACT = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
NOWHERE = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fb")


def data(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def pool() -> dict[bytes, bytes]:
    found = dict[bytes, bytes]()
    for proof in VECTOR["proofs"]:
        found |= _nodes(proof, 1)
    return found


def fields(state: ProvenState) -> list[Any]:
    """Account and words of every proof, by our reading."""
    found = list[Any]()
    for proof in VECTOR["proofs"]:
        account = state.account(data(proof["address"]))
        assert account is not None
        words = [state.word(account, data(each["key"])) for each in proof["storageProof"]]
        found.append((account.nonce, account.balance, account.storage_root, account.code_hash, words))
    return found


def test_the_header_hashes_to_the_block_that_all_of_ethereum_knows() -> None:
    header = header_bytes(VECTOR["block"], ETHEREUM.header)
    assert keccak256(header) == data(VECTOR["block"]["hash"])
    assert read_header(VECTOR["block"], ETHEREUM.header).state_root == data(VECTOR["block"]["stateRoot"])


def test_accounts_and_words_are_read_as_the_chain_tells_them() -> None:
    nodes = PooledNodes(pool())
    header = header_bytes(VECTOR["block"], ETHEREUM.header)
    found = fields(ProvenState(header, nodes))
    assert found == [
        (
            int(proof["nonce"], 16),
            int(proof["balance"], 16),
            data(proof["storageHash"]),
            data(proof["codeHash"]),
            [int(each["value"], 16) for each in proof["storageProof"]],
        )
        for proof in VECTOR["proofs"]
    ]
    assert found[0][1] > 57 * 10**24, "the deposit contract held 57 million ether"
    shown = OrderedNodes(tuple(nodes.needed.values()))
    state = ProvenState(header, shown)
    assert state.number == 21_925_176
    assert fields(state) == found
    shown.check_all_used()


def test_no_other_account_or_word_is_proven_by_the_same_nodes() -> None:
    nodes = PooledNodes(pool())
    state = ProvenState(header_bytes(VECTOR["block"], ETHEREUM.header), nodes)
    with pytest.raises(RemoteFault):
        state.account(NOWHERE)
    account = state.account(DEPOSIT_CONTRACT)
    assert account is not None
    with pytest.raises(RemoteFault):
        state.word(account, bytes(31) + b"\x02")
