"""Bids of a drill: every other active member bids for its share of the slices, at one part of a slice's initial margin.

Rule: bids are requests like any other, so the rulebook may refuse them. Nobody has the members' keys: on the copy every
member's trade key is one of the drill. A share is in proportion to required contributions, equal without any, and
rounded up, so that all shares together are the portfolio.
"""

from typing import NamedTuple, TypeAlias

import msgspec

from clearing.base.hashing import sha256
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.secp256k1 import address
from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status, own_accounts_by_member
from clearing.default.auction_reserve import slice_margin
from clearing.default_fund.contributions import required_contribution
from clearing.schema.blocks.block import BlockInput
from clearing.schema.records.default import DefaultRecord, MemberStatus
from clearing.schema.requests.auctions import DefaultBid, DefaultBidCommitment, DefaultBidReveal, bid_commitment
from clearing.state.holdings import positions_of
from clearing.state.state import State
from member.signing.requests import UNSIGNED, signed

AuctionRequest: TypeAlias = DefaultBid | DefaultBidCommitment | DefaultBidReveal
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


class PlannedBid(NamedTuple):
    """What a member bids for the portfolio of a default."""

    account: int
    slices: int
    ask_micros: int


class AssumedBids:
    """The bids of a drill over its blocks: where the auction is sealed, commitments first, then what they contain."""

    def __init__(self, bid_ppm: int) -> None:
        self._bid_ppm = bid_ppm
        self._planned: dict[int, tuple[PlannedBid, ...]] = {}
        self._revealed: set[int] = set()

    def requests(
        self, state: State, block: BlockInput, number: int, default: DefaultRecord
    ) -> tuple[AuctionRequest, ...]:
        """The signed requests for one default that is open, in the block above `state`."""
        first = number not in self._planned
        if first:
            self._planned[number] = self._plan(state, block, default)
        bids = self._planned[number]
        if not default.reveal_height:
            return tuple(self._sign(state, block, number, bid, DefaultBid) for bid in bids) if first else ()
        if first and block.height < default.reveal_height:
            return tuple(self._sign(state, block, number, bid, DefaultBidCommitment) for bid in bids)
        if number in self._revealed or block.height < default.reveal_height:
            return ()
        self._revealed.add(number)
        return tuple(self._sign(state, block, number, bid, DefaultBidReveal) for bid in bids)

    def _plan(self, state: State, block: BlockInput, default: DefaultRecord) -> tuple[PlannedBid, ...]:
        """A bid of every active member with an account of its own and a share."""
        context = BlockContext(state.fork(), block)
        ask = mul_div_down(slice_margin(context, positions_of(state, default.estate).lots), self._bid_ppm, PPM)
        own = own_accounts_by_member(state)
        members = tuple(
            member
            for member in sorted(own)
            if member not in (HOUSE_MEMBER, default.member) and member_status(state, member) is MemberStatus.ACTIVE
        )
        shares = ((own[member][0], share_of_slices(state, members, member)) for member in members)
        return tuple(PlannedBid(account, slices, ask) for account, slices in shares if slices)

    @staticmethod
    def _sign(
        state: State, block: BlockInput, number: int, bid: PlannedBid, kind: type[AuctionRequest]
    ) -> AuctionRequest:
        last = state.nonces.get(bid.account)
        # One block may have bids for several defaults, in the order of their numbers.
        nonce = max(last.nonce if last else 0, block.time_ms * 1_000_000) + number
        end = (nonce, block.time_ms, UNSIGNED)
        salt = sha256(DRILL_KEY + bid.account.to_bytes(8, "big"))
        request: AuctionRequest
        if kind is DefaultBidCommitment:
            commitment = bid_commitment(bid.account, number, bid.slices, bid.ask_micros, salt)
            request = DefaultBidCommitment(bid.account, number, commitment, *end)
        elif kind is DefaultBidReveal:
            request = DefaultBidReveal(bid.account, number, bid.slices, bid.ask_micros, salt, *end)
        else:
            request = DefaultBid(bid.account, number, bid.slices, bid.ask_micros, *end)
        return signed(state.terms.network, request, signature=DRILL_KEY)
