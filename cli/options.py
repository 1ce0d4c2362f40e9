"""Options that several commands share: settings, a node's address, a member's key, and the source of an answer."""

import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from member.default_ports import API_HOST, API_PORT, API_URL

if TYPE_CHECKING:
    from member.client.node_client import NodeClient
    from member.notation.listing import Listing
    from node.config import NodeConfig
    from node.config_sources import Effective
    from node.offline.homes import OpenedLog
    from node.offline.log_trust import LogTrust

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
"""A file that is written, or that a later check finds missing by its own code."""
HOME = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
NUMBER = click.IntRange(0, 2**63 - 1)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, listed in the help in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


config_option: Callable[[F], F] = click.option(
    "--config",
    "config_path",
    type=NEW_FILE,
    default=Path("node.toml"),
    show_default=True,
    envvar="CROSSCLEAR_CONFIG",
    help="The node's settings.",
)

set_option: Callable[[F], F] = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override file and environment: p2p.port=26610."
)

NEAR_HOMES = (Path(), Path("nodes/n0"), Path("devnet-out/nodes/n0"))
"""Where a home is looked for from the working folder: in it, in a devnet's, and beside a devnet's."""


def url_at_hand(folder: Path) -> str:
    """The API of the first home near `folder`; the default where none has one, or its settings can't be read."""
    for near in NEAR_HOMES:
        try:
            api = tomllib.loads((folder / near / "node.toml").read_text(encoding="utf-8")).get("api", {})
            host, port = str(api.get("host", API_HOST)), int(api.get("port", API_PORT))
        except (OSError, ValueError, AttributeError, TypeError):
            continue
        if api.get("enabled", True):
            host = {"0.0.0.0": API_HOST, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
            scheme = "https" if api.get("tls_certificate") else "http"
            return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    return API_URL


url_option: Callable[[F], F] = click.option(
    "--url",
    default=lambda: url_at_hand(Path()),
    show_default=f"of the home or devnet in this folder, else {API_URL}",
    help="The node's API.",
)
password_option: Callable[[F], F] = click.option("--password-file", type=NEW_FILE, help="Default: HOME/password.")
weak_keys_option: Callable[[F], F] = click.option("--devnet", is_flag=True, help="Accept weakly derived keystores.")
own_home_options: Callable[[F], F] = together(
    click.option("--home", type=NEW_FOLDER, default=Path(), help="The node's folder."),
    password_option,
    weak_keys_option,
)


def effective_config(config_path: Path, assignments: Sequence[str]) -> "Effective":
    """File < environment < `--set`. Raises LocalFault CONFIG_*."""
    from node.config_sources import load_config

    return load_config(config_path, os.environ, _flags(assignments))


def read_settings(config_path: Path, assignments: Sequence[str]) -> "Effective":
    """As `effective_config`, of the right types only, for telling all mistakes at once. Raises LocalFault CONFIG_*."""
    from node.config_sources import read_config

    return read_config(config_path, os.environ, _flags(assignments))


def startable_config(config_path: Path, assignments: Sequence[str]) -> "NodeConfig":
    """Settings without a mistake that `crossclear config validate` finds. Raises it, or an ExceptionGroup of all."""
    from node.offline.config_checks import refuse_mistakes

    config = read_settings(config_path, assignments).config
    refuse_mistakes(config)
    return config


def _flags(assignments: Sequence[str]) -> dict[str, str]:
    flags = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise click.BadParameter(f"expected KEY=VALUE, got {assignment!r}", param_hint="--set")
        flags[key.strip()] = value
    return flags


@dataclass(frozen=True)
class MemberKey:
    """A node's address, and the key by which it knows the member that asks."""

    url: str
    key_name: str | None
    home: Path
    secret_file: Path | None
    password_file: Path | None
    devnet: bool

    def ask(self, question: "Callable[[NodeClient], Any]") -> Any:
        """The node's answer. Raises LocalFault and RemoteFault as `NodeClient`."""
        from member.client.ask import ask_as_member

        return ask_as_member(self.url, self.secret(), question)

    def account(self, text: str) -> int:
        """An account by its id, or by its member's name, which a node is asked for. Raises click.BadParameter."""
        from member.notation.listing import is_id

        return int(text) if is_id(text) else parsed("ACCOUNT", lambda: listing_at(self.url).account(text))

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key. Raises click.UsageError, LocalFault."""
        from clearing.base import secp256k1

        return secp256k1.address(self.secret())

    @property
    def is_given(self) -> bool:
        """Whether a key is named."""
        return self.key_name is not None or self.secret_file is not None

    def secret(self) -> bytes:
        """The key. Raises click.UsageError, LocalFault."""
        from member.keys.key_folder import PASSWORD_FILE, KeyKind, read_key
        from member.keys.secret_files import read_password

        if (self.key_name is None) is (self.secret_file is None):
            raise click.UsageError("give either --key or --secret-file")
        if self.secret_file is not None:
            return read_hex_secret(self.secret_file)
        password = read_password(self.password_file or self.home / PASSWORD_FILE)
        return read_key(self.home, self.key_name or "", KeyKind.SECP256K1, password, allow_weak=self.devnet)


_member_key_options: Callable[[F], F] = together(
    url_option,
    click.option("--key", "key_name", help="The member's trade key: a secp256k1 key in HOME/keys."),
    click.option("--home", type=NEW_FOLDER, default=Path(), help="The folder with the key."),
    click.option("--secret-file", type=NEW_FILE, help="The trade key as 64 hex digits, mode 0600."),
    password_option,
    weak_keys_option,
)
_KEY_FIELDS = tuple(MemberKey.__dataclass_fields__)


def account_options(command: Callable[..., T]) -> Callable[..., T]:
    """The node's address and the member's key as one parameter `key`."""

    @wraps(command)
    def with_key(**given: Any) -> T:
        key = MemberKey(**{name: given.pop(name) for name in _KEY_FIELDS})
        return command(key=key, **given)

    return _member_key_options(with_key)


log_trust_option: Callable[[F], F] = click.option(
    "--trust",
    "trusted",
    metavar="HEIGHT:HASH",
    help="A header that you trust: exits with 6 where the block log has another one.",
)


def log_trust(trusted: str | None) -> "LogTrust":
    """What a block log's result rests on, as --trust says. Raises LocalFault LIGHT_NO_TRUST."""
    from member.light.trust import parse_trust
    from node.offline.log_trust import LogTrust, TrustedHeader

    if trusted is None:
        return LogTrust()
    named = parse_trust(trusted)
    return LogTrust(TrustedHeader(named.height, named.hash))


def named_at_the_end(trust: "LogTrust") -> "LogTrust":
    """The same, of which the command says at its end, on stderr, whose word its result is."""

    def name() -> None:
        if trust.height:
            say_word_of_log(trust)

    click.get_current_context().call_on_close(name)
    return trust


def say_word_of_log(trust: "LogTrust") -> None:
    """Which header a result rests on, and what stays somebody's word."""
    from cli.output import say

    say(f"blocks up to height {trust.height}, header {trust.header_hash.hex()}. Not proven:")
    for limit in trust.not_proven:
        say(f"  - {limit}")


@dataclass(frozen=True)
class AnswerSource:
    """The source of an answer: a node that is asked, or a block log whose blocks are executed again."""

    key: MemberKey
    log: Path | None
    genesis: Path | None
    cut_torn_tail: bool
    trusted: str | None = None
    """HEIGHT:HASH of a header that the log must have."""

    def ask(self, question: "Callable[[NodeClient], Any]") -> Any:
        """The node's answer. Raises LocalFault and RemoteFault as `NodeClient`."""
        return self.key.ask(question)

    def account(self, text: str) -> int:
        """As `MemberKey.account`; with --log the names are of --genesis. Raises click.UsageError."""
        from member.notation.listing import is_id

        if self.log is None or is_id(text):
            return self.key.account(text)
        return parsed("ACCOUNT", lambda: self.listing().account(text))

    def listing(self) -> "Listing":
        """Names and units of the node's network; with --log of --genesis, and the ticks of HOME/node.toml.

        Raises click.UsageError, and LocalFault and RemoteFault as `NodeClient` and `read_genesis`.
        """
        from member.notation.listing import Listing
        from node.genesis_file import read_genesis
        from node.offline.homes import displayed_ticks

        if self.log is None:
            return listing_at(self.key.url)
        return Listing(read_genesis(self._genesis_of_log()), displayed_ticks(self.key.home))

    def _genesis_of_log(self) -> Path:
        if self.genesis is None:
            raise click.UsageError("--log needs --genesis")
        return self.genesis

    def open_log(self) -> "OpenedLog":
        """The block log of --log. Raises click.UsageError without genesis, and as `node.offline.homes.open_log`."""
        from node.offline.homes import open_log

        if self.log is None:
            raise click.UsageError("a block log needs --log")
        key = self.key
        return open_log(
            self.log,
            self._genesis_of_log(),
            key.home,
            key.password_file,
            named_at_the_end(log_trust(self.trusted)),
            cut_torn_tail=self.cut_torn_tail,
            allow_weak=key.devnet,
        )


def source_options(command: Callable[..., T]) -> Callable[..., T]:
    """`account_options` with --log, --genesis and --cut-torn-tail as one parameter `source`."""

    @wraps(command)
    def with_source(
        key: MemberKey,
        log: Path | None,
        genesis: Path | None,
        trusted: str | None = None,
        *,
        cut_torn_tail: bool,
        **given: Any,
    ) -> T:
        if log is None and trusted is not None:
            raise click.UsageError("--trust needs --log")
        return command(source=AnswerSource(key, log, genesis, cut_torn_tail, trusted), **given)

    log_options: Callable[[Callable[..., T]], Callable[..., T]] = together(
        click.option("--log", type=FILE, help="Execute this block log again instead of asking a node."),
        click.option("--genesis", type=FILE, help="With --log, where --home is a node's folder."),
        click.option("--cut-torn-tail", is_flag=True, help="With --log: accept a log that ends inside a record."),
        log_trust_option,
    )
    return account_options(log_options(with_source))


def read_hex_secret(path: Path) -> bytes:
    """The 32 bytes of a secret file, mode 0600. Raises click.BadParameter for anything but 64 hex digits."""
    from member.keys.secret_files import read_secret

    try:
        secret = bytes.fromhex(read_secret(path).decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise click.BadParameter("expected 64 hex digits", param_hint="--secret-file")
    return secret


def hex_option(option: str, text: str | None, size: int = 32) -> bytes | None:
    """The bytes of an option in hex; None where it is not given. Raises click.BadParameter."""
    if text is None:
        return None
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != size:
        raise click.BadParameter(f"expected {2 * size} hex digits, got {text!r}", param_hint=option)
    return data


def whole_number(option: str, text: str) -> int:
    """A whole number of at most 18 digits. Raises click.BadParameter."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise click.BadParameter(f"expected a whole number, got {text!r}", param_hint=option)
    return int(text)


def parsed(option: str, read: Callable[[], T]) -> T:
    """What `read` makes of an option's text. Raises click.BadParameter for its ValueError."""
    try:
        return read()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def listing_at(url: str) -> "Listing":
    """Names and units of the network, asked of a node. Raises LocalFault and RemoteFault as `NodeClient`."""
    from member.client.ask import ask_node
    from member.client.listing import read_listing

    return ask_node(url, read_listing)


def listing_if_read(url: str) -> "Listing | None":
    """As `listing_at`, to print an answer that there is already: None, and a line that says so, where it fails."""
    from clearing.base.errors import CrossclearError
    from cli.output import say_line

    try:
        return listing_at(url)
    except CrossclearError as fault:
        say_line(f"names and units cannot be read, fields are printed as the node sent them: {fault}")
        return None


def epoch_number(text: str) -> int | None:
    """The number of --epoch, None for `latest`. Raises click.BadParameter."""
    if text == "latest":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise click.BadParameter(f"expected a number or `latest`, got {text!r}", param_hint="--epoch")
    return int(text)
