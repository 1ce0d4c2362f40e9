"""Chains as validators see them: how far each is final, and whether it goes on.

Rule: nothing is released on a chain that is watched and silent. A chain is live while validators with more than two
thirds of the power have seen it move within the time that genesis allows.
"""

from clearing.genesis import ChainTerms
from clearing.run import Run
from clearing.state.state import State
from clearing.validators.sets import heard


def is_struck(state: State, chain_id: int, vault: bytes) -> bool:
    """Whether a vault was detached: nobody watches it, nothing is paid there, and no word on it counts any more."""
    return (chain_id, vault) in state.struck


def chain_is_live(run: Run, chain: ChainTerms) -> bool:
    """Whether the chain is not watched, or a quorum saw a new final block of it recently enough.

    A chain whose vault was detached is dead for good: no checkpoint is certified for it any more.
    """
    if is_struck(run.state, chain.chain_id, chain.vault):
        return False
    if chain.heartbeat_ms_max == 0:
        return True
    power = 0
    for validator in range(len(heard(run.state).validators)):
        beat = run.state.beats.get((chain.chain_id, validator))
        if beat is not None and run.time_ms - beat.time_ms <= chain.heartbeat_ms_max:
            power += beat.power
    return 3 * power > 2 * run.block.total_power


def seen_ms(state: State, chain_id: int, total_power: int) -> int:
    """The last time by which validators with more than two thirds of the power had all seen the chain move, or 0."""
    beats = [
        (beat.time_ms, beat.power)
        for validator in range(len(heard(state).validators))
        if (beat := state.beats.get((chain_id, validator))) is not None
    ]
    power = 0
    for time_ms, weight in sorted(beats, reverse=True):
        power += weight
        if 3 * power > 2 * total_power:
            return time_ms
    return 0


def final_block(state: State, chain_id: int) -> int:
    """The highest block that validators with more than two thirds of the power hold final; 0 before that."""
    validators = heard(state)
    beats = [
        (beat.block_number, beat.power)
        for validator in range(len(validators.validators))
        if (beat := state.beats.get((chain_id, validator))) is not None
    ]
    power = 0
    for number, weight in sorted(beats, reverse=True):
        power += weight
        if validators.is_quorum(power):
            return number
    return 0
