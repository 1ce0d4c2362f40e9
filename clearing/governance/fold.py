"""The terms in force: genesis and, in order, every amendment that took effect.

Rule: a function of genesis and the amendments alone, so that whoever has both, a verifier included, gets the same
terms; the head, a hash chain over the amendments, says in 32 bytes which they are. Nothing is judged here: what stands
in the state was judged when it took effect.
"""

from collections.abc import Sequence

import msgspec

from clearing.assets import Asset
from clearing.base.codec import encode, u256
from clearing.base.errors import CrossclearError, Rejected, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.base.units import PPM
from clearing.codes import ClearingCode, reject
from clearing.genesis import Genesis, check_terms
from clearing.governance.amendments import TermsAmendment, TermsChanging, VaultDetachment
from clearing.governance.paths import change_genesis
from clearing.governance.records import AmendmentHeld
from clearing.state.terms import Terms

HEAD_TAG = "crossclear/amendments/v1"
NO_HEAD = bytes(32)


def amended(genesis: Genesis, amendment: TermsChanging) -> Genesis | Rejected:
    """`genesis` with one amendment, or why it makes no sense there."""
    if isinstance(amendment, TermsAmendment):
        return change_genesis(genesis, amendment.changes)
    if not any((each.chain_id, each.vault) == (amendment.chain_id, amendment.vault) for each in genesis.chains):
        return reject(ClearingCode.BAD_AMENDMENT, "amendment.vault", chain_id=amendment.chain_id, vault=amendment.vault)
    return msgspec.structs.replace(genesis, assets=tuple(_without(each, amendment) for each in genesis.assets))


def _without(asset: Asset, gone: VaultDetachment) -> Asset:
    """An asset of the vault is taken in no more and counts for nothing."""
    if (asset.chain_id, asset.vault) != (gone.chain_id, gone.vault):
        return asset
    depeg = msgspec.structs.replace(asset.depeg, haircut_ppm=PPM) if asset.may_leave else asset.depeg
    haircut = 0 if asset.is_cash else PPM
    return msgspec.structs.replace(asset, cap_units=0, haircut_ppm=haircut, soft_credit_ppm=0, depeg=depeg)


def next_head(head: bytes, height: int, time_ms: int, proposal: bytes, amendment: TermsChanging) -> Hash32:
    """The hash chain with one more amendment: all that is held of it."""
    return tagged_hash(HEAD_TAG, head, u256(height), u256(time_ms), proposal, encode(amendment))


def check_chain(amendments: Sequence[AmendmentHeld]) -> Hash32:
    """The head of these amendments, each of which must state its own. Raises RemoteFault BAD_SNAPSHOT."""
    head = Hash32(NO_HEAD)
    for number, held in enumerate(amendments, start=1):
        head = next_head(head, held.height, held.time_ms, held.proposal, held.amendment)
        if head != held.head:
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", number=number, head=held.head)
    return head


def follow(origin: Genesis, amendments: Sequence[AmendmentHeld]) -> Genesis:
    """The genesis as amended. Raises RemoteFault BAD_SNAPSHOT when they do not follow each other."""
    check_chain(amendments)
    genesis = origin
    for number, held in enumerate(amendments, start=1):
        after = amended(genesis, held.amendment)
        if isinstance(after, Rejected):
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", number=number, code=after.code.label)
        genesis = after
    return genesis


def amended_terms(origin: Genesis, amendments: Sequence[AmendmentHeld]) -> Terms:
    """The terms in force. Raises RemoteFault BAD_SNAPSHOT, also for terms that no network could have agreed on."""
    genesis = follow(origin, amendments)
    if amendments:
        try:
            check_terms(genesis)
        except (CrossclearError, ArithmeticError, ValueError, LookupError, TypeError) as fault:
            raise RemoteFault(ClearingCode.BAD_SNAPSHOT, "amendments", why=str(fault)[:128]) from None
    return Terms(genesis, origin)
