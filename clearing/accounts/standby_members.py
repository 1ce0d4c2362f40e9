"""Standby members: to which member a client is ported when its own one is in default, agreed on in advance.

Rule: the client signs with its own key, or its member for a client without one, and the standby member accepts. Either
side ends it alone, for the future. It must not know what a default does with it.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.member_status import check_member_active, member_status
from clearing.context.request_checks import check_request, check_signature_by, owner_key, signer_of, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import StandbyDeclared
from clearing.schema.records.accounts import StandbyRecord
from clearing.schema.records.default import MemberStatus
from clearing.schema.requests.accounts import StandbyDeclaration
from clearing.schema.terms.genesis import AccountKind

AT = "standby_declaration"


def declare_standby(context: BlockContext, index: int, request: StandbyDeclaration) -> Rejected | None:
    """Record a client's standby member, or that it has none any more; or refuse it and change nothing."""
    refusal = check_request(context, AT, request) or _check_standby(context, request)
    refusal = refusal or _check_signatures(context, request)
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    if request.standby:
        context.state.standbys.put(request.account, StandbyRecord(request.standby))
    else:
        context.state.standbys.remove(request.account)
    context.receipts.append(StandbyDeclared(index, request.account, request.standby))
    return None


def _check_standby(context: BlockContext, request: StandbyDeclaration) -> Rejected | None:
    """A client's account that is no sub-account, and another active member; or a standby that can be ended."""
    state = context.state
    if not request.standby:
        good = request.account in state.standbys
    else:
        record = state.accounts[request.account]
        good = (
            context.terms.crisis.default.standby_porting
            and record.kind is AccountKind.CLIENT
            and not record.parent
            and request.standby in state.members
            and request.standby not in (record.member, HOUSE_MEMBER)
            and member_status(state, request.standby) is MemberStatus.ACTIVE
        )
    if not good:
        return reject(ClearingCode.BAD_STANDBY, AT, account=request.account, standby=request.standby)
    return check_member_active(context, AT, request.account) if request.standby else None


def _check_signatures(context: BlockContext, request: StandbyDeclaration) -> Rejected | None:
    """The owner and the standby member; either of them where it ends."""
    digest, state = request.digest(context.terms.network), context.state
    owner = owner_key(state, request.account)
    if request.standby:
        standby = state.members[request.standby].trade_address
        return check_signature_by(AT, owner, digest, request.signature, account=request.account) or check_signature_by(
            AT, standby, digest, request.standby_signature, member=request.standby
        )
    signer = signer_of(AT, digest, request.signature, account=request.account)
    if isinstance(signer, Rejected):
        return signer
    present = state.members[state.standbys[request.account].standby].trade_address
    if signer not in (owner, present):
        return reject(ClearingCode.WRONG_SIGNER, AT, account=request.account, signer=signer)
    return None
