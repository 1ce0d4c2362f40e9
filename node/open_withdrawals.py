"""Released withdrawals of which the state does not know yet what became of them, kept from block to block.

Rule: costs what is open and what is new, not what was ever released: one that stays open for ever, because its chain
does, must not slow every later block. It must not know how a chain is asked.
"""

from itertools import islice

from bridge.unpaid import AT_ONCE, Expired
from clearing.gates.unpaid import expired_open, is_open
from clearing.state.state import State


class OpenWithdrawals:
    """Nonces, ascending; brought up to date with `follow`."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._seen = 0

    def follow(self, state: State) -> None:
        """Take in what a decided state released, drop what it knows the end of; nothing where none is given back."""
        if not state.terms.genesis.crisis.gates.give_back_expired:
            return
        count = state.now.withdrawals
        self._open = [nonce for nonce in (*self._open, *range(self._seen, count)) if is_open(state, nonce)]
        self._seen = count

    def expired(self, state: State, chain_id: int) -> tuple[Expired, ...]:
        """Those of a chain whose time is over by the network's clock, oldest first, as many as are asked at once."""
        return tuple(Expired(*each) for each in islice(expired_open(state, chain_id, self._open), AT_ONCE))
