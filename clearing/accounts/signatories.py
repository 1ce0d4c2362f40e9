"""Signatories: each signature of a request and the key it must be by, for checks before a block is applied.

Rule: these are the signatures that the rules require, with two exceptions that only the rules know: a mandate replaces
a side's missing signature, and a client's key must sign a porting when there is one. A request without any signature
always has a signatory here, so nothing unsigned is accepted.
"""

from enum import Enum
from typing import NamedTuple

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.request_checks import owner_key
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import (
    AccountPorting,
    AffiliationDeclaration,
    CashTransfer,
    ClaimSwap,
    SeedRotation,
    StandbyDeclaration,
    TokenTransfer,
)
from clearing.schema.requests.default import ClientRescue, FundContribution, MemberReadmission
from clearing.schema.requests.governance import HOUSE_PROPOSER, EmergencyHalt, GovernanceProposal, GovernanceVote
from clearing.schema.requests.trades import (
    Trade,
    TradeBundle,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueStatement,
    VenueSwitch,
)
from clearing.schema.requests.validators import ValidatorChange
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal, WithdrawalCancellation
from clearing.schema.terms.genesis import AccountKind
from clearing.state.state import State
from clearing.trades.session_keys import session_keys
from clearing.validators.validator_sets import set_numbers, stored_set

MONEY_LEAVING_REQUESTS = (
    Withdrawal,
    LimitedWithdrawal,
    CashTransfer,
    TokenTransfer,
    ClaimSwap,
    WithdrawalCancellation,
    FundContribution,
)
"""Requests that move money out of the account: the owner of the money signs."""


class SignatoryRole(Enum):
    """Whose key signs."""

    ACCOUNT = "account"
    """The trade key of the account's member."""
    TRADER = "trader"
    """The trade key of the account's member, or a session key of the account; for new trades."""
    OWNER = "owner"
    """The client's own key, or else the trade key of the account's member; for money leaving the account."""
    CLIENT = "client"
    """The account's own key."""
    MEMBER = "member"
    VENUE = "venue"
    VENUE_OR_HOUSE = "venue or house"
    CLIENT_OR_HOUSE = "client or house"
    """The account's own key; where it has none, the house's trade key."""
    MEMBER_OR_HOUSE = "member or house"
    """The trade key of the account's member, or the house's."""
    AFFILIATE = "affiliate"
    """The account's own key; where it has none, its member's trade key, or the house's for a client."""
    OWNER_OR_STANDBY = "owner or standby"
    """The account's own key or its member's, or the trade key of its standby member."""
    VALIDATOR = "validator"
    """The envelope key of the validator with this index in the set in force: Ed25519, all others are addresses."""


class Signatory(NamedTuple):
    """One signature of a request. `id`: of the account, member, venue or validator."""

    field: str
    signer: SignatoryRole
    id: int
    signature: bytes


def signatories(request: Transaction) -> tuple[Signatory, ...]:
    """All signatures that a request contains or needs."""
    if isinstance(request, Trade | TradeReport | TradeCorrection | TradeCancellation):
        return _trade_signatories(request)
    if isinstance(request, TradeBundle):
        return (
            Signatory("signature", SignatoryRole.TRADER, request.account, request.signature),
            Signatory(
                "counterparty_signature", SignatoryRole.TRADER, request.counterparty, request.counterparty_signature
            ),
        )
    if isinstance(request, VenueStatement | VenueSwitch):
        kind = SignatoryRole.VENUE if isinstance(request, VenueStatement) else SignatoryRole.VENUE_OR_HOUSE
        return (Signatory("signature", kind, request.venue, request.signature),)
    if isinstance(request, ValidatorChange):
        signed = [(approval.validator, approval.signature) for approval in request.approvals] or [(0, b"")]
        return tuple(Signatory("approvals", SignatoryRole.VALIDATOR, index, signature) for index, signature in signed)
    if isinstance(request, GovernanceProposal | GovernanceVote | EmergencyHalt):
        return (_governance_signatories(request),)
    if isinstance(request, ClientRescue):
        taker = Signatory("member_signature", SignatoryRole.MEMBER, request.to_member, request.member_signature)
        client = Signatory("client_signature", SignatoryRole.CLIENT_OR_HOUSE, request.account, request.client_signature)
        return taker, client
    if isinstance(request, AffiliationDeclaration):
        sides = (
            Signatory("signature", SignatoryRole.MEMBER_OR_HOUSE, request.account, request.signature),
            Signatory("affiliate_signature", SignatoryRole.AFFILIATE, request.affiliate, request.affiliate_signature),
        )
        return sides if request.affiliate_signature else sides[:1]
    if isinstance(request, StandbyDeclaration):
        role = SignatoryRole.OWNER if request.standby else SignatoryRole.OWNER_OR_STANDBY
        first = Signatory("signature", role, request.account, request.signature)
        standby = Signatory("standby_signature", SignatoryRole.MEMBER, request.standby, request.standby_signature)
        return (first, standby) if request.standby else (first,)
    leaves = isinstance(request, (*MONEY_LEAVING_REQUESTS, SeedRotation))
    first = Signatory(
        "signature", SignatoryRole.OWNER if leaves else SignatoryRole.ACCOUNT, request.account, request.signature
    )
    if isinstance(request, MemberReadmission):
        return first, Signatory("house_signature", SignatoryRole.MEMBER, HOUSE_MEMBER, request.house_signature)
    if isinstance(request, TradeGiveUp | ClaimSwap):
        return first, Signatory("recipient_signature", first.signer, request.recipient, request.recipient_signature)
    if isinstance(request, AccountPorting):
        taker = Signatory("member_signature", SignatoryRole.MEMBER, request.to_member, request.member_signature)
        client = Signatory("client_signature", SignatoryRole.CLIENT, request.account, request.client_signature)
        return (first, taker, client) if request.client_signature else (first, taker)
    return (first,)


def _governance_signatories(request: GovernanceProposal | GovernanceVote | EmergencyHalt) -> Signatory:
    if isinstance(request, GovernanceVote):
        return Signatory("signature", SignatoryRole.VALIDATOR, request.validator, request.signature)
    if isinstance(request, EmergencyHalt) or request.proposer == HOUSE_PROPOSER:
        return Signatory("signature", SignatoryRole.MEMBER, HOUSE_MEMBER, request.signature)
    return Signatory("signature", SignatoryRole.VALIDATOR, request.proposer, request.signature)


def _trade_signatories(request: Trade | TradeReport | TradeCorrection | TradeCancellation) -> tuple[Signatory, ...]:
    role = SignatoryRole.TRADER if isinstance(request, Trade | TradeReport) else SignatoryRole.ACCOUNT
    sides = (
        Signatory("buyer_signature", role, request.buyer, request.buyer_signature),
        Signatory("seller_signature", role, request.seller, request.seller_signature),
    )
    if isinstance(request, Trade) or not request.venue_signature:
        return sides
    venue = Signatory("venue_signature", SignatoryRole.VENUE, request.venue, request.venue_signature)
    return (venue, *(side for side in sides if side.signature))


def accounts_of(request: Transaction) -> tuple[int, ...]:
    """The accounts that a request concerns, the acting one first; none for requests of venues and validators."""
    if isinstance(request, Trade | TradeReport | TradeCorrection | TradeCancellation):
        both = (request.buyer, request.seller)
        return both if both[0] != both[1] else both[:1]
    if isinstance(request, TradeBundle):
        both = (request.account, request.counterparty)
        return both if both[0] != both[1] else both[:1]
    if isinstance(request, VenueStatement | VenueSwitch | ValidatorChange):
        return ()
    if isinstance(request, GovernanceProposal | GovernanceVote | EmergencyHalt):
        return ()
    return (request.account,)


def signing_addresses(state: State, who: Signatory) -> tuple[bytes, ...]:
    """The addresses of which one must have signed; none when the state has no such account, member or venue."""
    if who.signer in (SignatoryRole.TRADER, SignatoryRole.ACCOUNT):  # nearly all: both sides of every trade
        traded = state.accounts.get(who.id)
        owner = state.members.get(traded.member) if traded else None
        if owner is None:
            return ()
        further = session_keys(state, who.id) if who.signer is SignatoryRole.TRADER else ()
        return (owner.trade_address, *(each.key for each in further))
    if who.signer in (SignatoryRole.VENUE, SignatoryRole.VENUE_OR_HOUSE):
        venue = state.terms.venues.get(who.id)
        if venue is None:
            return ()
        house = state.members[HOUSE_MEMBER].trade_address
        return (venue.signer,) if who.signer is SignatoryRole.VENUE else (venue.signer, house)
    if who.signer is SignatoryRole.VALIDATOR:
        in_force = stored_set(state, set_numbers(state).next).validators
        return (in_force[who.id].envelope_key,) if who.id < len(in_force) else ()
    if who.signer is SignatoryRole.MEMBER:
        member = state.members.get(who.id)
        return (member.trade_address,) if member else ()
    record = state.accounts.get(who.id)
    if record is None or record.member not in state.members:
        return ()
    house = state.members[HOUSE_MEMBER].trade_address
    if who.signer is SignatoryRole.MEMBER_OR_HOUSE:
        return (state.members[record.member].trade_address, house)
    if who.signer is SignatoryRole.AFFILIATE and record.kind is AccountKind.CLIENT:
        return (record.key,) if any(record.key) else (house,)
    if who.signer is SignatoryRole.CLIENT_OR_HOUSE:
        return (record.key,) if any(record.key) else (state.members[HOUSE_MEMBER].trade_address,)
    if who.signer is SignatoryRole.CLIENT:
        return (record.key,) if any(record.key) else ()
    if who.signer is SignatoryRole.OWNER_OR_STANDBY and who.id in state.standbys:
        return (owner_key(state, who.id), state.members[state.standbys[who.id].standby].trade_address)
    return (owner_key(state, who.id),)
