"""Released withdrawals that their vault did not pay in time: given back, once the network agrees that it did not.

Rule: a vault pays nothing after a withdrawal's not-after, so a vault that had not paid at a final block later than that
never will. Only on more than two thirds of the power's word for exactly this the money comes back, once and for ever;
time alone gives nothing back. A withdrawal is either executed or not: whichever is agreed on first closes the other.
"""

from collections.abc import Iterable, Iterator

import msgspec

from clearing.claims import add_word, agreed_power
from clearing.collateral.listing import asset_now, is_suspect
from clearing.facts import EXECUTED, NOT_EXECUTED, WithdrawalNotExecuted, fact_key
from clearing.gates.giving_back import give_back, has_room
from clearing.gates.receipts import GivenBackWhy, WithdrawalNotPaid
from clearing.gates.records import GiveBackDue, NotPaid
from clearing.run import Run
from clearing.state.records import Attestation
from clearing.state.state import State

GIVEN_BACK_PER_BLOCK = 64


def is_open(state: State, nonce: int) -> bool:
    """Whether it is not known yet what became of a released withdrawal."""
    released = state.withdrawals.get(nonce)
    return released is not None and not released.executed and nonce not in state.not_paid


def expired_open(state: State, chain_id: int, nonces: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(nonce, not-after in seconds) of those that are of a chain, open, and whose time is over by ours."""
    if not state.terms.genesis.crisis.gates.give_back_expired:
        return
    for nonce in nonces:
        released = state.withdrawals[nonce]
        expired = released.not_after_s * 1000 < state.now.time_ms
        if released.chain_id == chain_id and expired and is_open(state, nonce):
            yield nonce, released.not_after_s


def is_possible(state: State, fact: WithdrawalNotExecuted) -> bool:
    """Whether a word on this fact is worth counting: an open withdrawal of this vault, and a block after its time."""
    if not state.terms.genesis.crisis.gates.give_back_expired or not is_open(state, fact.nonce):
        return False
    released = state.withdrawals[fact.nonce]
    ours = (released.chain_id, released.vault, released.not_after_s)
    return ours == (fact.chain_id, fact.vault, fact.not_after_s) and fact.block_time_s > released.not_after_s


def attest_unpaid(run: Run, word: Attestation, fact: WithdrawalNotExecuted) -> None:
    """Count one validator's word; with a quorum the withdrawal is to be given back."""
    if not is_possible(run.state, fact):
        return
    key = fact_key(fact)
    claim = add_word(run.state.claims.get(key), word)
    if agreed_power(claim, fact) * 3 <= run.block.total_power * 2:
        run.state.claims.put(key, claim)
        return
    forget_claims(run, fact.chain_id, fact.vault, fact.nonce)
    agreed = NotPaid(fact.block_number, fact.block_hash, fact.block_time_s, run.block.height)
    run.state.not_paid.put(fact.nonce, agreed)
    run.state.give_back_due.put(fact.nonce, GiveBackDue(run.state.withdrawals[fact.nonce].asset))
    run.receipts.append(
        WithdrawalNotPaid(
            nonce=fact.nonce,
            chain_id=fact.chain_id,
            vault=fact.vault,
            not_after_s=fact.not_after_s,
            block_number=fact.block_number,
            block_hash=fact.block_hash,
            block_time_s=fact.block_time_s,
        )
    )


def forget_claims(run: Run, chain_id: int, vault: bytes, nonce: int) -> None:
    """Once either fact on a withdrawal is agreed on, drop what was said of both."""
    for kind in (EXECUTED, NOT_EXECUTED):
        if (kind, chain_id, vault, nonce) in run.state.claims:
            run.state.claims.remove((kind, chain_id, vault, nonce))


def give_back_unpaid(run: Run) -> None:
    """Give back what is due, oldest first, so many a block.

    A token beyond its price band waits until it is judged, and what finds no room under its asset's cap until there is.
    """
    given = 0
    for nonce, due in run.state.give_back_due.ordered():
        if given == GIVEN_BACK_PER_BLOCK:
            return
        released, asset = run.state.withdrawals[nonce], asset_now(run.state, run.terms.assets[due.asset])
        amount = int.from_bytes(released.amount, "big")
        if is_suspect(run.state, asset.id) or not has_room(run, asset, asset.to_units(amount)[0]):
            continue
        given += 1
        run.state.give_back_due.remove(nonce)
        agreed = run.state.not_paid[nonce]
        run.state.not_paid.put(nonce, msgspec.structs.replace(agreed, given_back_height=run.block.height))
        give_back(run, nonce, released.account, asset.id, amount, GivenBackWhy.NOT_PAID)
