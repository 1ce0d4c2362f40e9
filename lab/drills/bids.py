"""Bids of a drill: every other active member bids for its share of the slices, at one part of a slice's initial margin.

Rule: bids are requests like any other, so the rulebook may refuse them. Nobody has the members' keys: on the copy every
member's trade key is one of the drill. A share is in proportion to required contributions, equal without any, and
rounded up, so that all shares together are the portfolio.
"""

import msgspec

from clearing.base.hashing import sha256
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.secp256k1 import address
from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status, own_accounts_by_member
from clearing.default.default_auction import slice_margin
from clearing.default_fund.contributions import required_contribution
from clearing.schema.blocks.block import BlockInput
from clearing.schema.records.default import DefaultRecord, MemberStatus
from clearing.schema.requests.auctions import DefaultBid
from clearing.state.holdings import positions_of
from clearing.state.state import State
from member.signing.requests import UNSIGNED, signed

DRILL_KEY = sha256(b"crossclear/drill")
"""Signs in a copy only: no network knows its address."""


def take_over_keys(state: State) -> None:
    """Give every member of a copy the drill's trade key."""
    for member, record in list(state.members.ordered()):
        state.members.put(member, msgspec.structs.replace(record, trade_address=address(DRILL_KEY)))


def share_of_slices(state: State, members: tuple[int, ...], member: int) -> int:
    """A member's share of the slices, rounded up."""
    needed = {each: required_contribution(state, each) for each in members}
    if not any(needed.values()):
        needed = dict.fromkeys(members, 1)
    return -(-state.terms.crisis.default.auction_slices * needed[member] // sum(needed.values()))


def bids_for(
    state: State, block: BlockInput, number: int, default: DefaultRecord, bid_ppm: int
) -> tuple[DefaultBid, ...]:
    """A signed bid of every active member with an account of its own and a share, in the block above `state`."""
    context = BlockContext(state.fork(), block)
    ask = mul_div_down(slice_margin(context, positions_of(state, default.estate).lots), bid_ppm, PPM)
    own, found = own_accounts_by_member(state), []
    members = tuple(
        member
        for member in sorted(own)
        if member not in (HOUSE_MEMBER, default.member) and member_status(state, member) is MemberStatus.ACTIVE
    )
    for member in members:
        account, slices = own[member][0], share_of_slices(state, members, member)
        if not slices:
            continue
        last = state.nonces.get(account)
        # One block may have bids for several defaults, in the order of their numbers.
        nonce = max(last.nonce if last else 0, block.time_ms * 1_000_000) + number
        request = DefaultBid(account, number, slices, ask, nonce, block.time_ms, UNSIGNED)
        found.append(signed(state.terms.network, request, signature=DRILL_KEY))
    return tuple(found)
