"""The vault's events: strict reading of their topics and data into facts, and events that anybody submits with a proof.

Rule: sizes are exact and everything stays bytes and integers; values that a depositor can choose never raise an error;
malformed values that only the vault chooses raise RemoteFault MALFORMED_EVENT. A submitter is never trusted: the
header comes from the caller, who knows that it is final, and the proof leads from its receipts root to the receipt,
whose log is read like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.evm.layouts import ReceiptLayout
from bridge.evm.receipts import (
    PROOF_NODES_MAX,
    Log,
    Receipt,
    decode_receipt,
    index_key,
    receipt_items,
    trie_proof,
    verify_trie_proof,
)
from clearing.base.codec import U32, U63, Bytes32, Wire, encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256, tagged_hash
from clearing.schema.facts import DepositSeen, ValidatorsRotated, VaultFact, WithdrawalExecuted

DEPOSITED = keccak256(b"Deposited(uint64,address,uint64,uint256,address,bytes32)")
WITHDRAWN = keccak256(b"Withdrawn(uint64,address,address,uint64,uint256)")
ROTATED = keccak256(b"ValidatorsRotated(uint64,bytes32)")
CHECKPOINTED = keccak256(b"Checkpointed(uint64,bytes32,uint64)")
VAULT_TOPICS = (DEPOSITED, WITHDRAWN, ROTATED)
"""Of the ledger's facts."""
BRANCH_CHOSEN = keccak256(b"BranchChosen(uint64,bytes32)")
WATCHED_TOPICS = (*VAULT_TOPICS, CHECKPOINTED)
_SHAPES: dict[bytes, tuple[int, int]] = {DEPOSITED: (4, 96), WITHDRAWN: (4, 64), ROTATED: (3, 0)}
"""How many topics and bytes of data each has."""
SOURCE_TAG = "crossclear/fact-source/v1"
UNKNOWN_ACCOUNT = 2**63 - 1
"""Stands for every account number that a depositor wrote beyond the ledger's range. Nobody can own it."""


@dataclass(frozen=True, slots=True)
class Deposited:
    """`Deposited(uint64 indexed nonce, address indexed token, uint64 indexed account, uint256 amount, address from,
    bytes32 depositsHash)`."""

    nonce: int
    token: bytes
    account: int
    amount: int
    sender: bytes
    deposits_hash: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """`Withdrawn(uint64 indexed nonce, address indexed token, address indexed to, uint64 account, uint256 amount)`."""

    nonce: int
    token: bytes
    to: bytes
    account: int
    amount: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """`ValidatorsRotated(uint64 indexed height, bytes32 indexed validatorsHash)`."""

    height: int
    validators_hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """`Checkpointed(uint64 indexed height, bytes32 indexed headerHash, uint64 withdrawalsCount)`, as far as it is
    read: the ledger knows the count."""

    height: int
    header_hash: bytes


VaultEvent: TypeAlias = Deposited | Withdrawn | Rotated


def read_checkpointed(log: Log) -> Checkpointed | None:
    """The checkpoint in a log of the vault, None for its other events. Raises RemoteFault MALFORMED_EVENT."""
    if not log.topics or log.topics[0] != CHECKPOINTED:
        return None
    if len(log.topics) != 3 or len(log.data) != 32:
        raise _odd(log, "size")
    return Checkpointed(_counter(log), log.topics[2])


def read_event(log: Log) -> VaultEvent | None:
    """The event in a log of the vault, None for its other events. Raises RemoteFault MALFORMED_EVENT."""
    if not log.topics or log.topics[0] not in VAULT_TOPICS:
        return None
    topics, size = _SHAPES[log.topics[0]]
    if len(log.topics) != topics or len(log.data) != size:
        raise _odd(log, "size")
    if log.topics[0] == ROTATED:
        return Rotated(_counter(log), log.topics[2])
    nonce, token = _counter(log), _address(log, log.topics[2])
    if log.topics[0] == WITHDRAWN:
        to, account = _address(log, log.topics[3]), _account(log, log.data[:32])
        return Withdrawn(nonce, token, to, account, int.from_bytes(log.data[32:], "big"))
    account, amount = _account(log, log.topics[3]), int.from_bytes(log.data[:32], "big")
    return Deposited(nonce, token, account, amount, _address(log, log.data[32:64]), log.data[64:96])


def rolled_deposits_hash(previous: bytes, event: Deposited) -> bytes:
    """The vault's `depositsHash` after `event`: keccak(abi.encode(previous, nonce, token, account, amount, from)).

    The vault stores the first 27 bytes; the other 5 are zero.
    """
    words = (previous, u256(event.nonce), _word(event.token), u256(event.account), u256(event.amount))
    return keccak256(b"".join((*words, _word(event.sender))))[:27] + bytes(5)


def event_fact(
    chain_id: int, log: Log, event: VaultEvent, block: BlockHeader, receipt_index: int, log_index: int
) -> VaultFact:
    """What `log`, at `log_index` of receipt `receipt_index` of `block`, means for the ledger."""
    source = tagged_hash(SOURCE_TAG, u256(receipt_index), u256(log_index), log.encode())
    if isinstance(event, Rotated):
        return ValidatorsRotated(
            chain_id=chain_id,
            vault=log.address,
            height=event.height,
            validators_hash=event.validators_hash,
            block_number=block.number,
            block_hash=block.hash,
            source=source,
        )
    if isinstance(event, Withdrawn):
        return WithdrawalExecuted(
            chain_id=chain_id,
            vault=log.address,
            nonce=event.nonce,
            block_number=block.number,
            block_hash=block.hash,
            source=source,
        )
    return DepositSeen(
        chain_id=chain_id,
        vault=log.address,
        nonce=event.nonce,
        token=event.token,
        account=min(event.account, UNKNOWN_ACCOUNT),
        amount=u256(event.amount),
        block_number=block.number,
        block_hash=block.hash,
        source=source,
        depositor=event.sender,
    )


def _word(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def _account(log: Log, word: bytes) -> int:
    account = int.from_bytes(word, "big")
    if account >> 64:
        raise _odd(log, "account")
    return account


def _counter(log: Log) -> int:
    value = int.from_bytes(log.topics[1], "big")
    if value >> 63:
        raise _odd(log, "nonce")
    return value


def _address(log: Log, word: bytes) -> bytes:
    if any(word[:12]):
        raise _odd(log, "address")
    return word[12:]


def _odd(log: Log, what: str) -> RemoteFault:
    return RemoteFault(
        BridgeCode.MALFORMED_EVENT, what, address=log.address, topics=b"".join(log.topics), bytes=len(log.data)
    )


NODE_BYTES_MAX = 1 << 17
ProofNode = Annotated[bytes, msgspec.Meta(max_length=NODE_BYTES_MAX)]
Proof = Annotated[tuple[ProofNode, ...], msgspec.Meta(max_length=PROOF_NODES_MAX)]


class SubmittedEvent(Wire, frozen=True):
    """Log `log_index` (counted within the receipt) of receipt `receipt_index` of a block, with its trie proof."""

    chain_id: U63
    block_hash: Bytes32
    receipt_index: U32
    log_index: U32
    proof: Proof


SUBMISSION_TAG = "crossclear/submitted-event/v1"


def submission_reference(submission: SubmittedEvent) -> bytes:
    """32 bytes that name a submission, its proof included: who submits a bad proof takes nobody's place."""
    return tagged_hash(SUBMISSION_TAG, encode(submission))


def make_submission(
    chain_id: int, block_hash: bytes, receipts: Sequence[Receipt], receipt_index: int, log_index: int
) -> SubmittedEvent:
    """Prove a log out of all receipts of its block. Raises KeyError when there is no such receipt."""
    return SubmittedEvent(
        chain_id=chain_id,
        block_hash=block_hash,
        receipt_index=receipt_index,
        log_index=log_index,
        proof=trie_proof(receipt_items(receipts), index_key(receipt_index)),
    )


def verify_submitted_event(
    submission: SubmittedEvent, header: BlockHeader, chain_id: int, vault: bytes, layout: ReceiptLayout
) -> VaultFact:
    """The fact that `submission` proves under the trusted `header`.

    Raises RemoteFault: WRONG_CHAIN, UNTRUSTED_BLOCK, BAD_TRIE_PROOF, MALFORMED_RECEIPT, UNKNOWN_RECEIPT_TYPE,
    NOT_A_VAULT_EVENT, MALFORMED_EVENT.
    """
    if submission.chain_id != chain_id:
        raise RemoteFault(BridgeCode.WRONG_CHAIN, "submission", stated=submission.chain_id, expected=chain_id)
    if submission.block_hash != header.hash:
        raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "submission", block=submission.block_hash)
    encoded = verify_trie_proof(header.receipts_root, index_key(submission.receipt_index), submission.proof)
    receipt = decode_receipt(encoded, layout)
    log = receipt.logs[submission.log_index] if submission.log_index < len(receipt.logs) else None
    # A failed transaction has no logs; checked nevertheless, because the chain's software is not ours.
    event = read_event(log) if log is not None and receipt.succeeded and log.address == vault else None
    if log is None or event is None:
        raise RemoteFault(
            BridgeCode.NOT_A_VAULT_EVENT,
            "submission",
            receipt=submission.receipt_index,
            log=submission.log_index,
            address=log.address if log is not None else b"",
        )
    return event_fact(chain_id, log, event, header, submission.receipt_index, submission.log_index)
