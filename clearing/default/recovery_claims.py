"""Claims on recoveries: who paid for a default in which layer, and what the house took in it.

Rule: written down as it happens, so that nothing has to be reconstructed later. Off where genesis has no
`recovery_blocks`. It moves no money, and must not know how recoveries are paid.
"""

from collections.abc import Iterable

import msgspec

from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.default import LayerAllocation, MovedPosition, WaterfallLayer
from clearing.schema.records.recoveries import LayerClaims, RecoverablePosition, RecoverableToken, RecoveryRecord
from clearing.state.ledger import asset_of_currency
from clearing.state.state import State

NOTHING = RecoveryRecord()


def recovery_of(state: State, number: int) -> RecoveryRecord:
    """The recovery of a default; an empty one before anything was written down."""
    return state.recoveries.get(number) or NOTHING


def note_payers(context: BlockContext, number: int, steps: Iterable[LayerAllocation]) -> None:
    """Write down what the payers of these steps bore. The defaulter's own margin is its estate's."""
    if not context.terms.crisis.house.recovery_blocks:
        return
    record, default = recovery_of(context.state, number), context.state.defaults[number]
    claims = list(record.claims)
    for step in steps:
        shares = [(share.payer, share.amount) for share in step.shares if share.amount]
        if step.layer is WaterfallLayer.OWN_MARGIN:
            shares = [(default.estate, micros) for _, micros in shares]
        if shares:
            claims.append(LayerClaims(int(step.layer), tuple(shares)))
    # Stable: within a layer later steps, such as higher ranks of survivors, stay later.
    claims.sort(key=lambda claim: claim.layer)
    context.state.recoveries.put(number, msgspec.structs.replace(record, claims=tuple(claims)))


def note_token(context: BlockContext, number: int, account: int, currency: int, units: int, counted: int) -> None:
    """Write down units of a token that the house took from an account, and what they were counted for."""
    if not context.terms.crisis.house.recovery_blocks:
        return
    record = recovery_of(context.state, number)
    token = RecoverableToken(asset_of_currency(currency), account, units, counted)
    context.state.recoveries.put(number, msgspec.structs.replace(record, tokens=(*record.tokens, token)))


def note_positions(context: BlockContext, number: int, taken: Iterable[MovedPosition]) -> None:
    """Write down lots that the house took over, and the value of one at the mark."""
    if not context.terms.crisis.house.recovery_blocks:
        return
    record = recovery_of(context.state, number)
    positions = tuple(
        RecoverablePosition(moved.instrument, moved.lots, _micros_per_lot(context, moved))
        for moved in taken
        if moved.lots
    )
    context.state.recoveries.put(number, msgspec.structs.replace(record, positions=(*record.positions, *positions)))


def _micros_per_lot(context: BlockContext, moved: MovedPosition) -> int:
    listed = context.terms.instruments[moved.instrument]
    if listed.is_marked:
        return moved.mark_ticks * listed.micros_per_tick
    return -moved.received // moved.lots  # exact: the value of a lot times the lots


def add_result(record: RecoveryRecord, micros: int) -> RecoveryRecord:
    """The record with a gain or loss added, within the range of a record."""
    result = max(min(record.result_micros + micros, MONEY_MAX), -MONEY_MAX)
    return msgspec.structs.replace(record, result_micros=result)


def add_own_margin(record: RecoveryRecord, account: int, micros: int) -> RecoveryRecord:
    """The record with one more claim of an account whose token yielded more than it was counted for."""
    own = LayerClaims(int(WaterfallLayer.OWN_MARGIN), ((account, micros),))
    return msgspec.structs.replace(record, claims=(own, *record.claims))
