"""Declared affiliations: which owners say, or are said by the house, to be one.

Rule: an affiliate's money stands in for a member's default, so nobody is made one by the member alone. A member
declares it of one of its own accounts together with the other owner, from the next block on. For a client without a key
the house signs, because its member signs everything else for it. The house alone declares, and ends, an affiliation
with notice: as many blocks as a default leaves to port clients. It ends none of a member whose default is under way. An
affiliated client that is ported stays affiliated.
"""

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.affiliation import ITSELF, Owner, is_in_force, owner_of
from clearing.context.block_context import BlockContext
from clearing.context.member_status import member_status
from clearing.context.request_checks import check_request, check_signature_by, owner_key, signer_of, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import AffiliationDeclared
from clearing.schema.records.accounts import AffiliationRecord
from clearing.schema.records.default import MemberStatus
from clearing.schema.requests.accounts import AffiliationDeclaration
from clearing.schema.terms.genesis import AccountKind

AT = "affiliation_declaration"
AFFILIATES_MAX = 64
"""Declared affiliations of one owner: blocks read them all."""
Pair = tuple[int, bytes, int, bytes]


def declare_affiliation(context: BlockContext, index: int, request: AffiliationDeclaration) -> Rejected | None:
    """Record that two owners are one, or that they no longer are; or refuse it and change nothing."""
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    digest, state = request.digest(context.terms.network), context.state
    signer = signer_of(AT, digest, request.signature, account=request.account)
    if isinstance(signer, Rejected):
        return signer
    by_house = signer == state.members[HOUSE_MEMBER].trade_address
    owner, other = owner_of(state, request.account), owner_of(state, request.affiliate)
    refusal = (None if by_house else _check_consents(context, request, digest, signer)) or _check_owners(
        context, request, owner, other, by_house=by_house
    )
    if refusal is not None:
        return refusal
    use_nonce(context, request.account, request.nonce)
    effective = context.block.height + 1 + (context.terms.crisis.default.porting_blocks if by_house else 0)
    _write(context, _pair(owner, other), effective, ends=request.ends)
    context.receipts.append(
        AffiliationDeclared(index, request.account, request.affiliate, owner, other, request.ends, by_house, effective)
    )
    return None


def carry_affiliations(context: BlockContext, account: int, before: Owner) -> None:
    """After porting: an owner that was in a group, or was the old member itself, stays with it under the new member."""
    families = context.families
    group = families.root(before)
    if len(families.joined(group)) > 1 or before.client == ITSELF:
        after = owner_of(context.state, account)
        context.state.affiliations.put(_pair(before, after), AffiliationRecord(context.block.height))
        context.known_families = None


def _check_consents(
    context: BlockContext, request: AffiliationDeclaration, digest: bytes, signer: bytes
) -> Rejected | None:
    """The account's member and the affiliate's owner; the house for a client without a key."""
    state = context.state
    record, affiliate = state.accounts[request.account], state.accounts[request.affiliate]
    wanted = state.members[record.member].trade_address
    if signer != wanted or record.kind is AccountKind.CLIENT:
        return reject(ClearingCode.WRONG_SIGNER, AT, account=request.account, signer=signer, wanted=wanted)
    without_key = affiliate.kind is AccountKind.CLIENT and not any(affiliate.key)
    key = state.members[HOUSE_MEMBER].trade_address if without_key else owner_key(state, request.affiliate)
    return check_signature_by(AT, key, digest, request.affiliate_signature, account=request.affiliate)


def _check_owners(
    context: BlockContext, request: AffiliationDeclaration, owner: Owner, other: Owner, *, by_house: bool
) -> Rejected | None:
    """Two different owners, none of them the house, and not too many; an end is the house's to declare."""
    record = context.state.affiliations.get(_pair(owner, other))
    known = record is not None and is_in_force(record, context.block.height) and not record.until_height
    in_default = any(member_status(context.state, each.member) is MemberStatus.DEFAULTING for each in (owner, other))
    if owner == other or HOUSE_MEMBER in (owner.member, other.member):
        why = "one owner, or the house"
    elif request.ends and (not by_house or not known or in_default):
        why = "only the house ends an affiliation that counts, while neither is in default"
    elif not request.ends and record is not None and not record.until_height:
        why = "declared already"
    else:
        return None if request.ends else _check_room(context, owner, other)
    return reject(ClearingCode.BAD_AFFILIATION, AT, account=request.account, affiliate=request.affiliate, why=why)


def _check_room(context: BlockContext, owner: Owner, other: Owner) -> Rejected | None:
    for each in (owner, other):
        declared = sum(
            each in (pair[:2], pair[2:]) and not record.until_height
            for pair, record in context.state.affiliations.ordered()
        )
        if declared >= AFFILIATES_MAX:
            return reject(ClearingCode.AFFILIATIONS_FULL, AT, member=each.member, declared=declared)
    return None


def _write(context: BlockContext, pair: Pair, effective: int, *, ends: bool) -> None:
    """A new affiliation, or the end of one; what is over is dropped when it is declared again."""
    before = context.state.affiliations.get(pair)
    if ends and before is not None:
        context.state.affiliations.put(pair, AffiliationRecord(before.from_height, effective))
    else:
        context.state.affiliations.put(pair, AffiliationRecord(effective))


def _pair(one: Owner, other: Owner) -> Pair:
    low, high = sorted((one, other))
    return (*low, *high)
