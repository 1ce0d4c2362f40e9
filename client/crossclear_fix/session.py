"""`Session`: one FIX session as a state machine. Messages and times in, effects out; it reads no clock and no socket.

Rule: each message counts once. Numbers move only here, and the driver saves them, with what was delivered and sent,
before a byte leaves. Cases are those of "FIX Session Layer Test Cases" (FIX Trading Community, version 1.0, June 2020);
comments name them.
"""

from crossclear_fix import session_checks as checks
from crossclear_fix import tags
from crossclear_fix.message import FieldFault, Fields, Message, text_value, written_time
from crossclear_fix.resending import answer_resend
from crossclear_fix.session_state import (
    Deliver,
    Disconnect,
    Effect,
    Identity,
    Limits,
    Phase,
    ReadSent,
    Reset,
    Send,
    SessionState,
)


class Session:
    """`sent` reads application messages that were sent, for resends."""

    def __init__(self, identity: Identity, state: SessionState, limits: Limits, sent: ReadSent) -> None:
        self.identity = identity
        self.state = state
        self.phase = Phase.CLOSED
        self._limits = limits
        self._sent = sent
        self._out: list[Effect] = []
        self._now_ms = 0
        self._begun_ms = self._sent_ms = self._heard_ms = 0
        self._heartbeat_ms = limits.heartbeat_ms
        self._tested_ms = 0
        """When a TestRequest was sent that nothing has answered; 0: none."""
        self._gap_until = 0
        """The highest number that is awaited by a resend; 0: none."""
        self._asked_ms = self._asked = 0

    @property
    def logged_on(self) -> bool:
        """Whether application messages may be sent."""
        return self.phase is Phase.ON

    def connected(self, now_ms: int) -> list[Effect]:
        """A connection begins; an initiator logs on."""
        self._now_ms = self._begun_ms = self._sent_ms = self._heard_ms = now_ms
        self._tested_ms = self._gap_until = self._asked = 0
        self.phase = Phase.LOGGING_ON
        if self.identity.is_initiator:
            self._send(tags.LOGON, self._logon_fields(self.identity.credentials))
        return self._effects()

    def send(self, kind: bytes, body: Fields, now_ms: int) -> list[Effect]:
        """Send an application message. The session must be logged on."""
        self._now_ms = now_ms
        self._send(kind, body)
        return self._effects()

    def reject(self, message: Message, fault: FieldFault, now_ms: int) -> list[Effect]:
        """Reject a delivered message whose fields break a rule of FIX (14)."""
        self._now_ms = now_ms
        self._reject(message, fault)
        return self._effects()

    def log_out(self, text: str, now_ms: int) -> list[Effect]:
        """Begin to log out (12); the connection ends with the answer, or when it does not come."""
        self._now_ms = now_ms
        if self.phase is Phase.ON:
            self._send(tags.LOGOUT, ((tags.TEXT, text_value(text)),))
            self.phase, self._begun_ms = Phase.LOGGING_OUT, now_ms
        else:
            self._disconnect(text)
        return self._effects()

    def tick(self, now_ms: int) -> list[Effect]:
        """Time passes: heartbeats (4), test requests (6), and what does not come in time."""
        self._now_ms = now_ms
        if self.phase is Phase.LOGGING_ON and now_ms - self._begun_ms >= self._limits.logon_ms:
            self._disconnect("no logon in time")
        elif self.phase is Phase.LOGGING_OUT and now_ms - self._begun_ms >= self._limits.logout_ms:
            self._disconnect("no logout in time")
        elif self.phase is Phase.ON:
            self._tick_on()
        return self._effects()

    def received(self, message: Message, now_ms: int) -> list[Effect]:
        """One whole message."""
        self._now_ms = self._heard_ms = now_ms
        self._tested_ms = 0
        if self.phase is Phase.CLOSED:
            return []
        try:
            self._receive(message)
        except checks.SessionEnds as ends:
            self._end(ends.text)
        except FieldFault as fault:
            self._reject(message, fault)
            if self.phase is Phase.LOGGING_ON:
                self._end(str(fault))
        return self._effects()

    def _receive(self, message: Message) -> None:
        if self.phase is Phase.LOGGING_ON and message.kind != tags.LOGON:
            self._disconnect("the first message is no logon")  # 1S e: nobody is authenticated, so nothing is said
            return
        checks.check_begin_string(self.identity, message)
        number = checks.sequence_number(message)
        if message.kind == tags.LOGON and message.flag(tags.RESET_SEQ_NUM_FLAG):
            self._reset(message, number)
        is_reset = message.kind == tags.SEQUENCE_RESET and not message.flag(tags.GAP_FILL_FLAG)
        if is_reset or number == self.state.incoming:
            self._in_order(message, number, is_reset=is_reset)
        elif number > self.state.incoming:
            self._too_high(message, number)
        else:
            self._too_low(message, number)

    def _in_order(self, message: Message, number: int, *, is_reset: bool) -> None:
        """The expected number (2a), or a SequenceReset-Reset, whose number does not count (11)."""
        try:
            checks.check_header(self.identity, message, self._now_ms, self._limits.skew_ms)
            checks.check_fields(message)
            if is_reset:
                self._advance(checks.new_number(message, self.state.incoming - 1))
                return
            self._handle(message, number)
        except FieldFault:
            if not is_reset and self.state.incoming == number:
                self._advance(number + 1)  # a message that is rejected counts (2f, 2g, 14)
            raise

    def _handle(self, message: Message, number: int) -> None:
        kind = message.kind
        if kind == tags.SEQUENCE_RESET:  # 10b, 10e
            self._advance(checks.new_number(message, number))
            return
        if kind == tags.LOGON:
            self._logon(message)
        elif kind == tags.TEST_REQUEST:  # 4b
            self._send(tags.HEARTBEAT, ((tags.TEST_REQ_ID, message.need(tags.TEST_REQ_ID)),))
        elif kind == tags.RESEND_REQUEST:
            self._resend(message)
        elif kind == tags.LOGOUT:
            self._advance(number + 1)
            self._logged_out()
            return
        elif kind not in tags.ADMINISTRATIVE:
            checks.check_kind(message)
            self._out.append(Deliver(message))
        self._advance(number + 1)

    def _logon(self, message: Message) -> None:
        checks.check_logon(self.identity, message, self._limits)
        if self.phase is not Phase.LOGGING_ON:
            if not message.flag(tags.RESET_SEQ_NUM_FLAG):
                raise checks.SessionEnds("already logged on")
            if self.identity.is_initiator:
                return
        self._heartbeat_ms = message.integer(tags.HEART_BT_INT) * 1000
        self.phase = Phase.ON
        if not self.identity.is_initiator:
            reset = ((tags.RESET_SEQ_NUM_FLAG, b"Y"),) if message.flag(tags.RESET_SEQ_NUM_FLAG) else ()
            self._send(tags.LOGON, self._logon_fields(reset))

    def _reset(self, message: Message, number: int) -> None:
        """Both sides begin at 1 again; only by a logon that is valid otherwise."""
        if number != 1 or message.flag(tags.POSS_DUP_FLAG):
            raise checks.SessionEnds("a logon that resets has MsgSeqNum 1 and is no duplicate")
        checks.check_header(self.identity, message, self._now_ms, self._limits.skew_ms)
        checks.check_logon(self.identity, message, self._limits)
        own = self.identity.is_initiator and self.phase is Phase.LOGGING_ON
        self.state.incoming, self.state.outgoing = 1, 2 if own else 1
        self._gap_until = 0
        self._out.append(Reset())

    def _too_high(self, message: Message, number: int) -> None:
        """Ask for what is missing (2b, 10a, 20). The message itself comes again with the resend, so it is dropped."""
        checks.check_header(self.identity, message, self._now_ms, self._limits.skew_ms)
        if message.kind == tags.LOGON and self.phase is Phase.LOGGING_ON:
            self._logon(message)
        elif message.kind == tags.RESEND_REQUEST:
            self._resend(message)  # answered first: both sides may have a gap at once
        elif message.kind == tags.LOGOUT:
            self._logged_out()
            return
        outstanding = self._gap_until >= self.state.incoming
        self._gap_until = max(self._gap_until, number)
        if not outstanding:
            self._asked = 0
            self._ask_again()

    def _too_low(self, message: Message, number: int) -> None:
        """Seen before (2e), or the sides disagree (2c, 10d)."""
        if not message.flag(tags.POSS_DUP_FLAG):
            raise checks.SessionEnds(f"MsgSeqNum too low, expecting {self.state.incoming} but received {number}")
        if self.phase is Phase.LOGGING_ON:
            raise checks.SessionEnds("a logon is no duplicate")
        checks.check_header(self.identity, message, self._now_ms, self._limits.skew_ms)

    def _resend(self, message: Message) -> None:
        """8: what was sent of the range, administrative messages as gap fills."""
        begin, end = message.integer(tags.BEGIN_SEQ_NO), message.integer(tags.END_SEQ_NO)
        last = self.state.outgoing - 1
        end = last if end == 0 else min(end, last)
        if not 1 <= begin <= end:
            raise FieldFault(tags.BEGIN_SEQ_NO, tags.INCORRECT_VALUE, f"nothing was sent from {begin} to {end}")
        for number, kind, body in answer_resend(begin, end, self._sent(begin, end)):
            self._write(number, kind, body, kept=False)

    def _logged_out(self) -> None:
        """13: answer, unless this is the answer."""
        if self.phase is Phase.ON:
            self._send(tags.LOGOUT, ())
        self._disconnect("logged out")

    def _tick_on(self) -> None:
        silence = self._now_ms - self._heard_ms
        patience = self._heartbeat_ms + self._heartbeat_ms // 5
        if self._tested_ms and self._now_ms - self._tested_ms >= patience:
            self._disconnect("no answer to a test request")
            return
        if self._gap_until >= self.state.incoming and self._now_ms - self._asked_ms >= self._limits.gap_ms:
            self._ask_again()
        if self.phase is Phase.ON and not self._tested_ms and silence >= patience:
            self._send(tags.TEST_REQUEST, ((tags.TEST_REQ_ID, written_time(self._now_ms)),))
            self._tested_ms = self._now_ms
        elif self.phase is Phase.ON and self._now_ms - self._sent_ms >= self._heartbeat_ms:
            self._send(tags.HEARTBEAT, ())

    def _ask_again(self) -> None:
        if self._asked >= self._limits.gap_requests_max:
            self._end(f"messages from {self.state.incoming} on do not come")
            return
        self._asked, self._asked_ms = self._asked + 1, self._now_ms
        begin = str(self.state.incoming).encode()
        self._send(tags.RESEND_REQUEST, ((tags.BEGIN_SEQ_NO, begin), (tags.END_SEQ_NO, b"0")))

    def _advance(self, number: int) -> None:
        self.state.incoming = number
        self._asked, self._asked_ms = 0 if self._gap_until < number else self._asked, self._now_ms

    def _reject(self, message: Message, fault: FieldFault) -> None:
        """A session-level Reject, then the end where the fault leaves no trust (2k, 2o)."""
        if self.phase is not Phase.ON:
            return
        body: list[tuple[int, bytes]] = [(tags.REF_SEQ_NUM, message.get(tags.MSG_SEQ_NUM) or b"0")]
        body += [(tags.REF_TAG_ID, str(fault.tag).encode()), (tags.REF_MSG_TYPE, message.kind or b"?")]
        body += [(tags.SESSION_REJECT_REASON, str(fault.reason).encode()), (tags.TEXT, text_value(fault.why))]
        self._send(tags.REJECT, tuple(body))
        if fault.reason in checks.ENDING:
            self._end(fault.why)

    def _end(self, text: str) -> None:
        """Say why, where somebody is logged on, and disconnect."""
        if self.phase is not Phase.CLOSED and (self.phase is not Phase.LOGGING_ON or self.identity.authenticated):
            self._send(tags.LOGOUT, ((tags.TEXT, text_value(text)),))
        self._disconnect(text)

    def _disconnect(self, why: str) -> None:
        self.phase = Phase.CLOSED
        self._out.append(Disconnect(why))

    def _logon_fields(self, more: Fields) -> Fields:
        fields: Fields = (
            (tags.ENCRYPT_METHOD, b"0"),
            (tags.HEART_BT_INT, str(self._heartbeat_ms // 1000).encode()),
            *more,
        )
        version = self.identity.default_appl_ver_id
        return (*fields, (tags.DEFAULT_APPL_VER_ID, version)) if version else fields

    def _send(self, kind: bytes, body: Fields) -> None:
        self._write(self.state.outgoing, kind, body, kept=kind not in tags.ADMINISTRATIVE)
        self.state.outgoing += 1

    def _write(self, number: int, kind: bytes, body: Fields, *, kept: bool) -> None:
        header = (
            (tags.MSG_TYPE, kind),
            (tags.SENDER_COMP_ID, self.identity.own),
            (tags.TARGET_COMP_ID, self.identity.peer),
            (tags.MSG_SEQ_NUM, str(number).encode()),
            (tags.SENDING_TIME, written_time(self._now_ms)),
        )
        self._sent_ms = self._now_ms
        self._out.append(Send(number, kind, body, self._now_ms, (*header, *body), kept))

    def _effects(self) -> list[Effect]:
        effects, self._out = self._out, []
        return effects
