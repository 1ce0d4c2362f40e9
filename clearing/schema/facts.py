"""Facts about chains: the only types that `bridge` emits.

Rule: frozen, each with the block that it came from. A fact is one validator's attestation until more than two thirds of
the power attested equal facts. `fact_key` identifies the event that a fact is about.
"""

from typing import TypeAlias

from clearing.base.codec import U63, Bytes20, Bytes32, U256Bytes, Wire


class DepositSeen(Wire, frozen=True, tag=1):
    """A `Deposited` event in a finalised block. Nonces of one vault start at 1 and have no gaps."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    token: Bytes20
    account: U63
    amount: U256Bytes
    """Token base units that the vault credited. The ledger converts to clearing units, rounding down."""
    block_number: U63
    block_hash: Bytes32
    source: Bytes32
    """Tagged hash of the receipt's log."""
    depositor: Bytes20
    """Who paid it in, the event's `from`. A deposit that cannot be credited is refunded to this address."""


class WithdrawalExecuted(Wire, frozen=True, tag=2):
    """A `Withdrawn` event in a finalised block: withdrawal `nonce` of this network was paid by this vault."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    block_number: U63
    block_hash: Bytes32
    source: Bytes32


class ChainHeartbeat(Wire, frozen=True, tag=3):
    """The newest block of a chain that this validator scanned and considers final. Never compared for equality."""

    chain_id: U63
    block_number: U63
    block_hash: Bytes32


class CustodySeen(Wire, frozen=True, tag=4):
    """A vault's counters for one token at a finalised block whose number is a multiple of the chain's custody stride.

    All amounts are in token base units. `deposited` and `withdrawn` are cumulative since deployment and count what was
    credited to accounts, so `deposited - withdrawn` is what the vault accounts for. `balance` is what the token
    contract reports. It is at least that difference, or the vault is insolvent.
    """

    chain_id: U63
    vault: Bytes20
    token: Bytes20
    block_number: U63
    block_hash: Bytes32
    deposited: U256Bytes
    withdrawn: U256Bytes
    balance: U256Bytes


class DepositSighted(Wire, frozen=True, tag=5):
    """A `Deposited` event in a block that is not final yet. It justifies a loan (soft credit), never a credited
    deposit."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    token: Bytes20
    account: U63
    amount: U256Bytes
    block_number: U63
    block_hash: Bytes32
    source: Bytes32


class ValidatorsRotated(Wire, frozen=True, tag=6):
    """A `ValidatorsRotated` event in a finalised block. The vault verified the header of `height`, the last one that
    the previous set certified, and accepts checkpoints of the set with this hash from now on."""

    chain_id: U63
    vault: Bytes20
    height: U63
    validators_hash: Bytes32
    block_number: U63
    block_hash: Bytes32
    source: Bytes32


class WithdrawalNotExecuted(Wire, frozen=True, tag=7):
    """A vault had not paid withdrawal `nonce` in the first block whose time is after its deadline, and that block is
    final. The deadline is the not-after and what the vault's pauses add to it.

    From that block on the vault can never pay it, so every later final block gives the same answer.
    """

    chain_id: U63
    vault: Bytes20
    nonce: U63
    not_after_s: U63
    block_number: U63
    block_hash: Bytes32
    block_time_s: U63


VaultFact: TypeAlias = DepositSeen | WithdrawalExecuted | ValidatorsRotated
"""An event of a vault in a finalised block."""

Fact: TypeAlias = (
    DepositSeen
    | WithdrawalExecuted
    | ChainHeartbeat
    | CustodySeen
    | DepositSighted
    | ValidatorsRotated
    | WithdrawalNotExecuted
)

FINAL, EXECUTED, SIGHTED, ROTATED, NOT_EXECUTED = 1, 2, 3, 4, 5
"""Kinds of fact keys: a final deposit, a paid withdrawal, a deposit that is not final, a rotated vault, a withdrawal
that was not paid in time."""


def fact_key(fact: VaultFact | DepositSighted | WithdrawalNotExecuted) -> tuple[int, int, bytes, int]:
    """(kind, chain id, vault, nonce or height): identifies the event, which is applied exactly once."""
    if isinstance(fact, ValidatorsRotated):
        return (ROTATED, fact.chain_id, fact.vault, fact.height)
    if isinstance(fact, WithdrawalNotExecuted):
        return (NOT_EXECUTED, fact.chain_id, fact.vault, fact.nonce)
    kind = SIGHTED if isinstance(fact, DepositSighted) else FINAL if isinstance(fact, DepositSeen) else EXECUTED
    return (kind, fact.chain_id, fact.vault, fact.nonce)
