"""`crossclear genesis`: from validators' cards to a network that begins: draft, genesis, homes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import FILE, HOME, NEW_FOLDER, NUMBER, hex_option
from cli.output import output_option, say, show

if TYPE_CHECKING:
    from devnet.network_draft import Draft

_folder = click.argument("folder", type=HOME)


@click.group()
def genesis() -> None:
    """Begin a network: draft it together, build its genesis, install it into each validator's home."""


@genesis.command()
@click.argument("folder", type=NEW_FOLDER)
@click.option("--name", required=True, help="Of the network.")
@click.option("--house", required=True, metavar="ADDRESS", help="Of the key that signs for the house's own account.")
@output_option
def new(folder: Path, name: str, house: str, output: str) -> None:
    """Make a FOLDER with a commented draft, a market file to edit, and a network seed. Never overwrites.

    Example: crossclear genesis new network --name example --house ADDRESS
    """
    from devnet.network_draft import DRAFT, MARKET, SEED, new_draft

    new_draft(folder, name, _address("--house", house))
    made = {"draft": str(folder / DRAFT), "market": str(folder / MARKET), "seed": str(folder / SEED)}
    show(made, "\n".join(f"{what} {path}" for what, path in made.items()), output)
    say(
        f"Next: set the figures in {folder / MARKET}; each validator runs `crossclear init` and sends what"
        " `crossclear validators card` prints, for `crossclear genesis add-validator`."
    )


@genesis.command("add-validator")
@_folder
@click.argument("card", type=FILE)
@click.option("--address", required=True, metavar="HOST:PORT", help="Where peers reach its node.")
@click.option("--power", type=click.IntRange(1, 2**40), default=1, show_default=True, help="Its voting power.")
@output_option
def add_validator(folder: Path, card: Path, address: str, power: int, output: str) -> None:
    """Add the validator of a CARD, once its proofs of possession are checked. Private keys stay where they are.

    Example: crossclear genesis add-validator network card.json --address 192.0.2.1:26600
    """
    import msgspec

    from devnet.network_draft import DraftValidator
    from member.signing.validator_changes import read_card

    try:
        read = read_card(card)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="CARD") from None
    fields = {name: value for name, value in msgspec.structs.asdict(read).items() if name != "relayer"}
    _add(folder, "validators", DraftValidator, output, **fields, address=address, power=power)


@genesis.command("add-member")
@_folder
@click.argument("number", type=NUMBER)
@click.option("--name", required=True, help="Of the member.")
@click.option("--address", required=True, metavar="ADDRESS", help="Of the key that signs for it.")
@output_option
def add_member(folder: Path, number: int, name: str, address: str, output: str) -> None:
    """Add a member with one account, both of this NUMBER. Further accounts and keys come with amendments.

    Example: crossclear genesis add-member network 1 --name alice --address ADDRESS
    """
    from devnet.network_draft import DraftMember

    _add(folder, "members", DraftMember, output, id=number, name=name, address=_address("--address", address))


@genesis.command("add-chain")
@_folder
@click.argument("chain_id", type=NUMBER)
@click.option("--name", required=True, help="Of the chain.")
@click.option("--vault", required=True, metavar="ADDRESS", help="Of the vault, as `vault deploy --dry-run` tells it.")
@click.option("--vault-block", type=NUMBER, default=0, show_default=True, help="The vault's, or one before.")
@click.option(
    "--token",
    "tokens",
    multiple=True,
    required=True,
    metavar="SYMBOL=ADDRESS[:SLOT]",
    help="A token of market.toml on this chain, and the slot of its mapping of balances, where known. Repeat.",
)
@output_option
def add_chain(
    folder: Path, chain_id: int, name: str, vault: str, vault_block: int, tokens: tuple[str, ...], output: str
) -> None:
    """Add the chain CHAIN_ID with its vault and tokens.

    Example: crossclear genesis add-chain network 1 --name ethereum --vault ADDRESS --token USDC=ADDRESS:9
    """
    from devnet.network_draft import DraftChain

    listed = []
    for text in tokens:
        symbol, _, place = text.partition("=")
        token, colon, slot = place.partition(":")
        if colon and not (slot.isascii() and slot.isdigit()):
            raise click.BadParameter(f"expected SYMBOL=ADDRESS[:SLOT], got {text!r}", param_hint="--token")
        known: dict[str, Any] = {"balance_slot": int(slot)} if slot else {}
        listed.append({"symbol": symbol, "address": _address("--token", token), **known})
    where = {"vault": _address("--vault", vault), "vault_block": vault_block}
    _add(folder, "chains", DraftChain, output, chain_id=chain_id, name=name, **where, tokens=listed)


@genesis.command()
@_folder
@output_option
def check(folder: Path, output: str) -> None:
    """Tell every mistake of a draft. Exits with 3 when there is one.

    Example: crossclear genesis check network
    """
    from devnet.network_draft import build_draft, draft_mistakes, read_draft

    draft = read_draft(folder)
    if mistakes := draft_mistakes(folder, draft):
        raise ExceptionGroup("draft", mistakes)
    build_draft(folder, draft, 1)
    _show(folder, draft, output)


@genesis.command()
@_folder
@click.option("--time-ms", type=NUMBER, help="Of the network's beginning. Default: now.")
@output_option
def build(folder: Path, time_ms: int | None, output: str) -> None:
    """Make genesis.json and peers.toml of a draft without mistakes, once, for everybody.

    Example: crossclear genesis build network
    """
    from clearing.schema.terms.genesis import network_id
    from devnet.network_draft import GENESIS, PEERS, SEED, build_draft, draft_mistakes, read_draft, write_genesis

    draft = read_draft(folder)
    if mistakes := draft_mistakes(folder, draft):
        raise ExceptionGroup("draft", mistakes)
    built = build_draft(folder, draft, time_ms or time.time_ns() // 1_000_000)
    write_genesis(folder, draft, built)
    made = {
        "network": network_id(built).hex(),
        "validators_hash": built.validators.hash.hex(),
        "genesis": str(folder / GENESIS),
        "peers": str(folder / PEERS),
    }
    show(made, "\n".join(f"{what} {value}" for what, value in made.items()), output)
    say(
        f"Next: hand {GENESIS}, {PEERS} and (on a safe way) {SEED} to every validator, who compares the network id and"
        " runs `crossclear genesis install`."
    )


@genesis.command()
@_folder
@click.option("--home", type=HOME, required=True, help="A validator's folder, made by `crossclear init`.")
@click.option("--endpoint", "endpoints", multiple=True, metavar="CHAIN_ID=URL", help="An endpoint of a chain; repeat.")
@click.option("--listen", metavar="HOST:PORT", help="For peers. Default: the own port in peers.toml.")
@click.option("--api", metavar="HOST:PORT", help="Default: as node.toml has it.")
@output_option
def install(
    folder: Path, home: Path, endpoints: tuple[str, ...], listen: str | None, api: str | None, output: str
) -> None:
    """Put the network of FOLDER (genesis.json, peers.toml, network-seed) into a home of `crossclear init`.

    Example: crossclear genesis install network --home HOME --endpoint 1=https://rpc.example
    """
    from clearing.schema.terms.genesis import network_id
    from cli.operator.setup import chains_of
    from devnet.network_draft import GENESIS, PEERS, SEED
    from node.genesis_file import read_genesis
    from node.offline.network_install import NewNetwork, install_network
    from node.sync.home import address_of

    found = read_genesis(folder / GENESIS, "genesis")
    network = NewNetwork(
        folder / GENESIS,
        folder / PEERS,
        folder / SEED,
        chains_of(endpoints, {chain.chain_id: chain.name for chain in found.chains}),
        None if listen is None else address_of(listen),
        None if api is None else address_of(api),
    )
    config = install_network(home, network)
    installed = read_genesis(config.path(config.node.genesis))  # not the folder again, which may change
    made = {"network": network_id(installed).hex(), "config": str(home / "node.toml"), "peers": len(config.p2p.peers)}
    show(made, "\n".join(f"{what} {value}" for what, value in made.items()), output)
    settings = home / "node.toml"
    say(f"Next: crossclear config validate --config {settings}; then crossclear start --config {settings}")


def _address(option: str, text: str) -> str:
    return "0x" + (hex_option(option, text, 20) or b"").hex()


def _add(folder: Path, listed: str, kind: type[Any], output: str, **fields: Any) -> None:
    """Append a table and say what the draft has now. Raises LocalFault BAD_DRAFT."""
    from devnet.network_draft import add_table, table_of

    _show(folder, add_table(folder, listed, table_of(kind, fields)), output)


def _show(folder: Path, draft: "Draft", output: str) -> None:
    counts = {"validators": len(draft.validators), "members": len(draft.members), "chains": len(draft.chains)}
    text = ", ".join(f"{count} {what}" for what, count in counts.items())
    show({"name": draft.name, **counts}, f"{draft.name}: {text}", output)
    say(f"Next: add what is missing, then crossclear genesis check {folder} and crossclear genesis build {folder}")
