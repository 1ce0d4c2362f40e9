"""`crossclear-fix`: run the gateway with a settings file."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from crossclear_fix.errors import EXTRA_MISSING, GatewayError
from crossclear_fix.log import log

if TYPE_CHECKING:
    from crossclear_fix.server import Server

UNEXPECTED, SETTINGS_INVALID, INTERRUPTED = 1, 3, 130
"""Exit codes, as the network's own commands have them."""


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="crossclear-fix",
        description="A FIX gateway: takes trade capture reports (35=AE) and clears them in a venue's name.",
        formatter_class=partial(argparse.HelpFormatter, width=80),
    )
    made.add_argument("--config", type=Path, required=True, help="gateway.toml")
    made.add_argument("--check", action="store_true", help="only check the settings and the files that they name")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script. Exits with 3 for settings that are invalid, 130 when interrupted."""
    given = parser().parse_args(arguments)
    try:
        from crossclear_fix.server import Server
        from crossclear_fix.settings import read_settings
    except ModuleNotFoundError as error:
        log("ends", code=EXTRA_MISSING, why=f"{error.name} is missing: install crossclear-client[fix]")
        sys.exit(UNEXPECTED)
    code = 0
    try:
        server = Server(read_settings(given.config), given.config.parent)
        if given.check:
            print_line("ok")
        else:
            anyio.run(_run, server)
    except* GatewayError as group:
        log("ends", why=[str(error) for error in _single(group)])
        code = SETTINGS_INVALID
    except* KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _single(group: BaseExceptionGroup[GatewayError]) -> Iterator[GatewayError]:
    """Those in it, out of all groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _single(error)
        else:
            yield error


def print_line(text: str) -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _run(server: "Server") -> None:
    """Until SIGTERM or SIGINT, then log out."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, server, tasks.cancel_scope)
        await server.run(lambda address: print_line(f"{address[0]}:{address[1]}"))


async def _end_on_signal(server: "Server", scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            await server.say_goodbye()
            scope.cancel()
            return
