"""`gateway.toml`: every setting of the gateway, with its limits.

Rule: an unknown key, a missing file and a secret that others may read are refused before anything is opened. Paths are
relative to the file. Without TLS only this machine may connect.
"""

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert, field

from crossclear_client import Key
from crossclear_fix.answers import ACCEPTED, PENDING
from crossclear_fix.errors import SETTINGS, GatewayError
from crossclear_fix.session_state import Identity, Limits
from crossclear_fix.trade_report import Listed, Names

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Scale = Annotated[int, Meta(ge=1, le=10**12)]
CompId = Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")]
Name = Annotated[str, Meta(pattern=r"^[ -~]{1,64}$")]
VERSIONS = {"FIX.4.4": b"", "FIXT.1.1": b"9"}
"""BeginString, and DefaultApplVerID (1137) that goes with it: FIX 5.0 SP2."""
SECRET_BYTES_MAX = 4096
KEY_BYTES = 32


class Tls(Struct, forbid_unknown_fields=True, frozen=True):
    """Encryption; without a certificate the gateway listens on this machine only."""

    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class Instrument(Struct, forbid_unknown_fields=True, frozen=True):
    """An instrument that may be reported."""

    symbol: Name
    instrument: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    ticks_per_unit: Scale = 1
    lots_per_unit: Scale = 1


class Account(Struct, forbid_unknown_fields=True, frozen=True):
    """An account that may be reported."""

    name: Name
    account: Id
    key_file: str = ""


class Counterparty(Struct, forbid_unknown_fields=True, frozen=True):
    """Who may log on, and what it may report."""

    comp_id: CompId
    own_comp_id: CompId
    username: Name
    password_file: str
    accounts: tuple[Name, ...]
    begin_string: str = "FIX.4.4"

    @property
    def name(self) -> str:
        """What the store calls the session."""
        return f"{self.begin_string}:{self.own_comp_id}->{self.comp_id}"

    @property
    def pending_status(self) -> bytes:
        """TrdRptStatus of a report whose fate is open: FIX 4.4 knows accepted and rejected only."""
        return ACCEPTED if self.begin_string == "FIX.4.4" else PENDING

    @property
    def identity(self) -> Identity:
        """For the session."""
        version = VERSIONS[self.begin_string]
        return Identity(self.begin_string.encode(), self.own_comp_id.encode(), self.comp_id.encode(), version)


class Gateway(Struct, forbid_unknown_fields=True, frozen=True):
    """The gateway itself: where it listens, what it signs as, and its bounds."""

    node: str
    venue: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    venue_key_file: str
    listen: str = "127.0.0.1:9880"
    network: Annotated[str, Meta(pattern=r"^(0x[0-9a-f]{64})?$")] = ""
    store: str = "fix-gateway.db"
    first_trade_id: Annotated[int, Meta(ge=1, le=2**62)] = 1
    valid_seconds: Annotated[int, Meta(ge=2, le=300)] = 15
    renew_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 300
    open_reports_max: Annotated[int, Meta(ge=1, le=100_000)] = 2_000
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] = 32
    resend_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    connections_max: Annotated[int, Meta(ge=1, le=1_000)] = 16
    message_bytes_max: Annotated[int, Meta(ge=512, le=65_536)] = 8_192
    clock_skew_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 120
    heartbeat_seconds_min: Annotated[int, Meta(ge=1, le=60)] = 1
    heartbeat_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 300
    logon_seconds: Annotated[int, Meta(ge=1, le=60)] = 10


class Settings(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file."""

    gateway: Gateway
    instruments: tuple[Instrument, ...]
    accounts: tuple[Account, ...]
    sessions: tuple[Counterparty, ...]
    tls: Tls = field(default_factory=Tls)

    def names(self, session: Counterparty) -> Names:
        """What a counterparty may report."""
        accounts = {each.name: each.account for each in self.accounts if each.name in session.accounts}
        listed = {
            each.symbol: Listed(each.instrument, each.ticks_per_unit, each.lots_per_unit) for each in self.instruments
        }
        return Names(accounts, listed)

    @property
    def limits(self) -> Limits:
        """For sessions."""
        own = self.gateway
        return Limits(
            heartbeat_ms_min=own.heartbeat_seconds_min * 1000,
            heartbeat_ms_max=own.heartbeat_seconds_max * 1000,
            logon_ms=own.logon_seconds * 1000,
            skew_ms=own.clock_skew_seconds * 1000,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = self.gateway.listen.rpartition(":")
        return host.strip("[]"), int(port)


def read_settings(path: Path) -> Settings:
    """Raises GatewayError SETTINGS naming the key."""
    try:
        found = convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except OSError as error:
        raise GatewayError(SETTINGS, str(path), error.strerror or "unreadable") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise GatewayError(SETTINGS, str(path), str(error)) from None
    _check(found)
    return found


def _check(found: Settings) -> None:
    for key, listed in (
        ("instruments.symbol", [each.symbol for each in found.instruments]),
        ("accounts.name", [each.name for each in found.accounts]),
        ("sessions.comp_id", [each.name for each in found.sessions]),
    ):
        if not listed or len(set(listed)) != len(listed):
            raise GatewayError(SETTINGS, key, "none is listed, or one is listed twice")
    known = {each.name for each in found.accounts}
    for session in found.sessions:
        if session.begin_string not in VERSIONS:
            raise GatewayError(SETTINGS, "sessions.begin_string", f"one of {', '.join(VERSIONS)}")
        if not session.accounts or not known.issuperset(session.accounts):
            raise GatewayError(SETTINGS, "sessions.accounts", "none is listed, or one that is not in accounts")
    _check_address(found)


def _check_address(found: Settings) -> None:
    try:
        host, port = found.address
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise GatewayError(SETTINGS, "gateway.listen", "an IP address and a port") from None
    if not 0 <= port < 65_536:
        raise GatewayError(SETTINGS, "gateway.listen", "a port is below 65536")
    if bool(found.tls.certificate_file) != bool(found.tls.key_file):
        raise GatewayError(SETTINGS, "tls", "certificate_file and key_file go together")
    if not local and not found.tls.certificate_file:
        raise GatewayError(SETTINGS, "gateway.listen", "other machines connect by TLS only: set tls.certificate_file")


def read_secret(base: Path, name: str, key: str) -> bytes:
    """The bytes of a secret file without the space around them. Raises GatewayError where others may read it."""
    path = base / name
    try:
        if path.stat().st_mode & 0o077:
            raise GatewayError(SETTINGS, key, f"others may read {path}: chmod 600")
        with path.open("rb") as file:
            secret = file.read(SECRET_BYTES_MAX).strip()
    except OSError as error:
        raise GatewayError(SETTINGS, key, f"{path}: {error.strerror}") from None
    if not secret:
        raise GatewayError(SETTINGS, key, f"{path} is empty")
    return secret


def read_key(base: Path, name: str, key: str) -> Key:
    """A trade key, client's key, session key or venue's key as 64 hex digits."""
    try:
        secret = bytes.fromhex(read_secret(base, name, key).decode())
        if len(secret) == KEY_BYTES:
            return Key(secret)
    except ValueError:
        pass
    raise GatewayError(SETTINGS, key, f"{name} is not a key of 64 hex digits") from None
