"""`crossclear init`, `crossclear testnet` and `crossclear join`."""

import os
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.rpc.chain_profiles import GENERIC, known_profile
from cli.options import FILE, NEW_FILE, NEW_FOLDER, startable_config
from cli.output import output_option, say, show
from member.default_ports import API_PORT, API_PORT_OFFSET, P2P_PORT
from node.config import ChainConfig
from node.config_sources import parse_config

VALIDATORS = 4
"""Of a testnet where nothing is said: the least that goes on without any one of them."""

_NEXT_STEPS = """Next:
  1. back up {home}/keys and {home}/password, apart from each other;
  2. send what `crossclear validators card --home {home} --output json` prints to the author of the genesis;
  3. crossclear genesis install FOLDER --home {home}  (FOLDER has genesis.json, peers.toml, network-seed: the author's);
  4. crossclear config validate --config {home}/node.toml;
  5. crossclear start --config {home}/node.toml"""


@click.command()
@click.option("--home", type=NEW_FOLDER, required=True, help="A new folder.")
@click.option("--profile", type=click.Choice(["validator", "bridge", "observer"]), default="validator")
@click.option("--name", default="", help="In logs and metrics. Default: the name of the folder.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@output_option
def init(home: Path, profile: Any, name: str, devnet: bool, output: str) -> None:
    """Make the keys and node.toml of one node, and print the next steps. Never overwrites.

    Example: crossclear init --home HOME
    """
    from node.offline.homes import init_home

    public = init_home(home, profile, name, devnet=devnet)
    show(public, "\n".join(f"{key} {value}" for key, value in public.items()), output)
    say(_NEXT_STEPS.format(home=home))


@click.command()
@click.option("--validators", type=click.IntRange(1, 100), help="How many. Default: 4, or as many as hosts.")
@click.option(
    "--host", "hosts", multiple=True, metavar="[NAME=]HOST[:PORT]", help="Where a validator will run; one for each."
)
@click.option("--output-dir", type=NEW_FOLDER, required=True, help="A new folder.")
@click.option("--genesis", type=FILE, required=True, help="A genesis.json whose validators and time are filled in.")
@click.option(
    "--base-port", default=P2P_PORT, show_default=True, help=f"p2p of the first; APIs are {API_PORT_OFFSET} above."
)
@click.option("--endpoint", "endpoints", multiple=True, metavar="CHAIN_ID=URL", help="How to reach a chain; repeat.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@click.option("--seed", type=int, help="Repeatable keys; with --devnet only.")
@click.option("--preshared-key", is_flag=True, help="Make a key that all homes share and every connection needs.")
@output_option
def testnet(
    validators: int | None,
    hosts: tuple[str, ...],
    output_dir: Path,
    genesis: Path,
    base_port: int,
    endpoints: tuple[str, ...],
    devnet: bool,
    seed: int | None,
    preshared_key: bool,
    output: str,
) -> None:
    """Write genesis.json and one home for each validator, to be copied to their machines. Never overwrites.

    With --host each home is for the machine of that name or address, by default on port 26600; without, all are for
    this machine, on ports of their own.

    Example: crossclear testnet --genesis genesis.json --host a=10.0.0.1 --host b=10.0.0.2 --host c=10.0.0.3
    --output-dir nodes --endpoint 1=https://rpc.example
    """
    from clearing.base.validators import ValidatorSet
    from clearing.genesis.json import genesis_from_json
    from clearing.schema.terms.genesis import Genesis
    from devnet.testnet import create_testnet, places_of, with_preshared_key

    template = genesis_from_json(genesis.read_bytes())

    def build(chosen: ValidatorSet) -> Genesis:
        started = template.time_ms or time.time_ns() // 1_000_000
        return msgspec.structs.replace(template, validators=chosen, time_ms=started)

    made = create_testnet(
        output_dir,
        build,
        validators=validators or len(hosts) or VALIDATORS,
        base_port=base_port,
        places=places_of(hosts, base_port),
        chains=chains_of(endpoints, {chain.chain_id: chain.name for chain in template.chains}),
        devnet=devnet,
        seed=seed,
        configure=(lambda _, config: with_preshared_key(config)) if preshared_key else None,
    )
    data = {
        "network": made.network.hex(),
        "validators_hash": made.genesis.validators.hash.hex(),
        "genesis": str(made.genesis_path),
        "nodes": [{"home": str(node.home), "envelope_key": node.envelope_key.hex()} for node in made.nodes],
    }
    text = [f"network {made.network.hex()}", *(f"{node.home} {node.envelope_key.hex()}" for node in made.nodes)]
    show(data, "\n".join(text), output)
    first = made.nodes[0].home.name
    say(
        "Next: copy each home to its machine on a safe way, for its keys are in it; there, for example,\n"
        f"  crossclear doctor --config {first}/node.toml\n  crossclear start --config {first}/node.toml"
    )


def chains_of(endpoints: tuple[str, ...], names: dict[int, str]) -> tuple[ChainConfig, ...]:
    """Chains out of `CHAIN_ID=URL`. Raises click.BadParameter for a chain that `names` lacks.

    A chain that no profile describes gets the generic one by name, of which `config validate` warns.
    """
    urls: dict[int, list[str]] = {}
    for endpoint in endpoints:
        number, equals, url = endpoint.partition("=")
        if not equals or not number.isascii() or not number.isdigit() or int(number) not in names:
            raise click.BadParameter(f"expected CHAIN_ID=URL of a chain in genesis, got {endpoint!r}")
        urls.setdefault(int(number), []).append(url)
    tree = [
        {"chain_id": number, "name": names[number], "endpoints": found}
        | ({} if known_profile(number) else {"profile": GENERIC})
        for number, found in urls.items()
    ]
    return parse_config({"chains": tree}).chains


_JOIN_NEXT_STEPS = """Peers let this node in when their node.toml holds:
  [[p2p.observers]]
  key = "{key}"
(With keys imported in place of these, the envelope key of those.)
Back up {home}/keys and {home}/password, apart from each other. To start it: crossclear start --config {config}"""


@click.command()
@click.option("--home", type=NEW_FOLDER, required=True, help="A new folder.")
@click.option("--genesis", type=FILE, required=True, help="The network's genesis.json.")
@click.option("--peer", "peers", multiple=True, required=True, metavar="KEY@HOST:PORT", help="A validator; repeat.")
@click.option(
    "--network-seed-file",
    type=NEW_FILE,
    required=True,
    help="64 hex digits, mode 0600; from a validator: crossclear keys export network-seed --kind seed.",
)
@click.option("--name", default="", help="In logs and metrics. Default: the name of the folder.")
@click.option("--listen", default=f"127.0.0.1:{P2P_PORT}", show_default=True, metavar="HOST:PORT", help="For peers.")
@click.option(
    "--announce", metavar="HOST:PORT", help="Where validators reach it. Default: --listen, unless it is every address."
)
@click.option(
    "--api", default=f"127.0.0.1:{API_PORT}", show_default=True, metavar="HOST:PORT", help="`off` for no API."
)
@click.option("--endpoint", "endpoints", multiple=True, metavar="CHAIN_ID=URL", help="How to reach a chain; repeat.")
@click.option("--trust", metavar="HEIGHT:HASH", help="A header from somebody you trust; default: genesis.")
@click.option("--trust-chain", type=int, metavar="CHAIN_ID", help="Trust the newest checkpoint of this chain's vault.")
@click.option("--from-genesis", is_flag=True, help="Execute every block; fetch no state.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@click.option("--prepare-only", is_flag=True, help="Make the home, print its keys, and don't start.")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: never outlive the starter.")
@output_option
def join(
    home: Path,
    genesis: Path,
    peers: tuple[str, ...],
    network_seed_file: Path,
    name: str,
    listen: str,
    announce: str | None,
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
    """Join a running network: make a home, fetch the state from peers, and follow.

    Example: crossclear join --home HOME --genesis genesis.json --network-seed-file seed --peer KEY@HOST:26600
    --endpoint 1=https://rpc.example
    """
    # Before numpy is imported: threads of linear algebra that wait for busy cores cost many times what they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from node.config import StateSyncConfig
    from node.genesis_file import read_genesis
    from node.sync.home import JoinOptions, address_of, make_home, peer_of, trust_of

    names = {chain.chain_id: chain.name for chain in read_genesis(genesis, "genesis").chains}
    sync = StateSyncConfig(enabled=not from_genesis, trust_chain=trust_chain or 0)
    options = JoinOptions(
        home=home,
        genesis=genesis,
        seed_file=network_seed_file,
        peers=tuple(peer_of(text) for text in peers),
        name=name,
        listen=address_of(listen),
        announce=None if announce is None else address_of(announce),
        api=None if api == "off" else address_of(api),
        chains=chains_of(endpoints, names),
        state_sync=sync if trust is None else trust_of(trust, sync),
        devnet=devnet,
    )
    made = make_home(options)
    public = {
        "config": str(made.config_path),
        "network": made.network.hex(),
        **made.card,
    }
    show(public, "\n".join(f"{key} {value}" for key, value in public.items()), output)
    say(_JOIN_NEXT_STEPS.format(key=made.card["envelope"], home=home, config=made.config_path))
    if prepare_only:
        return 0
    from node.app.process import run

    return run(startable_config(made.config_path, ()), until_stdin_closes=until_stdin_closes)
