"""One value has one encoding, and reading is bounded."""

import pickle

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.codec import I64, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from tests.kit.refusals import refused


class Leg(Wire, frozen=True):
    account: U63
    lots: I64


class Sample(Wire, frozen=True):
    name: str
    root: Bytes32
    legs: tuple[Leg, ...]
    note: bytes = b""


legs = st.builds(Leg, st.integers(0, 2**63 - 1), st.integers(-(2**63) + 1, 2**63 - 1))
samples = st.builds(
    Sample,
    st.text(max_size=20),
    st.binary(min_size=32, max_size=32),
    st.lists(legs, max_size=5).map(tuple),
    st.binary(),
)


@given(samples)
def test_decoding_gives_back_what_was_encoded(sample: Sample) -> None:
    assert decode(encode(sample), Sample) == sample


@given(samples)
def test_the_bytes_are_plain_messagepack_arrays_in_field_order(sample: Sample) -> None:
    plain = [sample.name, sample.root, [[leg.account, leg.lots] for leg in sample.legs], sample.note]
    assert msgpack.packb(plain, use_bin_type=True) == encode(sample)
    assert msgpack.unpackb(encode(sample), raw=False) == plain


@pytest.mark.parametrize("one", ["01", "cc01", "cd0001", "ce00000001", "cf0000000000000001", "d001", "d10001"])
def test_only_the_shortest_encoding_of_an_integer_is_read(one: str) -> None:
    data = bytes.fromhex("92" + one + "00")
    if one == "01":
        assert decode(data, Leg) == Leg(1, 0)
        return
    with refused(BaseCode.NON_CANONICAL):
        decode(data, Leg)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_are_canonical(data: bytes) -> None:
    try:
        value = decode(data, Sample)
    except RemoteFault as fault:
        assert fault.code in (BaseCode.MALFORMED, BaseCode.NON_CANONICAL)
    else:
        assert encode(value) == data


@given(samples, st.data())
def test_a_cut_or_a_longer_message_is_refused(sample: Sample, data: st.DataObject) -> None:
    good = encode(sample)
    cut = good[: data.draw(st.integers(0, len(good) - 1))]
    for bad in (cut, good + b"\xc0"):
        with pytest.raises(RemoteFault):
            decode(bad, Sample)


def test_a_message_over_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(RemoteFault) as caught:
        decode(b"\xff" * 11, Sample, 10)
    assert caught.value.code is BaseCode.OVERSIZE
    assert caught.value.values == {"bytes": 11, "limit": 10}


def test_deep_nesting_is_refused_without_a_crash() -> None:
    with pytest.raises(RemoteFault):
        decode(b"\x91" * 100_000, Sample)


def test_a_shorter_array_does_not_fall_back_on_defaults() -> None:
    data = msgpack.packb(["x", bytes(32), []], use_bin_type=True)
    with refused(BaseCode.NON_CANONICAL):
        decode(data, Sample)


class WithFloat(Wire, frozen=True):
    price: float


class WithAnything(Wire, frozen=True):
    thing: object


class Loose(msgspec.Struct):
    a: int


class WithLoose(Wire, frozen=True):
    loose: Loose


class WithMap(Wire, frozen=True):
    table: dict[str, int]


@pytest.mark.parametrize("kind", [WithFloat, WithAnything, WithLoose, WithMap, list[int]])
def test_a_type_with_two_encodings_or_no_bound_cannot_be_used(kind: type) -> None:
    with pytest.raises(LocalFault):
        decode(b"\x90", kind)


def test_a_fault_survives_the_way_from_a_worker_process() -> None:
    fault = RemoteFault(BaseCode.OVERSIZE, "message", bytes=11, limit=10)
    back = pickle.loads(pickle.dumps(fault))  # noqa: S301 - our own bytes
    assert (type(back), back.code, back.at, back.values) == (RemoteFault, BaseCode.OVERSIZE, "message", fault.values)
