"""Whether the epochs of a genesis can be proven at all: its slots and rows must fit the proofs, and have names.

Rule: what no price, holding or later range changes is judged before the network begins, for a listing stays. The sizes
are those of the proofs, which a test holds them to; this module knows no proof.
"""

from collections.abc import Iterator, Sequence

import msgspec

from clearing.assets import Asset, CashGroup, Feed
from clearing.base.codec import encode
from clearing.instruments import INDEX_TICKS_MAX, Instrument
from clearing.margin.joint import JointCredit, JointScenario
from clearing.margin.parameters import RiskParameters
from clearing.margin.plain import PlainArrays
from clearing.margin.rows import build_rows, build_slots
from clearing.margin.snapshot import RULES_BYTES_MAX, Row, RowKind, Slot, SlotKind
from clearing.margin.stress import StressArrays

SLOTS_MAX = 2_048
DIGITS_MAX = 16 * (SLOTS_MAX - 7)
"""Bytes of all slots and rows: in each of the columns up to seven places stay empty."""
NAMED_BYTES_MAX = RULES_BYTES_MAX // 2
"""What a rulebook says of listing and parameters; prices, and numbers that grow, have the other half."""
_NARROW = {SlotKind.TOKEN: 7, SlotKind.POSITION: 5}
_WIDE = 8

Check = tuple[str, int, bool]


def provable_checks(
    instruments: Sequence[Instrument],
    tokens: Sequence[Asset],
    cash_groups: Sequence[CashGroup],
    feeds: Sequence[Feed],
    risk: RiskParameters,
    joint_scenarios: int,
) -> Iterator[Check]:
    """What must hold. `tokens`: all that may be collateral; `joint_scenarios`: how many history may come to give.

    What comes later is only asked for where what was asked before holds.
    """
    names = [feed.name for feed in feeds]
    yield "feeds.name", len(names), len(set(names)) == len(names)
    listed = len(instruments) + len(tokens) + len(cash_groups) + len(risk.groups) + len(risk.stress)
    yield "listing", listed, listed <= SLOTS_MAX
    size = len(encode((tuple(instruments), tuple(tokens), tuple(cash_groups), tuple(feeds), risk)))
    yield "listing.bytes", size, size <= NAMED_BYTES_MAX
    slots, rows = _statement(instruments, tokens, cash_groups, _widest(risk, joint_scenarios))
    yield "slots", len(slots), len(slots) <= SLOTS_MAX
    yield "slots.name", len(slots), len({slot.name for slot in slots}) == len(slots)
    yield "rows.name", len(rows), len({row.name for row in rows}) == len(rows)
    digits = sum(_NARROW.get(slot.kind, _WIDE) for slot in slots)
    digits += _WIDE * sum(row.kind is RowKind.AT_LEAST_ZERO for row in rows)
    yield "rows", digits, digits <= DIGITS_MAX


def _widest(risk: RiskParameters, joint_scenarios: int) -> RiskParameters:
    """The parameters with as many joint scenarios as there may be: what they say does not matter here."""
    if joint_scenarios <= len(risk.joint.scenarios):
        return risk
    still = JointScenario((0,) * len(risk.groups))
    credit: JointCredit = msgspec.structs.replace(risk.joint, scenarios=(still,) * joint_scenarios, tail=1)
    return msgspec.structs.replace(risk, joint=credit)


def _statement(
    instruments: Sequence[Instrument], tokens: Sequence[Asset], cash_groups: Sequence[CashGroup], risk: RiskParameters
) -> tuple[tuple[Slot, ...], tuple[Row, ...]]:
    """Slots and rows at the highest prices, where every charge has its lines; scenarios change nothing."""
    best = tuple(each.at_best for each in tokens)
    arrays = PlainArrays(
        instruments=tuple(instruments),
        assets=best,
        cash_groups=tuple(cash_groups),
        parameters=risk,
        rows=[[0] * (1 + risk.width)] * len(instruments),
        token_prices=[each.unit_value(INDEX_TICKS_MAX) for each in best],
        index_ticks=(INDEX_TICKS_MAX,) * len(instruments),
    )
    count = len(risk.stress)
    stress = StressArrays(
        names=tuple(each.name for each in risk.stress),
        instruments=((0,) * len(instruments),) * count,
        tokens=((0,) * len(tokens),) * count,
    )
    return build_slots(arrays, stress), build_rows(arrays, risk, stress)
