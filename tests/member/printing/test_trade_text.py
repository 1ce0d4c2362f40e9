"""What became of a confirmed trade is said with any fields that the node's receipts have."""

from typing import Any

import pytest

from member.api.receipts import ReceiptView
from member.api.transactions import TransactionView
from member.notation.listing import Listing
from member.printing.trades import fate_text
from tests.kit.clearing.genesis import BTC
from tests.kit.clearing.margined import traded

LISTING = Listing(traded().state.terms.genesis, {BTC: 100})
HASH = "ab" * 32


@pytest.mark.parametrize(
    ("kind", "details", "text"),
    [
        ("TradeNovated", {"fee_each": "2500"}, f"novated at height 7, fee 0.0025, transaction {HASH}"),
        (
            "TradePending",
            {"due_ms": "1700000000000"},
            f"pending since height 7, novated at 2023-11-14 22:13:20 UTC or later, transaction {HASH}",
        ),
        ("TradeNovated", {}, f"transaction {HASH}: applied at height 7, index 0\n  TradeNovated"),
        (
            "TradeNovated",
            {"fee_each": "much"},
            f"transaction {HASH}: applied at height 7, index 0\n  TradeNovated fee each much",
        ),
        ("TradePending", {}, f"transaction {HASH}: applied at height 7, index 0\n  TradePending"),
    ],
)
def test_a_receipt_without_its_number_is_printed_as_it_was_sent(kind: str, details: dict[str, Any], text: str) -> None:
    view = TransactionView(HASH, "applied", height=7, receipts=(ReceiptView(7, 0, kind, details),))
    assert fate_text(view, LISTING) == text
