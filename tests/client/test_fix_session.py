"""The session's rules. Numbers in parentheses are cases of "FIX Session Layer Test Cases" (FIX Trading Community,
version 1.0, June 2020)."""

import pytest

from crossclear_fix import tags
from crossclear_fix.message import written_time
from crossclear_fix.session_state import Identity, Phase, SessionState
from tests.kit.fix import APPLICATION, HOUSE, LOGON, NOW_MS, VENUE, Kept, Side, header, kinds, logged_on, without


def rejected(side: Side, reason: int, tag: int) -> None:
    """The last Reject has this reason and tag."""
    reject = [message for message in side.written if message.kind == tags.REJECT][-1]
    assert (reject.integer(tags.SESSION_REJECT_REASON), reject.integer(tags.REF_TAG_ID)) == (reason, tag)


def logged_out(side: Side, text: str) -> None:
    """The session ended with a Logout of this text."""
    assert side.written[-1].kind == tags.LOGOUT
    assert text in (side.written[-1].get(tags.TEXT) or b"").decode()
    assert side.session.phase is Phase.CLOSED
    assert side.ended


def test_a_valid_logon_is_answered_with_the_same_heartbeat() -> None:
    """(1S a)"""
    side = Side(HOUSE)
    side.connect()
    (answer,) = side.say(tags.LOGON, 1, *LOGON)
    assert (answer.kind, answer.integer(tags.MSG_SEQ_NUM), answer.integer(tags.HEART_BT_INT)) == (tags.LOGON, 1, 30)
    assert side.session.logged_on
    assert side.kept.state == SessionState(2, 2)


def test_a_logon_with_a_number_too_high_is_answered_and_the_gap_asked_for() -> None:
    """(1S a)"""
    side = Side(HOUSE)
    side.connect()
    answers = side.say(tags.LOGON, 5, *LOGON)
    assert kinds(answers) == [tags.LOGON, tags.RESEND_REQUEST]
    assert (answers[1].integer(tags.BEGIN_SEQ_NO), answers[1].integer(tags.END_SEQ_NO)) == (1, 0)
    assert side.kept.state.incoming == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (((tags.ENCRYPT_METHOD, b"1"), LOGON[1]), "encryption"),
        (LOGON[:1], "required tag missing"),
        ((LOGON[0], (tags.HEART_BT_INT, b"0")), "HeartBtInt"),
        ((LOGON[0], (tags.HEART_BT_INT, b"301")), "HeartBtInt"),
        ((LOGON[0], (tags.HEART_BT_INT, b"x")), "not a whole number"),
    ],
)
def test_an_invalid_logon_ends_with_a_logout_that_says_why(body: tuple[tuple[int, bytes], ...], text: str) -> None:
    """(1S d)"""
    side = Side(HOUSE)
    side.connect()
    side.say(tags.LOGON, 1, *body)
    logged_out(side, text)


def test_a_first_message_that_is_no_logon_ends_the_connection_without_a_word() -> None:
    """(1S e) A message before the logon would use a number and tell a stranger of the session."""
    side = Side(HOUSE)
    side.connect()
    assert side.say(tags.HEARTBEAT, 1) == []
    assert side.ended
    assert side.kept.state == SessionState()


def test_a_logon_that_does_not_come_ends_the_connection() -> None:
    side = Side(HOUSE)
    side.connect()
    assert side.wait(9_999) == []
    assert not side.ended
    side.wait(1)
    assert side.ended == "no logon in time"


def test_a_second_logon_ends_the_session() -> None:
    side = logged_on()
    side.say(tags.LOGON, 2, *LOGON)
    logged_out(side, "already logged on")


def test_a_message_with_the_expected_number_is_delivered_once() -> None:
    """(2a)"""
    side = logged_on()
    side.say(APPLICATION, 2, (tags.TEXT, b"one"))
    assert [message.get(tags.TEXT) for message in side.delivered] == [b"one"]
    assert side.kept.state.incoming == 3


def test_a_gap_is_asked_for_once_and_nothing_behind_it_is_delivered_before() -> None:
    """(2b)"""
    side = logged_on()
    (request,) = side.say(APPLICATION, 4)
    assert (request.kind, request.integer(tags.BEGIN_SEQ_NO), request.integer(tags.END_SEQ_NO)) == (b"2", 2, 0)
    assert side.say(APPLICATION, 5) == []
    assert side.delivered == []
    duplicate = ((tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, written_time(NOW_MS)))
    for number in (2, 3, 4, 5):
        side.say(APPLICATION, number, *duplicate)
    assert [message.integer(tags.MSG_SEQ_NUM) for message in side.delivered] == [2, 3, 4, 5]
    (request,) = side.say(APPLICATION, 9)
    assert request.integer(tags.BEGIN_SEQ_NO) == 6


def test_a_gap_that_is_not_filled_is_asked_for_again_and_then_ends_the_session() -> None:
    side = logged_on()
    side.say(APPLICATION, 4)
    for _ in range(2):
        assert kinds(side.wait(10_000)) == [tags.RESEND_REQUEST]
    side.wait(10_000)
    logged_out(side, "messages from 2 on do not come")


def test_a_number_too_low_ends_the_session() -> None:
    """(2c)"""
    side = logged_on(7)
    side.say(APPLICATION, 3)
    logged_out(side, "MsgSeqNum too low, expecting 8 but received 3")
    assert side.delivered == []


def test_a_logon_with_a_number_too_low_ends_the_session() -> None:
    """(2c)"""
    side = Side(HOUSE, kept=Kept(SessionState(incoming=5)))
    side.connect()
    side.say(tags.LOGON, 2, *LOGON)
    logged_out(side, "MsgSeqNum too low, expecting 5 but received 2")
    assert not side.session.logged_on


@pytest.mark.parametrize("value", [None, b"0", b"-1", b"x", b"", b"99999999999"])
def test_a_message_without_a_number_ends_the_session(value: bytes | None) -> None:
    side = logged_on()
    fields = without(header(APPLICATION, 2), tags.MSG_SEQ_NUM)
    side.take(fields if value is None else (*fields, (tags.MSG_SEQ_NUM, value)))
    logged_out(side, "MsgSeqNum is missing")


def test_a_possible_duplicate_that_was_seen_is_ignored() -> None:
    """(2e)"""
    side = logged_on(7)
    duplicate = ((tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, written_time(NOW_MS - 1)))
    assert side.say(APPLICATION, 3, *duplicate) == []
    assert side.delivered == []
    assert side.kept.state.incoming == 8


def test_a_duplicate_that_was_sent_after_itself_is_rejected() -> None:
    """(2f)"""
    side = logged_on()
    side.say(APPLICATION, 2, (tags.POSS_DUP_FLAG, b"Y"), (tags.ORIG_SENDING_TIME, written_time(NOW_MS + 1)))
    rejected(side, tags.SENDING_TIME_PROBLEM, tags.ORIG_SENDING_TIME)
    assert side.delivered == []
    assert side.kept.state.incoming == 3


def test_a_duplicate_without_its_first_time_is_rejected() -> None:
    """(2g)"""
    side = logged_on()
    side.say(APPLICATION, 2, (tags.POSS_DUP_FLAG, b"Y"))
    rejected(side, tags.REQUIRED_TAG_MISSING, tags.ORIG_SENDING_TIME)
    assert side.kept.state.incoming == 3
    assert side.session.logged_on


def test_another_begin_string_ends_the_session() -> None:
    """(2i)"""
    side = logged_on()
    side.take(header(APPLICATION, 2, begin=b"FIX.4.2"))
    logged_out(side, "incorrect BeginString")


@pytest.mark.parametrize(("which", "tag"), [("sender", tags.SENDER_COMP_ID), ("target", tags.TARGET_COMP_ID)])
def test_another_comp_id_is_rejected_and_ends_the_session(which: str, tag: int) -> None:
    """(2k)"""
    side = logged_on()
    side.take(header(APPLICATION, 2, **{which: b"OTHER"}))
    rejected(side, tags.COMP_ID_PROBLEM, tag)
    logged_out(side, "CompID problem")
    assert side.kept.state.incoming == 3
    assert side.delivered == []


@pytest.mark.parametrize(
    ("apart_ms", "is_taken"), [(120_000, True), (-120_000, True), (120_001, False), (-120_001, False)]
)
def test_a_sending_time_far_from_the_clock_is_rejected_and_ends_the_session(apart_ms: int, is_taken: bool) -> None:
    """(2n, 2o)"""
    side = logged_on()
    side.take(header(APPLICATION, 2, NOW_MS + apart_ms))
    assert side.session.logged_on == is_taken
    assert len(side.delivered) == is_taken
    if not is_taken:
        rejected(side, tags.SENDING_TIME_PROBLEM, tags.SENDING_TIME)
        logged_out(side, "SendingTime accuracy problem")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"20251301-00:00:00", 6), (b"yesterday", 6), (b"20251124-16:00:00.", 6), (b"20251124-25:00:00", 6)],
)
def test_a_sending_time_of_another_form_is_rejected(value: bytes, reason: int) -> None:
    side = logged_on()
    side.take(header(APPLICATION, 2, sending=value))
    rejected(side, reason, tags.SENDING_TIME)
    assert side.delivered == []


def test_a_sending_time_that_is_missing_is_rejected() -> None:
    """(14b)"""
    side = logged_on()
    side.take(without(header(APPLICATION, 2), tags.SENDING_TIME))
    rejected(side, tags.REQUIRED_TAG_MISSING, tags.SENDING_TIME)


@pytest.mark.parametrize("kind", [b"!", b"ZZ", b"AEX", b"I"])
def test_an_invalid_type_is_rejected_and_counts(kind: bytes) -> None:
    """(2q)"""
    side = logged_on()
    side.say(kind, 2)
    rejected(side, tags.INVALID_MSG_TYPE, tags.MSG_TYPE)
    assert side.kept.state.incoming == 3
    assert side.delivered == []


def test_a_heartbeat_is_sent_when_nothing_else_was() -> None:
    """(4a)"""
    side = logged_on()
    assert side.wait(29_999) == []
    assert kinds(side.wait(1)) == [tags.HEARTBEAT]


def test_a_test_request_is_answered_with_its_id() -> None:
    """(4b)"""
    side = logged_on()
    (answer,) = side.say(tags.TEST_REQUEST, 2, (tags.TEST_REQ_ID, b"are you there"))
    assert (answer.kind, answer.get(tags.TEST_REQ_ID)) == (tags.HEARTBEAT, b"are you there")


def test_silence_is_tested_and_then_ends_the_connection() -> None:
    """(6)"""
    side = logged_on()
    side.wait(30_000)
    assert kinds(side.wait(6_000)) == [tags.TEST_REQUEST]
    side.wait(35_999)
    assert not side.ended
    side.wait(1)
    assert side.ended == "no answer to a test request"


def test_any_message_answers_a_test_request() -> None:
    """(5)"""
    side = logged_on()
    side.wait(36_000)
    side.say(tags.HEARTBEAT, 2)
    assert side.wait(35_999) != []
    assert not side.ended


def test_a_reject_counts_and_is_not_answered() -> None:
    """(7)"""
    side = logged_on()
    assert side.say(tags.REJECT, 2, (tags.REF_SEQ_NUM, b"1")) == []
    assert side.kept.state.incoming == 3


def sent_three() -> Side:
    """Numbers 2, 4 and 5 are application messages, 1 and 3 are not."""
    side = logged_on()
    side.send(b"two")
    side.say(tags.TEST_REQUEST, 2, (tags.TEST_REQ_ID, b"x"))
    side.send(b"four")
    side.send(b"five")
    side.now_ms += 1_000
    return side


def shown(side: Side, begin: int, end: int, number: int = 3) -> list[tuple[bytes, int, bytes | None]]:
    """Type, number and text or NewSeqNo of what a ResendRequest is answered with."""
    body = ((tags.BEGIN_SEQ_NO, str(begin).encode()), (tags.END_SEQ_NO, str(end).encode()))
    answers = side.say(tags.RESEND_REQUEST, number, *body)
    assert all(message.flag(tags.POSS_DUP_FLAG) for message in answers)
    return [
        (message.kind, message.integer(tags.MSG_SEQ_NUM), message.get(tags.TEXT) or message.get(tags.NEW_SEQ_NO))
        for message in answers
    ]


GAP = tags.SEQUENCE_RESET


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (1, 0, [(GAP, 1, b"2"), (b"AE", 2, b"two"), (GAP, 3, b"4"), (b"AE", 4, b"four"), (b"AE", 5, b"five")]),
        (1, 1, [(GAP, 1, b"2")]),
        (2, 3, [(b"AE", 2, b"two"), (GAP, 3, b"4")]),
        (3, 4, [(GAP, 3, b"4"), (b"AE", 4, b"four")]),
        (5, 999_999, [(b"AE", 5, b"five")]),
    ],
)
def test_a_resend_has_application_messages_and_fills_the_rest(
    begin: int, end: int, expected: list[tuple[bytes, int, bytes]]
) -> None:
    """(8)"""
    side = sent_three()
    assert shown(side, begin, end) == expected
    assert side.kept.state.outgoing == 6, "a resend uses no new number"


def test_a_resent_message_has_the_time_at_which_it_was_sent_first() -> None:
    """(8)"""
    side = sent_three()
    body = ((tags.BEGIN_SEQ_NO, b"2"), (tags.END_SEQ_NO, b"2"))
    (message,) = side.say(tags.RESEND_REQUEST, 3, *body)
    assert (message.time_ms(tags.ORIG_SENDING_TIME), message.time_ms(tags.SENDING_TIME)) == (NOW_MS, NOW_MS + 1_000)


def test_what_is_no_longer_kept_is_filled() -> None:
    side = sent_three()
    del side.kept.sent[2]
    assert shown(side, 1, 0)[:2] == [(GAP, 1, b"4"), (b"AE", 4, b"four")]


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (-1, 0), (7, 0), (3, 2)])
def test_a_resend_of_what_was_never_sent_is_rejected(begin: int, end: int) -> None:
    side = sent_three()
    body = ((tags.BEGIN_SEQ_NO, str(begin).encode()), (tags.END_SEQ_NO, str(end).encode()))
    side.say(tags.RESEND_REQUEST, 3, *body)
    rejected(side, tags.INCORRECT_VALUE, tags.BEGIN_SEQ_NO)


def test_a_resend_request_behind_a_gap_is_answered_before_the_gap_is_asked_for() -> None:
    """(20)"""
    side = sent_three()
    body = ((tags.BEGIN_SEQ_NO, b"5"), (tags.END_SEQ_NO, b"0"))
    assert kinds(side.say(tags.RESEND_REQUEST, 9, *body)) == [b"AE", tags.RESEND_REQUEST]


def fill(side: Side, number: int, new: int, *, duplicate: bool = False) -> None:
    extra = ((tags.POSS_DUP_FLAG, b"Y"),) if duplicate else ()
    side.say(tags.SEQUENCE_RESET, number, (tags.GAP_FILL_FLAG, b"Y"), (tags.NEW_SEQ_NO, str(new).encode()), *extra)


def test_a_gap_fill_moves_the_expected_number() -> None:
    """(10b)"""
    side = logged_on()
    fill(side, 2, 9)
    assert side.kept.state.incoming == 9


def test_a_gap_fill_behind_a_gap_asks_for_the_gap() -> None:
    """(10a)"""
    side = logged_on()
    fill(side, 5, 9)
    assert kinds(side.written) == [tags.RESEND_REQUEST]
    assert side.kept.state.incoming == 2


def test_a_gap_fill_that_was_seen_is_ignored_as_a_duplicate_and_else_ends_the_session() -> None:
    """(10c, 10d)"""
    side = logged_on(7)
    fill(side, 3, 9, duplicate=True)
    assert (side.kept.state.incoming, side.written) == (8, [])
    fill(side, 3, 9)
    logged_out(side, "MsgSeqNum too low")


@pytest.mark.parametrize("new", [1, 2])
def test_a_gap_fill_lowers_nothing(new: int) -> None:
    """(10e)"""
    side = logged_on()
    fill(side, 2, new)
    rejected(side, tags.INCORRECT_VALUE, tags.NEW_SEQ_NO)
    assert side.kept.state.incoming == 3


@pytest.mark.parametrize(("new", "expected", "is_rejected"), [(20, 20, False), (8, 8, False), (7, 8, True)])
def test_a_reset_raises_the_expected_number_whatever_its_own(new: int, expected: int, is_rejected: bool) -> None:
    """(11a, 11b, 11c)"""
    side = logged_on(7)
    side.say(tags.SEQUENCE_RESET, 3, (tags.NEW_SEQ_NO, str(new).encode()))
    assert side.kept.state.incoming == expected
    assert (kinds(side.written) == [tags.REJECT]) == is_rejected
    if is_rejected:
        rejected(side, tags.INCORRECT_VALUE, tags.NEW_SEQ_NO)


def test_a_logout_that_we_begin_ends_with_its_answer_or_in_time() -> None:
    """(12)"""
    for answer in (True, False):
        side = logged_on()
        assert kinds(side.carry_out(side.session.log_out("good night", NOW_MS))) == [tags.LOGOUT]
        assert not side.ended
        if answer:
            assert side.say(tags.LOGOUT, 2) == []
        else:
            side.wait(5_000)
        assert side.ended


def test_a_message_that_crosses_our_logout_is_delivered() -> None:
    side = logged_on()
    side.carry_out(side.session.log_out("good night", NOW_MS))
    side.say(APPLICATION, 2)
    assert len(side.delivered) == 1
    assert side.kept.state.incoming == 3


def test_a_logout_is_answered_and_ends_the_connection() -> None:
    """(13)"""
    side = logged_on()
    assert kinds(side.say(tags.LOGOUT, 2)) == [tags.LOGOUT]
    assert side.ended
    assert side.kept.state.incoming == 3


def test_a_logout_behind_a_gap_ends_the_connection_and_the_gap_is_asked_for_at_the_next_logon() -> None:
    """(13)"""
    side = logged_on()
    assert kinds(side.say(tags.LOGOUT, 5)) == [tags.LOGOUT]
    assert side.kept.state.incoming == 2
    side.connect()
    assert kinds(side.say(tags.LOGON, 6, *LOGON)) == [tags.LOGON, tags.RESEND_REQUEST]


def test_a_tag_without_a_value_is_rejected() -> None:
    """(14d)"""
    side = logged_on()
    side.say(APPLICATION, 2, (tags.TEXT, b""))
    rejected(side, tags.TAG_WITHOUT_VALUE, tags.TEXT)
    assert side.kept.state.incoming == 3


def test_a_tag_of_the_header_that_stands_twice_is_rejected() -> None:
    """(14h)"""
    side = logged_on()
    side.say(APPLICATION, 2, (tags.SENDING_TIME, written_time(NOW_MS)))
    rejected(side, tags.TAG_TWICE, tags.SENDING_TIME)
    assert side.delivered == []


def test_a_flag_is_yes_or_no() -> None:
    """(14e)"""
    side = logged_on(5)
    side.say(APPLICATION, 2, (tags.POSS_DUP_FLAG, b"y"))
    rejected(side, tags.INCORRECT_VALUE, tags.POSS_DUP_FLAG)


def test_a_logon_that_resets_begins_at_one_again_and_forgets_what_was_sent() -> None:
    side = sent_three()
    side.connect()
    (answer,) = side.say(tags.LOGON, 1, *LOGON, (tags.RESET_SEQ_NUM_FLAG, b"Y"))
    assert (answer.integer(tags.MSG_SEQ_NUM), answer.get(tags.RESET_SEQ_NUM_FLAG)) == (1, b"Y")
    assert side.kept.state == SessionState(2, 2)
    assert side.kept.sent == {}


def test_a_reset_within_a_session_begins_at_one_again() -> None:
    side = sent_three()
    (answer,) = side.say(tags.LOGON, 1, *LOGON, (tags.RESET_SEQ_NUM_FLAG, b"Y"))
    assert answer.integer(tags.MSG_SEQ_NUM) == 1
    assert side.kept.state == SessionState(2, 2)


@pytest.mark.parametrize("number", [2, 3])
def test_a_logon_that_resets_has_number_one(number: int) -> None:
    side = sent_three()
    side.connect()
    side.say(tags.LOGON, number, *LOGON, (tags.RESET_SEQ_NUM_FLAG, b"Y"))
    logged_out(side, "resets has MsgSeqNum 1")
    assert side.kept.sent


def test_an_invalid_logon_resets_nothing() -> None:
    side = sent_three()
    before = (side.kept.state.incoming, dict(side.kept.sent))
    side.connect()
    side.say(tags.LOGON, 1, LOGON[0], (tags.HEART_BT_INT, b"0"), (tags.RESET_SEQ_NUM_FLAG, b"Y"))
    assert side.ended
    assert (side.kept.state.incoming, side.kept.sent) == before


def test_a_session_of_fixt_needs_the_version_of_application_messages() -> None:
    identity = Identity(b"FIXT.1.1", b"HOUSE", b"VENUE", b"9")
    for version, is_on in ((b"9", True), (b"7", False), (None, False)):
        side = Side(identity)
        side.connect()
        more = ((tags.DEFAULT_APPL_VER_ID, version),) if version else ()
        side.take((*header(tags.LOGON, 1, begin=b"FIXT.1.1"), *LOGON, *more))
        assert side.session.logged_on == is_on
        assert side.written[-1].get(tags.DEFAULT_APPL_VER_ID) == (b"9" if is_on else None)


def test_nothing_counts_after_the_end() -> None:
    side = logged_on(7)
    side.say(APPLICATION, 3)
    count = len(side.written)
    side.say(APPLICATION, 8)
    assert (side.delivered, len(side.written)) == ([], count)


def test_an_initiator_logs_on_first() -> None:
    """(1B)"""
    side = Side(VENUE)
    assert kinds(side.connect()) == [tags.LOGON]
