"""Misbehaviour that consensus proved, on record per key.

Rule: nothing follows from a record here: what it costs is for governance. The record is bounded by who ever was a
validator, whatever a faulty one does: per key and kind it takes `OFFENCES_MAX` within the heights that can be proven.
"""

from clearing.context.block_context import BlockContext
from clearing.schema.receipts.validators import MisbehaviourRecorded
from clearing.schema.records.validators import OffencesRecord
from clearing.state.state import State
from clearing.validators.validator_sets import EVIDENCE_HEIGHTS

OFFENCE_HEIGHTS_MAX = 16


def is_reported(state: State, envelope_key: bytes, height: int, kind: int) -> bool:
    """Whether this offence is on record, or no more of its like are taken: no block may prove it again."""
    offences = state.offences.get((envelope_key, kind))
    if offences is None:
        return False
    return height in offences.heights or len(_is_provable(offences, state.now.height)) >= OFFENCE_HEIGHTS_MAX


def record_misbehaviour(context: BlockContext) -> None:
    """Count what this block proves; consensus has left out what is reported."""
    for each in context.block.misbehaviour:
        key = (each.envelope_key, each.kind)
        before = context.state.offences.get(key)
        heights = _is_provable(before, context.block.height) if before else ()
        count = 1 + (before.count if before else 0)
        after = OffencesRecord(
            count=count,
            heights=tuple(sorted({*heights, each.height})),
            height=each.height,
            round=each.round,
            power=each.power,
            recorded_height=context.block.height,
        )
        context.state.offences.put(key, after)
        context.receipts.append(
            MisbehaviourRecorded(each.envelope_key, each.kind, each.height, each.round, each.power, count)
        )


def _is_provable(offences: OffencesRecord, now: int) -> tuple[int, ...]:
    return tuple(height for height in offences.heights if height >= now - EVIDENCE_HEIGHTS)
