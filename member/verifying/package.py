"""`crossclear verify`: an epoch package against what the caller trusts, offline, without node or keys.

Rule: it composes `proofs.verify.package_verifier` with a trust anchor (genesis, or hashes) and, for a member, its own
holdings; it proves and trusts nothing else. It must not import web3, libp2p, numpy or trio: it starts in a fifth of a
second.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.plain_json import read_json
from clearing.genesis.custody_listing import ListedCustody, listed_custody
from member.keys.secret_files import read_secret
from member.verifying.spent import Meter
from proofs.epoch.package import PACKAGE_BYTES_MAX, read_package
from proofs.errors import ProofCode
from proofs.verify.claim_text import MEANINGS
from proofs.verify.freshness import Freshness
from proofs.verify.inclusion import own_account as own_account_in
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Attested, CheckResult, OwnAccount, Verdict, printable

if TYPE_CHECKING:
    from clearing.governance.certified_amendments import CertifiedAmendments
    from clearing.schema.terms.genesis import Genesis

AMENDED = (
    "The terms are the genesis as amended. Which amendments were agreed on is the word of more than two thirds of the "
    "validators"
)
HOLDINGS_BYTES_MAX = 1 << 20
UNTRUSTED = (
    "nothing but the file itself was trusted: pass --genesis or --validators-hash, or anybody may have made this file"
)


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """What the caller trusts; None is taken from the file, and the report says so."""

    network: bytes | None = None
    validators_hash: bytes | None = None
    listed: frozenset[ListedCustody] | None = None
    """Vaults and tokens of a trusted genesis."""
    genesis: "Genesis | None" = field(default=None, repr=False, compare=False)
    """The genesis itself, as amended: the parameters in force are compared with its own."""
    freshness: Freshness | None = field(default=None, compare=False)
    """The time at which a package is judged and how old it may be; None: its age is not checked."""
    set_known_ms: int | None = field(default=None, compare=False)
    """When the validator set was known to be in force: the genesis' time. None: the caller vouches for now."""
    amended: bytes | None = None
    """Head of the hash chain over the amendments that `genesis` has; None: the caller brought no amendments."""

    def verify(self, package: bytes, own: OwnAccount | None = None) -> Verdict:
        """All checks of a package against what is trusted."""
        return verify_package(
            package,
            network=self.network,
            validators_hash=self.validators_hash,
            listed=self.listed,
            own=own,
            genesis=self.genesis,
            clock=time.perf_counter,
            freshness=self.freshness,
        )


@dataclass(frozen=True, slots=True)
class OwnAccountFiles:
    """How a member describes its account: id, file of its seed of the epoch, file of its holdings, and the address that
    owns it."""

    account: int
    seed_file: Path
    holdings_file: Path
    owner: bytes


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file as it was read, once: who can change it between two looks must not have one of them decide whom to trust,
    and the other what is checked."""

    name: str
    data: bytes


class Checked(msgspec.Struct, frozen=True):
    """One named check."""

    name: str
    ok: bool
    detail: str
    """What was seen, or why it failed."""
    meaning: str = ""
    """What a passed check means, in plain English."""
    code: str = ""
    """The stable code where it failed; `crossclear explain` says more."""
    seconds: float = 0.0
    complete: bool = True
    """False where nothing is wrong, but its meaning is not wholly proven."""


class VerificationReport(msgspec.Struct, frozen=True):
    """What `--output json` prints."""

    ok: bool
    height: int
    network: str
    checks: tuple[Checked, ...]
    bytes: int
    seconds: float
    epoch: int = 0
    not_run: tuple[str, ...] = ()
    """Checks that the failed one stopped."""
    claim: str = ""
    """What is proven, when every check passed."""
    not_proven: tuple[str, ...] = ()
    file: str = ""
    attested: dict[str, str] = {}
    """Values that are somebody's word, by name: whole numbers and hashes."""
    open: tuple[str, ...] = ()
    """Checks that found nothing wrong and could not show all that they are there to show."""
    strict: bool = False
    """Whether an open check that is not allowed makes `ok` false."""
    cpu_seconds: float = 0.0
    """Of the processor, while `seconds` is of the wall; 0 where it was not measured."""
    peak_bytes: int = 0
    """The most memory that the whole process has had so far; 0 where it was not measured."""

    def judged(self, *, strict: bool, allowed: Sequence[str] = ()) -> "VerificationReport":
        """The same with its open checks named; strictly, one that is not allowed fails it and leaves no claim."""
        still_open = tuple(check.name for check in self.checks if check.ok and not check.complete)
        good = self.ok and not (strict and set(still_open) - set(allowed))
        claim = self.claim if good else ""
        return msgspec.structs.replace(self, ok=good, open=still_open, strict=strict, claim=claim)

    def with_check(self, check: Checked) -> "VerificationReport":
        """The same with one more check."""
        good = self.ok and check.ok
        claim, limits = (self.claim, self.not_proven) if good else ("", ())
        return msgspec.structs.replace(self, ok=good, checks=(*self.checks, check), claim=claim, not_proven=limits)


def anchor_of_genesis(data: bytes) -> TrustAnchor:
    """Network, validator set and custody of a genesis file's JSON. Raises RemoteFault BAD_GENESIS."""
    from clearing.genesis.json import genesis_from_json
    from clearing.schema.terms.genesis import network_id

    genesis = genesis_from_json(data)
    return TrustAnchor(
        network_id(genesis), genesis.validators.hash, listed_custody(genesis), genesis, None, genesis.time_ms
    )


@dataclass(frozen=True, slots=True)
class CertifiedTerms:
    """Genesis as certified amendments make it, and its custody, by height.

    A call raises RemoteFault where the amendments are not proven to be complete.
    """

    origin: "Genesis"
    certified: "CertifiedAmendments"
    validators_hash: bytes

    def __call__(self, height: int) -> "tuple[Genesis, frozenset[ListedCustody]]":
        """Genesis and custody as they were after the block at a height."""
        from clearing.governance.certified_amendments import check_amendments

        genesis, _ = check_amendments(self.certified, self.origin, self.validators_hash, height)
        return genesis, listed_custody(genesis)

    def head(self, height: int) -> bytes:
        """Of the hash chain over what was enacted up to a height; zeros: nothing was. Believed where a call was."""
        heads = [record.chain_head for record in self.certified.amendments if record.height <= height]
        return heads[-1] if heads else bytes(32)


def terms_at(anchor: TrustAnchor, amendments: FileBytes, validators_hash: bytes | None) -> CertifiedTerms:
    """Genesis as certified amendments make it, and its custody, by height.

    `validators_hash`: of the trusted set that certified the amendments' header. Raises LocalFault without a trusted
    genesis; the result raises RemoteFault where the amendments are not proven to be complete.
    """
    from clearing.governance.certified_amendments import read_amendments

    if anchor.genesis is None or validators_hash is None:
        raise LocalFault(BaseCode.MALFORMED, "amendments", why="they amend a genesis, which must be trusted: --genesis")
    certified = read_amendments(amendments.data)
    return CertifiedTerms(anchor.genesis, certified, validators_hash)


def amended_anchor(anchor: TrustAnchor, package: FileBytes, at: CertifiedTerms) -> TrustAnchor:
    """The anchor with the terms in force at the package's snapshot. Raises as `terms_at`, and for an odd package."""
    height = read_package(package.data).statement.height
    genesis, listed = at(height)
    return replace(anchor, listed=listed, genesis=genesis, amended=at.head(height))


def words_of(attested: Sequence[Attested], anchor: TrustAnchor) -> dict[str, str]:
    """What is somebody's word, by name: a verdict's own, and the amendments by the head of their hash chain."""
    amended = {} if anchor.amended is None else {"amendments": anchor.amended.hex()}
    return amended | {name: str(value) for name, value in attested}


def verify_file(
    file: FileBytes, anchor: TrustAnchor, own: OwnAccountFiles | None = None
) -> tuple[VerificationReport, Verdict]:
    """Check a package file. Raises LocalFault for a bad seed or holdings file."""
    meter = Meter()
    data = file.data
    verdict = anchor.verify(data, read_own_account(data, own) if own is not None else None)
    spent = meter.read()
    report = report_of(file.name, len(data), verdict, anchor, spent.seconds)
    return msgspec.structs.replace(
        report, cpu_seconds=round(spent.cpu_seconds, 6), peak_bytes=spent.peak_bytes
    ), verdict


def report_of(file: str, size: int, verdict: Verdict, anchor: TrustAnchor, seconds: float) -> VerificationReport:
    """A verdict as it is printed."""
    limits = verdict.not_proven
    if anchor.amended is not None:
        limits = (*limits, f"{AMENDED}: `amendments` under `attested`.")
    if anchor.network is None or anchor.validators_hash is None:
        limits = (*limits, UNTRUSTED)
    return VerificationReport(
        ok=verdict.ok,
        height=verdict.height,
        network=verdict.network.hex(),
        checks=tuple(_checked(check) for check in verdict.checks),
        bytes=size,
        seconds=round(seconds, 6),
        epoch=verdict.epoch,
        not_run=verdict.not_run,
        claim=verdict.claim,
        not_proven=limits if verdict.ok else (),
        file=printable(file),
        attested=words_of(verdict.attested, anchor) if verdict.ok else {},
    )


def _checked(check: CheckResult) -> Checked:
    code = f"{check.code.label} {check.code.name.lower()}" if check.code is not None else ""
    return Checked(
        name=check.name,
        ok=check.ok,
        detail=check.detail,
        meaning=MEANINGS.get(check.name, ""),
        code=code,
        seconds=round(check.seconds, 6),
        complete=check.complete,
    )


def read_own_account(data: bytes, own: OwnAccountFiles) -> OwnAccount | None:
    """The member's account in the package's slots; None when the package does not even parse. Raises LocalFault."""
    seed = read_hex32(own.seed_file)
    holdings = read_holdings(read_limited(own.holdings_file, HOLDINGS_BYTES_MAX))
    try:
        package = read_package(data)
    except RemoteFault:
        return None
    return own_account_in(package, own.account, holdings, seed, own.owner)


def read_holdings(data: bytes) -> dict[str, int]:
    """Slot names to amounts: a JSON object such as {"cash:USD": "12000000", "position:BTC-PERP": "-3"}.

    Amounts are whole numbers in the slot's unit, as strings or numbers. Raises LocalFault MALFORMED.
    """
    try:
        found = read_json(data, dict[str, str | int])
        return {name: int(amount) for name, amount in found.items()}
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise LocalFault(BaseCode.MALFORMED, "holdings", why=str(error)[:200]) from None


def report_text(report: VerificationReport) -> str:
    """The report as text: what is not shown, each check with what it means, the claim, and what is not proven."""
    lines = [*_not_shown(report), ""]
    for check in report.checks:
        standing = ("ok  " if check.complete else "open") if check.ok else "FAIL"
        lines.append(f"{standing} {check.name:<16} {check.detail}")
        if check.ok and check.complete and check.meaning:
            lines.append(f"{'':22}{check.meaning}")
    lines += [f"--   {name:<16} not run" for name in report.not_run]
    lines.append("")
    lines.append(report.claim if report.ok else "NOT VERIFIED: see above.")
    if report.not_proven:
        lines += ["", "Not proven:", *(f"  - {limit}" for limit in report.not_proven)]
    lines += ["", f"network {report.network or 'unknown'}, {report.bytes} bytes, {_spent_text(report)}"]
    return "\n".join(lines)


def _spent_text(report: VerificationReport) -> str:
    """What the check took, as far as it was measured."""
    parts = [f"{report.seconds:.3f} s"]
    parts += [f"{report.cpu_seconds:.3f} s of CPU"] if report.cpu_seconds else []
    parts += [f"at most {report.peak_bytes / 2**20:.0f} MiB of memory"] if report.peak_bytes else []
    return ", ".join(parts)


def _not_shown(report: VerificationReport) -> list[str]:
    """First what a reader must know who reads one line only: what failed, or what stays open."""
    failed = next((check for check in report.checks if not check.ok), None)
    if failed is not None:
        lines = [f"NOT VERIFIED: check `{failed.name}` failed; trust nothing in this file."]
        return [*lines, f"`crossclear explain {failed.code.split()[0]}` says what to do."] if failed.code else lines
    still_open = [f"  - {check.name}: {check.detail}" for check in report.checks if not check.complete]
    if not report.ok:
        label = ProofCode.CHECK_OPEN.label
        return [f"NOT VERIFIED ({label}): with --strict, no check may stay open:", *still_open]
    if UNTRUSTED in report.not_proven:
        still_open = [f"  - {UNTRUSTED}", *still_open]
    if not still_open:
        return ["Every check is complete. What they cannot show is named at the end."]
    return ["NOT SHOWN:", *still_open, "  - and what is named at the end"]


def reports_text(reports: Sequence[VerificationReport]) -> str:
    """One report as text, or several under the names of their files."""
    if len(reports) == 1:
        return report_text(reports[0])
    return "\n\n".join(f"{report.file}\n{report_text(report)}" for report in reports)


def package_file(path: Path) -> FileBytes:
    """A package's file. Raises LocalFault for an unreadable path."""
    return FileBytes(str(path), read_limited(path, PACKAGE_BYTES_MAX))


def read_limited(path: Path, limit: int) -> bytes:
    """At most `limit` + 1 bytes, so that what is too long is refused as such by the decoder."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise LocalFault(BaseCode.MALFORMED, str(path), why=error.strerror or "unreadable") from None


def read_hex32(path: Path) -> bytes:
    """The 32 bytes of a secret file of 64 hex digits, mode 0600. Raises LocalFault MALFORMED, KEY_PERMISSIONS."""
    data = read_secret(path)
    try:
        seed = bytes.fromhex(data.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        seed = b""
    if len(seed) != 32:
        raise LocalFault(BaseCode.MALFORMED, str(path), why="expected 64 hex digits")
    return seed
