"""Answers about deposits: what became of one, and what happens next."""

from typing import Annotated, Literal

from msgspec import Meta

from member.api.proofs import TokenAmount
from member.api.types import Address, Body, Id

VAULT_DEPOSIT = "number of the deposit at its vault, from 1, as the vault's event `Deposited` names it"


class RefundView(Body, frozen=True):
    """What one depositor is refunded in one payment: its deposits of one token that were not credited."""

    number: Id
    """Among the refunds of this vault."""
    depositor: Address
    amount: TokenAmount
    deposits: Id
    """How many deposits it is the sum of."""
    smallest: TokenAmount
    """Below this amount it waits for more deposits of the same depositor."""
    refunds_before: Id
    """How many refunds are released before this one, while it is queued."""
    withdrawal: Id | None = None
    """The withdrawal that pays it, once it is released: `GET /v1/withdrawals/{nonce}/proof`."""
    not_after_s: Id = 0
    """The last second at which the vault pays that withdrawal."""


class DepositView(Body, frozen=True):
    """A deposit after the stated height. Where it was not credited: why, and what happens next.

    `status`: `unseen` before the network agrees on it, `agreed` while it waits for its turn, `credited`, `waiting`
    while it may still be credited, `refund_due`, `refund_released` once its vault can pay it, `refunded`.
    """

    chain_id: Id
    vault: Address
    nonce: Annotated[Id, Meta(description=VAULT_DEPOSIT)]
    height: Id
    status: Literal["unseen", "agreed", "credited", "waiting", "refund_due", "refund_released", "refunded"]
    next: str
    """What happens next, and when."""
    code: str = ""
    """Why it was not credited; `crossclear explain CODE` says more."""
    reason: str = ""
    account: Id | None = None
    """The account that it names, where it is on record: not for a deposit that was credited."""
    amount: TokenAmount | None = None
    due_height: Id = 0
    """While it waits: from this height on it is refunded."""
    refund: RefundView | None = None
