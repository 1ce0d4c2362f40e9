"""A node that makes receipts up: each is explained, or said to make no sense, and none takes longer for its numbers."""

from itertools import product
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from member.api.receipts import ReceiptAt
from member.explaining.default_fund import explain_fund
from member.explaining.defaults import explain_defaults
from member.explaining.formatting import Listing, formatted
from member.explaining.liquidations import _path, explain_liquidations
from member.explaining.receipt_index import DEFAULTS, FUNDS, LIQUIDATIONS

KINDS = sorted(LIQUIDATIONS | DEFAULTS | FUNDS, key=lambda kind: kind.__name__)


def test_the_place_on_a_path_is_the_newest_that_gives_what_is_stated() -> None:
    for span, start, rise in product((0, 1, 2, 3, 7, 10), (0, 5), (0, 1, 2, 3, 9, 40)):
        for latest in range(span + 1):
            values = [start + rise * past // span if span else start for past in range(latest + 1)]
            for stated in range(start - 1, start + rise + 2):
                places = [past for past, value in enumerate(values) if value == stated]
                wanted = (stated, places[-1]) if places else (values[-1], latest)
                assert _path(span, start, rise, latest, stated) == wanted


def test_a_path_of_a_liar_is_as_quickly_followed_as_any() -> None:
    assert _path(2**62, 0, 2**31, 2**62, 7) == (7, (8 * 2**31 - 1))
    assert _path(2**62, 0, 0, 2**62, 7) == (0, 2**62)
    assert _path(-5, 3, 1, -7, 3) == (3, 0)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_a_node_says_is_told_or_told_to_make_no_sense(data: st.DataObject) -> None:
    said: list[ReceiptAt] = []
    for index in range(data.draw(st.integers(1, 3))):
        kind: Any = data.draw(st.sampled_from(KINDS))
        receipt = data.draw(wire_values(msgspec.inspect.type_info(kind)))
        said.append(ReceiptAt(data.draw(st.sampled_from([5, 2**62])) + index, index, decode(encode(receipt), kind)))
    said.sort(key=lambda each: (each.height, each.index))
    for explain in (explain_liquidations, explain_defaults, explain_fund):
        formatted(explain(said, lambda _: Listing({1: "X"}, {1: 0}, {1: 1})))


def wire_values(info: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Any value of a wire type; numbers at their bounds more often than not."""
    inspect = msgspec.inspect
    if isinstance(info, inspect.Metadata):
        return wire_values(info.type)
    if isinstance(info, inspect.StructType):
        return st.tuples(*(wire_values(field.type) for field in info.fields)).map(lambda fields: info.cls(*fields))
    if isinstance(info, inspect.EnumType):
        return st.sampled_from(list(info.cls))
    if isinstance(info, inspect.BoolType):
        return st.booleans()
    if isinstance(info, inspect.IntType):
        least, most = info.ge if info.ge is not None else -(2**63), info.le if info.le is not None else 2**63 - 1
        odd = [each for each in (0, 1, 2, 10**6, -1, least, most) if least <= each <= most]
        return st.sampled_from(odd)
    if isinstance(info, inspect.StrType):
        return st.sampled_from(["", "a", "\x1b[2J"])
    if isinstance(info, inspect.BytesType):
        return st.just(bytes(info.min_length or 0))
    if isinstance(info, inspect.VarTupleType):
        return st.lists(wire_values(info.item_type), max_size=3).map(tuple)
    assert isinstance(info, inspect.TupleType)
    return st.tuples(*map(wire_values, info.item_types))
