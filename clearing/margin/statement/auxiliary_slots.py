"""Auxiliary slots: the convex terms of the requirement as slots with rows, and their least values for an account.

Rule: each slot is at least what its rows state, and a larger value only raises the requirement, so overstating one
gains nothing. With the least values the requirement equals the engine's, to the micro. The coefficients are the
tariff's. It must not know how rows are proven.

    `short:<option>`        y >= -q: lots that are short
    `charge:<instrument>`   x >= slope * |q| - intercept of each line: rate and impact together
    `concentration:<token>` z >= slope * units - intercept of each tier
    `basis:<group>`, `delta:<group>`, `vega:<group>`
                            y >= sum of coefficient * q - intercept of each row of the charge on a net amount
    `tail`, `beyond:<n>`    t free, u_n >= loss of joint scenario n - t, u_n >= 0; `history:<n>` where it is one of
                            history
    `joint`                 k J >= k t + sum of count * u (Rockafellar and Uryasev 2000),
                            J >= all short-option minimums, and with `keep_largest` J >= each group's maximum
    `groups`                whole * G >= plain * sum of group maxima + weight * J, and with history G >= J
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearing.margin.requirement.requirement_terms import joint_losses
from clearing.margin.risk_arrays.net_charges import charges_of, row_count
from clearing.margin.risk_arrays.reference_arrays import ValuedListing
from clearing.margin.statement.snapshot import Row, RowKind, Slot, SlotKind
from clearing.schema.risk.parameters import tail_threshold
from clearing.schema.terms.instruments import Instrument

if TYPE_CHECKING:
    from clearing.margin.requirement.account_margin import AccountMargin
    from clearing.margin.risk_arrays.arrays import RiskArrays


AUXILIARY_KINDS = (SlotKind.AUXILIARY, SlotKind.AUXILIARY_SIGNED, SlotKind.NET_CHARGE, SlotKind.HISTORICAL)
_CHARGES = ("charge:", "concentration:", "basis:", "delta:", "vega:")


@dataclass(frozen=True, slots=True)
class Places:
    """Offsets in the holdings vector."""

    tokens: int
    positions: int
    maxima: int
    auxiliary: Mapping[str, int]
    """Auxiliary slots by name."""


def auxiliary_slots(arrays: ValuedListing) -> tuple[Slot, ...]:
    """The slots after the group maxima, in order; none where the tariff is off."""
    tariff = arrays.tariff
    names = [f"short:{option.name}" for option, rate in _instruments(arrays, tariff.short_rates) if rate]
    names += [
        f"charge:{instrument.name}" for at, instrument in enumerate(arrays.instruments) if tariff.size_lines(at).lines
    ]
    names += [
        f"concentration:{asset.chain_id}:{asset.name}"
        for asset, lines in zip(arrays.assets, tariff.concentration, strict=True)
        if lines.lines
    ]
    slots = [Slot(name, SlotKind.AUXILIARY) for name in names]
    slots += [
        Slot(f"{name}:{group.name}", SlotKind.NET_CHARGE) for group in arrays.groups for name, _ in charges_of(group)
    ]
    if tariff.credits_groups:
        slots.append(Slot("tail", SlotKind.AUXILIARY_SIGNED))
        kind = SlotKind.HISTORICAL if tariff.historical else SlotKind.AUXILIARY
        slots += [Slot(_beyond(arrays, n), kind) for n in range(1, 1 + len(tariff.joint.scenarios))]
        slots += [Slot("joint", SlotKind.AUXILIARY), Slot("groups", SlotKind.AUXILIARY)]
    return tuple(slots)


def places_of(arrays: ValuedListing) -> Places:
    """Offsets of the slots of `build_slots`."""
    tokens = len(arrays.cash_groups)
    positions = tokens + len(arrays.assets)
    maxima = positions + len(arrays.instruments)
    first = maxima + len(arrays.groups)
    named = {slot.name: at for at, slot in enumerate(auxiliary_slots(arrays), start=first)}
    return Places(tokens, positions, maxima, named)


def auxiliary_rows(arrays: ValuedListing, places: Places) -> Iterator[Row]:
    """The rows that bound each auxiliary slot from below, and those that apply them to the group maxima."""
    yield from _short_rows(arrays, places)
    yield from _charge_rows(arrays, places)
    yield from _concentration_rows(arrays, places)
    yield from _net_rows(arrays, places)
    if arrays.tariff.credits_groups:
        yield from _joint_rows(arrays, places)


def auxiliary_row_count(arrays: ValuedListing) -> int:
    """How many `auxiliary_rows` there are; it follows from the tariff, without a value of any scenario."""
    tariff = arrays.tariff
    short = [at for at, rate in enumerate(tariff.short_rates) if rate]
    groups_with_short = {arrays.instruments[at].group for at in short}
    charges = sum(2 * len(tariff.size_lines(at).lines) for at in range(len(arrays.instruments)))
    tiers = sum(len(lines.lines) for lines in tariff.concentration)
    count = len(short) + len(groups_with_short) + charges + tiers + sum(map(row_count, arrays.groups))
    if not tariff.credits_groups:
        return count
    floors = tariff.has_short_rates + tariff.joint.keep_largest * len(arrays.groups)
    return count + len(tariff.joint.scenarios) + 2 + floors + tariff.historical


def charged_slots(arrays: ValuedListing, places: Places) -> tuple[int, ...]:
    """The auxiliary slots that sum to initial margin: G or the group maxima, and every charge."""
    if arrays.tariff.credits_groups:
        groups = [places.auxiliary["groups"]]
    else:
        groups = [places.maxima + at for at in range(len(arrays.groups))]
    sized = [at for name, at in places.auxiliary.items() if name.startswith(_CHARGES)]
    return tuple(sorted(groups + sized))


def auxiliary_values(
    arrays: "RiskArrays", margin: "AccountMargin", tokens: Sequence[int], positions: Sequence[int]
) -> tuple[int, ...]:
    """The least values of an account's auxiliary slots, in the order of `auxiliary_slots`, for its `margin`."""
    tariff, terms = arrays.tariff, margin.terms
    found = [max(0, -lots) for lots, rate in zip(positions, tariff.short_rates, strict=True) if rate]
    sized = [(tariff.size_lines(at), abs(lots)) for at, lots in enumerate(positions)]
    sized += zip(tariff.concentration, tokens, strict=True)
    found += [lines.at(size) for lines, size in sized if lines.lines]
    found += terms.net
    if tariff.credits_groups:
        losses = joint_losses(tariff, _scenario_losses(arrays, tokens, positions))
        threshold = tail_threshold(losses, tariff.joint_counts, tariff.averaged_losses)
        found += [threshold, *(max(0, loss - threshold) for loss in losses), terms.joint]
        found.append(sum(terms.groups(margin.group_losses)) - terms.credit)
    return tuple(found)


def _scenario_losses(arrays: "RiskArrays", tokens: Sequence[int], positions: Sequence[int]) -> list[list[int]]:
    """[g][1 + S + H] loss of each group in each column."""
    found = []
    for matrix in arrays.matrices:
        losses = [0] * arrays.values.shape[1]
        held: list[tuple[Sequence[int], int]] = [(arrays.rows[at], positions[at]) for at in matrix.members]
        held += [(arrays.token_rows[at], tokens[at]) for at in matrix.tokens]
        for row, size in held:
            if size:
                losses = [total + (row[0] - value) * size for total, value in zip(losses, row, strict=True)]
        found.append(losses)
    return found


def _short_rows(arrays: ValuedListing, places: Places) -> Iterable[Row]:
    short = {
        at: places.auxiliary[f"short:{option.name}"]
        for at, (option, rate) in enumerate(_instruments(arrays, arrays.tariff.short_rates))
        if rate
    }
    for at, slot in short.items():
        name = arrays.instruments[at].name
        yield _row(f"short:{name}", {places.positions + at: 1, slot: 1})
    for number, group in enumerate(arrays.groups):
        needed = {short[at]: -arrays.tariff.short_rates[at] for at in arrays.members(group) if at in short}
        if needed:
            yield _row(f"short-options:{group.name}", {places.maxima + number: 1, **needed})


def _charge_rows(arrays: ValuedListing, places: Places) -> Iterable[Row]:
    for at, instrument in enumerate(arrays.instruments):
        for number, (slope, intercept) in enumerate(arrays.tariff.size_lines(at).lines, start=1):
            slot = places.auxiliary[f"charge:{instrument.name}"]
            yield _row(f"charge:{instrument.name}:{number}:long", {places.positions + at: -slope, slot: 1}, intercept)
            yield _row(f"charge:{instrument.name}:{number}:short", {places.positions + at: slope, slot: 1}, intercept)


def _concentration_rows(arrays: ValuedListing, places: Places) -> Iterable[Row]:
    for at, (asset, tiers) in enumerate(zip(arrays.assets, arrays.tariff.concentration, strict=True)):
        name = f"concentration:{asset.chain_id}:{asset.name}"
        for number, (slope, intercept) in enumerate(tiers.lines, start=1):
            yield _row(f"{name}:{number}", {places.tokens + at: -slope, places.auxiliary[name]: 1}, intercept)


def _net_rows(arrays: ValuedListing, places: Places) -> Iterable[Row]:
    for charge in arrays.tariff.net:
        name = f"{charge.name}:{arrays.groups[charge.group].name}"
        for number, (row, intercept) in enumerate(charge.rows, start=1):
            lots = {places.positions + at: -value for at, value in zip(charge.members, row, strict=True)}
            yield _row(f"{name}:{number}", {**lots, places.auxiliary[name]: 1}, intercept)


def _joint_rows(arrays: ValuedListing, places: Places) -> Iterable[Row]:
    tariff, auxiliary = arrays.tariff, places.auxiliary
    tail, joint = auxiliary["tail"], auxiliary["joint"]
    expected = {tail: -tariff.averaged_losses, joint: tariff.averaged_losses}
    members = [arrays.members(group) for group in arrays.groups]
    moving = [arrays.tokens_of(group) for group in arrays.groups]
    for number, scenario in enumerate(tariff.joint.scenarios, start=1):
        name = _beyond(arrays, number)
        beyond = auxiliary[name]
        changes = {
            places.positions + at: arrays.rows[at][column] - arrays.rows[at][0]
            for own, column in zip(members, scenario.columns, strict=True)
            for at in own
        }
        changes |= {
            places.tokens + at: arrays.token_rows[at][column] - arrays.token_rows[at][0]
            for own, column in zip(moving, scenario.columns, strict=True)
            for at in own
        }
        yield _row(name, {**changes, tail: 1, beyond: 1})
        expected[beyond] = -tariff.joint_counts[number - 1]
    yield _row("joint", expected)
    if tariff.has_short_rates:
        rates = ((f"short:{option.name}", rate) for option, rate in _instruments(arrays, tariff.short_rates) if rate)
        yield _row("joint-minimum", {joint: 1, **{auxiliary[name]: -rate for name, rate in rates}})
    if tariff.joint.keep_largest:
        for number, group in enumerate(arrays.groups):
            yield _row(f"joint-largest:{group.name}", {places.maxima + number: -1, joint: 1})
    plain, weight, whole = tariff.credit_weights
    maxima = {places.maxima + number: -plain for number in range(len(arrays.groups))}
    yield _row("groups", {**maxima, joint: -weight, auxiliary["groups"]: whole})
    if tariff.historical:
        yield _row("groups-history", {joint: -1, auxiliary["groups"]: 1})


def _beyond(arrays: ValuedListing, number: int) -> str:
    """Name of the slot of a joint scenario, from 1, and of its row."""
    return f"history:{number}" if arrays.tariff.historical else f"beyond:{number}"


def _instruments(arrays: ValuedListing, values: Sequence[int]) -> Iterable[tuple[Instrument, int]]:
    return zip(arrays.instruments, values, strict=True)


def _row(name: str, coefficients: Mapping[int, int], constant: int = 0) -> Row:
    """A row that must be at least 0, without zero coefficients."""
    ordered = tuple((slot, value) for slot, value in sorted(coefficients.items()) if value)
    return Row(name, RowKind.AT_LEAST_ZERO, ordered, constant)
