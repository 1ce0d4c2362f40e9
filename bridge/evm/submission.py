"""A collateral event that anybody may submit, with the proof that it stands in a block.

Rule: the submitter is never trusted. The header comes from the caller, who knows that it is final; the proof leads from
its receipts root to the receipt, whose log is read like any other.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from bridge.codes import BridgeCode
from bridge.evm.events import event_fact, read_event
from bridge.evm.header import BlockHeader
from bridge.evm.receipts import Receipt, decode_receipt, receipt_items
from bridge.evm.trie import PROOF_NODES_MAX, index_key, trie_proof, verify_trie_proof
from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.base.errors import RemoteFault
from clearing.schema.facts import VaultFact

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


def verify_submitted_event(submission: SubmittedEvent, header: BlockHeader, chain_id: int, vault: bytes) -> VaultFact:
    """The fact that `submission` proves under the trusted `header`.

    Raises RemoteFault: WRONG_CHAIN, UNTRUSTED_BLOCK, BAD_TRIE_PROOF, MALFORMED_RECEIPT, NOT_A_VAULT_EVENT,
    MALFORMED_EVENT.
    """
    if submission.chain_id != chain_id:
        raise RemoteFault(BridgeCode.WRONG_CHAIN, "submission", stated=submission.chain_id, expected=chain_id)
    if submission.block_hash != header.hash:
        raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "submission", block=submission.block_hash)
    encoded = verify_trie_proof(header.receipts_root, index_key(submission.receipt_index), submission.proof)
    receipt = decode_receipt(encoded)
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
