"""TradeReportRejectReason (751) of each of our codes. Text (58) has the code itself."""

from crossclear_fix import errors

INVALID_PARTY = 1
UNKNOWN_INSTRUMENT = 2
NOT_AUTHORIZED = 3
INVALID_TRADE_TYPE = 4
OTHER = 99

REASONS: dict[int, tuple[str, ...]] = {
    INVALID_PARTY: ("R0204", "R0212", "R0257", errors.PARTY),
    UNKNOWN_INSTRUMENT: ("R0205", "R0215", "R0407", errors.INSTRUMENT),
    NOT_AUTHORIZED: ("R0208", "R0222", "R0223", "R0224", "R0225", "R0226"),
    INVALID_TRADE_TYPE: (errors.REPORT_KIND,),
}
"""Codes by reason; any other code is 99."""
_REASON_OF = {code: reason for reason, codes in REASONS.items() for code in codes}


def reject_reason(code: str) -> int:
    """The value of 751 for a code."""
    return _REASON_OF.get(code, OTHER)
