"""`crossclear join`."""

import os
from pathlib import Path

import click

from node.cli.output import output_option, say, show
from node.cli.settings import effective_config

_NEXT = """Peers let this node in when their node.toml holds:
  [[p2p.observers]]
  key = "{key}"
Back up {home}/keys and {home}/password, apart from each other. To start it again: crossclear start --config {config}"""


@click.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True, help="A new folder.")
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The network's genesis.json.",
)
@click.option("--peer", "peers", multiple=True, required=True, metavar="KEY@HOST:PORT", help="A validator; repeat.")
@click.option(
    "--network-seed-file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="64 hex digits, mode 0600; from a validator: crossclear keys export network-seed --kind seed.",
)
@click.option("--name", default="node", show_default=True, help="In logs and metrics.")
@click.option("--listen", default="127.0.0.1:26600", show_default=True, metavar="HOST:PORT", help="For peers.")
@click.option("--api", default="127.0.0.1:26680", show_default=True, metavar="HOST:PORT", help="`off` for no API.")
@click.option("--endpoint", "endpoints", multiple=True, metavar="CHAIN_ID=URL", help="How to reach a chain; repeat.")
@click.option("--trust", metavar="HEIGHT:HASH", help="A header that somebody you trust told; default: genesis.")
@click.option("--trust-chain", type=int, metavar="CHAIN_ID", help="Trust the newest checkpoint of this chain's vault.")
@click.option("--from-genesis", is_flag=True, help="Execute every block; fetch no state.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@click.option("--prepare-only", is_flag=True, help="Make the home, tell its keys, and don't start.")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: never outlive the starter.")
@output_option
def join(
    home: Path,
    genesis: Path,
    peers: tuple[str, ...],
    network_seed_file: Path,
    name: str,
    listen: str,
    api: str,
    endpoints: tuple[str, ...],
    trust: str | None,
    trust_chain: int | None,
    from_genesis: bool,
    devnet: bool,
    prepare_only: bool,
    until_stdin_closes: bool,
    output: str,
) -> int:
    """Join a running network: make a home, fetch the state from peers, and follow."""
    # Before numpy is imported: threads of linear algebra that wait for busy cores cost many times what they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from node.cli.setup import chains_of
    from node.config import StateSync
    from node.sync.home import JoinOptions, address_of, make_home, peer_of, read_joined_genesis, trust_of

    names = {chain.chain_id: chain.name for chain in read_joined_genesis(genesis).chains}
    sync = StateSync(enabled=not from_genesis, fresh_key=True, trust_chain=trust_chain or 0)
    options = JoinOptions(
        home=home,
        genesis=genesis,
        seed_file=network_seed_file,
        peers=tuple(peer_of(text) for text in peers),
        name=name,
        listen=address_of(listen),
        api=None if api == "off" else address_of(api),
        chains=chains_of(endpoints, names),
        state_sync=sync if trust is None else trust_of(trust, sync),
        devnet=devnet,
    )
    made = make_home(options)
    public = {
        "config": str(made.config_path),
        "network": made.network.hex(),
        "envelope": made.envelope_key.hex(),
        "validator": made.bls_key.hex(),
        "possession": made.possession.hex(),
    }
    show(public, "\n".join(f"{key} {value}" for key, value in public.items()), output)
    say(_NEXT.format(key=made.envelope_key.hex(), home=home, config=made.config_path))
    if prepare_only:
        return 0
    from node.process import run

    return run(effective_config(made.config_path, ()).config, until_stdin_closes=until_stdin_closes)
