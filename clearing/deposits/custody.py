"""Custody: the vaults' own counters, compared with what the ledger owes.

Rule: per token on one chain, deposited - withdrawn = held + released + later + strays + dust, exactly:

- deposited, withdrawn: the vault's counters at an agreed block of that chain;
- held: what the ledger owes;
- released: released, but not yet paid by the vault;
- later: deposits after those credited;
- strays: deposits neither credited nor released as a refund;
- dust: remainders below a clearing unit.

Counters older than the ledger are no evidence: wait. A balance below deposited - withdrawn is evidence of a shortage,
and is stated as it is: `clearing.collateral.asset_halts` has halted the asset.
"""

from clearing.base.codec import u256
from clearing.collateral.asset_halts import judge_counters
from clearing.collateral.cash_tokens import current_asset
from clearing.context.block_context import BlockContext
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import CustodyAgreed
from clearing.schema.records.collateral import Attestation, AttestationsRecord, CustodyRecord
from clearing.schema.terms.assets import Asset
from clearing.state.asset_flows import asset_flow
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from clearing.validators.chain_attestations import agreed_power

CUSTODY_ATTESTATIONS_MAX = 4
"""Limit of the blocks of one chain on which a validator may have custody attestations at once."""


def count_custody_attestation(context: BlockContext, attestation: Attestation, fact: CustodySeen) -> None:
    """Store one validator's attestation of a vault's counters; record the newest that a quorum agrees on."""
    asset = context.terms.assets_by_token.get((fact.chain_id, fact.vault, fact.token))
    if asset is None or fact.block_number % context.terms.chains[fact.chain_id].custody_stride:
        return
    agreed = context.state.custody.get(asset.id)
    if agreed is not None and fact.block_number <= agreed.counters.block_number:
        return
    attestations = _with_attestation(context.state.custody_attestations.get(asset.id), attestation, fact.block_number)
    if agreed_power(attestations, fact) * 3 > context.block.total_power * 2:
        context.state.custody.put(asset.id, CustodyRecord(fact))
        context.receipts.append(
            CustodyAgreed(asset.id, fact.block_number, fact.block_hash, fact.deposited, fact.withdrawn, fact.balance)
        )
        judge_counters(context, asset, fact)
        attestations = AttestationsRecord(
            tuple(later for later in attestations.attestations if _attested_block(later) > fact.block_number)
        )
    context.state.custody_attestations.put(asset.id, attestations)


def _attested_block(attestation: Attestation) -> int:
    """The block that a custody attestation is about."""
    return attestation.fact.block_number


def _with_attestation(
    attestations: AttestationsRecord | None, attestation: Attestation, block_number: int
) -> AttestationsRecord:
    """The record with this attestation: one per validator and block, the newest `CUSTODY_ATTESTATIONS_MAX`
    per validator."""
    others = [
        other
        for other in (attestations.attestations if attestations else ())
        if other.validator != attestation.validator
    ]
    own = [
        earlier
        for earlier in (attestations.attestations if attestations else ())
        if earlier.validator == attestation.validator and _attested_block(earlier) != block_number
    ]
    own = sorted((*own, attestation), key=_attested_block)[-CUSTODY_ATTESTATIONS_MAX:]
    return AttestationsRecord(
        tuple(sorted((*others, *own), key=lambda entry: (entry.validator, _attested_block(entry))))
    )


def custody_terms(state: State) -> tuple[CustodyTerm, ...] | None:
    """One term per asset; None while some counters are missing or older than the ledger."""
    slots = {group: at for at, group in enumerate(state.terms.cash_groups)}
    tokens = {token.id: len(slots) + at for at, token in enumerate(state.terms.tokens)}
    terms = []
    for listed in state.terms.assets.values():
        asset, agreed = current_asset(state, listed), state.custody.get(listed.id)
        slot = slots[asset.cash_group] if asset.is_cash else tokens[asset.id]
        term = _custody_term(state, asset, slot, agreed.counters) if agreed else None
        if term is None:
            return None
        terms.append(term)
    return tuple(terms)


def _custody_term(state: State, asset: Asset, slot: int, counters: CustodySeen) -> CustodyTerm | None:
    """The reserves of one asset in its present form."""
    flow = asset_flow(state, (asset.chain_id, asset.vault, asset.token))
    deposited, withdrawn = int.from_bytes(counters.deposited, "big"), int.from_bytes(counters.withdrawn, "big")
    owed = inventory_units(state, asset)
    later, released = deposited - flow.deposited, flow.released - withdrawn
    dust = flow.deposited - flow.stray - flow.released - owed * asset.base_units
    if min(owed, later, released, dust) < 0:
        return None
    return CustodyTerm(
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        slot=slot,
        block_number=counters.block_number,
        block_hash=counters.block_hash,
        deposited=counters.deposited,
        withdrawn=counters.withdrawn,
        balance=counters.balance,
        balances=asset.balances,
        unit=asset.base_units,
        held=owed,
        released=u256(released),
        later=u256(later),
        strays=u256(flow.stray),
        dust=u256(dust),
    )
