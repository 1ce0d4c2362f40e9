"""`crossclear start` and `crossclear devnet`."""

import os
from pathlib import Path

import click

from cli.options import NEW_FOLDER, config_option, effective_config, set_option


@click.command()
@config_option
@set_option
@click.option("--prover", help="Where proofs are made: `local`, or `dask://host:port` (as `--set proofs.prover=…`).")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: never outlive the starter.")
def start(config_path: Path, assignments: tuple[str, ...], prover: str | None, *, until_stdin_closes: bool) -> int:
    """Run a node in the foreground until SIGTERM or Ctrl-C."""
    if prover is not None:
        assignments = (*assignments, f"proofs.prover={prover}")
    config = effective_config(config_path, assignments).config
    # Before numpy is imported: threads of linear algebra that wait for busy cores cost many times what they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from node.app.process import run

    return run(config, until_stdin_closes=until_stdin_closes)


@click.command()
@click.option("--validators", default=4, show_default=True, help="Validator processes.")
@click.option("--chains", default=2, show_default=True, help="EVM chains.")
@click.option("--members", default=8, show_default=True, help="Clearing members that trade.")
@click.option("--seed", default=7, show_default=True, help="Seed of all randomness.")
@click.option("--speed", default="2880x", show_default=True, help="Recorded time per wall time.")
@click.option("--demo", is_flag=True, help="Play the demonstration to its end and judge it.")
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
    output_dir: Path,
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
    )
    return main(options)
