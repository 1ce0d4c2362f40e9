"""Custody: what the vaults hold by their own counters, compared with what the ledger owes.

Rule: per token on one chain, deposited - withdrawn = held + released + later + strays + dust, exactly and every term
known to all: the vault's counters at an agreed block of that chain; what the ledger owes; what it released and the
vault had not paid; deposits after those taken in; those credited to nobody; rests below a clearing unit. Counters
behind the ledger are no evidence: wait.
"""

from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.claims import agreed_power
from clearing.collateral.listing import asset_now
from clearing.facts import CustodySeen
from clearing.ledger import held
from clearing.margin.snapshot import CustodyTerm
from clearing.receipts import CustodyAgreed
from clearing.run import Run
from clearing.state.records import Attestation, Claim, Custody
from clearing.state.state import State

WORDS_MAX = 4
"""How many blocks of one chain a validator may have a word on at once."""


def attest_custody(run: Run, word: Attestation, fact: CustodySeen) -> None:
    """Count one validator's word on a vault's counters; keep the newest that a quorum agrees on."""
    asset = run.terms.asset_of.get((fact.chain_id, fact.vault, fact.token))
    if asset is None or fact.block_number % run.terms.chains[fact.chain_id].custody_stride:
        return
    agreed = run.state.custody.get(asset.id)
    if agreed is not None and fact.block_number <= agreed.seen.block_number:
        return
    claim = _with_word(run.state.custody_claims.get(asset.id), word, fact.block_number)
    if agreed_power(claim, fact) * 3 > run.block.total_power * 2:
        run.state.custody.put(asset.id, Custody(fact))
        run.receipts.append(
            CustodyAgreed(asset.id, fact.block_number, fact.block_hash, fact.deposited, fact.withdrawn, fact.balance)
        )
        claim = Claim(tuple(each for each in claim.attestations if block_of(each) > fact.block_number))
    run.state.custody_claims.put(asset.id, claim)


def block_of(word: Attestation) -> int:
    """The block that a word on custody is about."""
    return word.fact.block_number


def _with_word(claim: Claim | None, word: Attestation, block_number: int) -> Claim:
    """The claim with this word: one per validator and block, the newest `WORDS_MAX` per validator."""
    others = [each for each in (claim.attestations if claim else ()) if each.validator != word.validator]
    own = [
        each
        for each in (claim.attestations if claim else ())
        if each.validator == word.validator and block_of(each) != block_number
    ]
    own = sorted((*own, word), key=block_of)[-WORDS_MAX:]
    return Claim(tuple(sorted((*others, *own), key=lambda each: (each.validator, block_of(each)))))


def custody_terms(state: State) -> tuple[CustodyTerm, ...] | None:
    """One term per asset, or None while some counters are missing, behind the ledger, or short of themselves."""
    slots = {group: at for at, group in enumerate(state.terms.cash_groups)}
    tokens = {token.id: len(slots) + at for at, token in enumerate(state.terms.tokens)}
    terms = []
    for listed in state.terms.assets.values():
        asset, agreed = asset_now(state, listed), state.custody.get(listed.id)
        slot = slots[asset.cash_group] if asset.is_cash else tokens[asset.id]
        term = _term(state, listed, asset, slot, agreed.seen) if agreed else None
        if term is None:
            return None
        terms.append(term)
    return tuple(terms)


def _term(state: State, listed: Asset, asset: Asset, slot: int, seen: CustodySeen) -> CustodyTerm | None:
    """The reserves of one asset: `listed` in genesis, `asset` now. Flows count releases in the units of genesis."""
    flow = state.flows[asset.id]
    taken_in, strays = int.from_bytes(flow.deposited_amount, "big"), int.from_bytes(flow.stray_amount, "big")
    released_ever = int.from_bytes(flow.released_units, "big") * listed.base_units
    deposited, withdrawn = int.from_bytes(seen.deposited, "big"), int.from_bytes(seen.withdrawn, "big")
    owed = held(state, asset)
    later, released = deposited - taken_in, released_ever - withdrawn
    dust = taken_in - strays - released_ever - owed * asset.base_units
    short = int.from_bytes(seen.balance, "big") < deposited - withdrawn
    if short or min(owed, later, released, dust) < 0:
        return None
    return CustodyTerm(
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        slot=slot,
        block_number=seen.block_number,
        block_hash=seen.block_hash,
        deposited=seen.deposited,
        withdrawn=seen.withdrawn,
        balance=seen.balance,
        balances=asset.balances,
        unit=asset.base_units,
        held=owed,
        released=u256(released),
        later=u256(later),
        strays=u256(strays),
        dust=u256(dust),
    )
