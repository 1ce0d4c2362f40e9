"""What the gateway answers: acknowledgements (35=AR), confirmations (35=AE) and business rejects (35=j).

Rule: a first AR says that the report is kept and on its way: TrdRptStatus 4, pending, or 0 in FIX 4.4, which has no
such value. One fate follows: an AE that accepts it, or an AR with TrdRptStatus 1, a reason and our code.
"""

from crossclear_fix import tags
from crossclear_fix.errors import NOT_AMENDED
from crossclear_fix.message import Fields, Message, text_value, written_time
from crossclear_fix.reasons import reject_reason

TRADE = b"F"
ACCEPTED, REJECTED, PENDING = b"0", b"1", b"4"
NEW = b"0"
ACCEPT = b"2"
"""TradeReportType of the AE that confirms."""

Answer = tuple[bytes, Fields]
"""Message type and body."""


def received(report_id: str, symbol: str, trade_id: int, now_ms: int, status: bytes) -> Answer:
    """The report is kept. `status`: PENDING while its fate is not known, where the version of FIX has it."""
    return tags.TRADE_CAPTURE_ACK, (
        (tags.TRADE_REPORT_ID, report_id.encode()),
        (tags.TRADE_REPORT_TRANS_TYPE, NEW),
        (tags.EXEC_TYPE, TRADE),
        (tags.TRD_RPT_STATUS, status),
        (tags.TRD_MATCH_ID, str(trade_id).encode()),
        (tags.SYMBOL, symbol.encode()),
        (tags.TRANSACT_TIME, written_time(now_ms)),
    )


def refused(report_id: str, symbol: str, code: str, why: str, now_ms: int, trade_id: int = 0) -> Answer:
    """The trade is not cleared; Text begins with the code."""
    identified: Fields = ((tags.TRD_MATCH_ID, str(trade_id).encode()),) if trade_id else ()
    return tags.TRADE_CAPTURE_ACK, (
        (tags.TRADE_REPORT_ID, report_id.encode()),
        (tags.TRADE_REPORT_TRANS_TYPE, NEW),
        (tags.EXEC_TYPE, TRADE),
        (tags.TRD_RPT_STATUS, REJECTED),
        (tags.TRADE_REPORT_REJECT_REASON, str(reject_reason(code)).encode()),
        *identified,
        (tags.SYMBOL, text_value(symbol)),
        (tags.TRANSACT_TIME, written_time(now_ms)),
        (tags.TEXT, text_value(f"{code} {why}")),
    )


def not_amended(message: Message, why: str, now_ms: int, trade_id: int) -> Answer:
    """A cancellation or replacement is not taken. `why`: what became of the report that it names, of `trade_id`."""
    symbol = (message.get(tags.SYMBOL) or message.get(tags.SECURITY_ID) or b"-").decode("ascii", "replace")
    report_id = message.need(tags.TRADE_REPORT_ID).decode()
    kind, fields = refused(report_id, symbol, NOT_AMENDED, why, now_ms, trade_id)
    asked = message.need(tags.TRADE_REPORT_TRANS_TYPE)
    reference = message.get(tags.TRADE_REPORT_REF_ID)
    body = [(tag, asked if tag == tags.TRADE_REPORT_TRANS_TYPE else value) for tag, value in fields]
    return kind, (*body, *(((tags.TRADE_REPORT_REF_ID, reference),) if reference else ()))


def novated(report: Fields, report_id: str, trade_id: int, height: int, hash_: str) -> Answer:
    """The trade is novated: an AE of our own id that accepts the report. `report`: what it repeats of the report.

    `height` 0: the node has forgotten the block.
    """
    known: Fields = ((tags.EXEC_ID, hash_.encode()),) if hash_ else ()
    text = f"novated in block {height}" if height else "novated"
    return tags.TRADE_CAPTURE_REPORT, (
        (tags.TRADE_REPORT_ID, f"N{trade_id}".encode()),
        (tags.TRADE_REPORT_TRANS_TYPE, NEW),
        (tags.TRADE_REPORT_TYPE, ACCEPT),
        (tags.EXEC_TYPE, TRADE),
        (tags.TRADE_REPORT_REF_ID, report_id.encode()),
        (tags.TRD_MATCH_ID, str(trade_id).encode()),
        *known,
        (tags.PREVIOUSLY_REPORTED, b"N"),
        (tags.TEXT, text.encode()),
        *report,
    )


def business_reject(number: bytes, kind: bytes, reference: str, reason: int, why: str) -> Answer:
    """A message of a kind that is not taken (3), or one that cannot be taken now (4)."""
    referred: Fields = ((tags.BUSINESS_REJECT_REF_ID, reference.encode()),) if reference else ()
    return tags.BUSINESS_REJECT, (
        (tags.REF_SEQ_NUM, number),
        (tags.REF_MSG_TYPE, kind),
        *referred,
        (tags.BUSINESS_REJECT_REASON, str(reason).encode()),
        (tags.TEXT, text_value(why)),
    )
