"""Exit codes of the command line, and which failure ends with which."""

from enum import IntEnum

from clearing.base.errors import Bug, CrossclearError, LocalFault, RemoteFault
from node.codes import NodeCode


class Exit(IntEnum):
    """Stable: scripts rely on them."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    NOT_READY = 5
    VERIFICATION = 6
    SAFETY = 7
    BUG = 70
    INTERRUPTED = 130


_OF_CODE = {
    NodeCode.CONFIG_SYNTAX: Exit.CONFIG,
    NodeCode.CONFIG_UNKNOWN_KEY: Exit.CONFIG,
    NodeCode.CONFIG_VALUE: Exit.CONFIG,
    NodeCode.CONFIG_MISSING: Exit.CONFIG,
    NodeCode.LOG_UNUSABLE: Exit.CONFIG,
    NodeCode.MARKET_DATA_UNUSABLE: Exit.CONFIG,
    NodeCode.EXTRA_MISSING: Exit.CONFIG,
    NodeCode.KEY_PASSWORD: Exit.CONFIG,
    NodeCode.KEY_FORMAT: Exit.CONFIG,
    NodeCode.KEY_MISSING: Exit.CONFIG,
    NodeCode.NODE_UNREACHABLE: Exit.UNREACHABLE,
    NodeCode.API_NOT_READY: Exit.NOT_READY,
    NodeCode.KEY_EXISTS: Exit.SAFETY,
    NodeCode.KEY_PERMISSIONS: Exit.SAFETY,
    NodeCode.KEY_WEAK: Exit.SAFETY,
    NodeCode.SIGN_STATE_MISSING: Exit.SAFETY,
    NodeCode.OUTPUT_EXISTS: Exit.SAFETY,
    NodeCode.API_IN_CLEAR: Exit.SAFETY,
    NodeCode.STORE_CONFLICT: Exit.SAFETY,
    NodeCode.STORE_CORRUPT: Exit.SAFETY,
    NodeCode.STORE_OTHER_NETWORK: Exit.SAFETY,
    NodeCode.UNKNOWN_CODE: Exit.USAGE,
    NodeCode.CHANGE_FILE: Exit.VERIFICATION,
    NodeCode.NOT_IN_THE_SET: Exit.CONFIG,
    NodeCode.NOTHING_BELOW: Exit.SAFETY,
    NodeCode.SIGNER_SILENT: Exit.UNREACHABLE,
    NodeCode.SIGNER_CHANNEL: Exit.SAFETY,
    NodeCode.LIGHT_STORE_UNUSABLE: Exit.SAFETY,
    NodeCode.LIGHT_ATTACK: Exit.VERIFICATION,
    NodeCode.LIGHT_NO_TRUST: Exit.CONFIG,
}
_GRAVITY = (
    Exit.OK,
    Exit.INTERRUPTED,
    Exit.UNEXPECTED,
    Exit.USAGE,
    Exit.NOT_READY,
    Exit.UNREACHABLE,
    Exit.CONFIG,
    Exit.VERIFICATION,
    Exit.SAFETY,
    Exit.BUG,
)
"""Of several failures at once, the last of these is told."""
_SAFETY_NAMES = frozenset(("DOUBLE_SIGN", "SIGN_STATE_CORRUPT", "WAL_CORRUPT"))
_CONFIG_NAMES = frozenset(("PORT_TAKEN", "BAD_CONFIG", "BAD_GENESIS", "PRICE_SOURCE_UNUSABLE"))
"""Of other packages, whose code books would be slow to import."""


def exit_of(error: BaseException) -> Exit:
    """The code for an error that ended a command."""
    if isinstance(error, Bug):
        return Exit.BUG
    if isinstance(error, CrossclearError):
        if error.code.name in _SAFETY_NAMES:
            return Exit.SAFETY
        if isinstance(error, LocalFault) and error.code.name in _CONFIG_NAMES:
            return Exit.CONFIG
        if isinstance(error.code, NodeCode) and error.code in _OF_CODE:
            return _OF_CODE[error.code]
        return Exit.VERIFICATION if isinstance(error, RemoteFault) else Exit.UNEXPECTED
    if isinstance(error, BaseExceptionGroup):
        return max((exit_of(each) for each in error.exceptions), key=_GRAVITY.index, default=Exit.UNEXPECTED)
    return Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.UNEXPECTED
