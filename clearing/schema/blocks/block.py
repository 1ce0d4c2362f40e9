"""`BlockInput` and `BlockResult`: what the state machine reads and returns at one height.

Rule: both are canonical values, so a block log can be replayed anywhere. They contain no votes, rounds or network
bytes.
"""

from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.base.header import DepositCursor
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.blocks.vote_extension import VoteExtension
from clearing.schema.transfers import Transfer


class BlockExtension(Wire, frozen=True):
    """One validator's vote extension of the previous height. None when its bytes could not be decoded."""

    validator: U32
    power: U63
    extension: VoteExtension | None


class ProvenOffence(Wire, frozen=True):
    """Misbehaviour of one validator, verified by consensus and reported once. `kind` as in consensus."""

    envelope_key: Bytes32
    kind: U32
    height: U63
    round: U32
    power: U63


class BlockInput(Wire, frozen=True):
    """One height, as consensus decided it. The order of `extensions` does not matter; transactions are ordered."""

    height: U63
    time_ms: U63
    extensions: tuple[BlockExtension, ...]
    total_power: U63
    """Total power of the validator set that the extensions come from."""
    transactions: tuple[Transaction, ...]
    misbehaviour: tuple[ProvenOffence, ...] = ()
    """Ordered by (key, height, round, kind)."""


class BlockResult(Wire, frozen=True):
    """The result of one block: what happened, and the roots for the header."""

    height: U63
    receipts: tuple[Receipt, ...]
    transfers: tuple[Transfer, ...]
    """Every movement of money, in order."""
    module_roots: tuple[Bytes32, ...]
    withdrawals_root: Bytes32
    withdrawals_count: U63
    exit_root: Bytes32
    epoch: U63
    snapshot_due: bool
    """Whether the state after this block becomes the snapshot of `epoch`."""
    deposit_cursors: tuple[DepositCursor, ...]
