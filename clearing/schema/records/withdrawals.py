"""Records of withdrawals: released, delayed and expired ones, used limits, and orders to vaults. Data only."""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, U256Bytes, Wire


class WithdrawalVolumeRecord(Wire, frozen=True):
    """What one owner, or all together, withdrew of an asset in the window with this number."""

    window: U63
    units: U63
    undelayed_units: U63 = 0
    """The part that was not delayed."""


class DelayedWithdrawalRecord(Wire, frozen=True):
    """A withdrawal that left its account. It is released at `due_height`, or at the first later block
    where it passes."""

    account: U63
    asset: U32
    units: U63
    """Clearing units of the asset when it was accepted."""
    to: Bytes20
    amount: U256Bytes
    """Token base units."""
    nonce: U63
    """Nonce of the request."""
    owner: Bytes20
    """The key that could sign for the money."""
    accepted_height: U63
    due_height: U63


class DelayedWithdrawalCounter(Wire, frozen=True):
    """How many withdrawals were ever delayed: the number of the next."""

    next_number: U63


class ExpiredWithdrawalRecord(Wire, frozen=True):
    """A released withdrawal that its vault did not pay before its deadline, as agreed at a block of its chain."""

    block_number: U63
    block_hash: Bytes32
    block_time_s: U63
    agreed_height: U63
    refunded_height: U63 = 0
    """0: not yet."""


class RefundDueRecord(Wire, frozen=True):
    """An expired withdrawal to be refunded, as soon as its asset's price and cap allow."""

    asset: U32


class ValueWithdrawnRecord(Wire, frozen=True):
    """What an account withdrew, in micros of value, since `since_height`, while deficits are unresolved that end by
    `deadline_height`. Under `clearing.withdrawals.deficit_reserve.ALL_ACCOUNTS`: what was owed to all before the first
    withdrawal."""

    deadline_height: U63
    micros: U63
    since_height: U63


class InflowVolumeRecord(Wire, frozen=True):
    """Micros of value that an owner brought in, or that came in over a chain, in the window with this number."""

    window: U63
    micros: U63


class WaitingInflow(Wire, frozen=True):
    """Micros of value that may leave the network from a height on."""

    until_height: U63
    micros: U63


class WaitingInflowRecord(Wire, frozen=True):
    """What waits in an account, by height, each height once."""

    parts: tuple[WaitingInflow, ...]


class HeldRefundRecord(Wire, frozen=True):
    """A refund of deposits that is not released before a height."""

    until_height: U63


class ReleasedWithdrawalRecord(Wire, frozen=True):
    """A withdrawal in the withdrawals tree."""

    account: U63
    asset: U32
    units: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: U256Bytes
    not_after_s: U63
    leaf: Bytes32
    executed: bool = False
    deposit_refund: U63 = 0
    """The refund of stray deposits that it pays, by its number at the vault. `account` is then
    `clearing.state.ledger.STRAY_ACCOUNT`. 0: it left an account."""


class GuardianOrderRecord(Wire, frozen=True):
    """An order to a vault in the withdrawals tree: it names the vault's guardian. It pays nothing and never expires."""

    chain_id: U63
    vault: Bytes20
    guardian: Bytes20
    leaf: Bytes32
    height: U63
    """At which it was released."""
