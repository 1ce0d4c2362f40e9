"""Terms of governance: voting time, timelock, emergency halts, removal and detachment.

Rule: data only, in integers. Every default means "off": a genesis that leaves these fields out switches nothing on. The
floor of the timelock is fixed in genesis: no vote can change it. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.schema.terms.collateral import Check

VOTE_MS_MAX = 90 * 86_400_000
TIMELOCK_MS_MIN = 1_000
"""Lower bound, whatever genesis says: an amendment never takes effect in the block that approves it."""
TIMELOCK_MS_MAX = 90 * 86_400_000
OPEN_PROPOSALS_MAX = 8
HALT_BLOCKS_MAX = 1_000_000
DETACH_BLOCKS_MIN = 10
ENTRY_DELAY_MS_MAX = 7 * 86_400_000
OFFENCES_MAX = 16


class GovernanceTerms(Wire, frozen=True):
    """Terms of governance. Off while `vote_ms` is 0: then only the request of `clearing.validators`
    changes anything."""

    vote_ms: U63 = 0
    """How long a proposal is open for voting."""
    timelock_ms: U63 = 0
    """Time between approval and effect, in which those who disagree can leave."""
    timelock_floor_ms: U63 = 0
    """No vote makes the timelock shorter than this."""
    open_proposals: U32 = 2
    """How many proposals one proposer may have open at a time."""
    halt_blocks_max: U32 = 0
    """Longest emergency halt of an instrument; 0: there are none."""
    halt_rest_blocks: U32 = 0
    """How long after its halt the house alone cannot halt the same instrument again."""
    removal_offences: U32 = 0
    """A validator with this many proven offences of one kind is removed by rule; 0: only by a vote."""
    detach_blocks: U32 = 1_000
    """How long a vault must have been awaited before a vote may detach it."""
    entry_delay_ms: U63 = 0
    """Delay of validator additions, by which a signed request is known before it takes effect. Removals take effect
    immediately. No vote changes it."""

    @property
    def enabled(self) -> bool:
        """Whether anything can be proposed."""
        return self.vote_ms > 0


def governance_checks(terms: GovernanceTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    off = not terms.enabled
    floor = terms.timelock_floor_ms
    yield "vote_ms", terms.vote_ms, terms.vote_ms <= VOTE_MS_MAX
    yield "timelock_floor_ms", floor, off or floor >= TIMELOCK_MS_MIN
    yield "timelock_ms", terms.timelock_ms, off or floor <= terms.timelock_ms <= TIMELOCK_MS_MAX
    yield "open_proposals", terms.open_proposals, 1 <= terms.open_proposals <= OPEN_PROPOSALS_MAX
    yield "halt_blocks_max", terms.halt_blocks_max, terms.halt_blocks_max <= HALT_BLOCKS_MAX
    # The rest period is at least as long as the halt, so that one key cannot halt an instrument permanently.
    rested = not terms.halt_blocks_max or terms.halt_blocks_max <= terms.halt_rest_blocks <= HALT_BLOCKS_MAX
    yield "halt_rest_blocks", terms.halt_rest_blocks, rested
    yield "removal_offences", terms.removal_offences, terms.removal_offences <= OFFENCES_MAX
    # A vote adds no validator sooner than a request does.
    delay = terms.entry_delay_ms
    yield "entry_delay_ms", delay, delay <= (ENTRY_DELAY_MS_MAX if off else min(floor, ENTRY_DELAY_MS_MAX))
    yield "detach_blocks", terms.detach_blocks, terms.detach_blocks >= DETACH_BLOCKS_MIN
