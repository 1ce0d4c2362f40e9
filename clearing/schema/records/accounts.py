"""Records of members, accounts and the ledger: balances, positions, nonces, restrictions, loans and the block clock.

Rule: data only. A record does not define who may change it. Units are in the field names or their docstrings.
"""

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, Wire
from clearing.schema.terms.genesis import AccountKind


class Balance(Wire, frozen=True):
    """Counters of one account in one currency. The balance is credits minus debits."""

    debits: U63
    credits: U63


class Book(Wire, frozen=True):
    """All positions of one account: (instrument, signed lots), ordered, none of zero lots."""

    lots: tuple[tuple[U32, I64], ...]


class Member(Wire, frozen=True):
    """A clearing member."""

    trade_address: Bytes20


class Account(Wire, frozen=True):
    """An account of a member. `called_height`: since when it is below initial margin; 0: it is not."""

    member: U63
    kind: AccountKind
    called_height: U63 = 0
    parent: U63 = 0
    """The account that this one is a sub-account of; 0: none."""
    children: tuple[U63, ...] = ()
    """Its sub-accounts, ordered."""
    key: Bytes20 = bytes(20)
    """The client's own key, which signs for money that leaves; zeros: the member's trade key signs."""


class ClockRecord(Wire, frozen=True):
    """The position of the state: height, time and epoch."""

    height: U63
    time_ms: U63
    arrays_time_ms: U63
    """Block time for which the risk arrays were last built."""
    epoch: U63
    """Number of the last closed epoch, 0 before the first."""
    snapshot_height: U63
    """Height of its snapshot."""
    withdrawals_released: U63 = 0
    """How many withdrawals were released."""


class NonceRecord(Wire, frozen=True):
    """The highest nonce that an account has used."""

    nonce: U63


class MemberAccounts(Wire, frozen=True):
    """How many accounts a member has opened so far, and how many it has now."""

    opened: U63
    open: U63


class LoanRecord(Wire, frozen=True):
    """What an account owes of soft credit in one cash group. On the house's account: the sum over all accounts."""

    micros: U63


class RestrictionRecord(Wire, frozen=True):
    """A restricted account, after its chain reverted a sighted deposit: it may only reduce risk and deposit."""

    until_height: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63


class AccrualRecord(Wire, frozen=True):
    """Time up to which interest on a group's cash is settled."""

    time_ms: U63


class SealedSeedRecord(Wire, frozen=True):
    """The seed that an owner chose for its account's commitments, sealed for the validators."""

    ephemeral: Bytes32
    """X25519 public key made for this seed."""
    masked: Bytes32
    mac: Bytes32


class StandbyRecord(Wire, frozen=True):
    """The standby member that a client named and that accepted."""

    standby: U63


class AffiliationRecord(Wire, frozen=True):
    """Two owners that are one: from a height on, and up to another one where the house ended it."""

    from_height: U63
    until_height: U63 = 0
    """The first block in which it is over; 0: it is not."""
