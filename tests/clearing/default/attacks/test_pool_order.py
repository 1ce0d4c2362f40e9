"""Who paid for the latest default is paid back first, also by a pot that took over the claims of another pot.

Before the rule the second pot of the house put what the first had taken over after the claims of a default that lasted
longer than the first: then the payers of the oldest default were paid before those of a later one.
"""

import msgspec

from clearing.default.house_recovery import pool_tokens
from clearing.default.recoveries import start_recovery
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.records.recoveries import LayerClaims, RecoveryRecord
from clearing.state.state import State
from tests.kit.clearing.housed import after_own_default

SURVIVORS, GAINS = WaterfallLayer.SURVIVORS, WaterfallLayer.GAINS
ENDED = 99
"""Last block of the recoveries of defaults that have ended."""


def claims(number: int) -> tuple[LayerClaims, ...]:
    """Of a default: two layers, in the order of the waterfall."""
    return LayerClaims(GAINS, ((number, 100),)), LayerClaims(SURVIVORS, ((number, 50),))


def order(state: State, number: int) -> list[tuple[int, int]]:
    """(default, layer) of the claims on a recovery; they are paid from the last to the first."""
    return [(claim.default or number, claim.layer) for claim in state.recoveries[number].claims]


def test_claims_on_the_houses_pot_are_in_the_order_of_the_defaults() -> None:
    """1, 3 and 4 are the house's; 2 is Alice's, still open at the end of 3, and ended at the end of 4."""
    world = after_own_default()
    for number, member in ((2, 1), (3, 0), (4, 0)):
        world.state.defaults.put(number, msgspec.structs.replace(world.state.defaults[1], member=member))
    context = world.context()
    recoveries = context.state.recoveries
    recoveries.put(1, RecoveryRecord(claims=claims(1), until_height=ENDED))
    recoveries.put(2, RecoveryRecord(claims=claims(2)))
    recoveries.put(3, RecoveryRecord(claims=claims(3)))
    pool_tokens(context, 3)
    start_recovery(context, 3)
    assert order(context.state, 3) == [(number, layer) for number in (1, 3) for layer in (GAINS, SURVIVORS)]
    recoveries.put(2, msgspec.structs.replace(recoveries[2], until_height=ENDED))
    recoveries.put(4, RecoveryRecord(claims=claims(4)))
    pool_tokens(context, 4)
    assert order(context.state, 4) == [(number, layer) for number in (1, 2, 3, 4) for layer in (GAINS, SURVIVORS)]
