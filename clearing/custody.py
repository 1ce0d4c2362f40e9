"""Custody: what the vaults hold by their own counters, compared with what the ledger owes.

Rule: per token on one chain, held + pending = accounted - uncredited, every term known to all: `accounted` is deposited
less withdrawn at an agreed block of that chain, `uncredited` what the ledger has not credited (later deposits, dust,
strays), `pending` what it has released and the vault had not paid. Counters behind the ledger are no evidence: wait.
"""

from clearing.base.units import MONEY_MAX
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
    """One term per asset in clearing units, or None while some asset's counters are missing or behind the ledger.

    Also None while some counter is beyond what a statement can carry (2^63 clearing units).
    """
    terms = []
    slots = {group: at for at, group in enumerate(state.terms.cash_groups)}
    tokens = {token.id: len(slots) + at for at, token in enumerate(state.terms.tokens)}
    for listed in state.terms.assets.values():
        asset = asset_now(state, listed)
        agreed = state.custody.get(asset.id)
        if agreed is None:
            return None
        seen, flow = agreed.seen, state.flows[asset.id]
        deposited, withdrawn, balance = (
            int.from_bytes(word, "big") for word in (seen.deposited, seen.withdrawn, seen.balance)
        )
        accounted, _ = asset.to_units(max(deposited - withdrawn, 0))
        executed, _ = listed.to_units(withdrawn)
        owed = held(state, asset)
        # Flows are counted in the units of genesis, which are finer for a token that left its group: there nothing may
        # be missing, and what is under way is then told in whole units.
        under_way = (int.from_bytes(flow.released_units, "big") - executed) * listed.base_units
        missing = max(deposited - withdrawn, 0) < owed * asset.base_units + under_way
        pending = min(-(-under_way // asset.base_units), accounted - owed) if not missing else -1
        uncredited = accounted - owed - pending
        total, _ = asset.to_units(balance)
        behind = deposited < int.from_bytes(flow.deposited_amount, "big") or balance < deposited - withdrawn
        if behind or pending < 0 or uncredited < 0 or max(accounted, total) > MONEY_MAX:
            return None
        terms.append(
            CustodyTerm(
                chain_id=asset.chain_id,
                vault=asset.vault,
                token=asset.token,
                slot=slots[asset.cash_group] if asset.is_cash else tokens[asset.id],
                block_number=seen.block_number,
                block_hash=seen.block_hash,
                accounted=accounted,
                balance=total,
                uncredited=uncredited,
                pending=pending,
                held=owed,
            )
        )
    return tuple(terms)
