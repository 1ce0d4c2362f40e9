"""Trade capture reports: what is read of them, what breaks FIX, what is refused, and the answers on the page."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.schema.codes import ClearingCode
from crossclear_fix import answers, errors, tags
from crossclear_fix.errors import Refusal
from crossclear_fix.message import FieldFault, Message, decode, encode
from crossclear_fix.reasons import REASONS, reject_reason
from crossclear_fix.trade_report import Listed, Names, Report, read_report, repeated_fields
from member.codes import NodeCode
from tests.kit.fix import NOW_MS, header, without
from tests.kit.fix_client import trade

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names({"BOB": 2, "CAROL": 3}, {"BTC-PERP": Listed(1, 100, 1_000), "ETH": Listed(4)})
BODY = tuple((tag, value.encode()) for tag, value in trade("T-1", "BOB", "CAROL", "0.005", "8000.10", at=NOW_MS / 1000))


def message(*body: tuple[int, bytes]) -> Message:
    return Message((*header(b"AE", 2), *body))


def changed(tag: int, value: bytes, nth: int = 1) -> Message:
    """The report with another value of a tag."""
    found, fields = 0, []
    for each, old in BODY:
        found += each == tag
        fields.append((each, value if each == tag and found == nth else old))
    return message(*fields)


def test_a_report_is_read_from_account_and_party() -> None:
    assert read_report(message(*BODY), NAMES) == Report("T-1", "BTC-PERP", 2, 3, 1, 5, 800_010, NOW_MS)


def test_the_side_says_who_buys_wherever_it_stands() -> None:
    swapped = [(tag, {b"1": b"2", b"2": b"1"}[value] if tag == tags.SIDE else value) for tag, value in BODY]
    assert read_report(message(*swapped), NAMES).buyer == 3


def test_a_security_id_goes_before_a_symbol() -> None:
    body = (*without(BODY, tags.LAST_PX, tags.LAST_QTY), (tags.SECURITY_ID, b"ETH"), (31, b"7"), (32, b"2"))
    report = read_report(message(*body), NAMES)
    assert (report.instrument, report.ticks, report.lots) == (4, 7, 2)


@pytest.mark.parametrize(
    "tag", [tags.TRADE_REPORT_ID, tags.LAST_QTY, tags.LAST_PX, tags.SYMBOL, tags.TRANSACT_TIME, tags.NO_SIDES]
)
def test_a_required_tag_that_is_missing_breaks_fix(tag: int) -> None:
    """(14b)"""
    with pytest.raises(FieldFault) as raised:
        read_report(message(*without(BODY, tag)), NAMES)
    assert (raised.value.tag, raised.value.reason) == (tag, tags.REQUIRED_TAG_MISSING)


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (tags.LAST_QTY, b"-1", tags.INCORRECT_FORMAT),
        (tags.LAST_QTY, b"1e3", tags.INCORRECT_FORMAT),
        (tags.LAST_PX, b"nan", tags.INCORRECT_FORMAT),
        (tags.LAST_PX, b"1,000", tags.INCORRECT_FORMAT),
        (tags.LAST_PX, b"9" * 16, tags.INCORRECT_FORMAT),
        (tags.LAST_PX, "１".encode(), tags.INCORRECT_FORMAT),
        (tags.TRANSACT_TIME, b"20251124", tags.INCORRECT_FORMAT),
        (tags.TRADE_DATE, b"2025-11-24", tags.INCORRECT_FORMAT),
        (tags.TRADE_DATE, b"20251131", tags.INCORRECT_FORMAT),
        (tags.TRADE_REPORT_ID, b"x" * 65, tags.INCORRECT_FORMAT),
        (tags.TRADE_REPORT_ID, b"\xff", tags.INCORRECT_FORMAT),
        (tags.NO_SIDES, b"1", tags.GROUP_COUNT),
        (tags.NO_SIDES, b"3", tags.GROUP_COUNT),
        (tags.NO_SIDES, b"two", tags.INCORRECT_FORMAT),
        (tags.SIDE, b"2", tags.INCORRECT_VALUE),
        (tags.SIDE, b"5", tags.INCORRECT_VALUE),
        (tags.NO_PARTY_IDS, b"2", tags.GROUP_COUNT),
    ],
)
def test_a_value_that_breaks_fix_is_named(tag: int, value: bytes, reason: int) -> None:
    """(14e, 14f, 14i)"""
    with pytest.raises(FieldFault) as raised:
        read_report(changed(tag, value), NAMES)
    assert (raised.value.tag, raised.value.reason) == (tag, reason)


@pytest.mark.parametrize(
    ("body", "tag", "reason"),
    [
        ((*BODY, (tags.LAST_PX, b"1")), tags.LAST_PX, tags.TAG_TWICE),
        (((tags.SIDE, b"1"), *BODY), tags.SIDE, tags.GROUP_ORDER),
        ((*without(BODY, tags.SIDE, 37), (tags.SIDE, b"1")), tags.NO_SIDES, tags.GROUP_ORDER),
        ((*BODY, (tags.ACCOUNT, b"A"), (tags.ACCOUNT, b"B")), tags.ACCOUNT, tags.TAG_TWICE),
        ((*without(BODY, 448, 453), (453, b"0")), tags.PARTY_ROLE, tags.GROUP_ORDER),
        ((*BODY, (448, b"DAVE"), (452, b"24")), tags.PARTY_ROLE, tags.TAG_TWICE),
        ((*BODY[:12], (54, b"1"), (1, b"X"), *BODY[12:]), tags.NO_SIDES, tags.GROUP_COUNT),
    ],
)
def test_a_group_out_of_order_breaks_fix(body: tuple[tuple[int, bytes], ...], tag: int, reason: int) -> None:
    """(14h, 14i, 14j)"""
    with pytest.raises(FieldFault) as raised:
        read_report(message(*body), NAMES)
    assert (raised.value.tag, raised.value.reason) == (tag, reason)


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        (tags.SYMBOL, b"DOGE", errors.INSTRUMENT),
        (tags.ACCOUNT, b"DAVE", errors.PARTY),
        (tags.PARTY_ID, b"DAVE", errors.PARTY),
        (tags.PARTY_ROLE, b"1", errors.PARTY),
        (tags.LAST_QTY, b"0.0005", errors.NOT_WHOLE),
        (tags.LAST_PX, b"8000.001", errors.NOT_WHOLE),
        (tags.TRADE_DATE, b"20251122", errors.FIELD),
        *((tags.TRADE_REPORT_TRANS_TYPE, kind, errors.NOT_AMENDED) for kind in (b"1", b"2", b"4", b"5")),
        (tags.TRADE_REPORT_TRANS_TYPE, b"3", errors.REPORT_KIND),
        (tags.PREVIOUSLY_REPORTED, b"Y", errors.REPORT_KIND),
    ],
)
def test_what_is_not_taken_has_a_code(tag: int, value: bytes, code: str) -> None:
    with pytest.raises(Refusal) as raised:
        read_report(changed(tag, value), NAMES)
    assert raised.value.code == code


@pytest.mark.parametrize("kind", [b"1", b"2"])
def test_a_cancellation_needs_no_terms_to_be_refused(kind: bytes) -> None:
    body = ((tags.TRADE_REPORT_ID, b"C-1"), (tags.TRADE_REPORT_REF_ID, b"T-1"), (tags.TRADE_REPORT_TRANS_TYPE, kind))
    with pytest.raises(Refusal) as raised:
        read_report(message(*body), NAMES)
    assert raised.value.code == errors.NOT_AMENDED


def test_a_trade_before_all_time_is_refused() -> None:
    body = without(BODY, tags.TRADE_DATE, tags.TRANSACT_TIME)
    with pytest.raises(Refusal) as raised:
        read_report(message(*body, (tags.TRANSACT_TIME, b"19691231-23:59:59.999")), NAMES)
    assert raised.value.code == errors.FIELD


FIELDS = st.one_of(
    st.sampled_from(BODY),
    st.tuples(st.sampled_from([tag for tag, _ in BODY]), st.sampled_from([value for _, value in BODY])),
    st.tuples(st.sampled_from([tag for tag, _ in BODY]), st.binary(min_size=1, max_size=20)),
)


@given(st.permutations(BODY), st.lists(st.tuples(st.integers(0, 30), FIELDS), max_size=4), st.booleans())
def test_any_fields_are_a_report_or_refused(
    mixed: list[tuple[int, bytes]], changes: list[tuple[int, tuple[int, bytes]]], in_order: bool
) -> None:
    body = list(BODY if in_order else mixed)
    for at, change in changes:
        body[at % len(body)] = change
    try:
        report = read_report(message(*body), NAMES)
    except (FieldFault, Refusal):
        return
    assert {report.buyer, report.seller} <= {2, 3}
    assert min(report.lots, report.ticks, report.traded_ms) >= 0
    kind, fields = answers.novated(repeated_fields(message(*body)), report.report_id, 1, 2, "0x00")
    assert decode(encode(b"FIX.4.4", ((tags.MSG_TYPE, kind), *fields))) is not None


def test_a_size_beyond_the_networks_is_refused() -> None:
    names = Names(NAMES.accounts, {"BTC-PERP": Listed(1, 100, 10**12)})
    with pytest.raises(Refusal) as raised:
        read_report(changed(tags.LAST_QTY, b"99999999999"), names)
    assert raised.value.code == errors.FIELD


@given(st.integers(0, 10**13), st.integers(0, 6))
def test_a_decimal_is_exactly_its_ticks(ticks: int, places: int) -> None:
    scale = 10**places
    text = f"{ticks // scale}.{ticks % scale:0{places}d}" if places else str(ticks)
    names = Names(NAMES.accounts, {"BTC-PERP": Listed(1, scale, 1_000)})
    assert read_report(changed(tags.LAST_PX, text.encode()), names).ticks == ticks


def test_a_party_of_the_first_role_names_the_account() -> None:
    parties = ((448, b"CAROL"), (452, b"4"), (448, b"BOB"), (452, b"24"), (448, b"X"), (452, b"1"))
    body = (*without(BODY, 1, 448, 447, 452, 453), (453, b"3"), *parties)
    side = next(at for at, field in enumerate(body) if field == (54, b"1"))
    body = (*body[: side + 1], (1, b"CAROL"), *body[side + 1 :])
    assert read_report(message(*body), NAMES).seller == 2


def test_a_confirmation_repeats_the_trade_and_names_both_sides() -> None:
    repeated = Message(repeated_fields(message(*BODY)))
    assert [repeated.get(tag) for tag in (55, 32, 31, 75)] == [b"BTC-PERP", b"0.005", b"8000.10", b"20251124"]
    sides = [value for tag, value in repeated.fields if tag in (54, 1)]
    assert sides == [b"1", b"BOB", b"2", b"CAROL"]


def test_each_code_with_a_reason_exists() -> None:
    known = {code.label for book in (ClearingCode, NodeCode) for code in book}
    codes = [code for listed in REASONS.values() for code in listed]
    assert set(codes) <= known
    assert len(codes) == len(set(codes))
    assert reject_reason(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN.label) == 99


@pytest.mark.parametrize(
    ("code", "same"),
    [
        (errors.EXTRA_MISSING, NodeCode.EXTRA_MISSING),
        (errors.SETTINGS, NodeCode.FIX_SETTINGS),
        (errors.FIELD, NodeCode.FIX_FIELD),
        (errors.REPORT_KIND, NodeCode.FIX_REPORT_KIND),
        (errors.OTHER_TERMS, NodeCode.FIX_OTHER_TERMS),
        (errors.INSTRUMENT, NodeCode.FIX_INSTRUMENT),
        (errors.PARTY, NodeCode.FIX_PARTY),
        (errors.FULL, NodeCode.FIX_FULL),
        (errors.STORE, NodeCode.FIX_STORE),
        (errors.NOT_WHOLE, NodeCode.FIX_NOT_WHOLE),
        (errors.FATE_CHANGED, NodeCode.FIX_FATE_CHANGED),
    ],
)
def test_the_gateways_codes_are_the_networks(code: str, same: NodeCode) -> None:
    assert code == same.label


PAGE = (ROOT / "docs" / "how-to" / "fix.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^8=FIX.*$", PAGE, re.MULTILINE)


def whole(sample: str) -> Message:
    data = sample.replace("|", "\x01").encode()
    body = data[data.index(b"\x01", data.index(b"\x019=") + 1) + 1 : data.rindex(b"10=")]
    found = decode(data)
    assert found is not None
    assert found.integer(tags.BODY_LENGTH) == len(body)
    assert found.integer(tags.CHECK_SUM) == sum(data[: data.rindex(b"10=")]) % 256
    return found


def test_the_messages_on_the_page_are_those_of_the_gateway() -> None:
    report, taken, novated, refused = map(whole, SAMPLES)
    read = read_report(report, NAMES)
    assert (read.lots, read.ticks) == (5, 800_010)
    repeated = repeated_fields(report)
    hash_, now_ms = (novated.get(tags.EXEC_ID) or b"").decode(), taken.time_ms(tags.TRANSACT_TIME)
    refused_ms, why = refused.time_ms(tags.TRANSACT_TIME), (refused.get(tags.TEXT) or b"").decode()[6:]
    made = (
        answers.received(read.report_id, read.symbol, 1, now_ms, answers.ACCEPTED),
        answers.novated(repeated, read.report_id, 1, 4711, hash_),
        answers.refused(read.report_id, read.symbol, "R0203", why, refused_ms, 1),
    )
    for (kind, body), shown in zip(made, (taken, novated, refused), strict=True):
        assert (shown.kind, shown.fields[7:-1]) == (kind, body)
