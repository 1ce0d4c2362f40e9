"""`crossclear trade propose|confirm|status|pending`: trades between two members, by names and in units."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import NEW_FILE, MemberKey, account_options, listing_at, parsed
from cli.output import ExitCode, harmless, output_option, say, show

if TYPE_CHECKING:
    from clearing.schema.terms.instruments import Instrument
    from member.api.types import Body
    from member.client.trade_proposals import Proposed
    from member.notation.listing import Listing

VALID_SECONDS = 120
COUNT = click.IntRange(1, 2**63 - 1)


@click.group()
def trade() -> None:
    """Trade with another member: one proposes and signs, the other reads, signs and submits."""


@trade.command("propose")
@click.argument("account")
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("instrument")
@click.argument("counterparty")
@click.option("--size", help="Units of the underlying: 0.5.")
@click.option("--lots", type=COUNT, help="Lots, in place of --size.")
@click.option("--price", help="Units of the currency for a unit of the underlying: 30000.5; or `mark`.")
@click.option("--ticks", type=COUNT, help="Ticks, in place of --price.")
@click.option("--out", type=NEW_FILE, required=True, help="The proposal, for the counterparty: a new file.")
@click.option("--valid-seconds", type=click.IntRange(5, 86_400), default=VALID_SECONDS, show_default=True)
@click.option("--novate-at", metavar="TIME", help="Pending until then, in UTC: 2026-11-25T16:00.")
@account_options
@output_option
def trade_propose(
    account: str,
    side: str,
    instrument: str,
    counterparty: str,
    size: str | None,
    lots: int | None,
    price: str | None,
    ticks: int | None,
    out: Path,
    valid_seconds: int,
    novate_at: str | None,
    key: MemberKey,
    output: str,
) -> None:
    """Sign your side of a trade of INSTRUMENT between your ACCOUNT and a COUNTERPARTY account, into a file.

    Accounts are ids, or names of members with one own account. Until its time is over the counterparty may confirm the
    proposal with `trade confirm`, so it binds you. It can be pasted into a node's page, too. Names and units
    are as the asked node lists them; numbers of accounts and of the instrument, lots and ticks are what is signed, and
    both are printed.

    Example: crossclear trade propose alice buy BTC-PERP bob --size 0.5 --price 30000.5 --out t.json --key trade
    """
    from member.client.trade_proposals import ProposedTerms, check_proposal, propose, unsigned_trade
    from member.printing.trades import effect_lines, proposal_lines

    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    other = parsed("COUNTERPARTY", lambda: listing.account(counterparty))
    traded = parsed("INSTRUMENT", lambda: listing.instrument(instrument))
    words = unsigned_trade(
        ProposedTerms(
            *((own, other) if side == "buy" else (other, own)),
            traded.id,
            _lots(listing, traded, size, lots),
            _ticks(listing, traded, price, ticks, key.url),
            _now_ms() + 1000 * valid_seconds,
            _time_ms(novate_at),
        )
    )
    check_proposal(words, listing.terms)
    made, effect = key.ask(lambda client: propose(client, words, own, out))
    lines = [*proposal_lines(made, listing, _now_ms()), "", *effect_lines(effect, listing.account_text(own))]
    lines += ["", f"{out}: for the counterparty, who runs `crossclear trade confirm`"]
    show({"file": str(out), "trade": _body(made), "effect": effect}, "\n".join(lines), output)


@trade.command("confirm")
@click.argument("file", type=NEW_FILE)
@click.option("--yes", is_flag=True, help="Sign without asking.")
@account_options
@output_option
def trade_confirm(file: Path, key: MemberKey, output: str, *, yes: bool) -> int:
    """Read the proposal in FILE in words, see what it does to your margin, sign it, submit it and wait for its fate.

    FILE is of `trade propose`, or the text that a node's page shows. Names and units are as the asked node lists them,
    numbers, lots and ticks are what is signed. Ends when the trade is novated or pending; exits
    with 6 when it is refused, with the code and what to do.

    Example: crossclear trade confirm t.json --key trade --home HOME
    """
    from member.client.fates import submit_and_wait
    from member.client.trade_proposals import (
        check_proposal,
        margin_effect,
        missing_signatures,
        read_proposal,
        signing_account,
    )
    from member.printing.trades import effect_lines, fate_text, proposal_lines

    proposal, listing = read_proposal(file), listing_at(key.url)
    check_proposal(proposal, listing.terms)
    own = signing_account(proposal)
    effect = key.ask(lambda client: margin_effect(client, proposal, own))
    lines = [*proposal_lines(proposal, listing, _now_ms()), "", *effect_lines(effect, listing.account_text(own)), ""]
    say("\n".join(lines))
    if not yes:
        click.confirm(harmless(f"Sign for {listing.account_text(own)}?"), abort=True, err=True)
    (name,) = missing_signatures(proposal)
    result, fate = key.ask(lambda client: submit_and_wait(client, client.sign(proposal, name)))
    if fate is None:
        problem = result.problem
        text = "refused" if problem is None else f"refused: {problem.message}\n  {problem.remedy}"
    else:
        text = fate_text(fate, listing)
    show({"trade": _body(proposal), "effect": effect, "result": result, "transaction": fate}, text, output)
    return ExitCode.OK if fate is not None and fate.state == "applied" else ExitCode.VERIFICATION


@trade.command("status")
@click.argument("file", type=NEW_FILE)
@account_options
@output_option
def trade_status(file: Path, key: MemberKey, output: str) -> None:
    """Print what became of the proposal in FILE: open, novated, pending, cancelled, dropped or expired.

    Found in the receipts of your side, so either member may ask. A refusal that left no receipt is shown to the one
    who submitted it, by `transactions show`.

    Example: crossclear trade status t.json --key trade --home HOME
    """
    from member.client.trade_proposals import proposal_status, read_proposal
    from member.printing.trades import status_text, trade_lines

    proposal, listing = read_proposal(file), listing_at(key.url)
    status = key.ask(lambda client: proposal_status(client, proposal))
    lines = [*trade_lines(proposal, listing), status_text(status)]
    show({"trade": _body(proposal), "status": status}, "\n".join(lines), output)


@trade.command("pending")
@click.argument("account")
@account_options
@output_option
def trade_pending(account: str, key: MemberKey, output: str) -> None:
    """Print the pending trades of an own ACCOUNT: binding, and novated when their time has come.

    Example: crossclear trade pending alice --key trade --home HOME
    """
    from member.printing.trades import pending_trades_text

    listing = listing_at(key.url)
    own = parsed("ACCOUNT", lambda: listing.account(account))
    view = key.ask(lambda client: client.trading(own))
    show(view.pending_trades, pending_trades_text(view, listing), output)


def _lots(listing: "Listing", instrument: "Instrument", size: str | None, lots: int | None) -> int:
    if (size is None) is (lots is None):
        raise click.UsageError("give either --size or --lots")
    found = lots if size is None else parsed("--size", lambda: listing.lots(instrument, size))
    if not found or found < 0:
        raise click.BadParameter(f"expected a size above 0, got {size}", param_hint="--size")
    return found


def _ticks(listing: "Listing", instrument: "Instrument", price: str | None, ticks: int | None, url: str) -> int:
    if (price is None) is (ticks is None):
        raise click.UsageError("give either --price or --ticks")
    if price == "mark":
        ticks, price = _mark(instrument, url), None
    found = ticks if price is None else parsed("--price", lambda: listing.ticks(instrument, price))
    if not found or found < 0:
        raise click.BadParameter(f"expected a price above 0, got {price}", param_hint="--price")
    return found


def _mark(instrument: "Instrument", url: str) -> int:
    from member.client.ask import ask_node

    for mark in ask_node(url, lambda client: client.state()).marks:
        if mark.instrument == instrument.id:
            return int(mark.mark_ticks)
    raise click.BadParameter(f"{instrument.name} has no mark yet", param_hint="--price")


def _time_ms(text: str | None) -> int:
    """ISO 8601, in UTC where it names no zone. Raises click.BadParameter for none, and for the past."""
    if text is None:
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"expected a time such as 2026-11-25T16:00, got {text!r}", param_hint="--novate-at"
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    at = int(found.timestamp()) * 1000
    if at <= _now_ms():
        raise click.BadParameter(f"expected a time to come, got {text}", param_hint="--novate-at")
    return at


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _body(trade_: "Proposed") -> "Body":
    from member.api.submit import body_of

    return body_of(trade_)
