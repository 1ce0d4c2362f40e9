"""What validators observe of chains and prices, as the state has it, and the price sources of the node that answers."""

from typing import Annotated

from msgspec import Meta

from member.api.types import Address, Body, Id, Natural, SmallId

SOURCES_MAX = 320
"""Of one feed: as many as the settings of a node may list in all."""
USABLE = "usable"


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


class SourceObserved(Body, frozen=True):
    """A source of a feed as the node that answers judged it when it read it last. Neither price nor address."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    """As the node's settings call it."""
    age_ms: Id | None
    """Of its price; None: it has given none."""
    verdict: Annotated[str, Meta(pattern="^[a-z_]{1,32}$")]
    """`usable`, or the name of `code` in lower case."""
    code: Annotated[str, Meta(pattern="^(R[0-9]{4})?$")] = ""
    """Why it does not count: the first rule that it fails, for `crossclear explain`; empty for one that does."""


class FeedObserved(Body, frozen=True):
    """The reports on a feed that are kept: a validator's last one, until it is too old."""

    feed: SmallId
    name: str
    reporting: SmallId
    lowest_ticks: Natural
    highest_ticks: Natural
    oldest_ms: Id
    """Time of the oldest of the reports; 0 without one."""
    sources: Annotated[tuple[SourceObserved, ...], Meta(max_length=SOURCES_MAX)] = ()
    """Of the node that answers, in the order of its settings; none where it has no sources of its own."""


class ObservedView(Body, frozen=True):
    """Chains and feeds after the stated height."""

    height: Id
    time_ms: Id
    validators: SmallId
    """How many may report."""
    chains: tuple[ChainObserved, ...]
    feeds: tuple[FeedObserved, ...]
