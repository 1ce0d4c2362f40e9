"""The recovery of the house's own default: all its tokens are for those who paid, and no rise of them is the house's.

Rule: others paid so much that the house's tokens, after haircut, just cover what it owes in cash. So from then on

1. what tokens yield pays that debt first;
2. what they yield beyond it is for those who paid, the latest default's payers first, each default in reverse order of
   the waterfall;
3. what is left after all of them is the house's own margin.

Tokens that the house took in defaults that have ended are in it, with the claims of those defaults: a later default of
the house takes all of it over, at what tokens count for then. This module moves nothing, and must not know who paid.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.default.recovery_claims import recovery_of
from clearing.schema.receipts.house import RecoveryEnded
from clearing.schema.records.recoveries import LayerClaims, RecoverableToken, RecoveryRecord
from clearing.state.holdings import current_arrays
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State

EARLIER_DEFAULTS_MAX = 16
"""The claims of so many earlier defaults stay apart, and of one more that older ones are joined with."""


def is_houses_own(state: State, number: int) -> bool:
    """Whether this default was the house's."""
    return state.defaults[number].member == HOUSE_MEMBER


def pool_tokens(context: BlockContext, number: int) -> None:
    """Note all tokens of the house for the payers of its own default, at its end. Nothing where nobody paid.

    Recoveries of defaults that have ended become part of this one. Those of defaults still open stay apart; what their
    tokens count for is lowered to what they are worth after haircut, because others paid the difference.
    """
    record, state = recovery_of(context.state, number), context.state
    if not record.claims:
        return
    claims: list[LayerClaims] = []
    tokens: list[RecoverableToken] = []
    apart: list[RecoverableToken] = []
    for other, earlier in [each for each in state.recoveries.ordered() if each[0] != number]:
        if earlier.until_height:
            claims += [_named(claim, other) for claim in earlier.claims]
            tokens += [_counted_at_most(token, 0) for token in earlier.tokens]
            # What the house owed in cash at the end of an own default is no loss of its inventory.
            loss = 0 if is_houses_own(state, other) else min(earlier.result_micros, 0)
            context.receipts.append(RecoveryEnded(other, earlier.returned_micros, loss, ()))
            state.recoveries.remove(other)
        else:
            lowered = _valued_anew(state, earlier)
            apart += lowered.tokens
            state.recoveries.put(other, lowered)
    claims.sort(key=lambda claim: claim.default)
    tokens += _own_tokens(state, [*tokens, *apart])
    owed = -_cash(state) - sum(token.counted_micros for token in apart)
    pooled = msgspec.structs.replace(
        record,
        tokens=tuple(tokens),
        claims=(*_joined(claims), *record.claims),
        result_micros=-min(max(owed, 0), MONEY_MAX),
    )
    state.recoveries.put(number, pooled)


def _named(claim: LayerClaims, default: int) -> LayerClaims:
    """A claim that states its default, unless it does."""
    return claim if claim.default else msgspec.structs.replace(claim, default=default)


def _joined(claims: list[LayerClaims]) -> list[LayerClaims]:
    """The claims of earlier defaults, in order of their numbers: those of the oldest joined by layer under the latest.

    A price that falls block by block can put the house in default in each: a record must not grow with that.
    """
    oldest = sorted({claim.default for claim in claims})[:-EARLIER_DEFAULTS_MAX]
    if not oldest:
        return claims
    last = oldest[-1]
    by_layer: dict[int, dict[int, int]] = {}
    for claim in claims:
        if claim.default <= last:
            sums = by_layer.setdefault(claim.layer, {})
            for payer, micros in claim.owed:
                sums[payer] = sums.get(payer, 0) + micros
    joined = [LayerClaims(layer, tuple(sorted(sums.items())), last) for layer, sums in sorted(by_layer.items())]
    return joined + [claim for claim in claims if claim.default > last]


def _counted_at_most(token: RecoverableToken, micros: int) -> RecoverableToken:
    """The token counted for at most so much. It is offered anew."""
    credited = max(token.credited_micros, token.counted_micros) if token.counted_micros > micros else 0
    counted = min(token.counted_micros, micros)
    return msgspec.structs.replace(
        token, counted_micros=counted, credited_micros=max(token.credited_micros, credited), offered_height=0
    )


def _valued_anew(state: State, record: RecoveryRecord) -> RecoveryRecord:
    """A recovery that stays apart: others paid for what its tokens and lots have lost by now."""
    values = _unit_values(state)
    tokens = tuple(_counted_at_most(token, token.units * values.get(token.asset, 0)) for token in record.tokens)
    return msgspec.structs.replace(record, tokens=tokens, positions=(), result_micros=max(record.result_micros, 0))


def _own_tokens(state: State, noted: list[RecoverableToken]) -> list[RecoverableToken]:
    """Tokens of the house that no recovery has noted. It was never paid for them, so they count for nothing."""
    found = []
    for token in state.terms.tokens:
        units = balance(state, HOUSE_ACCOUNT, token_currency(token.id))
        units -= sum(each.units for each in noted if each.asset == token.id)
        if units > 0:
            found.append(RecoverableToken(token.id, HOUSE_ACCOUNT, units, 0))
    return found


def _unit_values(state: State) -> dict[int, int]:
    """Micros that a unit of each token counts for now, after haircut."""
    return {
        token.id: value for token, value in zip(state.terms.tokens, current_arrays(state).token_prices, strict=True)
    }


def _cash(state: State) -> int:
    return sum(balance(state, HOUSE_ACCOUNT, cash_currency(group)) for group in state.terms.cash_groups)


def spare_units(state: State, asset: int, units: int) -> int:
    """At most `units` of a token: as many as the house can give away and still owe nothing, after haircut.

    Any number where the house has no default of its own, or the token counts for nothing.
    """
    values = _unit_values(state)
    if not state.terms.crisis.house.own_default or not values.get(asset, 0):
        return units
    worth = sum(value * balance(state, HOUSE_ACCOUNT, token_currency(each)) for each, value in values.items())
    return min(max(_cash(state) + worth, 0) // values[asset], units)


def units_for_debt(state: State, asset: int, debt: int, units: int) -> tuple[int, int]:
    """(units of a token that cover a debt after haircut, at most `units`, rounded up; micros of the debt covered)."""
    value = _unit_values(state).get(asset, 0)
    kept = min(-(-debt // value), units) if value else 0
    return kept, min(kept * value, debt)
