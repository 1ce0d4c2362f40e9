"""What commands print: data on stdout as text or JSON, talk and failures on stderr."""

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from clearing.base.errors import CrossclearError
from node.cli.exits import Exit

F = TypeVar("F", bound=Callable[..., Any])

output_option: Callable[[F], F] = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How data is printed."
)


def show(data: object, text: str, output: str) -> None:
    """Print `data` as JSON, or `text`."""
    click.echo(
        msgspec.json.format(msgspec.json.encode(data), indent=2).decode() if output == "json" else harmless(text)
    )


def say(text: str) -> None:
    """Tell the user something that is not data."""
    click.echo(harmless(text), err=True)


def harmless(text: str) -> str:
    """Line by line without what could steer a terminal: what is printed may be words of a node, or of a file."""
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\u{ord(each):04x}" for each in text)


def say_failure(error: BaseException, code: Exit) -> None:
    """Tell why a command failed: code and remedy for ours, a traceback for what nobody expected."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            say_failure(each, code)
    elif isinstance(error, KeyboardInterrupt):
        say("interrupted")
    elif isinstance(error, CrossclearError):
        from node.explain import remedy_of
        from proofs.verdict import printable

        # What it names may be a stranger's words, with which to steer a terminal.
        say(f"error: {printable(str(error))}\n  {remedy_of(error.code)}")
    elif code in (Exit.UNEXPECTED, Exit.BUG):
        say("".join(traceback.format_exception(error)).rstrip())
    else:
        say(f"error: {error}")
