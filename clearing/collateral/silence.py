"""How long chains have been silent, as far as this network could have heard them.

Rule: silence is counted in time in which there were blocks: a block adds no more than `SILENCE_PER_BLOCK_MS`, so after
an outage of our own no chain looks dead. A chain that was never heard is not silent, nothing of it is held either.
"""

from clearing.chains import seen_ms
from clearing.collateral.terms import SILENCE_PER_BLOCK_MS
from clearing.run import Run
from clearing.state.records import Silence
from clearing.state.state import State


def silent_ms(state: State, chain_id: int) -> int:
    """Milliseconds of silence; 0 for a chain whose silence changes nothing."""
    held = state.silences.get(chain_id)
    return held.silent_ms if held else 0


def note_silence(run: Run) -> None:
    """Count one block further for every chain with an asset that its silence changes."""
    for chain_id in run.terms.heard_chains:
        seen = seen_ms(run.state, chain_id, run.block.total_power)
        before = run.state.silences.get(chain_id)
        if not seen:
            continue
        if before is None or seen != before.seen_ms:
            silent = min(run.time_ms - seen, SILENCE_PER_BLOCK_MS)
        else:
            silent = before.silent_ms + min(run.time_ms - before.at_ms, SILENCE_PER_BLOCK_MS)
        run.state.silences.put(chain_id, Silence(seen, silent, run.time_ms))
