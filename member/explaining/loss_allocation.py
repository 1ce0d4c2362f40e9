"""A capped pro-rata allocation explained: who is at its cap in which pass, each floor and remainder, the residue.

Rule: the arithmetic of `clearing.default.waterfall.allocate_capped` is written again from its definition and never
called, so that an error in either shows. It knows no receipts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from member.explaining.formatting import Line, equality_line, plain_line


@dataclass(frozen=True, slots=True)
class Payer:
    """A payer: name, weight, the most it bears, and the amount stated."""

    name: str
    weight: int
    most: int
    stated: int


def allocation_lines(total: int, payers: Sequence[Payer]) -> list[Line]:
    """Every pass and every share of `total`."""
    if len(payers) == 1 and payers[0].weight:
        return [_alone(total, payers[0])]
    lines: list[Line] = []
    open_ = [payer for payer in payers if payer.weight > 0 and payer.most > 0]
    left = min(total, sum(payer.most for payer in open_))
    if left < total:
        lines.append(plain_line(f"{total} is more than all of them may bear, which is {left}"))
    while True:
        weights = sum(payer.weight for payer in open_)
        full = [payer for payer in open_ if payer.most * weights <= left * payer.weight]
        if not full:
            break
        for payer in full:
            share = f"{left} x {payer.weight} / {weights}"
            lines.append(
                equality_line(
                    f"{payer.name}: {share} is its most, {payer.most}, or more: it bears", payer.stated, payer.most
                )
            )
        left -= sum(payer.most for payer in full)
        names = {payer.name for payer in full}
        open_ = [payer for payer in open_ if payer.name not in names]
    lines += _proportional(left, open_)
    lines += [
        equality_line(f"{payer.name}: asked for nothing, bears", payer.stated, 0) for payer in payers if _exempt(payer)
    ]
    return lines


def _alone(total: int, payer: Payer) -> Line:
    return equality_line(
        f"{payer.name}: the smaller of {total} and the {payer.most} there is", payer.stated, min(total, payer.most)
    )


def _exempt(payer: Payer) -> bool:
    return payer.weight == 0 or payer.most == 0


def _floors_and_rests(left: int, open_: Sequence[Payer]) -> dict[str, int]:
    weights = sum(payer.weight for payer in open_)
    parts = {payer.name: divmod(left * payer.weight, weights) for payer in open_}
    over = left - sum(floor for floor, _ in parts.values())
    order = sorted(range(len(open_)), key=lambda at: (-parts[open_[at].name][1], at))
    lucky = {open_[at].name for at in order[:over]}
    return {name: floor + (name in lucky) for name, (floor, _) in parts.items()}


def _proportional(left: int, open_: Sequence[Payer]) -> list[Line]:
    if not open_:
        return []
    weights = sum(payer.weight for payer in open_)
    shares = _floors_and_rests(left, open_)
    lines: list[Line] = []
    for payer in open_:
        floor, rest = divmod(left * payer.weight, weights)
        more = " + 1 of what rounding leaves over" if shares[payer.name] > floor else ""
        text = f"{payer.name}: {left} x {payer.weight} / {weights} = {floor} rest {rest}{more}"
        lines.append(equality_line(text, payer.stated, shares[payer.name]))
    over = left - sum(left * payer.weight // weights for payer in open_)
    if over:
        lines.append(plain_line(f"left over by rounding down: {over}, one each to the largest rests, then in order"))
    return lines
