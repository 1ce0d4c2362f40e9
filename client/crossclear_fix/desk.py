"""`Desk`: application messages in, answers out. It books reports and says what is known of them.

Rule: a TradeReportID of a session is one trade. A repeated report is answered with what became of it, and never traded
again; the same id with other terms is refused.
"""

from collections.abc import Callable, Mapping

from crossclear_fix import answers, errors, tags
from crossclear_fix.answers import Answer
from crossclear_fix.errors import Refusal
from crossclear_fix.message import Message, text_value
from crossclear_fix.store import BookedReport, Fate, Store
from crossclear_fix.trade_report import Names, read_report, reference_of, repeated_fields, report_id_of

_STANDING = {
    Fate.WAITING: "is signed and on its way, its fate follows",
    Fate.NOVATED: "is novated and final",
    Fate.REFUSED: "was refused, nothing of it is cleared",
}


class Desk:
    """`names`: what each session may report; `pending`: TrdRptStatus of a report whose fate is open, in its FIX."""

    def __init__(
        self,
        store: Store,
        names: Mapping[str, Names],
        pending: Mapping[str, bytes],
        clock_ms: Callable[[], int],
        *,
        first_trade_id: int,
        open_reports_max: int,
    ) -> None:
        self._store = store
        self._names = names
        self._pending = pending
        self._clock_ms = clock_ms
        self._first_trade_id = first_trade_id
        self._open_reports_max = open_reports_max

    def deliver(self, session: str, message: Message) -> tuple[list[Answer], BookedReport | None]:
        """Inside a transaction: the answers to a message, and the report to follow. Raises FieldFault."""
        if message.kind != tags.TRADE_CAPTURE_REPORT:
            number = message.need(tags.MSG_SEQ_NUM)
            why = "this gateway takes trade capture reports (AE) only"
            return [answers.business_reject(number, message.kind, "", tags.UNSUPPORTED_MESSAGE, why)], None
        report_id = report_id_of(message)
        try:
            report = read_report(message, self._names[session])
            repeated = repeated_fields(message)
        except Refusal as refusal:
            if refusal.code == errors.NOT_AMENDED:
                return [self._not_amended(session, message, refusal.why)], None
            symbol = (message.get(tags.SYMBOL) or message.get(tags.SECURITY_ID) or b"-").decode("ascii", "replace")
            return [answers.refused(report_id, symbol, refusal.code, refusal.why, self._clock_ms())], None
        known = self._store.report(session, report_id)
        if known is None:
            if self._store.open_count() >= self._open_reports_max:
                return [self._full(message, report_id)], None
            now_ms = self._clock_ms()
            booked = self._store.add_report(session, report, repeated, now_ms, self._first_trade_id)
            pending = self._pending[session]
            return [answers.received(report_id, report.symbol, booked.trade_id, now_ms, pending)], booked
        if known.report != report:
            why = f"TradeReportID {report_id} was used for a trade of other terms"
            return [answers.refused(report_id, report.symbol, errors.OTHER_TERMS, why, self._clock_ms())], None
        return self.known_answers(known), None

    def known_answers(self, booked: BookedReport) -> list[Answer]:
        """What a repeated report is answered with."""
        report = booked.report
        status = self._pending[booked.session] if booked.fate is Fate.WAITING else answers.ACCEPTED
        taken = answers.received(report.report_id, report.symbol, booked.trade_id, self._clock_ms(), status)
        if booked.fate is Fate.WAITING:
            return [taken]
        return [self.fate(booked)] if booked.fate is Fate.REFUSED else [taken, self.fate(booked)]

    def fate(self, booked: BookedReport) -> Answer:
        """The answer that tells a fate."""
        report = booked.report
        if booked.fate is Fate.NOVATED:
            made = answers.novated(booked.repeated, report.report_id, booked.trade_id, booked.height, booked.hash)
            if not booked.code:
                return made
            kind, body = made
            why = f"{booked.code} refused first, then novated in block {booked.height}"
            return kind, tuple((tag, text_value(why) if tag == tags.TEXT else value) for tag, value in body)
        now_ms = self._clock_ms()
        return answers.refused(report.report_id, report.symbol, booked.code, booked.why, now_ms, booked.trade_id)

    def _not_amended(self, session: str, message: Message, why: str) -> Answer:
        reference = reference_of(message)
        found = self._store.report(session, reference) if reference else None
        if not reference:
            what = "no report is named in TradeReportRefID"
        elif found is None:
            what = f"{reference} was never reported"
        else:
            what = f"{reference} {_STANDING[found.fate]}"
        trade_id = 0 if found is None else found.trade_id
        return answers.not_amended(message, f"{what}; {why}", self._clock_ms(), trade_id)

    def _full(self, message: Message, report_id: str) -> Answer:
        why = f"{errors.FULL} too many reports are open; send this one again later"
        number = message.need(tags.MSG_SEQ_NUM)
        return answers.business_reject(number, message.kind, report_id, tags.NOT_AVAILABLE, why)
