"""What goes into the state machine, and what comes out, per height.

Rule: both are canonical values, so that a block log can be replayed anywhere. Neither knows votes, rounds or bytes of
the network.
"""

from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.base.header import DepositCursor
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.blocks.vote_extension import VoteExtension
from clearing.schema.transfers import Transfer


class BlockExtension(Wire, frozen=True):
    """One validator's vote extension of the height below; None when its bytes could not be read."""

    validator: U32
    power: U63
    extension: VoteExtension | None


class ProvenOffence(Wire, frozen=True):
    """Misbehaviour of one validator, which consensus has checked and tells once. `kind` as in consensus."""

    envelope_key: Bytes32
    kind: U32
    height: U63
    round: U32
    power: U63


class BlockInput(Wire, frozen=True):
    """One height, as consensus decided it. The order of `extensions` does not matter; transactions are in order."""

    height: U63
    time_ms: U63
    extensions: tuple[BlockExtension, ...]
    total_power: U63
    """Of the validator set that the extensions come from."""
    transactions: tuple[Transaction, ...]
    misbehaviour: tuple[ProvenOffence, ...] = ()
    """Ordered by (key, height, round, kind)."""


class BlockResult(Wire, frozen=True):
    """Everything that applying one block tells: what happened, and the roots for the header."""

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
    """Whether the state after this block is to be taken as `epoch`'s snapshot."""
    deposit_cursors: tuple[DepositCursor, ...]
