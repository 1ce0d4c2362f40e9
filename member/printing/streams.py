"""Frames of a stream as text, a line each.

Rule: names and units are those of the `Listing`. Data of a frame are a node's, of any shape: what does not have the
expected one is printed as it is.
"""

from typing import Any

import msgspec

from member.api.streams import StreamFrame
from member.notation.amounts import in_units
from member.notation.listing import Listing, is_id, price_in_units
from member.notation.receipts import receipt_text

_HELD = ("cash", "tokens", "positions")
_MICROS = "_micros"


def frame_text(frame: StreamFrame, listing: Listing | None) -> str:
    """`CURSOR TOPIC:` and what is new, in words, or as it was sent without a listing."""
    name, data = frame.topic.partition(":")[0], frame.data
    if listing is None:
        words = msgspec.json.encode(data).decode()
    elif name == "heights":
        words = _height(data)
    elif name == "marks":
        words = _marks(data, listing)
    else:
        is_receipt = "kind" in data and name not in ("account", "sales")
        words = receipt_text(data["kind"], data.get("details"), listing) if is_receipt else _values(data, listing)
    return f"{frame.cursor or '-'} {frame.topic}: {words}"


def _height(data: dict[str, Any]) -> str:
    return f"height {data.get('height')}, epoch {data.get('epoch')}, {data.get('receipts')} receipts"


def _marks(data: dict[str, Any], listing: Listing) -> str:
    prices = [
        f"{each.get('name')} {_price(each.get('index_ticks'), each.get('feed'), listing)} ({each.get('status')})"
        for each in _list(data, "prices")
    ]
    marks = []
    for each in _list(data, "marks"):
        instrument = listing.instrument_at(_number(each.get("instrument"), -1))
        feed = instrument.feed if instrument is not None else None
        marks.append(f"{each.get('name')} {_price(each.get('mark_ticks'), feed, listing)}")
    return "; ".join(
        part for part in (f"index {', '.join(prices)}" * bool(prices), f"mark {', '.join(marks)}" * bool(marks)) if part
    )


def _price(ticks: object, feed: object, listing: Listing) -> str:
    scale = listing.ticks_per_unit.get(_number(feed, -1), 0)
    return price_in_units(str(ticks), scale) if is_id(str(ticks)) else str(ticks)


def _values(data: dict[str, Any], listing: Listing) -> str:
    shown = []
    for name, value in data.items():
        if name == "account":
            shown.append(listing.account_text(_number(value, -1)) if is_id(str(value)) else f"{name} {value}")
        elif name in _HELD and isinstance(value, list):
            shown += [_holding(each, listing) for each in _list(data, name)]
        elif isinstance(value, list):
            shown += [f"{len(value)} {name}"] if value else []
        elif isinstance(value, str | int):
            shown.append(_amount(name, value))
    return ", ".join(shown)


def _holding(held: dict[str, Any], listing: Listing) -> str:
    name = held.get("name")
    if _is_amount(held.get("amount_micros")):
        return f"{name} {in_units(held['amount_micros'])}"
    if _is_amount(held.get("amount_units")):
        return listing.units_text(_number(held.get("asset"), -1), held["amount_units"])
    instrument = listing.instrument_at(_number(held.get("instrument"), -1))
    if instrument is None or not _is_amount(held.get("lots")):
        return ", ".join(f"{key} {value}" for key, value in held.items())
    lots = int(held["lots"])
    return (
        f"{name} {'long' if lots > 0 else 'short'} {listing.size_text(instrument, abs(lots))}" if lots else f"{name} 0"
    )


def _amount(name: str, value: str | int) -> str:
    if name.endswith(_MICROS) and _is_amount(value):
        return f"{name.removesuffix(_MICROS).replace('_', ' ')} {in_units(value)}"
    return f"{name.replace('_', ' ')} {value}"


def _is_amount(value: object) -> bool:
    return isinstance(value, str) and is_id(value.removeprefix("-"))


def _number(value: object, otherwise: int) -> int:
    return int(str(value)) if is_id(str(value)) else otherwise


def _list(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = data.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
