"""`crossclear margin run FILE.json`, and the same of settle, waterfall and liquidation."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)

_pretty = click.option("--pretty", is_flag=True, help="Indent the JSON.")

_REFUSED = "Exits with 6 when the file is refused; the refusal names the path."


@click.command("run")
@click.argument("file", type=_FILE)
@click.option("--model", "model_file", type=_FILE, help="The risk model, where FILE has none.")
@_pretty
def margin_run(file: Path, model_file: Path | None, pretty: bool) -> None:
    """Evaluate a risk model on a portfolio from FILE (JSON; - is standard input): every intermediate as JSON.

    Needs neither node nor keys. Exits with 6 when the file is refused; the refusal names the path.
    """
    from lab.runs.margin import margin_run, read_margin_run

    model = None if model_file is None else _read(model_file)
    _print(margin_run(read_margin_run(_read(file), model)), pretty=pretty)


def _verb(what: str, run: Callable[[bytes], dict[str, Any]]) -> click.Command:
    """`run FILE` of one kind; `run` imports what it needs when it is called."""

    @click.command("run", help=f"{what}\n\nNeeds neither node nor keys. {_REFUSED}")
    @click.argument("file", type=_FILE)
    @_pretty
    def verb(file: Path, pretty: bool) -> None:
        _print(run(_read(file)), pretty=pretty)

    return verb


def _settle(data: bytes) -> dict[str, Any]:
    from lab.runs.settle import read_settle_run, settle_run

    return settle_run(read_settle_run(data))


def _waterfall(data: bytes) -> dict[str, Any]:
    from lab.runs.waterfall import read_waterfall_run, waterfall_run

    return waterfall_run(read_waterfall_run(data))


def _liquidation(data: bytes) -> dict[str, Any]:
    from lab.runs.liquidation import liquidation_run, read_liquidation_run

    return liquidation_run(read_liquidation_run(data))


settle_run = _verb(
    "Run the settlement steps of FILE (JSON; - is standard input): every payment and intermediate as JSON.", _settle
)

waterfall_run = _verb(
    "Run the losses of FILE (JSON; - is standard input) through the layers: who bears what, with the arithmetic.",
    _waterfall,
)

liquidation_run = _verb(
    "Size and stage the liquidations of FILE (JSON; - is standard input): shares, steps, auction paths.", _liquidation
)


def _read(path: Path) -> bytes:
    from lab.models.named import FILE_BYTES_MAX

    if str(path) == "-":
        return sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    try:
        with path.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="FILE") from None


def _print(result: dict[str, Any], *, pretty: bool) -> None:
    data = msgspec.json.encode(result)
    click.echo((msgspec.json.format(data, indent=2) if pretty else data).decode())


@click.group()
def settle() -> None:
    """Settlement from a file: variation margin, funding, expiry and loss allocation."""


settle.add_command(settle_run)
