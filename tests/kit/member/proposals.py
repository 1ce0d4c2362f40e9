"""Proposals of trades as one member sends them to another."""

import json

from member.client.trade_proposals import LABEL
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP
from tests.kit.member.page_view import now_ms


def proposal(**other: object) -> str:
    """Alice proposes to buy 3 lots from Bob, within the hour; `other`: fields with other values.

    Her signature is a fake: a page cannot tell, a node would.
    """
    fields: dict[str, object] = {
        "type": "trade",
        "venue": LABEL,
        "venue_trade_id": 123,
        "buyer": ALICE,
        "seller": BOB,
        "instrument": BTC_PERP,
        "lots": "3",
        "price_ticks": "790050",
        "not_after_ms": now_ms() + 3_600_000,
        "buyer_signature": "0x" + "11" * 65,
        "seller_signature": "",
    }
    return json.dumps(fields | other)
