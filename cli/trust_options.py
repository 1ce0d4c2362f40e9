"""Options for what a caller trusts and for its own account; shared by all commands that verify offline."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.options import FILE, NUMBER, hex_option, together

if TYPE_CHECKING:
    from clearing.base.header import Header
    from member.verifying.package import CertifiedTerms, Checked, FileBytes, OwnAccountFiles, TrustAnchor

T = TypeVar("T")
TRUSTING_PERIOD_S = 1_209_600
"""Two weeks."""
_GENESIS_SAYS_IT = "--genesis states network and validators: leave --network and --validators-hash out"
_STORE_SAYS_IT = "--light-store states network and validators: leave --network and --validators-hash out"


@dataclass(frozen=True)
class Trust:
    """What the caller trusts, as its options state it."""

    genesis: Path | None
    validators_hash: str | None
    network: str | None
    light_store: Path | None = None
    light_urls: tuple[str, ...] = ()
    amendments: Path | None = None

    @property
    def is_complete(self) -> bool:
        """Whether both network and validators are stated."""
        return self.genesis is not None or (self.validators_hash is not None and self.network is not None)

    def anchor_of(self, package: "FileBytes | Header | None") -> "tuple[TrustAnchor, Checked | None]":
        """The trust anchor, and the light client's check of the package's (or this) header where it was asked."""
        from member.verifying.package import TrustAnchor

        anchor = self._stated_anchor()
        if self.light_store is None or package is None:
            if self.light_urls:
                raise click.UsageError("--light-url needs --light-store")
            return anchor, None
        if self.genesis is None and anchor != TrustAnchor():
            raise click.UsageError(_STORE_SAYS_IT)
        followed, check = self._followed(self.light_store, package)
        if self.genesis is None:
            return followed, check
        # Network, custody and parameters come from genesis; the validator set was followed from there.
        if followed.network not in (None, anchor.network):
            raise click.UsageError("--light-store is of another network than --genesis")
        if followed.validators_hash is None:
            return anchor, check
        return replace(anchor, validators_hash=followed.validators_hash, set_known_ms=followed.set_known_ms), check

    def amended(self, anchor: "TrustAnchor", package: "FileBytes") -> "TrustAnchor":
        """The anchor's genesis as amended at the package's snapshot; without amendments, as it is."""
        from member.verifying.package import amended_anchor

        terms_at = self.terms_at(anchor)
        return anchor if terms_at is None else amended_anchor(anchor, package, terms_at)

    def terms_at(self, anchor: "TrustAnchor") -> "CertifiedTerms | None":
        """Genesis as amended, by height; the light client follows the header that certifies it, where it was asked."""
        if self.amendments is None:
            return None
        from clearing.base.errors import BaseCode, RemoteFault
        from clearing.governance.certified_amendments import AMENDMENTS_BYTES_MAX, read_amendments
        from member.verifying.package import FileBytes, read_limited, terms_at

        if anchor.genesis is None:
            raise click.UsageError("--amendments needs --genesis: it is what they amend")
        trusted = anchor.validators_hash
        file = FileBytes(str(self.amendments), read_limited(self.amendments, AMENDMENTS_BYTES_MAX))
        if self.light_store is not None:
            header = read_amendments(file.data).header
            followed, check = self._followed(self.light_store, header)
            if check is not None and not check.ok:
                raise RemoteFault(BaseCode.WRONG_VALUE, "amendments.header", why=check.detail)
            trusted = followed.validators_hash or trusted
        return terms_at(anchor, file, trusted)

    def _stated_anchor(self) -> "TrustAnchor":
        from member.verifying.package import TrustAnchor, anchor_of_genesis

        if self.genesis is not None:
            if self.validators_hash or self.network:
                raise click.UsageError(_GENESIS_SAYS_IT)
            return anchor_of_genesis(self.genesis.read_bytes())
        return TrustAnchor(
            hex_option("--network", self.network or None), hex_option("--validators-hash", self.validators_hash or None)
        )

    def _followed(self, store: Path, package: "FileBytes | Header") -> "tuple[TrustAnchor, Checked | None]":
        from clearing.base.header import Header
        from consensus.light_client import TrustPolicy
        from member.light.package_trust import anchor_of_light_store

        policy = TrustPolicy(TRUSTING_PERIOD_S * 1000)
        given = package if isinstance(package, Header) else package.data
        return anchor_of_light_store(given, store, self.light_urls, policy, Path("light-evidence"))


_ANCHOR = (
    click.option("--genesis", type=FILE, help="Trusted genesis.json."),
    click.option("--validators-hash", metavar="HEX", help="Trusted validator set, 64 hex digits."),
    click.option("--network", metavar="HEX", help="Trusted network id, 64 hex digits."),
)

_LIGHT = (
    click.option("--light-store", type=FILE, help="Trust what `crossclear light` verified into this file."),
    click.option(
        "--light-url",
        "light_urls",
        multiple=True,
        help="A node that serves what the store lacks; further ones confirm.",
    ),
)

_AMENDMENTS = (
    click.option(
        "--amendments", type=FILE, help="Amendments since genesis, certified: `crossclear governance amendments`."
    ),
)


def trust_options(*, light: bool = True, amendments: bool = True) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """What the caller trusts as one parameter `trust`.

    `light`: a validator set that changed since genesis. `amendments`: terms that were amended since genesis.
    """
    options: Callable[[Callable[..., T]], Callable[..., T]] = together(
        *_ANCHOR, *(_LIGHT if light else ()), *(_AMENDMENTS if amendments else ())
    )

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @wraps(command)
        def with_trust(
            genesis: Path | None,
            validators_hash: str | None,
            network: str | None,
            light_store: Path | None = None,
            light_urls: tuple[str, ...] = (),
            amendments: Path | None = None,
            **given: Any,
        ) -> T:
            trust = Trust(genesis, validators_hash, network, light_store, light_urls, amendments)
            return command(trust=trust, **given)

        return options(with_trust)

    return decorate


def own_options(command: Callable[..., T]) -> Callable[..., T]:
    """--account, --owner, --seed-file and --holdings as one parameter `own`, None where none of them is given."""

    @wraps(command)
    def with_own(
        account: int | None, owner: str | None, seed_file: Path | None, holdings: Path | None, **given: Any
    ) -> T:
        from member.verifying.package import OwnAccountFiles

        own: OwnAccountFiles | None = None
        if account is not None and owner is not None and seed_file is not None and holdings is not None:
            address = owner_address(owner)
            own = OwnAccountFiles(account, seed_file, holdings, address)
        elif (account, owner, seed_file, holdings) != (None, None, None, None):
            raise click.UsageError("--account, --owner, --seed-file and --holdings go together")
        return command(own=own, **given)

    options: Callable[[Callable[..., T]], Callable[..., T]] = together(
        click.option("--account", type=NUMBER, help="Own account."),
        click.option(
            "--owner", metavar="ADDRESS", help="Of the key that owns it, or a file of it: yours, no node's word."
        ),
        click.option("--seed-file", type=FILE, help="Its seed of the epoch."),
        click.option("--holdings", type=FILE, help="Its holdings, JSON."),
    )
    return options(with_own)


def owner_address(text: str) -> bytes:
    """An address, or what a file of it has. Raises click.BadParameter."""
    if not text.startswith("0x") and Path(text).is_file():
        with Path(text).open("rb") as file:
            text = file.read(64).decode("ascii", "replace").strip()
    return hex_option("--owner", text, 20) or b""


def needed(own: "OwnAccountFiles | None") -> "OwnAccountFiles":
    """The own account, for commands that cannot do without. Raises click.UsageError."""
    if own is None:
        raise click.UsageError("--account, --owner, --seed-file and --holdings are all needed")
    return own
