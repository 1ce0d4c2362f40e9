"""Misbehaviour that consensus proved, recorded per key.

Rule: a record has no effect here; governance decides the consequences. The number of records is bounded by the keys
that ever were validators: per key and kind `OFFENCE_HEIGHTS_MAX` within the heights that can be proven.
"""

from clearing.context.block_context import BlockContext
from clearing.schema.receipts.validators import MisbehaviourRecorded
from clearing.schema.records.validators import OffencesRecord
from clearing.state.state import State
from clearing.validators.evidence_age import oldest_provable_height

OFFENCE_HEIGHTS_MAX = 16


def is_reported(state: State, envelope_key: bytes, height: int, kind: int) -> bool:
    """Whether this offence is recorded, or its kind has reached the limit: no block may prove it again."""
    offences = state.offences.get((envelope_key, kind))
    if offences is None:
        return False
    return height in offences.heights or len(_provable_heights(offences, state)) >= OFFENCE_HEIGHTS_MAX


def record_misbehaviour(context: BlockContext) -> None:
    """Record the offences that this block proves; consensus has removed reported ones."""
    for offence in context.block.misbehaviour:
        key = (offence.envelope_key, offence.kind)
        before = context.state.offences.get(key)
        heights = _provable_heights(before, context.state) if before else ()
        count = 1 + (before.count if before else 0)
        after = OffencesRecord(
            count=count,
            heights=tuple(sorted({*heights, offence.height})),
            height=offence.height,
            round=offence.round,
            power=offence.power,
            recorded_height=context.block.height,
        )
        context.state.offences.put(key, after)
        context.receipts.append(
            MisbehaviourRecorded(
                offence.envelope_key, offence.kind, offence.height, offence.round, offence.power, count
            )
        )


def _provable_heights(offences: OffencesRecord, state: State) -> tuple[int, ...]:
    oldest = oldest_provable_height(state)
    return tuple(height for height in offences.heights if height >= oldest)
