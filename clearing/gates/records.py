"""What the state holds of gates: what was withdrawn in a window, what waits, what was not paid.

Rule: data only. Units are those of the asset in genesis unless a docstring says otherwise.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, U256Bytes, Wire


class GateUsed(Wire, frozen=True):
    """What one owner, or all together, withdrew of an asset in the window with this number."""

    window: U63
    units: U63
    prompt_units: U63 = 0
    """Of them, what did not have to wait."""


class Waiting(Wire, frozen=True):
    """A withdrawal that has left its account and is released at `due_height`, or as soon after as it passes."""

    account: U63
    asset: U32
    units: U63
    """Clearing units of the asset when it was accepted."""
    to: Bytes20
    amount: U256Bytes
    """Token base units."""
    nonce: U63
    """Of the request."""
    owner: Bytes20
    """Who could sign for the money."""
    accepted_height: U63
    due_height: U63


class WaitingClock(Wire, frozen=True):
    """How many withdrawals ever waited: the number of the next."""

    numbered: U63


class NotPaid(Wire, frozen=True):
    """A released withdrawal that its vault had not paid when it could no longer be: agreed at a block of its chain."""

    block_number: U63
    block_hash: Bytes32
    block_time_s: U63
    agreed_height: U63
    given_back_height: U63 = 0
    """0: not yet."""


class GiveBackDue(Wire, frozen=True):
    """A withdrawal that was not paid and is to be given back, when its asset's price and cap let it."""

    asset: U32


class DeficitLeft(Wire, frozen=True):
    """What an account took out, in micros of value, since `since_height`, while deficits were unresolved that end by
    `deadline_height`. Under `clearing.gates.deficits.ALL`: what was owed to all before anybody took anything out."""

    deadline_height: U63
    micros: U63
    since_height: U63
