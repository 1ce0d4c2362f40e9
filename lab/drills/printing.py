"""A drill, and a reverse stress, as text."""

from collections.abc import Mapping, Sequence

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from lab.drills.fund_providers import Concentration
from lab.drills.outcome import DefaultOutcome, DrillOutcome
from lab.drills.reverse_stress import BreakingMove, ReverseStress
from lab.drills.stress_set import StressResult
from member.explaining.formatting import per_cent

_MICROS = 1_000_000


def drill_text(outcome: DrillOutcome, instruments: Mapping[int, str], members: Mapping[int, str]) -> str:
    """`instruments` and `members`: names by number."""
    lines = [
        f"default of {_named(outcome.member, members)} after height {outcome.height}, {outcome.blocks} blocks: "
        + ("declared by the drill" if outcome.forced else "caused by the moves")
        + ("" if outcome.ended else "; NOT OVER, more blocks are needed")
    ]
    lines += [
        f"  {feed:<10} {before} -> {after} ticks ({per_cent((after - before) * PPM // before)})"
        for feed, before, after in outcome.prices
    ]
    lines += ["", "timeline"]
    lines += [f"  {event.block:>4}  {event.text}" for event in outcome.timeline]
    lines += ["", "positions"]
    lines += [
        f"  {each.block:>4}  {each.lots:+d} lots of {instruments.get(each.instrument, each.instrument)} "
        f"of account {each.account} {each.how}, to account {each.counterparty}"
        for each in outcome.closed
    ] or ["  none"]
    for default in outcome.defaults:
        lines += ["", *_default_lines(default, members)]
    lines += ["", *_fund_lines(outcome, members)]
    if outcome.refused:
        lines.append(f"{len(outcome.refused)} bids were refused: {', '.join(sorted(set(outcome.refused)))}")
    return "\n".join(lines)


def _named(member: int, members: Mapping[int, str]) -> str:
    return f"member {member} ({members[member]})" if member in members else f"member {member}"


def _default_lines(default: DefaultOutcome, members: Mapping[int, str]) -> list[str]:
    lines = [f"default {default.number}, {_named(default.member, members)}: loss {money(default.loss)}"]
    for layer in default.layers:
        lines.append(f"  {layer.layer:<18} {money(layer.micros):>24}")
        for share in layer.shares:
            account = "" if share.account in (None, HOUSE_ACCOUNT) else f", account {share.account}"
            lines.append(f"    {_named(share.member, members) + account:<30} {money(share.micros):>24}")
    return lines


def _fund_lines(outcome: DrillOutcome, members: Mapping[int, str]) -> list[str]:
    lines = [f"the default fund had {money(outcome.fund_before)} and has {money(outcome.fund_after)}"]
    lines.append(f"the house had {money(outcome.house_before)} and has {money(outcome.house_after)} in cash")
    lines.append(f"  {'contribution of':<24} {'before':>20} {'after':>20} {'required':>20} {'called for':>20}")
    for each in outcome.contributions:
        figures = (each.before, each.after, each.required, each.called)
        lines.append(f"  {_named(each.member, members):<24} " + " ".join(f"{money(figure):>20}" for figure in figures))
    return lines


def money(micros: int) -> str:
    """Micros in units with all six decimals."""
    whole, rest = divmod(abs(micros), _MICROS)
    return f"{'-' if micros < 0 else ''}{whole:,}.{rest:06d}"


def reverse_text(found: ReverseStress, members: Mapping[int, str]) -> str:
    """Moves first, then the providers."""
    lines = [
        f"height {found.height}: the house bears {money(found.house_micros)}, then the fund {money(found.fund_micros)}",
        f"  {'group':<12} {'direction':<10} {'who':<12} {'smallest move':>14} {'they lose':>24} {'uncovered':>24}",
    ]
    lines += [_move_line(move) for move in found.moves]
    lines += ["", "providers of the fund"]
    lines += [_provider_line("paid in", found.paid, members), _provider_line("required", found.required, members)]
    return "\n".join(lines)


def stress_text(results: Sequence[StressResult]) -> str:
    """A line for every scenario."""
    head = ("scenario", "kind", "moves", "one loses", "two lose", "uncovered by one", "by two")
    lines = ["  {:<26} {:<13} {:<26} {:>22} {:>22} {:>22} {:>22}".format(*head)]
    for each in results:
        moves = ", ".join(f"{group} {points / 100:+.2f} %" for group, points in each.moves) or "as in genesis"
        figures = (each.lost_by_one, each.lost_by_two, each.uncovered_by_one, each.uncovered_by_two)
        shown = " ".join(f"{money(figure):>22}" for figure in figures)
        lines.append(f"  {each.name:<26} {each.kind:<13} {moves:<26} {shown}")
    return "\n".join(lines)


def _move_line(move: BreakingMove) -> str:
    points = move.move_points
    moved = "none" if points is None else f"{points / 100:+.2f} %"
    who = move.who if " and " in move.who else f"{move.who}: {','.join(map(str, move.members)) or '-'}"
    return (
        f"  {move.group:<12} {move.direction:<10} {who:<12} {moved:>14} "
        f"{money(move.lost):>24} {money(move.uncovered):>24}"
    )


def _provider_line(what: str, of: Concentration, members: Mapping[int, str]) -> str:
    if not of.providers:
        return f"  {what}: nothing"
    return (
        f"  {what}: {money(of.total)} of {of.providers} members; the largest, {_named(of.largest_member, members)}, "
        f"{per_cent(of.largest_ppm)}; the largest five {per_cent(of.largest_five_ppm)}; "
        f"Herfindahl's index {of.herfindahl_ppm / PPM:.4f}"
    )
