"""The leaders of a chain that is restored: read from the blocks of the running period.

Rule: gives what a node knows that never stopped. Where a block of the period is missing, as after a state sync, the
leaders stay uncertain until the next period.
"""

from dataclasses import replace
from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.codec import decode
from clearing.base.validators import ValidatorSet
from consensus.chain_state import ChainState
from consensus.leaders import PERIOD_HEIGHTS, Leaders, period_of
from consensus.messages import BLOCK_BYTES_MAX, Block
from consensus.turns import turns_of


class BlockHistory(Protocol):
    """The part of a `BlockStore` that is read."""

    def load(self, height: int) -> tuple[bytes, bytes, bytes] | None:
        """See `BlockStore`."""
        ...


class KnownSets(Protocol):
    """The part of an `Application` that knows validator sets."""

    def validators_at(self, height: int) -> ValidatorSet | None:
        """See `Application`."""
        ...


def with_leaders(chain: ChainState, store: BlockHistory, application: KnownSets) -> ChainState:
    """The chain with its leaders, as far as the store shows them. Reads `PERIOD_HEIGHTS` blocks at most."""
    period = period_of(chain.height + 1)
    before = now = Leaders(period)
    for height in range(max(1, period * PERIOD_HEIGHTS) + 1, chain.height + 1):
        shown, validators = _shown(store, height), application.validators_at(height - 1)
        if shown is None or validators is None:
            return chain
        led = turns_of(validators, height - 1, before).led(shown.round)
        before, now = now, now.decided([validators.validators[index].envelope_key for index in led])
    return replace(chain, last_leaders=before, leaders=now)


def _shown(store: BlockHistory, height: int) -> Certificate | None:
    """The certificate of its parent that a stored block carries."""
    stored = store.load(height)
    return None if stored is None else decode(stored[0], Block, 2 * BLOCK_BYTES_MAX).last_commit
