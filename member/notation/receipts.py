"""Fields of receipts as a member reads them: names, amounts, prices and times, where the kind of a field is known.

Rule: a field's name says its kind, by the tables here, as in every receipt of the rulebook; amounts, prices and sizes
need the asset or instrument beside them. What is of no known kind, or not of the shape of its kind, is written as it
is: fields are a node's word. Base units, durations and shares keep their numbers and the units in their names.
"""

from collections.abc import Callable, Mapping
from typing import Any

from member.notation.amounts import in_units
from member.notation.listing import Listing, is_id, price_in_units
from member.notation.times import time_text, time_text_of_seconds

_ACCOUNTS = frozenset(
    [
        "account",
        "backstop",
        "bidder",
        "buyer",
        "credited",
        "estate",
        "named_account",
        "recipient",
        "seller",
    ]
)
_MEMBERS = frozenset(["from_member", "member", "to_member"])
_MICROS = frozenset(
    [
        "buyer_received",
        "contributed",
        "day_notional_max",
        "discount",
        "equity",
        "equity_after",
        "fee_each",
        "initial",
        "initial_after",
        "left",
        "maintenance",
        "missing",
        "notional",
        "notional_max",
        "paid",
        "penalty",
        "penalty_to_taker",
        "received",
        "required",
        "target",
        "trigger",
        "venue_fee_each",
    ]
)
_UNITS = frozenset(["undelayed_units", "units"])
_LOTS = frozenset(["lots", "of_lots"])
_TIMES_MS = frozenset(["agreed_ms", "due_ms", "effective_ms", "expires_ms", "next_ms", "until_ms", "vote_until_ms"])
_TIMES_S = frozenset(["block_time_s", "not_after_s"])
_LABELS = {"lots": "size", "of_lots": "of size", "ticks": "price", "micros": "amount", "units": "amount"}
_ENDINGS = {"_ticks": " price", "_micros": "", "_units": " amount", "_ms": "", "_s": ""}


def receipt_text(kind: object, details: object, listing: Listing | None) -> str:
    """`KIND name value, name value`, on one line; each value as it is without a listing."""
    return f"{kind} {_fields(details, listing)}".rstrip() if isinstance(details, Mapping) else str(kind)


def _fields(details: Mapping[str, Any], listing: Listing | None) -> str:
    return ", ".join(_field(name, value, details, listing) for name, value in details.items())


def _field(name: str, value: object, beside: Mapping[str, Any], listing: Listing | None) -> str:
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        return f"{_plain(name)} " + " ".join(f"({_fields(each, listing)})" for each in value)
    if isinstance(value, Mapping):
        return f"{_plain(name)} ({_fields(value, listing)})"
    is_number = is_id(str(value).removeprefix("-"))
    text = _known(name, value, beside, listing) if listing is not None and is_number else None
    return f"{_plain(name)} {value}" if text is None else f"{_label(name)} {text}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _label(name: str) -> str:
    """The name without the unit that the text has instead."""
    if name in _LABELS:
        return _LABELS[name]
    ending = next((each for each in _ENDINGS if name.endswith(each)), "")
    return _plain(name.removesuffix(ending)) + _ENDINGS.get(ending, "")


def _known(name: str, value: object, beside: Mapping[str, Any], listing: Listing) -> str | None:
    """The text of a number, or None where its kind is not known."""
    number = int(str(value))
    named = _NAMED.get(name)
    if named is not None:
        return named(listing, number)
    if name in _TIMES_MS:
        return time_text(number)
    if name in _TIMES_S:
        return time_text_of_seconds(number)
    if name in _UNITS and number_in(beside, "asset") is not None:
        return listing.units_text(int(beside["asset"]), number)
    if name in _LOTS:
        instrument = listing.instrument_at(number_in(beside, "instrument") or 0)
        return None if instrument is None else listing.size_text(instrument, number)
    if name == "ticks" or name.endswith("_ticks"):
        return _price(number, beside, listing)
    if name == "micros" or name.endswith("_micros") or name in _MICROS:
        return f"{in_units(number)} {_currency(beside, listing)}".rstrip()
    return None


def _account(listing: Listing, number: int) -> str | None:
    return listing.account_text(number) if number else None


def _member(listing: Listing, number: int) -> str | None:
    return listing.member_text(number) if number else None


def _instrument(listing: Listing, number: int) -> str | None:
    found = listing.instrument_at(number)
    return None if found is None else found.name


def _asset(listing: Listing, number: int) -> str | None:
    return next((each.name for each in listing.terms.assets if each.id == number), None)


def _cash_group(listing: Listing, number: int) -> str | None:
    return next((each.name for each in listing.terms.cash_groups if each.id == number), None)


def _feed(listing: Listing, number: int) -> str | None:
    return next((each.name for each in listing.terms.feeds if each.id == number), None)


def _price(ticks: int, beside: Mapping[str, Any], listing: Listing) -> str | None:
    """Of the instrument or the feed beside it; another price is of a pair that the receipt does not name."""
    feed = number_in(beside, "feed")
    if feed is not None:
        return price_in_units(ticks, listing.ticks_per_unit.get(feed, 0))
    instrument = listing.instrument_at(number_in(beside, "instrument") or 0)
    if instrument is None:
        return None
    return f"{listing.price_text(instrument, ticks)} {listing.currency(instrument)}".rstrip()


def _currency(beside: Mapping[str, Any], listing: Listing) -> str:
    """Of the cash group beside an amount, or else of the instrument; empty where the receipt names neither."""
    group = number_in(beside, "cash_group")
    if group is not None:
        return _cash_group(listing, group) or ""
    instrument = listing.instrument_at(number_in(beside, "instrument") or 0)
    return "" if instrument is None else listing.currency(instrument)


def number_in(fields: Mapping[str, Any], name: str) -> int | None:
    """A receipt's number of 0 or above, such as an id; None where the node sent none."""
    value = str(fields.get(name))
    return int(value) if is_id(value) else None


_NAMED: dict[str, Callable[[Listing, int], str | None]] = {
    **dict.fromkeys(_ACCOUNTS, _account),
    **dict.fromkeys(_MEMBERS, _member),
    "instrument": _instrument,
    "asset": _asset,
    "cash_group": _cash_group,
    "feed": _feed,
    "chain_id": Listing.chain_text,
}
