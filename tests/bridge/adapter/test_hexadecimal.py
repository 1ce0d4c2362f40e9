"""The readers of JSON values take exactly what a strict reader, which looks at one character at a time, takes."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import read_data, read_quantity
from clearing.base.errors import RemoteFault

DIGITS = "0123456789abcdef"
LENGTHS = (0, 1, 2, 15, 16, 17, 39, 40, 41, 63, 64, 65, 66)
SIGNS = st.sampled_from(DIGITS * 4 + "ABCDEFxX \t\n_+-.g٣０\0")
TEXTS = st.builds(
    lambda prefix, digits, tail: prefix + digits + tail,
    st.sampled_from(("0x", "0x", "0x", "0X", "", " 0x", "-0x", "0")),
    st.sampled_from(LENGTHS).flatmap(
        lambda length: (
            st.text(DIGITS, min_size=length, max_size=length) | st.text(SIGNS, min_size=length, max_size=length)
        )
    ),
    st.sampled_from(("", "", "", "\n", " ")),
)
VALUES = TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(TEXTS, max_size=1)


def strict_digits(value: object) -> list[int] | None:
    """The digits after `0x`; None where anything else stands there."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    found = [(DIGITS + "ABCDEF").find(sign) for sign in value[2:]]
    return None if -1 in found else [digit if digit < 16 else digit - 6 for digit in found]


def strict_quantity(value: object, bits: int) -> int | None:
    digits = strict_digits(value)
    if not digits or len(digits) > 64 or (digits[0] == 0 and len(digits) > 1):
        return None
    number = sum(digit << 4 * place for place, digit in enumerate(reversed(digits)))
    return number if number < 1 << bits else None


def strict_data(value: object, size: int | None) -> bytes | None:
    digits = strict_digits(value)
    if digits is None or len(digits) % 2:
        return None
    data = bytes(16 * digits[at] + digits[at + 1] for at in range(0, len(digits), 2))
    return data if size is None or len(data) == size else None


def taken(read: Callable[[], object]) -> object:
    """What is read; None for a refusal, which has one code."""
    try:
        return read()
    except RemoteFault as fault:
        assert fault.code == BridgeCode.MALFORMED_ANSWER
        return None


@pytest.mark.parametrize("bits", [1, 63, 64, 256])
@given(value=VALUES)
@example("0x")
@example("0x0")
@example("0x00")
@example("0x01")
@example("0x" + "0" * 64)
@example("0x" + "0" * 65)
@example("0x" + "f" * 64)
def test_a_quantity_is_read_as_a_strict_reader_does(bits: int, value: object) -> None:
    assert taken(lambda: read_quantity(value, "answer", bits)) == strict_quantity(value, bits)


@pytest.mark.parametrize("size", [None, 20, 32])
@given(value=VALUES)
@example("0x" + "00" * 31 + " 0")
@example("0x" + "00" * 31 + "  00")
@example("0x" + "00" * 33)
def test_data_is_read_as_a_strict_reader_does(size: int | None, value: object) -> None:
    assert taken(lambda: read_data(value, "answer", size)) == strict_data(value, size)
