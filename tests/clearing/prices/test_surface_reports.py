"""Surfaces in vote extensions: the form on the wire, its limits, and the form of extensions without any."""

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import (
    EXTENSION_BYTES_MAX,
    SURFACE_EXPIRIES_MAX,
    SURFACES_MAX,
    ExpiryQuote,
    PriceReport,
    SurfaceReport,
    VoteExtension,
    decode_extension,
    encode_extension,
)

change = msgspec.structs.replace
LARGEST = ExpiryQuote(2**62 - 1, 1_000 * 10**9, -1_000_000, 100_000_000, -990_000, 2_000_000)


def surface(group: int = 1, expiries: int = 2) -> SurfaceReport:
    return SurfaceReport(
        group, 2**62, 2**32 - 1, tuple(change(LARGEST, expiry_ms=2**61 + each) for each in range(expiries))
    )


def said(*surfaces: SurfaceReport) -> VoteExtension:
    return VoteExtension(surfaces=surfaces)


def test_surfaces_that_were_written_are_read() -> None:
    extension = VoteExtension((PriceReport(1, 5, 0, 1, 7),), (), (surface(1), surface(9, 1)))
    assert decode_extension(encode_extension(extension)) == extension


def test_an_extension_without_surfaces_keeps_its_former_bytes() -> None:
    extension = VoteExtension((PriceReport(1, 5, 0, 1, 7),))
    assert encode_extension(extension) == encode(((PriceReport(1, 5, 0, 1, 7),), ()))
    assert decode_extension(encode_extension(extension)) == extension
    with pytest.raises(RemoteFault, match="non_canonical"):
        decode_extension(encode(extension))  # three fields, the last empty: a second form of the same value


def test_the_most_surfaces_leave_room_for_prices() -> None:
    full = tuple(surface(2**31 + each, SURFACE_EXPIRIES_MAX) for each in range(SURFACES_MAX))
    prices = tuple(PriceReport(each + 1, 2**40, 2**30, 9, 2**42) for each in range(32))
    assert len(encode_extension(VoteExtension(prices, (), full))) <= EXTENSION_BYTES_MAX
    decode_extension(encode_extension(VoteExtension(prices, (), full)))


HOSTILE = {
    "too many groups": said(*(surface(each, 1) for each in range(1, SURFACES_MAX + 2))),
    "a group twice": said(surface(1), surface(1)),
    "groups out of order": said(surface(2), surface(1)),
    "no expiry": said(surface(1, 0)),
    "too many expiries": said(surface(1, SURFACE_EXPIRIES_MAX + 1)),
    "expiries out of order": said(change(surface(), expiries=surface().expiries[::-1])),
    "an expiry twice": said(change(surface(), expiries=surface().expiries[:1] * 2)),
    **{
        f"{field} {value}": said(change(surface(1, 1), expiries=(change(LARGEST, **{field: value}),)))
        for field, value in (
            ("expiry_ms", 2**62),
            ("forward_ppb", 0),
            ("forward_ppb", 1_000 * 10**9 + 1),
            ("rate_ppm", 1_000_001),
            ("rate_ppm", -1_000_001),
            ("level_ppm", 9_999),
            ("level_ppm", 100_000_001),
            ("skew_ppm", 990_001),
            ("skew_ppm", -990_001),
            ("wing_ppm", 2_000_001),
        )
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_surface_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(RemoteFault, match="out_of_range"):
        decode_extension(encode_extension(HOSTILE[name]))
