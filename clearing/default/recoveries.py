"""Recoveries: what comes in from an ended default goes back to those who paid for it, and never stays with the house.

Rule: for `recovery_blocks` after the end of a default

1. a token's proceeds above what it was counted for, and the gains and losses on lots that the house took over, make up
   the result;
2. once the house has none of these lots any more, a positive result is paid in reverse order of the waterfall, inside
   a layer in proportion, rounded down;
3. in the last block lots that are left are valued at the mark, and tokens that nobody bought go to the payers in kind.

A loss is the house's. What is left after all claims is the members', by contribution. While the house is in default
nothing is sold or paid. This module must not know how a loss was allocated.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import is_house_in_default
from clearing.default.deleveraging import option_value
from clearing.default.house_recovery import is_houses_own, spare_units, units_for_debt
from clearing.default.recovery_claims import add_own_margin, add_result
from clearing.default.recovery_payees import GivenUnits, give_in_kind, pay_claims
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.receipts.house import RecoveryEnded
from clearing.schema.records.prices import FeedStatus
from clearing.schema.records.recoveries import RecoverablePosition, RecoverableToken, RecoveryRecord
from clearing.schema.terms.assets import Asset
from clearing.state.effective_parameters import effective_asset
from clearing.state.holdings import feed_status, position_lots
from clearing.state.state import State


def start_recovery(context: BlockContext, number: int) -> None:
    """Begin the time of a default's recovery, at the end of the default; nothing where nothing can come in."""
    record = context.state.recoveries.get(number)
    if record is None:
        return
    if not record.tokens and not record.positions and record.result_micros <= 0:
        context.state.recoveries.remove(number)
        return
    until = context.block.height + context.terms.crisis.house.recovery_blocks
    context.state.recoveries.put(number, msgspec.structs.replace(record, until_height=until))


def advance_recoveries(context: BlockContext) -> None:
    """Advance all recoveries by a block, after everything that moves the house's positions."""
    records = dict(context.state.recoveries.ordered())
    if not records:
        return
    _realise_positions(context, records)
    waits = is_house_in_default(context.state)
    for number, record in records.items():
        record = _offer_tokens(context, record)
        if record.until_height and context.block.height >= record.until_height and not waits:
            _end_recovery(context, number, record)
        else:
            if record.until_height and not record.positions and not waits:
                record = pay_claims(context, number, record)
            if record != context.state.recoveries[number]:
                context.state.recoveries.put(number, record)


def _realise_positions(context: BlockContext, records: dict[int, RecoveryRecord]) -> None:
    """Count the result of lots that the house no longer has, by whatever they left it: earliest default first.

    Lots that the house has from elsewhere leave it before those of defaults.
    """
    instruments = {position.instrument for record in records.values() for position in record.positions}
    excess: dict[tuple[int, bool], int] = {}
    for instrument in sorted(instruments):
        own = position_lots(context.state, HOUSE_ACCOUNT, instrument)
        for is_long in (False, True):
            noted = sum(
                abs(position.lots)
                for record in records.values()
                for position in record.positions
                if position.instrument == instrument and (position.lots > 0) is is_long
            )
            excess[instrument, is_long] = max(noted - (abs(own) if (own > 0) is is_long else 0), 0)
    for number, record in records.items():
        kept = []
        for position in record.positions:
            key = position.instrument, position.lots > 0
            gone = min(abs(position.lots), excess[key])
            excess[key] -= gone
            lots = gone if position.lots > 0 else -gone
            record = add_result(record, _gain(context, position, lots))
            if lots != position.lots:
                kept.append(msgspec.structs.replace(position, lots=position.lots - lots))
        records[number] = msgspec.structs.replace(record, positions=tuple(kept))


def _gain(context: BlockContext, position: RecoverablePosition, lots: int) -> int:
    """Micros that signed lots gained since they were taken over; 0 for an instrument that is no longer listed."""
    listed, mark = context.terms.instruments.get(position.instrument), context.state.marks.get(position.instrument)
    if not lots or listed is None or mark is None:
        return 0
    # A settled option was paid at its last mark, and has no value any more.
    paid = listed.is_marked or mark.settled
    now = mark.ticks * listed.micros_per_tick if paid else option_value(context, position.instrument)
    return lots * (now - position.micros_per_lot)


def _offer_tokens(context: BlockContext, record: RecoveryRecord) -> RecoveryRecord:
    """Offer tokens from the first block after the default in which their price is open."""
    if not record.until_height or all(token.offered_height for token in record.tokens):
        return record
    tokens = tuple(
        msgspec.structs.replace(token, offered_height=context.block.height + 1)
        if not token.offered_height and _has_open_price(context.state, token.asset)
        else token
        for token in record.tokens
    )
    return msgspec.structs.replace(record, tokens=tokens)


def offered_token(context: BlockContext, asset: int) -> tuple[int, int, RecoverableToken] | None:
    """(default, place, token) of the earliest default that offers this token in this block."""
    if asset not in {token.id for token in context.terms.tokens} or not _has_open_price(context.state, asset):
        return None
    if is_house_in_default(context.state):
        return None
    for number, record in context.state.recoveries.ordered():
        for at, token in enumerate(record.tokens):
            if token.asset == asset and 0 < token.offered_height <= context.block.height:
                return number, at, token
    return None


def token_price(context: BlockContext, token: RecoverableToken) -> int:
    """Micros a unit, at least one: from the value without haircut evenly down over the blocks of a disposal, by the
    discount of its last block or to the value after haircut, whichever is less. Discounts round down."""
    house = context.terms.crisis.house
    elapsed = min(context.block.height - token.offered_height, house.disposal_blocks)
    first, last = _unit_values(context.state, _listed(context, token.asset))
    discount = min(first - last, mul_div_down(first, house.disposal_end_ppm, PPM))
    return max(first - (discount * elapsed // house.disposal_blocks if house.disposal_blocks else 0), 1)


def count_sale(context: BlockContext, number: int, at: int, units: int, proceeds: int) -> None:
    """Count units of a token that were sold. The surplus over what they were counted for is for the payers.

    What its own collateral yields more than it was credited is one more payment of the account that gave it: it is
    repaid last. What is the house's own needs no claim.
    """
    record = context.state.recoveries[number]
    token = record.tokens[at]
    cost = -(-token.counted_micros * units // token.units)
    credited = -(-token.credited_micros * units // token.units)
    left = msgspec.structs.replace(
        token,
        units=token.units - units,
        counted_micros=token.counted_micros - cost,
        credited_micros=token.credited_micros - credited,
    )
    tokens = (*record.tokens[:at], *((left,) if left.units else ()), *record.tokens[at + 1 :])
    record = add_result(msgspec.structs.replace(record, tokens=tokens), proceeds - cost)
    surplus = proceeds - max(cost, credited)
    if surplus > 0 and token.account != HOUSE_ACCOUNT:
        record = add_own_margin(record, token.account, surplus)
    context.state.recoveries.put(number, record)


def _end_recovery(context: BlockContext, number: int, record: RecoveryRecord) -> None:
    """Value what is left, pay it, and delete the record."""
    for position in record.positions:
        record = add_result(record, _gain(context, position, position.lots))
    record = pay_claims(context, number, msgspec.structs.replace(record, positions=()))
    given: list[GivenUnits] = []
    for token in record.tokens:
        if token.asset in {listed.id for listed in context.terms.tokens}:
            record, more = _give_token(context, number, record, token)
            given += more
    context.receipts.append(RecoveryEnded(number, record.returned_micros, min(record.result_micros, 0), tuple(given)))
    context.state.recoveries.remove(number)


def _give_token(
    context: BlockContext, number: int, record: RecoveryRecord, token: RecoverableToken
) -> tuple[RecoveryRecord, list[GivenUnits]]:
    """Give what nobody bought to the payers; the house keeps what it paid for, and what covers its loss.

    After its own default it keeps what covers its debt after haircut. It never gives so much that it would owe.
    """
    price, _ = _unit_values(context.state, _listed(context, token.asset))
    loss = max(-record.result_micros, 0)
    if is_houses_own(context.state, number):
        kept, covered = units_for_debt(context.state, token.asset, loss, token.units)
    else:
        kept = min(-(-(token.counted_micros + loss) // price), token.units) if price else 0
        if not price and token.counted_micros:
            kept = token.units
        covered = max(min(kept * price - token.counted_micros, loss), 0)
    units = spare_units(context.state, token.asset, token.units - kept)
    return give_in_kind(context, number, add_result(record, covered), token, units, price)


def _has_open_price(state: State, asset: int) -> bool:
    token = next((listed for listed in state.terms.tokens if listed.id == asset), None)
    return token is not None and all(feed_status(state, feed) == FeedStatus.OPEN for feed in token.feeds)


def _listed(context: BlockContext, asset: int) -> Asset:
    return next(token for token in context.terms.tokens if token.id == asset)


def _unit_values(state: State, token: Asset) -> tuple[int, int]:
    """(without haircut, after haircut) in micros a unit at the last price, rounded down; zeros where there never was a
    price, and at least as much without as after haircut."""
    feed = state.feeds.get(token.feed)
    if feed is None or feed.status == FeedStatus.UNOPENED:
        return 0, 0
    counted = effective_asset(state, token)
    last = unit_value_after_haircut(counted, feed.ticks)
    whole = msgspec.structs.replace(counted.at_best, rate_ticks=counted.rate_ticks)
    return max(unit_value_after_haircut(whole, feed.ticks), last), last
