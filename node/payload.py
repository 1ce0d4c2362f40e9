"""What the clearing application puts into a consensus block, and how a decided block becomes a clearing block.

Rule: the translation is a pure function of what consensus decided, the same live and in replay.
"""

from collections.abc import Sequence

from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.blocks import Block, Observed, ProvenOffence
from clearing.extension import decode_extension
from clearing.transactions import Transaction
from consensus.application import BlockContext

PAYLOAD_BYTES_MAX = 2 << 20


class Payload(Wire, frozen=True):
    """Version 1: the transactions, in order."""

    transactions: tuple[Transaction, ...]


def encode_payload(transactions: Sequence[Transaction]) -> bytes:
    """Canonical bytes."""
    return encode(Payload(tuple(transactions)))


def clearing_block(context: BlockContext, payload: bytes) -> Block:
    """The input of `apply_block`. Raises RemoteFault when the payload is not canonical or too large.

    An extension whose bytes can't be read counts as silence: consensus has let it in, so it must not stop the height.
    """
    transactions = decode(payload, Payload, PAYLOAD_BYTES_MAX).transactions
    observed = []
    for each in context.extensions:
        try:
            extension = decode_extension(each.data)
        except RemoteFault:
            extension = None
        observed.append(Observed(validator=each.validator, power=each.power, extension=extension))
    return Block(
        height=context.height,
        time_ms=context.time_ms,
        extensions=tuple(observed),
        total_power=context.total_power,
        transactions=transactions,
        misbehaviour=tuple(
            ProvenOffence(each.envelope_key, int(each.kind), each.height, each.round, each.power)
            for each in context.misbehaviour
        ),
    )
