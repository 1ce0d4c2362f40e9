"""What is signed for every kind of request stays what it was: frozen requests have their frozen digests."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from clearing.base.codec import decode
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import Transaction, transaction_bytes_max

FROZEN = json.loads((Path(__file__).parents[2] / "vectors" / "clearing" / "request-digests.json").read_text())
KIND: Any = Transaction


def test_every_kind_is_frozen() -> None:
    assert {each["kind"] for each in FROZEN["requests"]} == {kind.__name__ for kind in get_args(Transaction)}


@pytest.mark.parametrize("frozen", FROZEN["requests"], ids=lambda each: each["kind"])
def test_a_frozen_request_has_its_frozen_digest(frozen: dict[str, str]) -> None:
    data = bytes.fromhex(frozen["request"])
    request = decode(data, KIND)
    assert type(request).__name__ == frozen["kind"]
    assert len(data) <= transaction_bytes_max(request)
    assert request.digest(NetworkId(bytes.fromhex(FROZEN["network"]))).hex() == frozen["digest"]
