"""The stream of a node: its topics, its frames and its cursors.

Rule: a frame says its topic, whether it is a snapshot or a delta, and the cursor up to which everything of the topics
was sent; of the first snapshots only the last one has a cursor. A cursor is `height:index`, the place of an event among
all events of a block, which every node counts alike. Events are sent once and in order. A value (`account:ID`, `sales`)
is sent whole at first, then what changed; where a reader is late, the values in between are left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from member.api.receipts import DefaultUnderWay, InstrumentTicks, SliceSale
from member.api.state import CollateralSale, FeedPrice, InstrumentMark
from member.api.types import Body, Hash, Id

PUBLIC_TOPICS = {
    "heights": "every decided height",
    "marks": "prices and marks, all at first, then those that changed in a block",
    "epochs": "epochs that closed",
    "governance": "proposals, votes, amendments, halts, upgrades",
}
MEMBER_TOPICS = {
    "calls": "margin calls and cash calls of all accounts; accounts of other members are masked",
    "liquidations": "liquidations of all accounts, masked alike",
    "sales": "slices and collateral that can be bid for in the next block; accounts in liquidation are masked",
    "defaults": "defaults and who bore their losses, masked alike",
    "fund": "the default fund: sizing, calls, payments, draws, masked alike",
}
"""Any member may read them."""
ACCOUNT_TOPICS = {
    "account": "holdings and margin of an own account, all at first, then the fields that changed",
    "receipts": "what happened to an own account",
}
"""With `:` and the account's id."""
TOPICS_MAX = 16
"""In one stream."""
_NAMED = "|".join((*PUBLIC_TOPICS, *MEMBER_TOPICS))
_OF_ACCOUNT = "|".join(ACCOUNT_TOPICS)
TOPIC_PATTERN = f"(?:{_NAMED}|(?:{_OF_ACCOUNT}):(?:0|[1-9][0-9]{{0,17}}))"
TOPICS_PATTERN = f"{TOPIC_PATTERN}(?:,{TOPIC_PATTERN}){{0,{TOPICS_MAX - 1}}}"
CURSOR_PATTERN = "(?:0|[1-9][0-9]{0,17}):(?:0|[1-9][0-9]{0,8})"
WHOLE_BLOCK = 999_999_999
"""The index of a cursor that stands after all events of its block, however many they are."""
SUBPROTOCOL = "crossclear.v1"
"""Of a WebSocket."""
SUBPROTOCOL_SIGNED = "crossclear.signed."
"""Begins a second offered subprotocol, with the time, the nonce and the signature of a signed request between dots:
pages can't set headers of a WebSocket."""
CLOSE_ENDING, CLOSE_REFUSED = 1001, 1008
"""Codes of RFC 6455 with which a node closes: it ends itself; the reader is refused by the code in the last frame."""
_CURSOR = re.compile(CURSOR_PATTERN)
ACCOUNT_FIELDS = (
    "account",
    "buyer",
    "seller",
    "recipient",
    "named_account",
    "bidder",
    "fund",
    "backstop",
    "estate",
)
"""Fields of receipts that are an account; lists have others."""


class Cursor(Body, frozen=True, order=True):
    """Everything up to and including this event was sent."""

    height: int
    index: int

    def __str__(self) -> str:
        return f"{self.height}:{self.index}"


def read_cursor(text: str) -> Cursor | None:
    """The cursor that a text says; None where it says none."""
    if _CURSOR.fullmatch(text) is None:
        return None
    height, _, index = text.partition(":")
    return Cursor(int(height), int(index))


class HeightNews(Body, frozen=True):
    """`heights`: a decided height, snapshot and delta."""

    height: int
    time_ms: int
    header_hash: Hash
    state_root: Hash
    epoch: int
    receipts: int
    """How many the block has."""


class MarksNews(Body, frozen=True):
    """`marks`: all in the snapshot, then those that a block changed."""

    height: int
    prices: tuple[FeedPrice, ...]
    marks: tuple[InstrumentMark, ...]


class CallNow(Body, frozen=True):
    """A margin call under way. The account of another member is masked."""

    account: Id
    kind: Literal["early", "margin"]
    opened_height: int
    deadline_height: int
    lapsed: bool


class CallsNow(Body, frozen=True):
    """The snapshot of `calls`: those under way, at most 256."""

    height: int
    calls: tuple[CallNow, ...]


class LiquidationsNow(Body, frozen=True):
    """The snapshot of `liquidations`: what the arithmetic of its receipts needs."""

    height: int
    instruments: tuple[InstrumentTicks, ...]


class DefaultsNow(Body, frozen=True):
    """The snapshot of `defaults`: those that have not ended."""

    height: int
    under_way: tuple[DefaultUnderWay, ...]


class EpochNow(Body, frozen=True):
    """The snapshot of `epochs`."""

    height: int
    epoch: int
    package_epoch: int
    """Of the newest package of this node; 0 before the first."""


class SalesNow(Body, frozen=True):
    """`sales`: everything for sale; the delta has the fields that changed."""

    height: int
    slices: tuple[SliceSale, ...]
    collateral: tuple[CollateralSale, ...]


class ReceiptsFrom(Body, frozen=True):
    """The snapshot of a topic that has events alone: they begin after this height."""

    height: int


class StreamFrame(Body, frozen=True):
    """One frame. `kind`: `snapshot` and `delta` of a topic; `heartbeat` when nothing happened, with an empty topic;
    `end`, after which the node closes: then `data` is a refusal, and a stream from `cursor` goes on where it ended."""

    topic: Annotated[str, Meta(max_length=32)]
    cursor: Annotated[str, Meta(pattern=f"^({CURSOR_PATTERN})?$")]
    """Empty in a first snapshot that others follow: a stream that breaks off there begins anew."""
    kind: Literal["snapshot", "delta", "heartbeat", "end"]
    data: dict[str, Any]


def is_after(before: Cursor, frame: StreamFrame) -> bool:
    """Whether a frame may follow the cursor: an event is beyond it, a value or a heartbeat not before it. Snapshots of
    events, and frames without a cursor, come before there is one."""
    now = read_cursor(frame.cursor)
    if now is None:
        return False
    if frame.kind in ("heartbeat", "end") or frame.topic == "sales" or frame.topic.startswith("account:"):
        return now >= before
    return frame.kind == "delta" and now > before


def is_of_topic(topic: str, data: Mapping[str, Any]) -> bool:
    """Whether the data is of the account that the topic names, as far as it names accounts: a receipt may name others
    beside it."""
    kind, _, account = topic.partition(":")
    if kind == "account":
        return str(data.get("account", account)) == account
    if kind != "receipts" or "details" not in data:
        return True
    details = data["details"]
    named = tuple(_accounts(details)) if isinstance(details, dict) else ("",)
    return not named or account in named


def _accounts(details: dict[str, Any]) -> Iterator[str]:
    """What may be accounts in a receipt: its fields that are one, and everything in lists."""
    inner: list[Any] = []
    for name, value in details.items():
        if isinstance(value, list | dict):
            inner.append(value)
        elif name in ACCOUNT_FIELDS:
            yield str(value)
    while inner:
        value = inner.pop()
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, list | dict):
                inner.append(each)
            else:
                yield str(each)
