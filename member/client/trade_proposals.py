"""Bilateral trades in files: one side proposes and signs, the other reads, signs and submits.

Rule: the file is the request's JSON body with one signature left empty, the text that the page shows and takes. A
proposal binds its signer until its not-after, so it is good for minutes. What is signed is computed here from the body,
for the network that the node states.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.known_types import known_type
from clearing.base.plain_json import read_json
from clearing.schema.receipts.trades import PendingTradeCancelled, PendingTradeRefused, TradeNovated, TradePending
from clearing.schema.requests.trades import Trade, TradeReport
from clearing.schema.terms.genesis import Genesis
from member.api.accounts import PendingTradeView
from member.api.margin import SimulateBody, SimulationView, TradeShock
from member.api.submit import BODY_OF, body_of, transaction_of
from member.api.types import Body
from member.client.node_client import NodeClient
from member.client.node_refusal import NodeRefusal
from member.codes import NodeCode
from member.durable_files import write_new
from member.signing.requests import UNSIGNED

LABEL = 4_000_000_000
"""The `venue` of proposals; no venue of genesis has it. The page's is the same."""
FILE_BYTES_MAX = 1 << 14
SIGNATURES = ("buyer_signature", "seller_signature")
EMPTY = "0x" + UNSIGNED.hex()
Proposed: TypeAlias = Trade | TradeReport


@dataclass(frozen=True, slots=True)
class ProposedTerms:
    """What two members agreed on. `novate_at_ms`: pending until then; 0: novated at once."""

    buyer: int
    seller: int
    instrument: int
    lots: int
    ticks: int
    not_after_ms: int
    novate_at_ms: int = 0


def unsigned_trade(words: ProposedTerms) -> Proposed:
    """The request of these terms, with the time in milliseconds as its id and no signature."""
    now_ms = time.time_ns() // 1_000_000
    same = (LABEL, now_ms, words.buyer, words.seller, words.instrument, words.lots, words.ticks)
    if words.novate_at_ms:
        return TradeReport(*same, now_ms, words.novate_at_ms, words.not_after_ms, b"", UNSIGNED, UNSIGNED)
    return Trade(*same, words.not_after_ms, UNSIGNED, UNSIGNED)


def missing_signatures(trade: Proposed) -> tuple[str, ...]:
    """The names of the signatures that are not made yet."""
    return tuple(name for name in SIGNATURES if getattr(trade, name) == UNSIGNED)


def signing_account(trade: Proposed) -> int:
    """The account of the one missing signature. Raises LocalFault TRADE_PROPOSAL."""
    missing = missing_signatures(trade)
    if len(missing) != 1:
        raise LocalFault(NodeCode.TRADE_PROPOSAL, "signatures", missing=len(missing), expected=1)
    return trade.buyer if missing == ("buyer_signature",) else trade.seller


async def propose(
    client: NodeClient, trade: Proposed, account: int, out: Path
) -> tuple[Proposed, SimulationView | None]:
    """Sign as the side of `account` and write the file; the signed trade, and its effect on that side's margin.

    Raises LocalFault OUTPUT_EXISTS, and as `margin_effect`, before anything is written.
    """
    effect = await margin_effect(client, trade, account)
    made = client.sign(trade, "buyer_signature" if account == trade.buyer else "seller_signature")
    write_new(out, proposal_json(made).encode() + b"\n")
    return made, effect


def proposal_json(trade: Proposed) -> str:
    """The file's content: JSON on one line, signatures that are missing empty."""
    tree: dict[str, Any] = msgspec.to_builtins(body_of(trade))
    return msgspec.json.encode({name: "" if value == EMPTY else value for name, value in tree.items()}).decode()


def read_proposal(file: Path) -> Proposed:
    """The trade in a file. Raises LocalFault TRADE_PROPOSAL for anything else."""
    kinds: dict[str, type[Body]] = {"trade": BODY_OF[Trade], "trade_report": BODY_OF[TradeReport]}
    try:
        tree = read_json(_bytes_of(file), dict[str, Any])
        kind = kinds.get(tree.get("type"))  # type: ignore[arg-type]
        if kind is None:
            raise ValueError(f"it has no trade, but {str(tree.get('type'))[:40]!r}")
        filled = {name: EMPTY if name in SIGNATURES and not value else value for name, value in tree.items()}
        found = transaction_of(msgspec.convert(filled, known_type(kind)))
    except (OSError, ValueError, msgspec.DecodeError, RecursionError, RemoteFault) as error:
        raise LocalFault(NodeCode.TRADE_PROPOSAL, str(file), why=str(error)[:200]) from None
    if not isinstance(found, Trade | TradeReport):
        raise LocalFault(NodeCode.TRADE_PROPOSAL, str(file), why="it has no trade")
    return found


def check_proposal(trade: Proposed, terms: Genesis) -> None:
    """Raise LocalFault TRADE_PROPOSAL for what no block could take: a venue's trade, an unknown instrument, two equal
    sides, or a time that is over."""
    listed = {each.id for each in terms.instruments}
    if trade.venue in {each.id for each in terms.venues} or (isinstance(trade, TradeReport) and trade.venue_signature):
        why = "it is a venue's trade"
    elif trade.instrument not in listed:
        why = f"no instrument {trade.instrument} is listed"
    elif trade.buyer == trade.seller:
        why = "buyer and seller are the same account"
    elif not trade.lots:
        why = "it has no lots"
    elif trade.not_after_ms <= time.time_ns() // 1_000_000:
        why = "its time is over"
    else:
        return
    raise LocalFault(NodeCode.TRADE_PROPOSAL, "trade", why=why)


async def margin_effect(client: NodeClient, trade: Proposed, account: int) -> SimulationView | None:
    """The margin of one side before and after the trade; None where this key may not see it, such as a session key."""
    lots = trade.lots if account == trade.buyer else -trade.lots
    shock = TradeShock(instrument=trade.instrument, lots=str(lots), price_ticks=str(trade.ticks))
    try:
        return await client.simulate_margin(account, SimulateBody(trades=(shock,)))
    except NodeRefusal as refusal:
        if refusal.code not in (NodeCode.API_FORBIDDEN, NodeCode.API_UNAUTHENTICATED):
            raise
        return None


class ProposalStatus(Body, frozen=True):
    """How far a proposal is. `height`: of the last receipt about it; 0: no block has it."""

    state: str
    """open, expired, novated, pending, cancelled or dropped."""
    height: int = 0
    pending: PendingTradeView | None = None
    code: int = 0
    """Why a pending trade could not be novated at its last attempt."""
    values: dict[str, str] = msgspec.field(default_factory=dict)


ENDS: dict[str, str] = {
    TradeNovated.__name__: "novated",
    TradePending.__name__: "pending",
    PendingTradeCancelled.__name__: "cancelled",
    PendingTradeRefused.__name__: "pending",
}


async def proposal_status(client: NodeClient, trade: Proposed) -> ProposalStatus:
    """How far a proposal is, out of the receipts and pending trades of the side that this client's key owns.

    Raises NodeRefusal API_FORBIDDEN where it owns neither.
    """
    account = await _own_side(client, trade)
    found = ProposalStatus(state="open" if trade.not_after_ms > time.time_ns() // 1_000_000 else "expired")
    after = ""
    while True:
        page = await client.receipts(account, after)
        for each in page.receipts:
            about = (each.details.get("venue"), each.details.get("venue_trade_id"))
            if each.kind in ENDS and about == (str(trade.venue), str(trade.venue_trade_id)):
                found = _after_receipt(each.kind, each.height, each.details)
        after = page.next
        if not after:
            break
    for pending in (await client.trading(account)).pending_trades:
        if (pending.venue, pending.venue_trade_id) == (trade.venue, trade.venue_trade_id):
            return msgspec.structs.replace(found, state="pending", pending=pending)
    return found


def _after_receipt(kind: str, height: int, details: dict[str, Any]) -> ProposalStatus:
    if kind != PendingTradeRefused.__name__:
        return ProposalStatus(state=ENDS[kind], height=height)
    state = "pending" if int(details["next_ms"]) else "dropped"
    values = {str(name): str(value) for name, value in details["values"]}
    return ProposalStatus(state=state, height=height, code=int(details["code"]), values=values)


async def _own_side(client: NodeClient, trade: Proposed) -> int:
    try:
        return (await client.account(trade.buyer)).account
    except NodeRefusal as refusal:
        if refusal.code is not NodeCode.API_FORBIDDEN:
            raise
    return (await client.account(trade.seller)).account


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
    return data
