"""`crossclear start`, `devnet`, `status`, and `config show|validate`."""

import os
import time
from pathlib import Path

import click
import msgspec

from clearing.base.errors import LocalFault
from cli.options import (
    NEW_FOLDER,
    config_option,
    effective_config,
    read_settings,
    set_option,
    startable_config,
    url_option,
)
from cli.output import ExitCode, output_option, say, say_failure, show


@click.command()
@config_option
@set_option
@click.option("--prover", help="Where proofs are made: `local`, or `dask://host:port` (as `--set proofs.prover=…`).")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: never outlive the starter.")
def start(config_path: Path, assignments: tuple[str, ...], prover: str | None, *, until_stdin_closes: bool) -> int:
    """Run a node in the foreground until SIGTERM or Ctrl-C."""
    if prover is not None:
        assignments = (*assignments, f"proofs.prover={prover}")
    # Before numpy is imported: threads of linear algebra that wait for busy cores cost many times what they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    config = startable_config(config_path, assignments)
    from node.app.process import run

    return run(config, until_stdin_closes=until_stdin_closes)


@click.command()
@click.option("--validators", default=4, show_default=True, help="Validator processes.")
@click.option("--chains", default=2, show_default=True, help="EVM chains.")
@click.option("--members", default=8, show_default=True, help="Clearing members that trade.")
@click.option("--seed", default=7, show_default=True, help="Seed of all randomness.")
@click.option("--speed", default="2880x", show_default=True, help="Recorded time per wall time.")
@click.option("--demo", is_flag=True, help="Play the demonstration to its end and judge it.")
@click.option("--escape", is_flag=True, help="End the demonstration by the escape drill: no validator, the vaults pay.")
@click.option(
    "--output-dir",
    type=NEW_FOLDER,
    default=Path("devnet-out"),
    show_default=True,
    help="Folder for everything that is written.",
)
def devnet(
    validators: int, chains: int, members: int, seed: int, speed: str, demo: bool, escape: bool, output_dir: Path
) -> int:
    """Run a whole network on this machine: validators, EVM chains with vaults, prices, members that trade."""
    from devnet.demo.main import main
    from devnet.options import DevnetOptions

    try:
        pace = float(speed.removesuffix("x"))
    except ValueError:
        raise click.BadParameter(f"expected a number, got {speed!r}", param_hint="--speed") from None
    options = DevnetOptions(
        output_dir=output_dir,
        validators=validators,
        chains=chains,
        members=members,
        seed=seed,
        speed=pace,
        demo=demo,
        escape=escape,
    )
    return main(options)


_WATCH_S = 2.0


@click.command()
@url_option
@click.option("--watch", is_flag=True, help="Repeat every two seconds, until Ctrl-C.")
@output_option
def status(url: str, watch: bool, output: str) -> int:
    """Print height, epoch, readiness, and each peer with its score.

    Exits with 4 when no node answers, with 5 when it is not ready.
    """
    from member.client.ask import fetch_status
    from member.printing.network import status_text

    while True:
        found = fetch_status(url)
        show(found, status_text(found), output)
        if not watch:
            return ExitCode.OK if found.readiness.ready else ExitCode.NOT_READY
        time.sleep(_WATCH_S)


@click.group()
def config() -> None:
    """Check and show settings."""


@config.command()
@config_option
@set_option
@output_option
def validate(config_path: Path, assignments: tuple[str, ...], output: str) -> int:
    """Find every mistake in the settings, and in the files of the home that they name; nothing is started or opened.

    Exits with 0 when a node can start with them, with 3 when not: each mistake is told with its code, the key's path,
    the value and what to do. Warns of what is valid and unwise.
    """
    from node.offline.config_checks import config_mistakes, config_warnings, mistakes_as_json

    warnings: list[str] = []
    try:
        settings = read_settings(config_path, assignments).config
        mistakes = config_mistakes(settings)
        warnings = [] if mistakes else config_warnings(settings)
    except LocalFault as unreadable:
        mistakes = (unreadable,)
    code = ExitCode.CONFIG if mistakes else ExitCode.OK
    if output == "json":
        show({"valid": not mistakes, "mistakes": mistakes_as_json(mistakes), "warnings": warnings}, "", output)
        return code
    for mistake in mistakes:
        say_failure(mistake, code)
    for warning in warnings:
        say(f"warning: {warning}")
    say(f"mistakes in the settings: {len(mistakes)}" if mistakes else "settings are valid")
    return code


@config.command("show")
@config_option
@set_option
@click.option("--origin", is_flag=True, help="Who set each key, instead of the settings.")
@output_option
def show_config(config_path: Path, assignments: tuple[str, ...], origin: bool, output: str) -> None:
    """Print the settings in force, defaults included, as TOML or JSON."""
    from node.config_sources import dump_config

    effective = effective_config(config_path, assignments)
    if origin:
        show(effective.origin, "\n".join(f"{key:<32} {who}" for key, who in sorted(effective.origin.items())), output)
    else:
        show(msgspec.to_builtins(effective.config), dump_config(effective.config).rstrip("\n"), output)
