"""Chains and events as validators observe them: finality, liveness, and the power behind each attestation.

Rule: one attestation per validator and event; only equal facts count together. Nothing is released on a monitored chain
that is silent. Reads only.
"""

from clearing.context.block_context import BlockContext
from clearing.schema.facts import Fact
from clearing.schema.records.collateral import Attestation, AttestationsRecord
from clearing.schema.terms.chains import ChainTerms
from clearing.state.state import State
from clearing.validators.validator_sets import attesting_set


def is_detached(state: State, chain_id: int, vault: bytes) -> bool:
    """Whether a vault was detached: it is not monitored or paid, and attestations about it do not count."""
    return (chain_id, vault) in state.detached_vaults


def is_chain_live(context: BlockContext, chain: ChainTerms) -> bool:
    """Whether the chain is not monitored, or a quorum saw a new final block of it recently enough.

    A chain whose vault was detached is never live: no checkpoint is certified for it any more.
    """
    if is_detached(context.state, chain.chain_id, chain.vault):
        return False
    if chain.heartbeat_ms_max == 0:
        return True
    power = 0
    for validator in range(len(attesting_set(context.state).validators)):
        beat = context.state.heartbeats.get((chain.chain_id, validator))
        if beat is not None and context.time_ms - beat.time_ms <= chain.heartbeat_ms_max:
            power += beat.power
    return 3 * power > 2 * context.block.total_power


def chain_seen_ms(state: State, chain_id: int, total_power: int) -> int:
    """The latest time by which validators with more than two thirds of the power had all seen the chain
    advance, or 0."""
    beats = [
        (beat.time_ms, beat.power)
        for validator in range(len(attesting_set(state).validators))
        if (beat := state.heartbeats.get((chain_id, validator))) is not None
    ]
    power = 0
    for time_ms, weight in sorted(beats, reverse=True):
        power += weight
        if 3 * power > 2 * total_power:
            return time_ms
    return 0


def agreed_final_block(state: State, chain_id: int) -> int:
    """The highest block that validators with more than two thirds of the power consider final; 0 before that."""
    validators = attesting_set(state)
    beats = [
        (beat.block_number, beat.power)
        for validator in range(len(validators.validators))
        if (beat := state.heartbeats.get((chain_id, validator))) is not None
    ]
    power = 0
    for number, weight in sorted(beats, reverse=True):
        power += weight
        if validators.is_quorum(power):
            return number
    return 0


def add_attestation(attestations: AttestationsRecord | None, attestation: Attestation) -> AttestationsRecord:
    """The record with this validator's attestation, replacing its earlier one; ordered by validator."""
    others = [
        other
        for other in (attestations.attestations if attestations else ())
        if other.validator != attestation.validator
    ]
    return AttestationsRecord(tuple(sorted((*others, attestation), key=lambda stored: stored.validator)))


def agreed_power(attestations: AttestationsRecord, fact: Fact) -> int:
    """Power of the validators whose fact equals this one."""
    return sum(attestation.power for attestation in attestations.attestations if attestation.fact == fact)
