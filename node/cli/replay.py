"""`crossclear replay BLOCKS.LOG`."""

from pathlib import Path

import click

from node.cli.output import output_option, say, show

_TELL_EVERY = 1000


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="A node's folder: its network seed salts the roots.",
)
@click.option("--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Default: HOME/password.")
@click.option("--cut-torn-tail", is_flag=True, help="Accept a log that ends inside a record.")
@click.option("--devnet", is_flag=True, help="Accept weakly derived keystores.")
@output_option
def replay(
    log: Path,
    genesis: Path,
    home: Path,
    password_file: Path | None,
    cut_torn_tail: bool,
    devnet: bool,
    output: str,
) -> None:
    """Execute a block log again and compare every certificate and every root. Exits with 6 at the first difference."""
    from clearing.base.errors import BaseCode, RemoteFault
    from clearing.genesis import check_genesis, genesis_from_json, network_id
    from node.application import Decided
    from node.keys.files import read_password
    from node.keys.ring import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from node.replay import replay as execute
    from node.replay import state_salt
    from node.store.block_log import block_log_network, read_block_log

    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    if (found := block_log_network(log)) != network_id(terms):
        raise RemoteFault(BaseCode.WRONG_NETWORK, str(log), found=found, wanted=network_id(terms))
    password = read_password(password_file or home / PASSWORD_FILE)
    purpose = Purpose.NETWORK_SEED
    seed = read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=devnet)

    def tell(decided: Decided) -> None:
        if decided.header.height % _TELL_EVERY == 0:
            say(f"height {decided.header.height}")

    result = execute(terms, state_salt(seed), read_block_log(log, cut_torn_tail=cut_torn_tail), tell)
    data = {
        "height": result.height,
        "header_hash": result.header_hash.hex(),
        "state_root": result.state_root.hex(),
        "blocks": result.blocks,
        "transactions": result.transactions,
        "receipts": result.receipts,
    }
    show(data, "\n".join(f"{name:<14} {value}" for name, value in data.items()), output)
