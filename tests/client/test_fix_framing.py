"""Bytes into messages: any cut of the stream, garbage between messages, hostile bytes. Numbers are FIX's cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossclear_fix import tags
from crossclear_fix.framing import MESSAGE_BYTES_MAX, Framer
from crossclear_fix.message import Message, decode, encode, read_time, text_value, written_time

VALUES = st.binary(min_size=1, max_size=40).filter(lambda value: b"\x01" not in value)
BODIES = st.lists(st.tuples(st.sampled_from([1, 11, 58, 448, 571, 5001]), VALUES), max_size=6)


def made(*body: tuple[int, bytes]) -> bytes:
    return encode(b"FIX.4.4", ((tags.MSG_TYPE, b"0"), (tags.MSG_SEQ_NUM, b"1"), *body))


HEARTBEAT = made()


def frames_of(data: bytes, cuts: list[int]) -> list[bytes]:
    framer, frames, at = Framer(), [], 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        frames += framer.feed(data[at:cut])
        at = cut
    return frames


@given(st.lists(BODIES, max_size=5), st.lists(st.integers(0, 1_000), max_size=30))
def test_messages_are_the_same_however_the_stream_is_cut(
    bodies: list[list[tuple[int, bytes]]], cuts: list[int]
) -> None:
    messages = [made(*body) for body in bodies]
    assert frames_of(b"".join(messages), cuts) == messages


@given(st.lists(st.tuples(st.binary(max_size=60), BODIES), max_size=5), st.lists(st.integers(0, 1_000), max_size=30))
def test_garbage_between_messages_costs_none_of_them(
    parts: list[tuple[bytes, list[tuple[int, bytes]]]], cuts: list[int]
) -> None:
    parts = [(garbage.replace(b"8=FIX", b"8=FIY"), body) for garbage, body in parts]
    data = b"".join(garbage + made(*body) for garbage, body in parts)
    assert frames_of(data, cuts) == [made(*body) for _, body in parts]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_any_bytes_are_frames_or_garbled_and_memory_is_bounded(data: bytes, cuts: list[int]) -> None:
    framer = Framer(200)
    for piece in (data, HEARTBEAT, b"8=FIX.4.4\x019=100\x01" + data):
        for frame in framer.feed(piece):
            found = decode(frame)
            assert found is None or isinstance(found, Message)
    assert len(framer._buffer) <= 200 + 300


@given(st.integers(0, len(made((58, b"hello"))) - 1), st.integers(0, 255))
def test_a_changed_byte_is_garbled_or_changes_the_message_and_the_next_one_is_whole(at: int, value: int) -> None:
    message = made((58, b"hello"))
    changed = message[:at] + bytes((value,)) + message[at + 1 :]
    frames = Framer().feed(changed + HEARTBEAT * 20)
    assert changed == message or message not in frames
    assert frames[-1:] == [HEARTBEAT]


@pytest.mark.parametrize(
    "garbled",
    [
        HEARTBEAT[:-4] + b"000\x01",
        HEARTBEAT.replace(b"\x019=", b"\x019=1"),
        HEARTBEAT.replace(b"\x0110=", b"\x0111="),
        HEARTBEAT.replace(b"8=FIX.4.4\x019=", b"8=FIX.4.4\x0135=0\x019="),
        HEARTBEAT.replace(b"9=", b"9=x"),
        HEARTBEAT.replace(b"8=FIX.4.4", b"8=FIX." + b"4" * 40),
        b"8=FIX.4.4\x019=999999\x01",
        b"8=FIX.4.4\x019=9999999\x01",
        b"8=FIX",
        b"\x00" * 100,
    ],
    ids=lambda value: value[:24].decode().replace("\x01", "|").replace("\x00", "0"),
)
def test_a_garbled_message_is_left_out_and_the_next_one_is_whole(garbled: bytes) -> None:
    """(2d, 2m, 2t, 3b, 3d) A wrong length may need a few messages more before it is seen to be wrong."""
    framer = Framer()
    found = framer.feed(garbled + HEARTBEAT)
    found += framer.feed(HEARTBEAT * 30)
    assert set(found) == {HEARTBEAT}
    assert len(found) == 31


def test_what_is_larger_than_a_message_may_be_is_never_kept() -> None:
    framer = Framer(1_000)
    large = made((58, b"x" * 2_000))
    for _ in range(100):
        assert framer.feed(large) == []
        assert len(framer._buffer) < 1_000
    assert framer.garbled >= 100
    assert framer.feed(HEARTBEAT) == [HEARTBEAT]
    assert framer.garbled == 0


def test_the_largest_message_is_taken() -> None:
    rest = MESSAGE_BYTES_MAX - len(made((58, b""))) - len("4096") + len("41")
    largest = next(
        made for made in (made((58, b"x" * (rest - less))) for less in range(10)) if len(made) <= MESSAGE_BYTES_MAX
    )
    assert Framer().feed(largest) == [largest]
    assert len(largest) > MESSAGE_BYTES_MAX - 10


@pytest.mark.parametrize(
    "fields",
    [
        b"x=1\x01",
        b"=1\x01",
        b"58\x01",
        b"-5=1\x01",
        b"0=1\x01",
        b"99999999999999=1\x01",
        b"10=000\x0158=a\x01",
        b"95=9999\x0196=a\x01",
    ],
)
def test_a_frame_whose_fields_are_none_is_garbled(fields: bytes) -> None:
    body = b"35=0\x01" + fields
    whole = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    frame = whole + b"10=%03d\x01" % (sum(whole) % 256)
    assert Framer().feed(frame) == [frame]
    assert decode(frame) is None


def test_what_is_written_is_read_again() -> None:
    message = decode(made((58, b"a=b|c"), (95, b"3"), (96, b"a\x01b")))
    assert message is not None
    assert message.fields[3:-1] == ((34, b"1"), (58, b"a=b|c"), (95, b"3"), (96, b"a\x01b"))


@given(st.text(max_size=400))
def test_a_text_begins_no_field(text: str) -> None:
    value = text_value(text)
    assert 0 < len(value) <= 250
    assert all(0x20 <= byte < 0x7F for byte in value)


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_is_read_as_it_was_written(at_ms: int) -> None:
    assert read_time(written_time(at_ms)) == at_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"20251124-16:00:00", 1_764_000_000_000),
        (b"20251124-16:00:00.5", 1_764_000_000_500),
        (b"20251124-16:00:00.123456789", 1_764_000_000_123),
        (b"20161231-23:59:60", 1_483_228_799_000),
        (b"20251124-16:00:61", None),
        (b"20250230-00:00:00", None),
        (b"20251124 16:00:00", None),
        (b"2025112-16:00:00", None),
        (b"00000000-00:00:00", None),
        ("２０２５1124-16:00:00".encode(), None),
    ],
)
def test_a_time_has_one_form(text: bytes, expected: int | None) -> None:
    assert read_time(text) == expected
