"""Tokens without an open price: they count for nothing when money leaves, and block nothing.

Rule: anybody may deposit any token to any account, so what an account happens to own of a token must not lock the rest
of its money. What leaves must be covered without tokens whose price is not open, as if they were worth nothing. The
price of a position is another matter: nobody else can open one for the account. It moves no money.
"""

from clearing.prices.price_status import is_settled_for_good
from clearing.schema.records.prices import FeedStatus
from clearing.state.holdings import Holdings, feed_status
from clearing.state.state import State


def is_priced(state: State, feed: int) -> bool:
    """Whether what depends on this feed has a value that cannot be wrong: its price is open, or it counts for nothing
    for good."""
    return feed_status(state, feed) == FeedStatus.OPEN or is_settled_for_good(state, feed)


def drop_unpriced_tokens(state: State, holdings: Holdings) -> int:
    """Take the tokens without an open price out of holdings; the first feed without one, 0 where all are priced."""
    first = 0
    for at, token in enumerate(state.terms.tokens):
        closed = [feed for feed in token.feeds if not is_priced(state, feed)] if holdings.tokens[at] else []
        if closed:
            holdings.tokens[at], first = 0, first or closed[0]
    return first
