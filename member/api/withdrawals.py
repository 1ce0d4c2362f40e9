"""Answers about withdrawals: those of one account, and the proofs by which a vault pays one or follows an order."""

from typing import Annotated, Literal

from msgspec import Meta

from member.api.proofs import TokenAmount
from member.api.types import Address, Body, Hash, Id, Natural


class WaitingView(Body, frozen=True):
    """A delayed withdrawal; it can be cancelled under `number`."""

    number: int
    asset: int
    amount_units: Natural
    to: str
    nonce: int
    accepted_height: int
    due_height: int


class ReleasedView(Body, frozen=True):
    """A withdrawal that was released and not seen paid. `overdue`: its time to be claimed is over."""

    nonce: int
    asset: int
    amount_units: Natural
    to: str
    chain_id: int
    not_after_s: int
    overdue: bool
    not_paid_height: int
    """The block that agreed that it was not paid, after which it is refunded; 0: none has."""


class EndedView(Body, frozen=True):
    """A released withdrawal that needs nothing any more: a vault's payment is agreed, or the refund is made."""

    nonce: int
    asset: int
    amount_units: Natural
    to: str
    chain_id: int
    status: Literal["paid", "refunded"]


class LimitView(Body, frozen=True):
    """Withdrawal limits of one asset, in its units of genesis; 0: no limit. Accounts of one key count as one."""

    asset: int
    owner_used_units: Natural
    owner_units_max: Natural
    all_used_units: Natural
    window_units_max: Natural
    prompt_used_units: Natural
    """What the owner withdrew in this window without delay."""
    delay_above_units: Natural
    delay_blocks: int
    opens_height: int
    """The first block of the next window."""


class InflowView(Body, frozen=True):
    """Value of large deposits that may leave the account from a height on."""

    micros: Natural
    until_height: int


class WithdrawalsView(Body, frozen=True):
    """Withdrawals of one account after the stated height."""

    account: int
    height: int
    waiting: tuple[WaitingView, ...] = ()
    released: tuple[ReleasedView, ...] = ()
    """The newest first, 256 at most."""
    limits: tuple[LimitView, ...] = ()
    deficit_micros: Natural = "0"
    """Unresolved; every withdrawal leaves its share of it behind."""
    deficit_until_height: int = 0
    inflow: tuple[InflowView, ...] = ()
    """What may not leave yet, ordered by height. As much equity above initial margin must stay."""
    ended: tuple[EndedView, ...] = ()
    """The newest first, 32 at most."""


class WithdrawalProofView(Body, frozen=True):
    """A released withdrawal, and its proof under the root over the first `count` withdrawals.

    `status` is the network's: `paid` once a vault's payment is final and agreed, `expired` once it is agreed that no
    vault paid in time, `refunded` after that.
    """

    nonce: Id
    """Its leaf in the tree, and its number in the vault."""
    status: Literal["open", "paid", "expired", "refunded"]
    chain_id: Id
    vault: Address
    account: Id
    """The ledger account that it was taken from."""
    token: Address
    to: Address
    amount: TokenAmount
    not_after_s: Id
    """The last second at which the vault pays."""
    height: Id
    """Of the state that answers."""
    count: Id
    root: Hash
    siblings: Annotated[tuple[Hash, ...], Meta(min_length=32, max_length=32)]
    """From the leaf up."""


class GuardianOrderProofView(Body, frozen=True):
    """An order of the network that names a vault's guardian, and its proof under the root over the first `count`
    leaves. The vault alone knows whether it followed it: `crossclear vault status`."""

    nonce: Id
    """Its leaf in the withdrawals tree."""
    chain_id: Id
    vault: Address
    guardian: Address
    count: Id
    root: Hash
    siblings: Annotated[tuple[Hash, ...], Meta(min_length=32, max_length=32)]
    """From the leaf up."""
