"""Options that several commands share: where node.toml is, which block log, which account, and how a node is asked."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.config_sources import Effective, load_config

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis
    from member.client.node_client import NodeClient
    from node.store.records import BlockRecord

F = TypeVar("F", bound=Callable[..., Any])

config_option: Callable[[F], F] = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    envvar="CROSSCLEAR_CONFIG",
    help="The node's settings.",
)

set_option: Callable[[F], F] = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Over file and environment: --set p2p.port=26610."
)


def effective_config(config_path: Path, assignments: Sequence[str]) -> Effective:
    """File < environment < `--set`. Raises LocalFault CONFIG_*."""
    flags = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise click.BadParameter(f"expected KEY=VALUE, got {assignment!r}", param_hint="--set")
        flags[key.strip()] = value
    return load_config(config_path, os.environ, flags)


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
    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from member.keys.secret_files import read_password
    from node.agreement.application import state_salt
    from node.store.block_log import read_block_log

    if genesis is None:
        raise click.UsageError("--log needs --genesis")
    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    purpose = Purpose.NETWORK_SEED
    password = read_password(password_file or home / PASSWORD_FILE)
    seed = read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=devnet)
    return terms, state_salt(seed), read_block_log(log, cut_torn_tail=cut_torn_tail)


def account_options(command: F) -> F:
    """Whose account, at which node, and the key that may see it."""
    options = (
        click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="The node's API."),
        click.option("--key", "key_name", help="A secp256k1 key in HOME/keys: the member's trade key."),
        click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Of the key."),
        click.option(
            "--secret-file", type=click.Path(dir_okay=False, path_type=Path), help="64 hex digits, mode 0600."
        ),
        click.option(
            "--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Default: HOME/password."
        ),
        click.option("--devnet", is_flag=True, help="Accept a weakly derived keystore."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def ask(question: Callable[["NodeClient"], Any], **key: Any) -> Any:
    """Ask the node at `url` as the member whose key is given. Raises LocalFault and RemoteFault as `NodeClient`."""
    import trio

    from clearing.base.ids import NetworkId
    from member.client.node_client import NodeClient

    secret = _secret(key["home"], key["key_name"], key["secret_file"], key["password_file"], devnet=key["devnet"])

    async def asked() -> Any:
        async with NodeClient(key["url"], NetworkId(bytes(32))) as stranger:
            network = NetworkId(bytes.fromhex((await stranger.state()).network[2:]))
        async with NodeClient(key["url"], network, secret) as client:
            return await question(client)

    return trio.run(asked)


def _secret(
    home: Path, key_name: str | None, secret_file: Path | None, password_file: Path | None, *, devnet: bool
) -> bytes:
    from member.keys.key_folder import PASSWORD_FILE, KeyKind, read_key
    from member.keys.secret_files import read_password, read_secret

    if (key_name is None) is (secret_file is None):
        raise click.UsageError("give either --key or --secret-file")
    if secret_file is not None:
        try:
            secret = bytes.fromhex(read_secret(secret_file).decode("ascii").strip().removeprefix("0x"))
        except ValueError:
            secret = b""
        if len(secret) != 32:
            raise click.BadParameter("expected 64 hex digits", param_hint="--secret-file")
        return secret
    password = read_password(password_file or home / PASSWORD_FILE)
    return read_key(home, key_name or "", KeyKind.SECP256K1, password, allow_weak=devnet)
