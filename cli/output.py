"""What commands print and how they end: data on stdout as text or JSON, failures on stderr, exit codes."""

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, TypeVar

import click
import msgspec

from clearing.base.errors import Bug, CrossclearError, LocalFault, RemoteFault
from clearing.base.plain_text import one_line, plain_json, several_lines
from member.codes import NodeCode


class ExitCode(IntEnum):
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
    NodeCode.CONFIG_SYNTAX: ExitCode.CONFIG,
    NodeCode.CONFIG_UNKNOWN_KEY: ExitCode.CONFIG,
    NodeCode.CONFIG_VALUE: ExitCode.CONFIG,
    NodeCode.CONFIG_MISSING: ExitCode.CONFIG,
    NodeCode.LOG_UNUSABLE: ExitCode.CONFIG,
    NodeCode.MARKET_DATA_UNUSABLE: ExitCode.CONFIG,
    NodeCode.EXTRA_MISSING: ExitCode.CONFIG,
    NodeCode.KEY_PASSWORD: ExitCode.CONFIG,
    NodeCode.KEY_FORMAT: ExitCode.CONFIG,
    NodeCode.KEY_MISSING: ExitCode.CONFIG,
    NodeCode.NODE_UNREACHABLE: ExitCode.UNREACHABLE,
    NodeCode.API_NOT_READY: ExitCode.NOT_READY,
    NodeCode.TRANSACTIONS_UNREAD: ExitCode.NOT_READY,
    NodeCode.KEY_EXISTS: ExitCode.SAFETY,
    NodeCode.KEY_PERMISSIONS: ExitCode.SAFETY,
    NodeCode.KEY_WEAK: ExitCode.SAFETY,
    NodeCode.SIGN_STATE_MISSING: ExitCode.SAFETY,
    NodeCode.BAD_BACKUP: ExitCode.VERIFICATION,
    NodeCode.OUTPUT_EXISTS: ExitCode.SAFETY,
    NodeCode.VAULT_NOT_TRUSTED: ExitCode.SAFETY,
    NodeCode.API_IN_CLEAR: ExitCode.SAFETY,
    NodeCode.STORE_CONFLICT: ExitCode.SAFETY,
    NodeCode.STORE_CORRUPT: ExitCode.SAFETY,
    NodeCode.STORE_OTHER_NETWORK: ExitCode.SAFETY,
    NodeCode.UNKNOWN_CODE: ExitCode.USAGE,
    NodeCode.CHANGE_FILE: ExitCode.VERIFICATION,
    NodeCode.DECLARATION_FILE: ExitCode.VERIFICATION,
    NodeCode.TRADE_PROPOSAL: ExitCode.VERIFICATION,
    NodeCode.NOT_IN_THE_SET: ExitCode.CONFIG,
    NodeCode.NOTHING_BELOW: ExitCode.SAFETY,
    NodeCode.SIGNER_SILENT: ExitCode.UNREACHABLE,
    NodeCode.SIGNER_CHANNEL: ExitCode.SAFETY,
    NodeCode.LIGHT_STORE_UNUSABLE: ExitCode.SAFETY,
    NodeCode.LIGHT_ATTACK: ExitCode.VERIFICATION,
    NodeCode.LIGHT_NO_TRUST: ExitCode.CONFIG,
}

_GRAVITY = (
    ExitCode.OK,
    ExitCode.INTERRUPTED,
    ExitCode.UNEXPECTED,
    ExitCode.USAGE,
    ExitCode.NOT_READY,
    ExitCode.UNREACHABLE,
    ExitCode.CONFIG,
    ExitCode.VERIFICATION,
    ExitCode.SAFETY,
    ExitCode.BUG,
)
"""Of several failures at once, the last in this order decides."""
_SAFETY_NAMES = frozenset(
    (
        *("DOUBLE_SIGN", "SIGN_STATE_CORRUPT", "WAL_CORRUPT", "NOT_HALTED", "BAD_RELEASES"),
        *("RELEASE_TOO_OLD", "RELEASE_TOO_NEW", "DEVNET_RUNNING"),
    )
)
_CONFIG_NAMES = frozenset(
    (
        *("PORT_TAKEN", "BAD_CONFIG", "BAD_GENESIS", "BAD_PROFILE", "WRONG_PROFILE", "PRICE_SOURCE_UNUSABLE"),
        *("BAD_DRAFT", "MARKET_FILE_INVALID"),
    )
)
"""Of other packages, whose code books would be slow to import."""


def exit_of(error: BaseException) -> ExitCode:
    """The code for an error that ended a command."""
    if isinstance(error, Bug):
        return ExitCode.BUG
    if isinstance(error, CrossclearError):
        if error.code.name in _SAFETY_NAMES:
            return ExitCode.SAFETY
        if isinstance(error, LocalFault) and error.code.name in _CONFIG_NAMES:
            return ExitCode.CONFIG
        if isinstance(error.code, NodeCode) and error.code in _OF_CODE:
            return _OF_CODE[error.code]
        return ExitCode.VERIFICATION if isinstance(error, RemoteFault) else ExitCode.UNEXPECTED
    if isinstance(error, BaseExceptionGroup):
        return max(
            (exit_of(exception) for exception in error.exceptions), key=_GRAVITY.index, default=ExitCode.UNEXPECTED
        )
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.UNEXPECTED


F = TypeVar("F", bound=Callable[..., Any])

output_option: Callable[[F], F] = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How data is printed."
)


def show(data: object, text: str, output: str) -> None:
    """Print `data` as JSON, or `text`."""
    if output == "json":
        show_json(msgspec.json.format(msgspec.json.encode(data), indent=2))
    else:
        click.echo(harmless(_without_line_ends_of(data, text)))


def show_json(encoded: bytes | str) -> None:
    """Print JSON that is encoded already."""
    text = encoded if isinstance(encoded, str) else encoded.decode()
    click.echo(plain_json(text.rstrip("\n")))


def show_line(text: str) -> None:
    """Print data on one line."""
    click.echo(one_line(text))


def show_lines(text: str) -> None:
    """Print a document as it is laid out, such as a table; what is in it has no line ends of its own."""
    click.echo(harmless(text.removesuffix("\n")))


def tell(data: object, text: str, output: str) -> None:
    """Print `data` as JSON, or say `text`: for a command whose result is a file, or something done elsewhere."""
    if output == "json":
        show(data, "", output)
    else:
        say(text)


def say(text: str) -> None:
    """Print something that is not data, on stderr."""
    click.echo(harmless(text), err=True)


def say_line(text: str) -> None:
    """As `say`, on one line: for text with what a stranger wrote."""
    say(one_line(text))


def harmless(text: str) -> str:
    """Line by line without what could steer a terminal: printed text may come from a node or a file."""
    return several_lines(text)


def _without_line_ends_of(data: object, text: str) -> str:
    """The text, in which no string of `data` begins a line of its own or moves over on one."""
    for string in sorted({each for each in _strings(data) if "\n" in each or "\t" in each}, key=len, reverse=True):
        text = text.replace(string, one_line(string))
    return text


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        yield from _strings([getattr(value, name) for name in value.__struct_fields__])
    elif isinstance(value, dict):
        yield from _strings((*value, *value.values()))
    elif is_dataclass(value):
        yield from _strings([getattr(value, each.name) for each in fields(value)])
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _strings(item)


def say_failure(error: BaseException, code: ExitCode) -> None:
    """Print why a command failed: code and remedy of a known fault, a traceback of an unexpected one."""
    if isinstance(error, BaseExceptionGroup):
        for exception in error.exceptions:
            say_failure(exception, code)
    elif isinstance(error, KeyboardInterrupt):
        say("interrupted")
    elif isinstance(error, CrossclearError):
        # Its values may be a stranger's text, which could steer a terminal.
        say(f"error: {one_line(str(error))}\n  {error.code.remedy}")
    elif code in (ExitCode.UNEXPECTED, ExitCode.BUG):
        say("".join(traceback.format_exception(error)).rstrip())
    else:
        say_line(f"error: {error}")


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line has `--output json`."""
    return "--output=json" in words or ("--output", "json") in pairwise(words)


def say_failure_as_json(error: BaseException, code: ExitCode) -> None:
    """As `say_failure`, one object for all failures: exit code, and of each its code, name, place, values, remedy."""
    failures = [_failure_fields(each) for each in _leaves(error)]
    # Values may be larger than msgspec's integers.
    failure = json.dumps({"exit_code": int(code), "errors": failures}, indent=2, default=str, ensure_ascii=False)
    click.echo(plain_json(failure), err=True)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _failure_fields(error: BaseException) -> dict[str, Any]:
    if isinstance(error, CrossclearError):
        values = {name: value.hex() if isinstance(value, bytes) else value for name, value in error.values.items()}
        code = {"code": error.code.label, "name": error.code.name.lower(), "at": error.at}
        return {**code, "values": values, "remedy": error.code.remedy, "message": str(error)}
    if isinstance(error, click.ClickException):
        return {"code": "", "name": "usage", "message": error.format_message()}
    return {"code": "", "name": type(error).__name__, "message": str(error)}
