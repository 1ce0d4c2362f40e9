"""What became of a transaction."""

from typing import Annotated, Literal

from msgspec import Meta, field

from member.api.receipts import ReceiptView
from member.api.types import Body, Hash, Id, Problem, SmallId


class TransactionView(Body, frozen=True):
    """What became of one transaction.

    `pending`: it waits at this node. `applied` and `refused`: a block has it. `dropped`: this node gave it up before a
    block had it. `expired`: its not-after passed before a block had it.
    """

    hash: Hash
    state: Literal["pending", "applied", "refused", "dropped", "expired"]
    time_ms: Id = 0
    """Of the block, or when this node dropped it or saw it expire; 0: pending."""
    height: Id = 0
    """Of the block; 0: in none."""
    index: SmallId = 0
    """In the block."""
    problem: Problem | None = None
    """Why it was refused or dropped, or that it expired."""
    values: Annotated[dict[str, str], Meta(max_length=64)] = field(default_factory=dict)
    """Of a block's refusal; for a member that is a party only."""
    receipts: tuple[ReceiptView, ...] = ()
    """Of a block's effects; for a member that is a party only, accounts of others masked as in its own receipts."""
