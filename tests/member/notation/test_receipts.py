"""Rules of receipts' fields as a member reads them."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from msgspec.inspect import StructType, VarTupleType, type_info

from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.trades import TradeNovated
from member.api.receipts import named
from member.notation import receipts
from member.notation.listing import Listing
from member.notation.receipts import receipt_text
from tests.kit.clearing.genesis import ALICE, BOB, BTC
from tests.kit.clearing.margined import traded

LISTING = Listing(traded().state.terms.genesis, {BTC: 100})


def fields(**details: Any) -> str:
    return receipt_text("Kind", details, LISTING).removeprefix("Kind ")


def test_a_novated_trade_reads_in_names_and_units() -> None:
    receipt = TradeNovated(0, 1, 7, 1, ALICE, BOB, 246, 790_025, 790_030, -1_500_000, 2_500)
    assert receipt_text("TradeNovated", named(receipt), LISTING) == (
        "TradeNovated index 0, venue 1, venue trade id 7, instrument BTC-PERP, buyer member-1 (account 1), seller"
        " member-2 (account 2), size 246 lots (0.246), price 7,900.25 USD, mark price 7,900.30 USD,"
        " buyer received -1.50 USD, fee each 0.0025 USD, venue fee each 0.00 USD"
    )


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"asset": 3, "units": "2500000"}, "asset WETH-1, amount 2.50 WETH-1"),
        ({"cash_group": 1, "micros": "-1500000"}, "cash group USD, amount -1.50 USD"),
        ({"fee_micros": "1500000"}, "fee 1.50"),
        ({"feed": BTC, "observed_ticks": "790025"}, "feed BTC, observed price 7,900.25"),
        ({"feed": 2, "ticks": "17400"}, "feed ETH, price 17,400 ticks"),
        ({"due_ms": "1584000059000"}, "due 2020-03-12 08:00:59 UTC"),
        ({"not_after_s": "1584000059"}, "not after 2020-03-12 08:00:59 UTC"),
        ({"member": "1"}, "member member-1 (member 1)"),
        (
            {"positions": [{"instrument": 1, "lots": "-246"}, {"instrument": 1, "lots": "0"}]},
            "positions (instrument BTC-PERP, size -246 lots (-0.246)) (instrument BTC-PERP, size 0 lots (0.00))",
        ),
    ],
)
def test_a_field_of_a_known_kind_has_its_name_or_its_units(details: dict[str, Any], text: str) -> None:
    assert fields(**details) == text


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"window_ms": "60000"}, "window ms 60000"),
        ({"units": "2500000"}, "units 2500000"),
        ({"lots": "5"}, "lots 5"),
        ({"ticks": "790000"}, "ticks 790000"),
        ({"instrument": 77, "lots": "5", "ticks": "6"}, "instrument 77, lots 5, ticks 6"),
        ({"asset": 77, "cash_group": 77, "feed": 77}, "asset 77, cash group 77, feed 77"),
        ({"named_account": "0", "deficits": [[1, "5"]]}, "named account 0, deficits [[1, '5']]"),
    ],
)
def test_a_field_of_no_known_kind_keeps_its_name_and_its_number(details: dict[str, Any], text: str) -> None:
    assert fields(**details) == text


@pytest.mark.parametrize("value", ["much", None, True, {}, [], [{}], "9" * 5000, -1, 1.5])
@pytest.mark.parametrize("name", ["account", "instrument", "asset", "ticks", "lots", "units", "micros", "due_ms"])
def test_a_value_of_another_shape_ends_no_printing(name: str, value: Any) -> None:
    beside = dict.fromkeys(("instrument", "asset", "feed", "cash_group"), value)
    assert fields(**{**beside, name: value}).startswith("instrument")
    assert fields(**{**dict.fromkeys(beside, 1), name: value}).startswith("instrument")


def test_every_field_that_the_tables_name_is_one_of_a_receipt() -> None:
    kinds = set(get_args(Receipt))
    for kind in (*kinds,):
        kinds |= {each.cls for each in _structs(type_info(kind))}
    known = {name for kind in kinds for name in kind.__struct_fields__}
    tables = (receipts._ACCOUNTS, receipts._MEMBERS, receipts._MICROS, receipts._UNITS, receipts._LOTS)
    listed = frozenset().union(*tables, receipts._TIMES_MS, receipts._TIMES_S, receipts._NAMED)
    assert listed - known == set()


def _structs(info: Any) -> Iterator[StructType]:
    """Structures in tuples of a receipt."""
    if isinstance(info, StructType):
        yield info
        for field in info.fields:
            yield from _structs(field.type)
    elif isinstance(info, VarTupleType):
        yield from _structs(info.item_type)
