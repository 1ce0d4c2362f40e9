"""Premium depth: which trades set a perpetual's premium, and how many lots at the index stand beside them.

Rule: two accounts of one owner set no price, nor does the house, which pays no fee. Where the terms have a
`wash_cover_ppm`, the depth grows with the open positions, until the fees of a trade cover what its premium can move in
marks and in funding on all of them. What two colluding accounts trade with each other costs them its fees alone, so
without this rule a premium that follows trades can be bought. It moves no money.
"""

from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import owner_key
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.instruments import Instrument
from clearing.settlement.funding import premium_ppb
from clearing.state.state import State

FEES_OF_A_TRADE = 2
"""Both sides pay the fee."""


def sets_price(state: State, buyer: int, seller: int) -> bool:
    """Whether a trade between two accounts may set a price: they are of different members and of different owners, and
    both pay fees. Members that declare an affiliation belong here."""
    members = [state.accounts[side].member for side in (buyer, seller)]
    return members[0] != members[1] and HOUSE_MEMBER not in members and _owners_differ(state, buyer, seller)


def _owners_differ(state: State, buyer: int, seller: int) -> bool:
    return owner_key(state, buyer) != owner_key(state, seller)


def wash_proof_depth_lots(open_lots: int, elapsed_ms: int, instrument: Instrument, fee_ppm: int) -> int | None:
    """Lots at the index for `open_lots` of long positions and a sample of `elapsed_ms` > 0; rounded up.

    A trade of v lots at the cap c moves the premium at most by c v / depth x e / (e + w). On the open positions this is
    worth that many marks at once, and over the time in which it fades a funding of c v / depth x e / period. Its fees
    are 2 f v. So the depth is cover x open x c / (2 f) x (e / (e + w) + e / period). None where trades pay no fee:
    then nothing covers a premium. 0 without the rule.
    """
    terms = instrument.funding
    if not terms.wash_cover_ppm:
        return 0
    if not fee_ppm:
        return None
    fades_ms = elapsed_ms + terms.window_ms
    moved = open_lots * terms.premium_cap_ppm * elapsed_ms * (terms.period_ms + fades_ms) * terms.wash_cover_ppm
    return -(-moved // (FEES_OF_A_TRADE * fee_ppm * fades_ms * terms.period_ms * PPM))


def sample_depth_lots(context: BlockContext, instrument: Instrument, elapsed_ms: int) -> int | None:
    """The depth of the present sample: of the terms, or more where fees must cover it. None: no premium counts."""
    terms, open_lots = instrument.funding, 0
    if terms.wash_cover_ppm:
        open_lots = sum(max(lots, 0) for _, lots in context.positions.holders(instrument.id))
    depth = wash_proof_depth_lots(open_lots, elapsed_ms, instrument, context.terms.market.trade_fee_ppm)
    return None if depth is None else max(depth, terms.depth_lots)


def observed_premium_ppb(state: State, instrument: Instrument) -> int:
    """The premium of the perpetual's own feed over the index; 0 without an open price of it."""
    observed, index = state.feeds.get(instrument.funding.premium_feed), state.feeds[instrument.feed]
    if observed is None or observed.status != FeedStatus.OPEN:
        return 0
    return premium_ppb(observed.ticks, index.ticks, instrument.funding.premium_cap_ppm)
