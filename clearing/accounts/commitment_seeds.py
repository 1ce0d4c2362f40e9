"""Commitment seeds: the owner of an account chooses the seed of its commitments, and changes it by a signed request.

Rule: the state has only the sealed seed, which the validators open outside of the replicated code; what they cannot
open counts as not there. A seed is its owner's: where the address that owns the account changes, it ends. It must not
know how a seed is sealed.
"""

from clearing.base.errors import Rejected
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_request, owner_key, use_nonce
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.accounts import SeedRotated
from clearing.schema.records.accounts import SealedSeedRecord
from clearing.schema.requests.accounts import SeedRotation
from clearing.state.ledger import can_hold
from clearing.state.state import State

AT = "seed_rotation"
NO_WORD = bytes(32)


def rotate_seed(context: BlockContext, index: int, request: SeedRotation) -> Rejected | None:
    """Record the sealed seed of the next snapshots, or that the owner chooses none any more; or refuse it and change
    nothing."""
    refusal = check_request(context, AT, request)
    if refusal is not None:
        return refusal
    words = (request.ephemeral, request.masked, request.mac)
    chosen = any(map(any, words))
    if (chosen and not all(map(any, words))) or (not chosen and request.account not in context.state.sealed_seeds):
        return reject(ClearingCode.BAD_SEALED_SEED, AT, account=request.account)
    use_nonce(context, request.account, request.nonce)
    if chosen:
        context.state.sealed_seeds.put(request.account, SealedSeedRecord(*words))
    else:
        context.state.sealed_seeds.remove(request.account)
    context.receipts.append(SeedRotated(index, request.account, chosen, request.nonce))
    return None


def account_owner(state: State, account: int) -> bytes:
    """The address to which an account's commitment is bound: its owner's; zeros for an account of the ledger itself."""
    return owner_key(state, account) if can_hold(state, account) else bytes(20)


def sealed_seed(state: State, account: int) -> bytes:
    """The 96 bytes of the sealed seed in force, or none."""
    record = state.sealed_seeds.get(account)
    return record.ephemeral + record.masked + record.mac if record is not None else b""
