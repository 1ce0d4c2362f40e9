"""Frames of a stream as lines: names and units where the network has them, and a hostile node's data as they are."""

from typing import Any

import pytest

from member.api.streams import StreamFrame
from member.notation.listing import Listing
from member.printing.streams import frame_text
from tests.kit.clearing.genesis import ALICE, BTC
from tests.kit.clearing.margined import traded

LISTING = Listing(traded().state.terms.genesis, {BTC: 100})


def line(topic: str, data: dict[str, Any]) -> str:
    return frame_text(StreamFrame(topic=topic, kind="delta", cursor="3:1", data=data), LISTING)


def test_marks_are_in_units_where_the_scale_is_known() -> None:
    data = {
        "prices": [
            {"feed": 1, "name": "BTC", "index_ticks": "790025", "status": "open"},
            {"feed": 2, "name": "ETH", "index_ticks": "17400", "status": "stale"},
        ],
        "marks": [{"instrument": 1, "name": "BTC-PERP", "mark_ticks": "790030"}],
    }
    assert (
        line("marks", data) == "3:1 marks: index BTC 7,900.25 (open), ETH 17,400 ticks (stale); mark BTC-PERP 7,900.30"
    )


def test_an_account_is_named_and_its_amounts_are_in_units() -> None:
    data = {
        "account": ALICE,
        "equity_micros": "10186640476",
        "called": False,
        "cash": [{"cash_group": 1, "name": "USD", "amount_micros": "-1500000"}],
        "tokens": [{"asset": 3, "name": "WETH-1", "amount_units": "2500000"}],
        "positions": [{"instrument": 1, "name": "BTC-PERP", "lots": "-246"}],
        "calls": [{"kind": "margin"}],
    }
    assert line(f"account:{ALICE}", data) == (
        f"3:1 account:{ALICE}: member-1 (account 1), equity 10,186.640476, called False, USD -1.50,"
        " 2.50 WETH-1, BTC-PERP short 246 lots (0.246), 1 calls"
    )


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("marks", {"prices": [{"feed": "x", "name": "BTC", "index_ticks": "much"}], "marks": [{"mark_ticks": None}]}),
        ("account:1", {"account": "x", "equity_micros": "much", "cash": [{"amount_micros": []}], "positions": [{}]}),
        ("account:1", {"account": True, "positions": [{"instrument": 77, "name": "X", "lots": "9" * 5000}]}),
    ],
)
def test_data_of_another_shape_end_no_watch(topic: str, data: dict[str, Any]) -> None:
    assert line(topic, data).startswith(f"3:1 {topic}: ")


def test_a_receipt_is_in_names_and_units() -> None:
    data = {"height": 3, "index": 1, "kind": "DepositCredited", "details": {"account": ALICE, "asset": 3, "units": "5"}}
    assert line(f"receipts:{ALICE}", data) == (
        f"3:1 receipts:{ALICE}: DepositCredited account member-1 (account 1), asset WETH-1, amount 0.000005 WETH-1"
    )


def test_a_receipt_without_fields_is_its_kind() -> None:
    assert line("defaults", {"kind": "Kind", "details": "much"}) == "3:1 defaults: Kind"
