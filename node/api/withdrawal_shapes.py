"""What the API says of withdrawals on their way: what waits, what nobody saw paid, and what limits leave.

Rule: as in `node.api.shapes`. It says all that a cancellation has to name.
"""

from node.api.shapes import Body, Natural


class WaitingView(Body, frozen=True):
    """A withdrawal that waits for its height, and can be cancelled under `number`."""

    number: int
    asset: int
    amount_units: Natural
    to: str
    nonce: int
    accepted_height: int
    due_height: int


class ReleasedView(Body, frozen=True):
    """A withdrawal that was released and not seen paid. `overdue`: its time to be claimed is over by the network's."""

    nonce: int
    asset: int
    amount_units: Natural
    to: str
    chain_id: int
    not_after_s: int
    overdue: bool
    not_paid_height: int
    """The block that agreed that it was not paid, after which it is given back; 0: none has."""


class LimitView(Body, frozen=True):
    """What may leave of one asset, in its units of genesis; limits of 0 are none. Accounts of one key count as one."""

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


class WithdrawalsView(Body, frozen=True):
    """Withdrawals of one account on their way, after the stated height."""

    account: int
    height: int
    waiting: tuple[WaitingView, ...] = ()
    released: tuple[ReleasedView, ...] = ()
    """The newest first, 256 at most."""
    limits: tuple[LimitView, ...] = ()
    deficit_micros: Natural = "0"
    """Unresolved, of which everybody leaves its part behind."""
    deficit_until_height: int = 0
