"""What a node answers about one account, as text: its margin, its withdrawals, its leaves of the exit tree."""

from member.api.accounts import LimitView, ReleasedView, WithdrawalsView
from member.api.margin import MarginView, PartView, SimulationView, TermView
from member.api.proofs import ExitView


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


def withdrawal_lines(view: WithdrawalsView) -> str:
    """The whole view as text."""
    lines = [f"withdrawals of account {view.account} after height {view.height}"]
    lines += [
        f"  {waiting.number} is delayed until height {waiting.due_height}: {waiting.amount_units} units"
        f" of asset {waiting.asset} to {waiting.to}"
        for waiting in view.waiting
    ]
    lines += [
        f"  leaf {released.nonce}: {released.amount_units} units of asset {released.asset}"
        f" on chain {released.chain_id} to {released.to}; {_withdrawal_end(released)}"
        for released in view.released
    ]
    if not view.waiting and not view.released:
        lines.append("  none")
    lines += [line for limit in view.limits for line in _limit_lines(limit)]
    if view.deficit_micros != "0":
        lines.append(
            f"{view.deficit_micros} micros of deficits are unallocated: every withdrawal leaves its part until height"
            f" {view.deficit_until_height}"
        )
    return "\n".join(lines)


def _withdrawal_end(released: ReleasedView) -> str:
    if released.not_paid_height:
        return f"not paid, by block {released.not_paid_height}: it is refunded"
    if released.overdue:
        return "overdue: it is refunded once the network agrees that it was not paid"
    return f"can be claimed until {released.not_after_s} s"


def _limit_lines(limit: LimitView) -> list[str]:
    head = f"asset {limit.asset}, window until height {limit.opens_height - 1}"
    lines = []
    if limit.owner_units_max != "0":
        lines.append(f"{head}: {limit.owner_used_units} of {limit.owner_units_max} units used by this owner")
    if limit.window_units_max != "0":
        lines.append(f"{head}: {limit.all_used_units} of {limit.window_units_max} units used by all")
    if limit.delay_blocks:
        lines.append(
            f"{head}: {limit.prompt_used_units} of {limit.delay_above_units} units used without delay;"
            f" more is delayed by {limit.delay_blocks} blocks"
        )
    return lines


def exit_lines(exit_: ExitView) -> str:
    """The leaves for a terminal, without their salts."""
    lines = [f"account {exit_.account} at epoch {exit_.epoch}, height {exit_.height}, root {exit_.exit_root}"]
    for leaf in exit_.leaves:
        place = f"leaf {leaf.index} of {exit_.leaf_count}"
        lines.append(
            f"{place}: {leaf.amount} of {leaf.token} on chain {leaf.chain_id}, vault {leaf.vault}, to {leaf.to}"
        )
    return "\n".join(lines if exit_.leaves else [*lines, "nothing to take out"])
