"""What validators observe of chains and prices, as the state has it."""

from member.api.types import Address, Body, Id, Natural, SmallId


class ChainObserved(Body, frozen=True):
    """A chain and its vault."""

    chain_id: Id
    name: str
    vault: Address
    detached: bool
    """The vault is no longer monitored or paid."""
    final_block: Id
    """The highest that validators with more than two thirds of the power consider final; 0 before that."""
    seen_ms: Id
    """Block time by which they had all seen the chain advance; 0: not yet."""
    reporting: SmallId
    """How many validators have reported a final block."""
    custody_block: Id
    """Of the oldest counters of a token of the vault that are agreed on; 0: some are not yet."""


class FeedObserved(Body, frozen=True):
    """The reports on a feed that are kept: a validator's last one, until it is too old."""

    feed: SmallId
    name: str
    reporting: SmallId
    lowest_ticks: Natural
    highest_ticks: Natural
    oldest_ms: Id
    """Time of the oldest of the reports; 0 without one."""


class ObservedView(Body, frozen=True):
    """Chains and feeds after the stated height."""

    height: Id
    time_ms: Id
    validators: SmallId
    """How many may report."""
    chains: tuple[ChainObserved, ...]
    feeds: tuple[FeedObserved, ...]
