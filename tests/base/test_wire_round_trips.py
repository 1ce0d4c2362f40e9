"""Every wire type of the project reads back what it wrote, and only that."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import RemoteFault

PACKAGES = ("clearing", "consensus", "proofs", "bridge", "node")
STARTS_SOMETHING = ("cli.__main__", "devnet.demo.main")
I = msgspec.inspect  # noqa: E741 - the inspector


@cache
def wire_types() -> tuple[type[Wire], ...]:
    for name in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if module.name not in STARTS_SOMETHING and "node_modules" not in module.name:
                importlib.import_module(module.name)
    found: list[type[Wire]] = []
    waiting: list[type[Wire]] = [Wire]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        found += [kind for kind in kinds if kind.__module__.split(".")[0] in PACKAGES]
        waiting += kinds
    return tuple(sorted(found, key=lambda kind: f"{kind.__module__}.{kind.__qualname__}"))


def fits(info: I.StrType, text: str) -> bool:
    return (info.min_length or 0) <= len(text) <= (info.max_length if info.max_length is not None else len(text))


def values_of(info: I.Type) -> st.SearchStrategy[Any]:
    """Any value of a wire type's field, at most two items a tuple."""
    match info:
        case I.Metadata():
            return values_of(info.type)
        case I.IntType():
            low = info.ge if info.ge is not None else -(2**63) if info.gt is None else info.gt + 1
            high = info.le if info.le is not None else 2**63 - 1 if info.lt is None else info.lt - 1
            return st.integers(low, high)
        case I.BytesType():
            low = info.min_length or 0
            return st.binary(min_size=low, max_size=info.max_length if info.min_length else low + 20)
        case I.StrType(pattern=str(pattern)):
            return st.from_regex(pattern).filter(lambda text: fits(info, text))
        case I.StrType():
            return st.text(min_size=info.min_length or 0, max_size=min(info.max_length or 12, 12))
        case I.BoolType():
            return st.booleans()
        case I.NoneType():
            return st.none()
        case I.EnumType():
            return st.sampled_from(info.cls)
        case I.LiteralType():
            return st.sampled_from(info.values)
        case I.StructType():
            return st.builds(info.cls, **{field.name: values_of(field.type) for field in info.fields})
        case I.VarTupleType():
            low, high = info.min_length or 0, min(info.max_length or 2, 2)
            return st.lists(values_of(info.item_type), min_size=low, max_size=high).map(tuple)
        case I.TupleType():
            return st.tuples(*(values_of(item) for item in info.item_types))
    assert isinstance(info, I.UnionType)
    return st.one_of(*(values_of(item) for item in info.types))


def test_there_are_wire_types_in_every_package() -> None:
    assert {kind.__module__.split(".")[0] for kind in wire_types()} == set(PACKAGES)


@pytest.mark.parametrize("kind", wire_types(), ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_a_wire_type_reads_back_what_it_wrote_and_nothing_else(kind: type[Wire]) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(values_of(I.type_info(kind)), st.data())
    def holds(value: Wire, data: st.DataObject) -> None:
        written = encode(value)
        assert decode(written, kind, len(written)) == value
        position = data.draw(st.integers(0, len(written) - 1))
        changed = bytearray(written)
        changed[position] ^= 1 << data.draw(st.integers(0, 7))
        try:
            other = decode(bytes(changed), kind, len(written))
        except RemoteFault:
            return
        assert other != value
        assert encode(other) == bytes(changed)

    holds()
