"""An own account as text: equity, margins, holdings and positions, in units and by name."""

from collections.abc import Sequence

from member.api.accounts import AccountView
from member.api.margin import LiquidationPriceView, MarginView
from member.api.state import StateView
from member.notation.amounts import in_units, share
from member.notation.listing import Listing, price_in_units


def account_text(view: AccountView, state: StateView, listing: Listing) -> str:
    """Everything of an account in words."""
    free = int(view.equity_micros) - int(view.initial_margin_micros)
    rows = [
        ("equity", in_units(view.equity_micros), ""),
        (
            "initial margin",
            in_units(view.initial_margin_micros),
            f"{share(view.initial_margin_micros, view.equity_micros)}",
        ),
        (
            "maintenance margin",
            in_units(view.maintenance_margin_micros),
            f"{share(view.maintenance_margin_micros, view.equity_micros)}",
        ),
        ("free for new positions", in_units(free), ""),
    ]
    lines = [f"{listing.account_text(view.account)}, {view.kind}, after height {view.height}: {_standing(view)}"]
    lines += ["", *table(("", "amount", "of equity"), rows), "", *holdings_lines(view, state)]
    if view.positions:
        lines += ["", positions_text(view, state, listing)]
    if view.sub_accounts:
        lines += ["", f"sub-accounts: {', '.join(map(str, view.sub_accounts))}"]
    if view.pending_trades:
        lines += ["", f"{view.pending_trades} trades wait for their time"]
    return "\n".join(lines)


def _standing(view: AccountView) -> str:
    if view.in_liquidation:
        return "IN LIQUIDATION"
    for call in view.calls:
        due = f"by height {call.deadline_height}" if call.deadline_height else "now"
        return f"{call.kind.upper()} CALL since height {call.opened_height}, to be met {due}"
    return "CALLED FOR MARGIN" if view.called else "in good standing"


def holdings_lines(view: AccountView, state: StateView) -> list[str]:
    """Cash and tokens, by name."""
    assets = {each.asset: each for each in state.assets}
    rows = [(each.name, in_units(each.amount_micros), "cash") for each in view.cash]
    for token in view.tokens:
        asset = assets.get(token.asset)
        haircut = f"token, haircut {share(asset.haircut_ppm, 1_000_000)}" if asset else "token"
        rows.append((token.name, in_units(token.amount_units, asset.unit_decimals if asset else 0), haircut))
    return table(("holding", "amount", ""), rows) if rows else ["holds nothing"]


def positions_text(view: AccountView, state: StateView, listing: Listing) -> str:
    """Positions by instrument, with their marks."""
    marks = {each.instrument: each for each in state.marks}
    rows = []
    for position in view.positions:
        instrument, lots = listing.instrument_at(position.instrument), int(position.lots)
        mark = marks.get(position.instrument)
        size, price = f"{abs(lots):,} lots", f"{mark.mark_ticks} ticks" if mark else "-"
        if instrument is not None:
            size = listing.size_text(instrument, abs(lots))
            price = f"{listing.price_text(instrument, mark.mark_ticks)} {listing.currency(instrument)}" if mark else "-"
        rows.append((position.name, "long" if lots > 0 else "short", size, price))
    return "\n".join(table(("instrument", "side", "size", "mark"), rows)) if rows else "no positions"


def margin_shares_text(view: MarginView, listing: Listing, *, drill: bool) -> str:
    """Each term of equity and of initial margin, in currency with its share; with `drill` the parts of each, too."""
    lines = [f"{listing.account_text(view.account)} after height {view.height}"]
    for title, terms, total in (
        ("equity", view.equity, view.equity_micros),
        ("initial margin", view.requirement, view.initial_margin_micros),
    ):
        rows = []
        for term in terms:
            rows.append(
                (
                    f"{_words(term.name)} {term.of}".strip(),
                    in_units(term.amount_micros),
                    share(term.amount_micros, total),
                )
            )
            for part in term.parts if drill else ():
                name = f"  {_words(part.name)} {part.of}".rstrip()
                rows.append((name, in_units(part.amount_micros), share(part.amount_micros, total)))
        rows.append(("sum", in_units(total), ""))
        lines += ["", *table((title, "amount", "share"), rows)]
    covered = "covered" if view.initial_ok else "NOT COVERED"
    lines += ["", f"maintenance margin {in_units(view.maintenance_margin_micros)}; initial margin {covered}"]
    return "\n".join([*lines, *liquidation_lines(view, listing)])


def _words(name: str) -> str:
    return name.replace("_", " ")


def liquidation_lines(view: MarginView, listing: Listing | None) -> list[str]:
    """At which index of each feed the account is liquidated, and how far that is."""
    scales = listing.ticks_per_unit if listing is not None else {}
    return [_liquidation_line(price, scales.get(price.feed, 0)) for price in view.liquidation]


def _liquidation_line(price: LiquidationPriceView, scale: int) -> str:
    parts = [
        f"{how} to {price_in_units(limit, scale)}, {share(abs(int(limit) - int(price.index_ticks)), price.index_ticks)}"
        " away"
        for limit, how in ((price.below_ticks, "falls"), (price.above_ticks, "rises"))
        if limit is not None
    ]
    return f"liquidated when {price.name} {' or '.join(parts)}" if parts else f"no price of {price.name} liquidates it"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
