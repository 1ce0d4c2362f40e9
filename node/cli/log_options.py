"""Options of verbs that read a block log instead of asking a node, and how the log is opened."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from clearing.genesis import Genesis
    from node.store.records import BlockRecord

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def log_options(command: F) -> F:
    """--log, --genesis, --cut-torn-tail; the keys' --home is then a node's folder, whose seed salts the roots."""
    options = (
        click.option("--log", type=_FILE, help="Read this block log, executing every block, instead of asking a node."),
        click.option("--genesis", type=_FILE, help="With --log. --home is then a node's folder."),
        click.option("--cut-torn-tail", is_flag=True, help="With --log: accept one that ends inside a record."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def open_log(
    log: Path, genesis: Path | None, home: Path, password_file: Path | None, *, cut_torn_tail: bool, devnet: bool
) -> "tuple[Genesis, bytes, Iterator[BlockRecord]]":
    """Genesis, the state's salt, and the blocks. Raises click.UsageError without genesis, LocalFault as the keys do."""
    from clearing.genesis import check_genesis, genesis_from_json
    from node.keys.files import read_password
    from node.keys.ring import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from node.replay import state_salt
    from node.store.block_log import read_block_log

    if genesis is None:
        raise click.UsageError("--log needs --genesis")
    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    purpose = Purpose.NETWORK_SEED
    password = read_password(password_file or home / PASSWORD_FILE)
    seed = read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=devnet)
    return terms, state_salt(seed), read_block_log(log, cut_torn_tail=cut_torn_tail)
