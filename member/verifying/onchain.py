"""One account's solvency for contracts: join signed keys of an epoch, prove an account under them, make the calldata.

Rule: a member proves only under keys that a quorum signed. Files are hostile; packages are judged as by `verify`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.margin.statement.snapshot import AccountHoldings
from member.verifying.package import (
    FileBytes,
    OwnAccountFiles,
    TrustAnchor,
    read_hex32,
    read_limited,
    read_own_account,
    words_of,
)
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import Inconclusive, ProofCode
from proofs.onchain.file import (
    ACCOUNT_BYTES_MAX,
    FILE_BYTES_MAX,
    OnchainEpoch,
    account_file,
    certificate_of,
    check_account_file,
    check_file,
    good_shares,
    join_files,
    prove_certified_account,
    read_account_file,
    read_epoch_file,
    with_good_shares,
    write_file,
)
from proofs.onchain.keys import account_witness, epoch_statement
from proofs.onchain.presentation import Audience, present
from proofs.verify.attestations import attested
from proofs.verify.freshness import freshness_limits
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.verdict import printable

if TYPE_CHECKING:
    from bridge.contracts.solvency_verifier import ProvenAccount
    from bridge.relay.solvency_sender import SolvencySender


class JudgedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What reports about keys and about accounts under them end with."""

    open: dict[str, str] = {}
    """What found nothing wrong and could not show all that it is there to show, and why."""
    attested: dict[str, str] = {}
    """Values behind the rows that are the quorum's word, by name, as far as a package was given."""
    not_proven: tuple[str, ...] = ()
    """What is not known of the package's age, and who says that its set is in force."""
    strict: bool = False
    """Whether something open that is not allowed makes `ok` false."""
    may_stay_open: tuple[str, ...] = ()
    ok: bool = False
    """Whether the report's own claim holds, and nothing that is open counts."""

    @property
    def _is_good(self) -> bool:
        """Whether the report's own claim holds."""
        return True

    @property
    def refused(self) -> tuple[str, ...]:
        """What is open and counts."""
        return tuple(name for name in self.open if self.strict and name not in self.may_stay_open)

    def judged(self, *, strict: bool, allowed: Sequence[str] = ()) -> Self:
        """The same with its conclusion; strictly, what is open and not allowed fails it."""
        stated = msgspec.structs.replace(self, strict=strict, may_stay_open=tuple(allowed))
        return msgspec.structs.replace(stated, ok=self._is_good and not stated.refused)


class EpochReport(JudgedReport, frozen=True):
    """What is known of an epoch's keys."""

    epoch: int
    accounts: int
    keys: str
    """Hash of the keys, as the contract keeps it."""
    commitments_root: str
    signed_power: int
    total_power: int
    certified: bool
    anchored: bool
    """Whether network and validator set are those that the caller trusts, and not the file's own."""

    @property
    def _is_good(self) -> bool:
        return self.certified


class AccountReport(JudgedReport, frozen=True):
    """An account's file under keys that somebody trusts."""

    epoch: int
    account: int
    shortfall: int
    keys: str
    bytes: int
    chain_id: int
    verifier: str
    caller: str
    purpose: str
    """Of whom and for what the account's own key signed; another caller's use is refused."""
    certified: bool = False
    """Whether a quorum of the package's set signed the keys, as far as a package was given."""
    anchored: bool = False
    """Whether network and validator set of that package are those that the caller trusts."""

    def under(self, epoch: EpochReport | None) -> "AccountReport":
        """The same with what is known of the keys: that a quorum signed them, or that they are a file's own word.

        Raises RemoteFault UNDER_QUORUM for keys that no quorum signed.
        """
        if epoch is None:
            return msgspec.structs.replace(self, open={"certificate": _KEYS_OF_A_FILE})
        if not epoch.certified:
            raise RemoteFault(BaseCode.UNDER_QUORUM, "epoch keys", power=epoch.signed_power, total=epoch.total_power)
        return msgspec.structs.replace(
            self,
            certified=True,
            anchored=epoch.anchored,
            open=epoch.open,
            attested=epoch.attested,
            not_proven=(*self.not_proven, *epoch.not_proven),
        )


class Calldata(msgspec.Struct, frozen=True):
    """Of one call of the contract `SolvencyVerifier`, hex."""

    function: str
    data: str


@dataclass(frozen=True, slots=True)
class PublicPart:
    """A package whose public part is valid, and what its checks left open, and to whose word, each by name."""

    package: EpochPackage
    open: dict[str, str]
    attested: dict[str, str]
    not_proven: tuple[str, ...]


def checked_package(file: FileBytes, anchor: TrustAnchor) -> PublicPart:
    """A package whose public part is valid: certificate, roots, freshness, statement, rules. Raises RemoteFault."""
    package = read_package(file.data)
    checks = PackageChecks(
        package, anchor.network, anchor.validators_hash, genesis=anchor.genesis, freshness=anchor.freshness
    ).of_public_part()
    found = {name: check() for name, check in checks}
    still_open = {name: printable(why) for name, why in found.items() if isinstance(why, Inconclusive)}
    words = words_of(attested(package, of_account=True, genesis=anchor.genesis), anchor)
    limits = freshness_limits(anchor.freshness, trusted=anchor.validators_hash is not None)
    return PublicPart(package, still_open, words, limits)


def read_epoch(path: Path) -> OnchainEpoch:
    """An epoch's file. Raises RemoteFault, LocalFault."""
    return read_epoch_file(read_limited(path, FILE_BYTES_MAX))


def join_epochs(paths: Sequence[Path], package: EpochPackage) -> OnchainEpoch:
    """One file with all shares, its keys derived again. Raises RemoteFault KEYS_DIFFER.

    Of the package's set only good shares count, so that a false one takes nobody's place.
    """
    joined = join_files([with_good_shares(read_epoch(path), package.validators) for path in paths])
    check_file(joined, package)
    return joined


def report_of_epoch(epoch: OnchainEpoch, checked: PublicPart, *, anchored: bool) -> EpochReport:
    """Derive the keys again and count who signed. Raises RemoteFault KEYS_DIFFER, BAD_STATEMENT."""
    package = checked.package
    check_file(epoch, package)
    power = sum(package.validators.validators[index].power for index in good_shares(epoch, package.validators))
    return EpochReport(
        epoch=epoch.keys.epoch,
        accounts=epoch.keys.accounts,
        keys=epoch.keys.hash.hex(),
        commitments_root=epoch.keys.commitments_root.hex(),
        signed_power=power,
        total_power=package.validators.total_power,
        certified=package.validators.is_quorum(power),
        anchored=anchored,
        open=checked.open,
        attested=checked.attested,
        not_proven=checked.not_proven,
    )


def prove_own_account(
    epoch: OnchainEpoch, package: EpochPackage, own: OwnAccountFiles, data: bytes, audience: Audience
) -> bytes:
    """The proof of the own account for a contract, presented to an audience; `data` is the package's.

    Raises RemoteFault UNDER_QUORUM for keys that no quorum signed, KEYS_DIFFER; LocalFault WITNESS_OUT_OF_RANGE,
    NOT_INCLUDED.
    """
    check_file(epoch, package)
    certificate = certificate_of(epoch, package.validators)
    account = read_own_account(data, own)
    index = next((i for i, leaf in enumerate(epoch.leaves) if leaf.account == own.account), None)
    if account is None or index is None:
        raise LocalFault(ProofCode.NOT_INCLUDED, f"account {own.account}", accounts=len(epoch.leaves))
    statement = epoch_statement(package.statement, package.commitments, package.domain)
    holdings = AccountHoldings(own.account, account.values, epoch.leaves[index].shortfall, owner=own.owner)
    witness = account_witness(package.statement, statement.linear.layout, holdings, account.seed)
    _, proof = prove_certified_account(
        statement, epoch.all_leaves, index, witness, account.seed, certificate, package.validators, epoch.time_s
    )
    shown = present(audience, epoch.keys.hash, epoch.all_leaves[index], account.seed, statement.linear.context)
    proven = account_file(epoch, index, proof, shown)
    check_account_file(proven)
    return write_file(proven)


def check_account(path: Path, keys_hash: bytes) -> AccountReport:
    """Check an account's file under keys of this hash. Raises RemoteFault KEYS_DIFFER, WRONG_ROOT, PROOF_REFUSED."""
    data = read_limited(path, ACCOUNT_BYTES_MAX)
    proven = read_account_file(data)
    if proven.keys.hash != keys_hash:
        raise RemoteFault(ProofCode.KEYS_DIFFER, "account's file", proven=proven.keys.hash, trusted=keys_hash)
    check_account_file(proven)
    audience = proven.presentation.audience
    return AccountReport(
        epoch=proven.keys.epoch,
        account=proven.leaf.account,
        shortfall=proven.leaf.shortfall,
        keys=proven.keys.hash.hex(),
        bytes=len(data),
        chain_id=audience.chain_id,
        verifier="0x" + audience.verifier.hex(),
        caller="0x" + audience.caller.hex(),
        purpose=audience.purpose.hex(),
        not_proven=_NOT_PROVEN,
    )


def calldata_of_epoch(epoch: OnchainEpoch, package: EpochPackage) -> Calldata:
    """The call that certifies an epoch's keys. Raises RemoteFault UNDER_QUORUM, KEYS_DIFFER."""
    from bridge.contracts.solvency_verifier import certify_call

    check_file(epoch, package)
    certificate = certificate_of(epoch, package.validators)
    data = certify_call(epoch.keys.words, epoch.time_s, certificate.signers, certificate.aggregate)
    return Calldata("certify", "0x" + data.hex())


def calldata_of_account(path: Path) -> Calldata:
    """The call that proves an account; the contract checks it. Raises RemoteFault."""
    from bridge.contracts.solvency_verifier import show_call

    return Calldata("show", "0x" + show_call(_proven_account(path)).hex())


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to, and who pays."""

    url: str
    verifier: bytes
    key_file: Path


async def send_epoch(epoch: OnchainEpoch, package: EpochPackage, target: Target) -> str:
    """Certify an epoch's keys at a contract; the transaction's hash, or nothing when it has them.

    Raises RemoteFault UNDER_QUORUM, KEYS_DIFFER, KEYS_ASTRAY, TRANSACTION_REVERTED.
    """
    data = bytes.fromhex(calldata_of_epoch(epoch, package).data[2:])
    async with _sender(target) as sender:
        mined = await sender.certify(epoch.keys.epoch, epoch.keys.hash, data)
    return "" if mined is None else mined.hash.hex()


async def send_account(path: Path, target: Target) -> str:
    """Show an account to a contract; the transaction's hash. Raises RemoteFault TRANSACTION_REVERTED."""
    proven = _proven_account(path)
    async with _sender(target) as sender:
        return (await sender.show(proven)).hash.hex()


@asynccontextmanager
async def _sender(target: Target) -> "AsyncIterator[SolvencySender]":
    from bridge.evm.hexadecimal import read_quantity
    from bridge.relay.solvency_sender import SolvencySender
    from bridge.relay.transactions import Sender
    from bridge.rpc.endpoint import Endpoint

    secret = read_hex32(target.key_file)
    async with Endpoint(target.url) as endpoint:
        chain_id = read_quantity(await endpoint.call("eth_chainId"), "eth_chainId", 63)
        yield SolvencySender(endpoint, Sender(endpoint, chain_id, secret), target.verifier)


def _proven_account(path: Path) -> "ProvenAccount":
    from bridge.contracts.solvency_verifier import ProvenAccount

    proven = read_account_file(read_limited(path, ACCOUNT_BYTES_MAX))
    shown = proven.presentation
    presentation = (shown.audience.purpose, shown.r, shown.vs)
    words, leaf = proven.keys.words, proven.leaf.leaf.words
    return ProvenAccount(words, leaf, proven.index, proven.path, proven.proof, presentation)


def epoch_report_text(report: EpochReport) -> str:
    """What is open, who certified the keys, and what was not trusted."""
    shown = _open_text(report)
    state = "certified by" if report.certified else "NOT certified: signed by only"
    limit = (
        ""
        if report.anchored
        else (
            "\nnothing but the files themselves was trusted: pass --genesis, or --network with --validators-hash, or "
            "anybody may have made them"
        )
    )
    return (
        f"{shown}epoch {report.epoch}, {report.accounts} accounts\n"
        f"keys {report.keys}, derived again from the leaves and the statement\n"
        f"{state} {report.signed_power} of {report.total_power} power{limit}\n"
        f"Not proven:{_listed(report.not_proven)}"
    )


def _listed(limits: Sequence[str]) -> str:
    return "".join(f"\n  - {limit}" for limit in limits)


def _open_text(report: EpochReport | AccountReport) -> str:
    """What stays open, as first lines; empty where nothing does."""
    still_open = [f"  - {name}: {why}" for name, why in report.open.items()]
    label = ProofCode.CHECK_OPEN.label
    first = f"NOT VERIFIED ({label}): with --strict, no check may stay open:" if report.refused else "NOT SHOWN:"
    return "\n".join([first, *still_open, ""]) if still_open else ""


_KEYS_OF_A_FILE = (
    "who signed the keys was not checked: they are the word of the epoch's file, and anybody can make such a file; "
    "pass --package with --genesis, or --keys with the hash that the contract keeps"
)
_NOT_PROVEN = (
    "How old the keys are: the account's file states no time; the contract keeps one.",
    "That who shows the file is the caller that it is for, and the purpose the one that is asked for: compare both.",
    "Who owns the account: anybody who knows its seed can present it.",
)


def account_report_text(report: AccountReport) -> str:
    """What is open, what an account's file proves, and under which keys."""
    shown, limits = _open_text(report), _listed(report.not_proven)
    signed = (
        "which a quorum signed"
        if report.certified
        else "which a quorum is trusted to have signed: `onchain check` derives them again"
    )
    short = f", short by a public {report.shortfall}" if report.shortfall else ""
    return (
        f"{shown}account {report.account} meets every row of epoch {report.epoch}{short}\n"
        f"under keys {report.keys}, {signed}\n"
        f"for caller {report.caller} of contract {report.verifier} on chain {report.chain_id}, "
        f"purpose {report.purpose}\n"
        f"Not proven:{limits}"
    )
