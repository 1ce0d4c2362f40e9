"""What a node answers about an account's margin, as text: each term in currency with its share, and why.

Rule: amounts are exact, shares and percentages rounded to a tenth. A term that this release does not know shows its
inputs.
"""

from member.api.margin import MarginView, PartView, SimulationView, TermView
from member.notation.amounts import in_units, percent, share
from member.notation.listing import Listing
from member.notation.times import time_text
from member.printing.account import liquidation_lines, table
from member.printing.margin_reasons import GROUP_LOSS, move_text, term_reason, volatility_text

_INSTRUMENT_TERMS = frozenset(("lot_charge", "impact", "position"))
NANO_DECIMALS = 9


def margin_text(
    view: MarginView,
    group: str | None = None,
    term: str | None = None,
    listing: Listing | None = None,
    *,
    detail: bool = False,
    scenarios: bool = False,
) -> str:
    """Every term with its amount, its share and the reason; with `group` or `term` those alone, with their parts.

    `detail`: inputs, source and rounding of each term, in integers. `listing`: names and units, where they are known.
    `scenarios`: the loss in each scenario of the groups shown. Raises ValueError for a group or term that the margin
    does not have.
    """
    chosen = _chosen(view, group, term)
    drill = detail or group is not None or term is not None
    own = f"account {view.account}" if listing is None else listing.account_text(view.account)
    lines = [f"{own} after height {view.height}, dated instruments as of {time_text(view.arrays_time_ms)}"]
    for title, terms, total in (
        ("equity", view.equity, view.equity_micros),
        ("initial margin", view.requirement, view.initial_margin_micros),
    ):
        shown = [each for each in terms if each in chosen]
        if shown:
            lines += ["", *_terms_table(title, shown, total, listing, drill=drill, whole=len(shown) == len(terms))]
    for each in chosen if scenarios else ():
        lines += ["", *_scenario_lines(each)] if each.scenarios else []
    if detail:
        lines += ["", *(line for each in chosen for line in _detail_lines(each))]
    if not (group or term):
        lines += ["", *_verdict_lines(view), *liquidation_lines(view, listing), *_greek_lines(view)]
    return "\n".join(lines)


def term_names(view: MarginView) -> tuple[str, ...]:
    """The terms that a margin has, by name, in their order."""
    return tuple(dict.fromkeys(each.name for each in (*view.equity, *view.requirement)))


def group_names(view: MarginView) -> tuple[str, ...]:
    """The risk groups that a margin has."""
    return tuple(each.of for each in view.requirement if each.name == GROUP_LOSS)


def _chosen(view: MarginView, group: str | None, term: str | None) -> list[TermView]:
    terms = [*view.equity, *view.requirement]
    if group is not None:
        losses = [each for each in view.requirement if each.name == GROUP_LOSS and each.of == group]
        if not losses:
            raise ValueError(f"the margin has no group {group[:80]!r}; it has {', '.join(group_names(view)) or 'none'}")
        members = {part.of for loss in losses for part in loss.parts}
        terms = [each for each in terms if each.of == group or (each.name in _INSTRUMENT_TERMS and each.of in members)]
    if term is not None:
        terms = [each for each in terms if each.name == term.replace(" ", "_")]
        if not terms:
            raise ValueError(f"the margin has no term {term[:80]!r} here; it has {', '.join(term_names(view))}")
    return terms


def _terms_table(
    title: str, terms: list[TermView], total: str, listing: Listing | None, *, drill: bool, whole: bool
) -> list[str]:
    rows: list[tuple[str, str, str]] = []
    reasons = [""]
    for term in terms:
        rows.append(_row(term, "", total))
        reasons.append(term_reason(term, listing))
        for part in term.parts if drill else ():
            rows.append(_row(part, "  ", total))
            reasons.append(term_reason(part, listing))
    if whole:
        rows.append(("sum", in_units(total), ""))
        reasons.append("")
    lines = table((title, "amount", "share"), rows)
    width = max(map(len, lines))
    return [f"{line:<{width}}  {reason}".rstrip() for line, reason in zip(lines, reasons, strict=True)]


def _row(term: TermView | PartView, indent: str, total: str) -> tuple[str, str, str]:
    name = f"{indent}{term.name.replace('_', ' ')} {term.of}".rstrip()
    return name, in_units(term.amount_micros), share(term.amount_micros, total)


def _detail_lines(term: TermView) -> list[str]:
    lines = []
    everything: tuple[TermView | PartView, ...] = (term, *term.parts)
    for each in everything:
        inputs = ", ".join(f"{name} {value}" for name, value in each.inputs.items())
        lines.append(f"{each.name} {each.of} {each.amount_micros}: {inputs}; {each.source}; {each.rounding}")
    return lines


def _scenario_lines(term: TermView) -> list[str]:
    """Every scenario of a group loss, the one that counts marked."""
    range_ppm, volatility_ppm = (int(term.inputs.get(name, "0")) for name in ("range_ppm", "volatility_range_ppm"))
    rows = []
    for each in term.scenarios:
        move = move_text(each.move, each.of, range_ppm) + volatility_text(each.volatility_direction, volatility_ppm)
        weight = "" if each.weight_ppm == 1_000_000 else percent(each.weight_ppm)
        mark = "counts" if str(each.number) == term.inputs.get("scenario") else ""
        rows.append((f"{each.number:>2} index {move}", in_units(each.amount_micros), weight, mark))
    return table((f"scenarios of {term.of}", "loss", "weight", ""), rows)


def _verdict_lines(view: MarginView) -> list[str]:
    numerator, denominator = view.maintenance_fraction
    initial, maintenance = ("covered" if ok else "NOT COVERED" for ok in (view.initial_ok, view.maintenance_ok))
    free = int(view.equity_micros) - int(view.initial_margin_micros)
    return [
        f"initial margin covered, {in_units(free)} free" if view.initial_ok else f"initial margin {initial}",
        f"maintenance margin {in_units(view.maintenance_margin_micros)}, {numerator}/{denominator} of initial:"
        f" {maintenance}",
    ]


def _greek_lines(view: MarginView) -> list[str]:
    rows = [
        (
            each.name,
            in_units(each.delta_nano, NANO_DECIMALS),
            in_units(each.gamma_nano, NANO_DECIMALS),
            in_units(each.vega_micros),
            in_units(each.theta_micros),
        )
        for each in view.greeks
    ]
    head = ("greeks", "delta, underlying", "gamma for 1 %", "vega a point", "theta a day")
    return ["", *table(head, rows)] if rows else []


def change_lines(view: SimulationView, title: str) -> list[str]:
    """Equity and margins before and after, with the change."""
    before, after = view.before, view.after
    pairs = (
        ("equity", before.equity_micros, after.equity_micros),
        ("initial margin", before.initial_margin_micros, after.initial_margin_micros),
        ("maintenance margin", before.maintenance_margin_micros, after.maintenance_margin_micros),
        ("free for new positions", _free(before), _free(after)),
    )
    rows = [(name, in_units(was), in_units(now), _signed(int(now) - int(was))) for name, was, now in pairs]
    return table((title, "now", "after", "change"), rows)


def simulation_text(view: SimulationView, listing: Listing | None = None) -> str:
    """Equity and margins before and after a shock, then every term after it."""
    return "\n".join([*change_lines(view, ""), "", margin_text(view.after, listing=listing)])


def _free(view: MarginView) -> int:
    return int(view.equity_micros) - int(view.initial_margin_micros)


def _signed(change: int) -> str:
    return f"+{in_units(change)}" if change > 0 else in_units(change)
