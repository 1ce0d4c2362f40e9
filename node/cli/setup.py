"""`crossclear init` and `crossclear testnet`."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from clearing.base import bls
from clearing.base.errors import LocalFault
from node.cli.output import output_option, say, show
from node.codes import NodeCode
from node.config import Chain, NodeConfig
from node.config_sources import dump_config, parse_config
from node.keys.files import make_secret_folder
from node.keys.keystore import Strength
from node.keys.ring import KIND_OF, Purpose, new_password, new_secret, write_key

_NEXT = """Next:
  1. back up {home}/keys and {home}/password, apart from each other;
  2. send the line above to whoever writes genesis.json, and put genesis.json into {home};
  3. crossclear keys import network-seed --kind seed --secret-file FILE --home {home}  (from the other validators);
  4. set [p2p] peers and [[chains]] in {home}/node.toml, then: crossclear config validate --config {home}/node.toml;
  5. crossclear start --config {home}/node.toml"""


@click.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True, help="A new folder.")
@click.option("--profile", type=click.Choice(["validator", "bridge", "observer"]), default="validator")
@click.option("--name", default="node", show_default=True)
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@output_option
def init(home: Path, profile: Any, name: str, devnet: bool, output: str) -> None:
    """Make the keys and node.toml of one node, and tell what to do next. Never overwrites."""
    target = home / "node.toml"
    if target.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(target))
    config = parse_config({"node": {"name": name, "profile": profile, "devnet": devnet}})
    make_secret_folder(home)
    password = new_password(home)
    strength = Strength.DEVNET if devnet else Strength.STANDARD
    wanted = {
        "validator": (Purpose.VALIDATOR, Purpose.ENVELOPE, Purpose.RELAYER),
        "bridge": (Purpose.ENVELOPE, Purpose.RELAYER),
        "observer": (Purpose.ENVELOPE,),
    }[profile]
    public: dict[str, str] = {}
    for purpose in wanted:
        secret = new_secret(KIND_OF[purpose])
        public[purpose.value] = write_key(home, purpose.value, KIND_OF[purpose], secret, password, strength).public
        if purpose is Purpose.VALIDATOR:
            public["possession"] = bls.prove_possession(int.from_bytes(secret, "big")).hex()
    lines = [line for line in dump_config(config).splitlines() if not line.startswith("home = ")]
    with target.open("x") as file:
        file.write("\n".join(lines) + "\n")
    show(public, "\n".join(f"{key} {value}" for key, value in public.items()), output)
    say(_NEXT.format(home=home))


@click.command()
@click.option("--validators", default=4, show_default=True, type=click.IntRange(1, 100))
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True, help="A new folder.")
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A genesis.json whose validators and time are filled in.",
)
@click.option("--base-port", default=26600, show_default=True, help="p2p of the first; APIs are 100 above.")
@click.option("--endpoint", "endpoints", multiple=True, metavar="CHAIN_ID=URL", help="How to reach a chain; repeat.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@click.option("--seed", type=int, help="Repeatable keys; with --devnet only.")
@click.option("--preshared-key", is_flag=True, help="Make a key that all homes share and nobody connects without.")
@output_option
def testnet(
    validators: int,
    output_dir: Path,
    genesis: Path,
    base_port: int,
    endpoints: tuple[str, ...],
    devnet: bool,
    seed: int | None,
    preshared_key: bool,
    output: str,
) -> None:
    """Write genesis.json and one home for each validator, to be copied to their machines. Never overwrites."""
    from clearing.base.validators import ValidatorSet
    from clearing.genesis import Genesis, genesis_from_json
    from node.testnet import create_testnet

    template = genesis_from_json(genesis.read_bytes())

    def build(chosen: ValidatorSet) -> Genesis:
        started = template.time_ms or time.time_ns() // 1_000_000
        return msgspec.structs.replace(template, validators=chosen, time_ms=started)

    made = create_testnet(
        output_dir,
        build,
        validators=validators,
        base_port=base_port,
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


def with_preshared_key(config: NodeConfig) -> NodeConfig:
    """A configuration that wants a pre-shared key, in the file `preshared-key` of its home."""
    p2p = msgspec.structs.replace(config.p2p, preshared_key_file="preshared-key")
    return msgspec.structs.replace(config, p2p=p2p)


def chains_of(endpoints: tuple[str, ...], names: dict[int, str]) -> tuple[Chain, ...]:
    """Chains out of `CHAIN_ID=URL`. Raises click.BadParameter for a chain that `names` lacks."""
    urls: dict[int, list[str]] = {}
    for endpoint in endpoints:
        number, equals, url = endpoint.partition("=")
        if not equals or not number.isascii() or not number.isdigit() or int(number) not in names:
            raise click.BadParameter(f"expected CHAIN_ID=URL of a chain in genesis, got {endpoint!r}")
        urls.setdefault(int(number), []).append(url)
    tree = [{"chain_id": number, "name": names[number], "endpoints": found} for number, found in urls.items()]
    return parse_config({"chains": tree}).chains
