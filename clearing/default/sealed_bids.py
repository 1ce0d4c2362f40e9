"""Sealed bids of the default auction: who may bid, commitments, and their reveal.

Rule: a sealed auction has two phases. Up to the block before `reveal_height` members commit to bids: only a hash is
known, and neither slices nor ask. From then on to `auction_height` they reveal what they committed to, and nothing
else. A bid that answers others' bids is therefore impossible. A commitment that is not revealed is no bid. This module
must not know which bids are filled.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active, check_member_reducing
from clearing.context.request_checks import check_request, use_nonce
from clearing.context.unresolved_losses import defaults_under_way
from clearing.genesis.checks import CASH_MICROS_MAX
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.default import DefaultBidTaken
from clearing.schema.records.default import DefaultBidRecord, DefaultPhase, DefaultRecord
from clearing.schema.requests.auctions import DefaultBidCommitment, DefaultBidReveal
from clearing.schema.terms.genesis import AccountKind

COMMIT_AT, REVEAL_AT = "default_bid_commitment", "default_bid_reveal"


def commit_to_bid(context: BlockContext, index: int, request: DefaultBidCommitment) -> Rejected | None:
    """Accept a commitment, replacing the member's last one; or refuse it and change nothing.

    A restricted account may commit: it takes no risk before the sale, and its restriction may have ended by then.
    """
    refusal = check_request(context, COMMIT_AT, request) or check_member_active(context, COMMIT_AT, request.account)
    if refusal is not None:
        return refusal
    default = auction_of(context, COMMIT_AT, request.account, request.number)
    if isinstance(default, Rejected):
        return default
    if not default.reveal_height:
        return reject(ClearingCode.BIDS_ARE_OPEN, COMMIT_AT, number=request.number)
    if context.block.height >= default.reveal_height:
        return reject(ClearingCode.COMMIT_PHASE_OVER, COMMIT_AT, number=request.number, last=default.reveal_height - 1)
    member = context.state.accounts[request.account].member
    use_nonce(context, request.account, request.nonce)
    bid = DefaultBidRecord(request.account, 0, 0, context.block.height, request.commitment)
    context.state.default_bids.put((request.number, member), bid)
    context.receipts.append(
        DefaultBidTaken(index, request.number, member, request.account, 0, 0, request.commitment, revealed=False)
    )
    return None


def reveal_bid(context: BlockContext, index: int, request: DefaultBidReveal) -> Rejected | None:
    """Make a committed bid readable; or refuse it and change nothing.

    A member that was restricted meanwhile may reveal, too: it would be charged otherwise. Its bid is not filled.
    """
    if bid_size_refused(context, request.slices, request.ask_micros):
        return reject(ClearingCode.BAD_SIZE, REVEAL_AT, slices=request.slices, ask_micros=request.ask_micros)
    refusal = check_request(context, REVEAL_AT, request) or check_member_reducing(context, REVEAL_AT, request.account)
    if refusal is not None:
        return refusal
    default = auction_of(context, REVEAL_AT, request.account, request.number)
    if isinstance(default, Rejected):
        return default
    if context.block.height < default.reveal_height:
        return reject(ClearingCode.REVEAL_TOO_EARLY, REVEAL_AT, number=request.number, first=default.reveal_height)
    member = context.state.accounts[request.account].member
    bid = context.state.default_bids.get((request.number, member))
    if bid is None or bid.account != request.account or bid.commitment != request.commitment:
        return reject(ClearingCode.NO_SUCH_COMMITMENT, REVEAL_AT, number=request.number, account=request.account)
    if bid.revealed:
        return reject(ClearingCode.BID_REVEALED, REVEAL_AT, number=request.number, account=request.account)
    use_nonce(context, request.account, request.nonce)
    bid = DefaultBidRecord(
        request.account, request.slices, request.ask_micros, bid.height, bid.commitment, revealed=True
    )
    context.state.default_bids.put((request.number, member), bid)
    context.receipts.append(
        DefaultBidTaken(
            index,
            request.number,
            member,
            request.account,
            request.slices,
            request.ask_micros,
            bid.commitment,
            revealed=True,
        )
    )
    return None


def bid_size_refused(context: BlockContext, slices: int, ask_micros: int) -> bool:
    """Whether a bid is for more slices than there are, or for more money than there can be."""
    return slices > context.terms.crisis.default.auction_slices or abs(ask_micros) * max(slices, 1) > CASH_MICROS_MAX


def auction_of(context: BlockContext, at: str, account: int, number: int) -> DefaultRecord | Rejected:
    """The default whose auction the known account may bid in now.

    A bid improves the rank of the member's contribution, and may pay money: client money may be used for neither.
    """
    if context.state.accounts[account].kind is AccountKind.CLIENT:
        return reject(ClearingCode.CLIENT_MONEY, at, account=account)
    default = dict(defaults_under_way(context.state)).get(number)
    if default is None:
        return reject(ClearingCode.NO_SUCH_DEFAULT, at, number=number)
    if default.phase is not DefaultPhase.OPEN or context.block.height > default.auction_height:
        return reject(ClearingCode.DEFAULT_AUCTION_OVER, at, number=number, last=default.auction_height)
    member = context.state.accounts[account].member
    if member == HOUSE_MEMBER:
        return reject(ClearingCode.OWN_DEFAULT, at, account=account, member=member)
    return default
