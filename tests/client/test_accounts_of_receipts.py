"""All readers of streams know the fields of receipts that are an account, or they would refuse what is theirs."""

import re
from typing import get_args

import pytest

from clearing.schema.blocks.receipt import Receipt
from crossclear_client import frames
from devnet.toolchain import CLIENT
from member.api import streams
from member.explaining.receipt_index import ALL, DEFAULTS, FUNDS, LIQUIDATIONS, NAMING_FIELDS

PATHS = LIQUIDATIONS | DEFAULTS | FUNDS


@pytest.mark.parametrize("kind", get_args(Receipt), ids=lambda kind: kind.__name__)
def test_every_field_that_is_an_account_is_known_or_in_a_list(kind: type[Receipt]) -> None:
    naming = {field for field in NAMING_FIELDS if hasattr(kind, field)}
    assert naming <= {*kind.__struct_fields__}, "what is no field is not sent"
    for path in PATHS.get(kind, ()):
        if len(path) == 1:
            naming.add(str(path[0]))
        else:
            assert path[1] is ALL
    assert naming <= {*streams.ACCOUNT_FIELDS}


def test_the_clients_know_the_same_fields() -> None:
    source = (CLIENT / "src" / "frames.ts").read_text()
    found = re.search(r"^const ACCOUNT_FIELDS = \[(.*)\];$", source, re.M)
    assert found is not None
    assert tuple(re.findall(r'"(\w+)"', found[1])) == frames.ACCOUNT_FIELDS == streams.ACCOUNT_FIELDS
