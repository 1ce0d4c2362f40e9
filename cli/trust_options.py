"""Options by which a caller says what it trusts, shared by all commands that verify proofs offline."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from clearing.base.header import Header
    from member.verifying.package import Checked, TermsAt, TrustAnchor

F = TypeVar("F", bound=Callable[..., Any])

T = TypeVar("T")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def anchor_options(command: F) -> F:
    """--genesis, --validators-hash and --network."""
    for option in reversed(
        (
            click.option("--genesis", type=_FILE, help="Trusted genesis.json."),
            click.option("--validators-hash", metavar="HEX", help="Trusted validator set, 64 hex digits."),
            click.option("--network", metavar="HEX", help="Trusted network id, 64 hex digits."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Trusted:
    """What `anchor_options` said."""

    genesis: Path | None
    validators_hash: str | None
    network: str | None
    amendments: Path | None = None

    @property
    def says_all(self) -> bool:
        """Whether network and validators are both said."""
        return self.genesis is not None or (self.validators_hash is not None and self.network is not None)


def trust_options(command: Callable[..., T]) -> Callable[..., T]:
    """`anchor_options` and --amendments as one parameter `trusted`."""

    @wraps(command)
    def said(
        genesis: Path | None, validators_hash: str | None, network: str | None, amendments: Path | None, **others: Any
    ) -> T:
        return command(trusted=Trusted(genesis, validators_hash, network, amendments), **others)

    return anchor_options(amendments_option(said))


def light_options(command: F) -> F:
    """--light-store and --light-url, for packages of a set that changed since genesis."""
    for option in reversed(
        (
            click.option("--light-store", type=_FILE, help="Trust what `crossclear light` verified into this file."),
            click.option(
                "--light-url", "light_urls", multiple=True, help="A node that shows what the store lacks; more confirm."
            ),
        )
    ):
        command = option(command)
    return command


def own_options(command: F) -> F:
    """--account, --seed-file and --holdings."""
    for option in reversed(
        (
            click.option("--account", type=click.IntRange(0, 2**63 - 1), help="Own account."),
            click.option("--seed-file", type=_FILE, help="Its blinding seed."),
            click.option("--holdings", type=_FILE, help="Its holdings, JSON."),
        )
    ):
        command = option(command)
    return command


def anchor_of(
    package: "Path | Header | None",
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None = None,
    light_urls: tuple[str, ...] = (),
) -> "tuple[TrustAnchor, Checked | None]":
    """What the options say, and the light client's check of the package's (or this) header where it was asked."""
    from member.verifying.package import TrustAnchor, anchor_of_genesis

    anchor = TrustAnchor()
    if genesis is not None:
        if validators_hash or network:
            raise click.UsageError("--genesis states network and validators: leave --network and --validators-hash out")
        anchor = anchor_of_genesis(genesis.read_bytes())
    elif validators_hash or network:
        anchor = TrustAnchor(_hash("--network", network), _hash("--validators-hash", validators_hash))
    if light_store is None or package is None:
        if light_urls:
            raise click.UsageError("--light-url needs --light-store")
        return anchor, None
    if genesis is None and anchor != TrustAnchor():
        raise click.UsageError("--light-store states network and validators: leave --network and --validators-hash out")
    from cli.trust_options import TRUSTING_PERIOD_S
    from consensus.light_client import TrustPolicy
    from member.light.package_trust import anchor_of_light_store

    policy = TrustPolicy(TRUSTING_PERIOD_S * 1000)
    followed, check = anchor_of_light_store(package, light_store, light_urls, policy, Path("light-evidence"))
    if genesis is None:
        return followed, check
    # Network, custody and parameters as genesis says; the set as it was followed from there.
    if followed.network not in (None, anchor.network):
        raise click.UsageError("--light-store is of another network than --genesis")
    return replace(anchor, validators_hash=followed.validators_hash or anchor.validators_hash), check


def amendments_option(command: F) -> F:
    """--amendments, for packages of terms that were amended since genesis."""
    return click.option(
        "--amendments", type=_FILE, help="Amendments since genesis, certified: `crossclear governance amendments`."
    )(command)


def amended(
    anchor: "TrustAnchor",
    package: Path,
    amendments: Path | None,
    light_store: Path | None = None,
    light_urls: tuple[str, ...] = (),
) -> "TrustAnchor":
    """The anchor's genesis as amended at the package's snapshot; without amendments, as it is."""
    from member.verifying.package import amended_anchor

    if amendments is None:
        return anchor
    return amended_anchor(anchor, package, terms_of(anchor, amendments, light_store, light_urls))


def terms_of(
    anchor: "TrustAnchor", amendments: Path, light_store: Path | None = None, light_urls: tuple[str, ...] = ()
) -> "TermsAt":
    """Genesis as amended, by height; the light client follows the header that certifies it, where that was asked."""
    from clearing.base.errors import BaseCode, RemoteFault
    from clearing.governance.certified_amendments import AMENDMENTS_BYTES_MAX, read_amendments
    from member.verifying.package import read_limited, terms_at

    if anchor.genesis is None:
        raise click.UsageError("--amendments needs --genesis: it is what they amend")
    trusted = anchor.validators_hash
    if light_store is not None:
        from cli.trust_options import TRUSTING_PERIOD_S
        from consensus.light_client import TrustPolicy
        from member.light.package_trust import anchor_of_light_store

        header = read_amendments(read_limited(amendments, AMENDMENTS_BYTES_MAX)).header
        policy = TrustPolicy(TRUSTING_PERIOD_S * 1000)
        followed, check = anchor_of_light_store(header, light_store, light_urls, policy, Path("light-evidence"))
        if check is not None and not check.ok:
            raise RemoteFault(BaseCode.WRONG_VALUE, "amendments.header", why=check.detail)
        trusted = followed.validators_hash or trusted
    return terms_at(anchor, amendments, trusted)


def _hash(option: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32:
        raise click.BadParameter("expected 64 hex digits", param_hint=option)
    return data


TRUSTING_PERIOD_S = 1_209_600
"""Two weeks."""
