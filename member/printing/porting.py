"""Portings of clients as text: what is open, and what a file asks for."""

from collections.abc import Sequence

from clearing.schema.requests.accounts import AccountPorting
from member.client.porting import Porting, PortingOffers, PortingWindow
from member.notation.listing import Listing
from member.notation.times import time_text
from member.printing.account import table

WHO = {
    "present": "the present member",
    "member": "the member that takes the client",
    "client": "the client, or the house for one without a key",
}


def offers_text(offers: PortingOffers, listing: Listing) -> str:
    """Defaults whose clients may be ported, and clients that this member agreed to take over."""
    lines = [f"after height {offers.height}"]
    if offers.windows:
        rows = [_window_row(each, listing) for each in offers.windows]
        lines += ["", *table(("default", "of", "not closed out until height", "clients in the terms"), rows)]
    else:
        lines.append("no default lets clients be ported now")
    if offers.standby_for:
        named = [(f"account {each.account}", listing.member_text(each.member)) for each in offers.standby_for]
        lines += ["", *table(("you are standby of", "a client of"), named)]
    return "\n".join(lines)


def _window_row(window: PortingWindow, listing: Listing) -> tuple[str, ...]:
    clients = ", ".join(map(str, window.clients)) or "none"
    return str(window.number), listing.member_text(window.member), str(window.until_height), clients


def porting_lines(request: Porting, needs: Sequence[str], listing: Listing) -> list[str]:
    """Who moves where, until when, and who still has to sign."""
    to_member = listing.member_text(request.to_member)
    how = "" if isinstance(request, AccountPorting) else f", after default {request.number} of its member"
    return [
        f"client account {request.account} moves to {to_member}{how}",
        "  with its sub-accounts, positions, cash and collateral as they are",
        f"  good until {time_text(request.not_after_ms)}",
        *(f"  to be signed by {WHO.get(each, each)} (--as {each})" for each in needs),
    ]
