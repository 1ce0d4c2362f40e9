"""`GatewayError`: what the gateway itself refuses, under codes of the network's numbering.

Rule: a code means one thing (`docs/reference/rejections.md`). What a node refuses keeps the node's own code.
"""

EXTRA_MISSING = "R0826"
SETTINGS = "R0970"
FIELD = "R0971"
REPORT_KIND = "R0972"
OTHER_TERMS = "R0973"
INSTRUMENT = "R0974"
PARTY = "R0975"
FULL = "R0976"
STORE = "R0977"
NOT_WHOLE = "R0978"
FATE_CHANGED = "R0979"
NOT_AMENDED = "R0944"

TEXT_CHARS_MAX = 300


class GatewayError(Exception):
    """`code` is stable; `at` names the setting or the field."""

    def __init__(self, code: str, at: str, why: str) -> None:
        super().__init__(f"{code}: {why} ({at})")
        self.code = code
        self.at = at[:TEXT_CHARS_MAX]
        self.why = why[:TEXT_CHARS_MAX]


class Refusal(Exception):
    """A trade report that is well-formed and not taken: its answer is an AR with this code."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why[:TEXT_CHARS_MAX]
