"""What streams show beside the events of blocks: snapshots of topics, marks that changed, and values.

Rule: a snapshot and a value are made once for all who read them, of the newest state, and never while a block is
agreed: one at a time, with room for others between, and at most a tenth of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from clearing.schema.records.prices import Mark
from clearing.state.state import State
from member.api.streams import (
    CallsNow,
    DefaultsNow,
    EpochNow,
    LiquidationsNow,
    MarksNews,
    ReceiptsFrom,
    SalesNow,
)
from member.explaining.receipt_index import Masks
from node.api.accounts import account_of
from node.api.governance import governance_of
from node.api.margin_calls import calls_now
from node.api.receipts import instrument_ticks, masks_of, slice_sales, under_way
from node.api.state import collateral_sales, feed_price, instrument_mark
from node.api.stream_blocks import height_news
from node.api.view import NodeView


def marks_now(state: State) -> MarksNews:
    """All prices and marks."""
    terms = state.terms.genesis
    marks: list[tuple[Any, Mark]] = [
        (each, mark) for each in terms.instruments if (mark := state.marks.get(each.id)) is not None
    ]
    return MarksNews(
        height=state.now.height,
        prices=tuple(feed_price(state, feed.id, feed.name) for feed in terms.feeds),
        marks=tuple(instrument_mark(state, instrument, mark) for instrument, mark in marks),
    )


def changed_marks(before: MarksNews | None, now: MarksNews) -> MarksNews | None:
    """Those that are others than before; None for none."""
    if before is None:
        return now
    prices, marks = set(before.prices), set(before.marks)
    news = MarksNews(
        height=now.height,
        prices=tuple(each for each in now.prices if each not in prices),
        marks=tuple(each for each in now.marks if each not in marks),
    )
    return news if news.prices or news.marks else None


def snapshot_of(view: NodeView, topic: str, masks: Masks) -> object:
    """What a stream of the topic begins with. A value's is `value_of`."""
    state, header = view.state, view.newest
    height = header.height if header is not None else state.now.height
    if topic == "heights":
        return height_news(header, 0) if header is not None else ReceiptsFrom(height=height)
    if topic == "marks":
        return marks_now(state)
    if topic == "calls":
        return CallsNow(height=height, calls=calls_now(state, masks))
    if topic == "liquidations":
        return LiquidationsNow(height=height, instruments=instrument_ticks(state))
    if topic == "defaults":
        return DefaultsNow(height=height, under_way=under_way(state))
    if topic == "epochs":
        return EpochNow(height=height, epoch=state.now.epoch, package_epoch=view.newest_package())
    if topic == "governance":
        return governance_of(state)
    return ReceiptsFrom(height=height)


def is_value(topic: str) -> bool:
    """Whether a topic is a value, of which the newest counts."""
    return topic == "sales" or topic.startswith("account:")


def value_of(state: State, topic: str) -> Mapping[str, Any] | None:
    """The fields of a value now; None for no such account."""
    if topic == "sales":
        # One value for all readers, so it shows what each of them may see.
        slices = slice_sales(state, masks_of(state, b""))
        sales = SalesNow(height=state.now.height, slices=slices, collateral=collateral_sales(state))
        return _fields(sales)
    account = account_of(state, int(topic.partition(":")[2]))
    return None if account is None else _fields(account)


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


@dataclass(slots=True)
class Value:
    """The newest fields of a value, and what the last change changed."""

    version: int
    fields: Mapping[str, Any]
    whole: bytes
    delta: bytes

    def changed(self, now: Mapping[str, Any]) -> bool:
        """Follow the newest fields; whether any but the height is another than before."""
        news = {name: value for name, value in now.items() if self.fields.get(name) != value}
        if not news.keys() - {"height"}:
            return False
        self.version += 1
        self.fields, self.whole = now, msgspec.json.encode(now)
        self.delta = msgspec.json.encode({"height": now["height"]} | news)
        return True


def new_value(fields: Mapping[str, Any]) -> Value:
    """The first version."""
    whole = msgspec.json.encode(fields)
    return Value(1, fields, whole, whole)
