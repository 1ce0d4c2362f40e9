"""What a node answers about one account, as text: its margin."""

from member.api.margin import MarginView, PartView, SimulationView, TermView


def margin_text(view: MarginView) -> str:
    """For a terminal; amounts in micros."""
    lines = [
        f"account {view.account} after height {view.height}, dated instruments as of {view.arrays_time_ms} ms",
        "",
        *_term_table("equity", view.equity, view.equity_micros),
        "",
        *_term_table("initial margin", view.requirement, view.initial_margin_micros),
        "",
        f"maintenance {view.maintenance_margin_micros} = {view.maintenance_fraction[0]}/{view.maintenance_fraction[1]}"
        " of initial, up",
        f"initial margin {'covered' if view.initial_ok else 'NOT COVERED'},"
        f" maintenance {'covered' if view.maintenance_ok else 'NOT COVERED'}",
    ]
    for price in view.liquidation:
        below, above = price.below_ticks or "-", price.above_ticks or "-"
        lines.append(f"liquidated at {price.name} {below} below, {above} above the index {price.index_ticks}")
    lines += [
        f"greeks {greek.name}: delta {greek.delta_nano} and gamma {greek.gamma_nano} x 10^-9 of the underlying,"
        f" vega {greek.vega_micros} a point, theta {greek.theta_micros} a day"
        for greek in view.greeks
    ]
    return "\n".join(lines)


def _term_table(title: str, terms: tuple[TermView, ...], total: str) -> list[str]:
    lines = [f"{title:<22} {'':<16} {total:>24}"]
    for term in terms:
        lines.append(_term_line("  ", term))
        lines += [_term_line("    ", part) for part in term.parts]
    return lines


def _term_line(indent: str, term: TermView | PartView) -> str:
    inputs = ", ".join(f"{name} {value}" for name, value in term.inputs.items())
    head = f"{indent + term.name:<22} {term.of:<16} {term.amount_micros:>24}"
    return f"{head}  {inputs}; {term.source}; {term.rounding}"


def simulation_text(view: SimulationView) -> str:
    """Equity and margins before and after a shock, then every term after it."""
    before, after = view.before, view.after
    changes = (
        ("equity", before.equity_micros, after.equity_micros),
        ("initial", before.initial_margin_micros, after.initial_margin_micros),
        ("maintenance", before.maintenance_margin_micros, after.maintenance_margin_micros),
    )
    return "\n".join([*(f"{name:<12} {was:>24} -> {now:>24}" for name, was, now in changes), "", margin_text(after)])
