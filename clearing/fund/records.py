"""What the state holds of the default fund: how large it has to be, and each member's part of it.

Rule: data only. The money itself is in the ledger, on `clearing.ledger.FUND_ACCOUNT`, whose cash of the fund's group is
the sum of all parts.
"""

from clearing.base.codec import U32, U63, Wire


class FundSize(Wire, frozen=True):
    """The last sizing, under 0."""

    epoch: U63
    """Of the statement that it followed."""
    height: U63
    target: U63
    """Micros that all members together have to contribute, before minimum and rounding."""
    sizes: tuple[U63, ...]
    """Micros that the stress scenarios asked for in the last epochs, the newest last."""
    cash_group: U32
    """What contributions are cash of, as long as there are any."""
    house_micros: U63 = 0
    """What the house bears before members do."""
    asked: tuple[tuple[U63, U63], ...] = ()
    """Both sizes of every stress scenario, in their order: cover two, and largest or next two."""
    next_height: U63 = 0
    """The first height at which a call lapses or something is paid back; 0: none."""


class Contribution(Wire, frozen=True):
    """One member's part."""

    account: U63
    """The member's own account that it pays from, and that is paid back to."""
    micros: U63
    """What it has in the fund."""
    required: U63 = 0
    """What it has to have there."""
    exposure: U63 = 0
    """Micros of initial margin of all its accounts at the last sizing: what parts are in proportion to."""
    called: U63 = 0
    """What it was called for and has not paid."""
    deadline: U63 = 0
    """The height by which it has to; 0: no call."""
    lapsed: bool = False
    """Whether a deadline has passed already: the member is restricted until it has paid."""
    return_height: U63 = 0
    """The height at which what is beyond `required` is paid back; 0: nothing is."""
    reducing: bool = False
    """Whether the grace is over too: it is debited and sold for in every block until `deadline`."""
