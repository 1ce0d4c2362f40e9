"""Emergency halts of an instrument: positions may only be reduced, for a bounded time.

Rule: a halt only forbids new risk: positions are marked, margined, liquidated and reduced as before. It is never longer
than genesis allows. A vote may halt again at once; the house alone must rest between two halts. It ends by itself.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import check_expiry, check_signature_by
from clearing.prices.price_status import halt_end_height
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.governance import InstrumentHalted, InstrumentResumed
from clearing.schema.records.governance import HaltRecord
from clearing.schema.requests.governance import EmergencyHalt
from clearing.state.state import State

AT = "halt"


def halt_by_house(context: BlockContext, index: int, request: EmergencyHalt) -> Rejected | None:
    """Halt an instrument by the house, without a vote."""
    del index
    terms = context.terms.genesis.crisis.governance
    if not terms.enabled or not terms.halt_blocks_max:
        return reject(ClearingCode.GOVERNANCE_OFF, AT)
    halt = context.state.halts.get(request.instrument) or HaltRecord(0, 0)
    refusal = check_expiry(context, AT, request.not_after_ms) or check_halt(
        context.state, request.instrument, request.until_height
    )
    if refusal is not None:
        return refusal
    if request.number != halt.number or context.block.height < halt.rested_height:
        return reject(
            ClearingCode.HALT_REFUSED, AT, number=request.number, present=halt.number, rested_height=halt.rested_height
        )
    house, digest = context.state.members[HOUSE_MEMBER].trade_address, request.digest(context.terms.network)
    refusal = check_signature_by(AT, house, digest, request.signature)
    if refusal is not None:
        return refusal
    halt_instrument(context, request.instrument, request.until_height, by_house=True)
    return None


def check_halt(state: State, instrument: int, until_height: int) -> Rejected | None:
    """Whether this instrument may be halted until then."""
    terms, height = state.terms.genesis.crisis.governance, state.now.height
    if instrument not in state.terms.instruments:
        return reject(ClearingCode.UNKNOWN_INSTRUMENT, AT, instrument=instrument)
    if not height < until_height <= height + terms.halt_blocks_max:
        return reject(
            ClearingCode.HALT_REFUSED, AT, until_height=until_height, latest_height=height + terms.halt_blocks_max
        )
    if until_height <= halt_end_height(state, instrument):
        return reject(
            ClearingCode.HALT_REFUSED, AT, until_height=until_height, halted=halt_end_height(state, instrument)
        )
    return None


def check_resumption(state: State, instrument: int) -> Rejected | None:
    """Whether the instrument is halted."""
    if not halt_end_height(state, instrument):
        return reject(ClearingCode.HALT_REFUSED, AT, instrument=instrument, why="it is not halted")
    return None


def halt_instrument(context: BlockContext, instrument: int, until_height: int, *, by_house: bool) -> None:
    """Halt an instrument, from the next request on. The caller has checked it."""
    halt = context.state.halts.get(instrument) or HaltRecord(0, 0)
    rest = context.terms.genesis.crisis.governance.halt_rest_blocks
    since = halt.since_height if halt_end_height(context.state, instrument) else context.block.height
    after = msgspec.structs.replace(halt, since_height=since, until_height=until_height)
    if by_house:
        after = msgspec.structs.replace(after, number=halt.number + 1, rested_height=until_height + rest)
    context.state.halts.put(instrument, after)
    context.receipts.append(InstrumentHalted(instrument, until_height, by_house))


def resume_instrument(context: BlockContext, instrument: int) -> None:
    """Resume a halted instrument. The caller has checked it."""
    halt = context.state.halts[instrument]
    context.state.halts.put(instrument, msgspec.structs.replace(halt, until_height=context.block.height))
    context.receipts.append(InstrumentResumed(instrument, by_vote=True))


def end_due_halts(context: BlockContext) -> None:
    """Report the halts that end at this block's height."""
    for instrument, halt in context.state.halts.ordered():
        if halt.until_height == context.block.height:
            context.receipts.append(InstrumentResumed(instrument, by_vote=False))
