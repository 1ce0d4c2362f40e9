"""`crossclear start`, `devnet`, `status`, and `config show|validate`."""

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from clearing.base.errors import LocalFault
from clearing.base.plain_text import one_line
from cli.options import (
    NEW_FOLDER,
    config_option,
    effective_config,
    read_settings,
    set_option,
    startable_config,
    url_option,
)
from cli.output import ExitCode, harmless, output_option, say, say_failure, show, show_line


@click.command()
@config_option
@set_option
@click.option("--prover", help="Where proofs are made: `local`, or `dask://host:port` (as `--set proofs.prover=…`).")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: never outlive the starter.")
def start(config_path: Path, assignments: tuple[str, ...], prover: str | None, *, until_stdin_closes: bool) -> int:
    """Run a node in the foreground until SIGTERM or Ctrl-C.

    Example: crossclear start --config HOME/node.toml
    """
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
@click.option("--spare-chain", is_flag=True, help="One chain more, which the network does not list yet.")
@click.option("--escape", is_flag=True, help="End the demonstration by the escape drill: no validator, the vaults pay.")
@click.option(
    "--output-dir",
    type=NEW_FOLDER,
    default=Path("devnet-out"),
    show_default=True,
    help="Folder for everything that is written.",
)
def devnet(
    validators: int,
    chains: int,
    members: int,
    seed: int,
    speed: str,
    demo: bool,
    spare_chain: bool,
    escape: bool,
    output_dir: Path,
) -> int:
    """Run a whole network on this machine: validators, EVM chains with vaults, prices, members that trade.

    Example: crossclear devnet --validators 4 --chains 2 --output-dir devnet-out
    """
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
        spare_chain=spare_chain,
        escape=escape,
    )
    return main(options)


_WATCH_S = 2.0


@click.command()
@url_option
@click.option("--watch", is_flag=True, help="Repeat every two seconds, until Ctrl-C; in a terminal, in place.")
@output_option
def status(url: str, watch: bool, output: str) -> int:
    """Print height, epoch, readiness, and each peer with its score.

    Exits with 4 when no node answers, with 5 when it is not ready.

    Example: crossclear status --url http://127.0.0.1:26680 --watch
    """
    from member.client.ask import fetch_status
    from member.printing.network import status_text

    if watch and output == "text" and sys.stdout.isatty():
        _watch(url)
    while True:
        found = fetch_status(url)
        show(found, status_text(found), output)
        if not watch:
            return ExitCode.OK if found.readiness.ready else ExitCode.NOT_READY
        time.sleep(_WATCH_S)


def _watch(url: str) -> NoReturn:
    """One view, written anew in place; a node that does not answer is waited for."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from member.client.ask import fetch_status
    from member.printing.network import status_text

    with Live(console=Console(), auto_refresh=False) as view:
        while True:
            try:
                body = status_text(fetch_status(url))
            except LocalFault as fault:
                body = one_line(str(fault))
            view.update(Text(harmless(f"{url}\n{body}")), refresh=True)
            time.sleep(_WATCH_S)


@click.command()
@url_option
@click.option("--warning-age", default=10.0, show_default=True, help="Seconds since the newest block: a warning.")
@click.option("--critical-age", default=60.0, show_default=True, help="Seconds since the newest block: an alarm.")
def check(url: str, warning_age: float, critical_age: float) -> int:
    """Say in one line how a node is, for Nagios, Icinga and others that run such plugins.

    Exits with 0 when all is well, with 1 for a warning (a validator is not connected, the newest block is rather old),
    with 2 when the node is not ready, its newest block is too old, or it does not answer, with 3 when the answer is not
    understood. Behind the bar: height, connected peers, readiness, age.

    Example: crossclear check --url http://127.0.0.1:26680 --critical-age 30
    """
    from member.client.ask import fetch_status
    from member.printing.monitoring import AgeLimits, Level, judge, plugin_line

    try:
        level, line = judge(fetch_status(url), time.time_ns() // 1_000_000, AgeLimits(warning_age, critical_age))
    except LocalFault as fault:
        level, line = Level.CRITICAL, plugin_line(Level.CRITICAL, str(fault))
    except Exception as error:
        # A plugin's other exit codes would be taken for another level.
        level, line = Level.UNKNOWN, plugin_line(Level.UNKNOWN, repr(error))
    show_line(line)
    return level


@click.group()
def config() -> None:
    """Check and show settings."""


@config.command()
@config_option
@set_option
@output_option
def validate(config_path: Path, assignments: tuple[str, ...], output: str) -> int:
    """Find every mistake in the settings, and in the files of the home that they name; nothing is started or opened.

    Exits with 0 when a node can start with them, with 3 when not: each mistake is printed with its code, the key's
    path, the value and what to do. Warns of what is valid and unwise.

    Example: crossclear config validate --config HOME/node.toml
    """
    from node.offline.config_checks import config_mistakes, config_warnings, mistakes_as_json

    warnings: list[str] = []
    try:
        settings = read_settings(config_path, assignments).config
        mistakes = config_mistakes(settings)
        warnings = [] if mistakes else config_warnings(settings)
    except LocalFault as unreadable:
        mistakes = (unreadable,)
    except ExceptionGroup as several:
        mistakes = tuple(each for each in several.exceptions if isinstance(each, LocalFault))
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
    """Print the settings in force, defaults included, as TOML or JSON.

    Example: crossclear config show --config HOME/node.toml --set p2p.port=26610 --origin
    """
    from node.config_sources import dump_config

    effective = effective_config(config_path, assignments)
    if origin:
        show(effective.origin, "\n".join(f"{key:<32} {who}" for key, who in sorted(effective.origin.items())), output)
    else:
        show(msgspec.to_builtins(effective.config), dump_config(effective.config).rstrip("\n"), output)
