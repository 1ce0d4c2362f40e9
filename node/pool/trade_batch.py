"""`TradeBatch`: how signed transactions travel between nodes, gathered and signed once by the node that took them in.

Rule: the envelope signature says who gathered, and is checked before anything else; the members' own signatures are
checked by the mempool. At most `BATCH_TRANSACTIONS_MAX` transactions, never empty.
"""

from collections.abc import Sequence

from clearing.base import ed25519
from clearing.base.codec import U63, Bytes32, Bytes64, Wire, decode, encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import tag_prefix, tagged_hash
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX, Transaction
from member.api.submit import BATCH_TRANSACTIONS_MAX
from member.codes import NodeCode

BATCH_TAG = "crossclear/trade-batch/v1"

BATCH_BYTES_MAX = BATCH_TRANSACTIONS_MAX * TRANSACTION_BYTES_MAX + 256


class TradeBatch(Wire, frozen=True):
    """Transactions in the order in which `submitter` took them in.

    `sequence` rises with each batch. It is the time, in ms of its clock, at which the first of those that waited with
    them came in; where that does not rise, one more than the batch before.
    """

    submitter: Bytes32
    sequence: U63
    transactions: tuple[Transaction, ...]
    signature: Bytes64


def make_batch(network: NetworkId, secret: bytes, sequence: int, transactions: Sequence[Transaction]) -> TradeBatch:
    """Sign a batch with the node's envelope secret."""
    submitter, chosen = ed25519.public_key(secret), tuple(transactions)
    return TradeBatch(
        submitter=submitter,
        sequence=sequence,
        transactions=chosen,
        signature=ed25519.sign(secret, _signed(network, submitter, sequence, chosen)),
    )


def open_batch(network: NetworkId, data: bytes, submitters: frozenset[bytes] | None = None) -> TradeBatch:
    """Decode and check shape, submitter (one of `submitters`, if given) and envelope signature. Raises RemoteFault."""
    batch = decode(data, TradeBatch, BATCH_BYTES_MAX)
    if not 0 < len(batch.transactions) <= BATCH_TRANSACTIONS_MAX:
        raise RemoteFault(NodeCode.BATCH_SHAPE, "trade batch", transactions=len(batch.transactions))
    if submitters is not None and batch.submitter not in submitters:
        raise RemoteFault(NodeCode.BATCH_SENDER, "trade batch", submitter=batch.submitter)
    message = _signed(network, batch.submitter, batch.sequence, batch.transactions)
    if not ed25519.verify(batch.submitter, message, batch.signature):
        raise RemoteFault(NodeCode.BATCH_SENDER, "trade batch", submitter=batch.submitter, sequence=batch.sequence)
    return batch


def _signed(network: bytes, submitter: bytes, sequence: int, transactions: tuple[Transaction, ...]) -> bytes:
    body = tagged_hash(BATCH_TAG, encode(transactions))
    return b"".join((tag_prefix(BATCH_TAG), network, submitter, u256(sequence), body))
