"""The standalone proof (`.ccs`): one account of a certified epoch meets its requirement, in 500 bytes.

Rule: it proves nothing without the package that its C_W is certified in, and is bound to that package's commitments
root, so to one network, epoch, state and rule book; the joint proof is not needed for it. Reading is exact: magic,
C_W, proof, and not a byte more. C_W names the account, for a list with one C_W twice is refused. It must not
import provers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.hashing import tagged_hash
from proofs.algebra.group import POINT_BYTES
from proofs.epoch.package import EpochPackage, commitments_root, read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COLUMNS_MAX, ProofLayout
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify_batch
from proofs.statement.arithmetization import layout_of
from proofs.verify.attestations import attested
from proofs.verify.claim_text import attested_limit, claim_of_account, limits_of_account
from proofs.verify.freshness import Freshness, freshness_limits
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.verdict import CheckResult, Clock, Verdict, failed, passed, printable, run_checks

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis

CHECKS = ("encoding", "certificate", "roots", "statement", "rules", "listed", "solvency")
"""Where a time is stated, `freshness` follows `roots`."""
MAGIC = b"ccs\x01"
"""Format and version."""
CONTEXT_TAG = "crossclear/standalone/v1"
STANDALONE_BYTES_MAX = len(MAGIC) + POINT_BYTES + part_bytes(COLUMNS_MAX) + TAIL_BYTES
_LENGTHS = frozenset(len(MAGIC) + POINT_BYTES + part_bytes(1 + c) + TAIL_BYTES for c in range(COLUMNS_MAX))


@dataclass(frozen=True)
class StandaloneProof:
    """The content of the file."""

    commitment: bytes
    """C_W, 48 bytes: which account of which epoch."""
    proof: bytes
    """The linear proof of that one account."""


def write_standalone(proof: StandaloneProof) -> bytes:
    """The bytes of the file: 500 for a layout of one column, 128 more for each further one."""
    return MAGIC + proof.commitment + proof.proof


def read_standalone(data: bytes) -> StandaloneProof:
    """Read a file. Raises RemoteFault OVERSIZE, MALFORMED; the points inside stay encoded."""
    if len(data) > STANDALONE_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "standalone proof", bytes=len(data), limit=STANDALONE_BYTES_MAX)
    if not data.startswith(MAGIC):
        raise RemoteFault(BaseCode.MALFORMED, "standalone proof", magic=data[: len(MAGIC)], expected=MAGIC)
    if len(data) not in _LENGTHS:
        raise RemoteFault(BaseCode.MALFORMED, "standalone proof", bytes=len(data))
    split = len(MAGIC) + POINT_BYTES
    return StandaloneProof(data[len(MAGIC) : split], data[split:])


@dataclass(frozen=True)
class AccountStatements:
    """The standalone statements of a package's accounts; what they share is computed once."""

    package: EpochPackage

    @cached_property
    def _layout(self) -> ProofLayout:
        return layout_of(self.package.statement, self.package.domain)

    @cached_property
    def _context(self) -> bytes:
        # Differs from the joint proof's context: neither can pass as the other.
        root = commitments_root(self.package.statement, self.package.commitments, self.package.domain)
        return tagged_hash(CONTEXT_TAG, root)

    @cached_property
    def _listed(self) -> dict[int, bytes]:
        return dict(self.package.commitments)

    @cached_property
    def _accounts(self) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for account, commitment in self.package.commitments:
            found.setdefault(commitment, []).append(account)
        return found

    def account_of(self, commitment: bytes) -> int:
        """The one account that is listed with this C_W. Raises VerificationFailed NOT_INCLUDED, BLINDERS_REUSED."""
        found = self._accounts.get(commitment, [])
        if not found:
            raise VerificationFailed(
                ProofCode.NOT_INCLUDED, "certified list", commitment=commitment, accounts=len(self._listed)
            )
        if len(found) > 1:
            raise VerificationFailed(ProofCode.BLINDERS_REUSED, "certified list", account=found[0], other=found[1])
        return found[0]

    def of(self, account: int) -> LinearStatement:
        """What the proof of one account is about. Raises VerificationFailed NOT_INCLUDED, BAD_LAYOUT."""
        commitment = self._listed.get(account)
        if commitment is None:
            raise VerificationFailed(ProofCode.NOT_INCLUDED, f"account {account}", accounts=len(self._listed))
        return LinearStatement(
            layout=self._layout,
            context=self._context,
            accounts=(account,),
            shortfalls=(dict(self.package.statement.shortfalls).get(account, 0),),
            commitments=(commitment,),
        )


def verify_standalone(
    data: bytes,
    package: bytes,
    *,
    network: bytes | None = None,
    validators_hash: bytes | None = None,
    genesis: "Genesis | None" = None,
    clock: Clock | None = None,
    freshness: Freshness | None = None,
) -> Verdict:
    """Check one standalone proof against the bytes of its package; never raises for bad input.

    encoding → certificate → roots → freshness (where stated) → statement → rules (of the package) → listed → solvency
    (of the account). The trusted values are as in `proofs.verify.package_verifier.verify_package`.
    """
    return verify_standalones(
        [data],
        package,
        network=network,
        validators_hash=validators_hash,
        genesis=genesis,
        clock=clock,
        freshness=freshness,
    )[0]


def verify_standalones(
    files: Sequence[bytes],
    package: bytes,
    *,
    network: bytes | None = None,
    validators_hash: bytes | None = None,
    genesis: "Genesis | None" = None,
    clock: Clock | None = None,
    freshness: Freshness | None = None,
) -> list[Verdict]:
    """A verdict on each of many proofs against one package, all pairings in one batch; never raises for bad input.

    The package's own checks and the batch count with the first of the files.
    """
    try:
        read = read_package(package)
    except RemoteFault as fault:
        return [Verdict((failed("encoding", fault, "package: "),))] * len(files)
    checks = PackageChecks(read, network, validators_hash, genesis=genesis, freshness=freshness)
    common = run_checks(checks.of_public_part(), clock)
    claims = _Claims(AccountStatements(read), common, freshness, genesis)
    for data in files:
        claims.add(data)
    started = clock() if clock is not None else 0.0
    claims.decide()
    seconds = clock() - started if clock is not None else 0.0
    known = {"trusted": validators_hash is not None, "with_genesis": genesis is not None}
    return [claims.verdict(index, seconds if index == 0 else 0.0, known) for index in range(len(files))]


def _checks(freshness: Freshness | None) -> tuple[str, ...]:
    """The names of all checks, in order."""
    return CHECKS if freshness is None else (*CHECKS[:3], "freshness", *CHECKS[3:])


class _Claims:
    """Files, what each claims, and the batch's answers."""

    def __init__(
        self,
        statements: AccountStatements,
        common: tuple[CheckResult, ...],
        freshness: Freshness | None,
        genesis: "Genesis | None",
    ) -> None:
        self._statements = statements
        self._freshness = freshness
        self._genesis = genesis
        self._common = common
        self._good = all(check.ok for check in common)
        self._results: list[list[CheckResult]] = []
        self._open: dict[int, tuple[LinearStatement, bytes]] = {}

    def add(self, data: bytes) -> None:
        """Read a file and find its account."""
        index = len(self._results)
        try:
            proof = read_standalone(data)
        except RemoteFault as fault:
            self._results.append([failed("encoding", fault)])
            return
        self._results.append([passed("encoding", f"{len(data)} bytes"), *self._common])
        if not self._good:  # an uncertified statement is not worth building
            return
        try:
            account = self._statements.account_of(proof.commitment)
            self._open[index] = (self._statements.of(account), proof.proof)
            found = passed("listed", f"the proof is about account {account}")
        except CrossclearError as fault:
            found = failed("listed", fault)
        self._results[index].append(found)

    def decide(self) -> None:
        """All pairings at once."""
        for index, refused in zip(self._open, verify_batch(list(self._open.values())), strict=True):
            good = passed("solvency", "every slot and row of this account lies in its range")
            self._results[index].append(good if refused is None else failed("solvency", refused))

    def verdict(self, index: int, seconds: float, known: Mapping[str, bool]) -> Verdict:
        """The answer on one file; `seconds` of the batch go to its last check."""
        results = self._results[index]
        results[-1] = replace(results[-1], seconds=results[-1].seconds + seconds)
        package = self._statements.package
        stated = package.statement
        verdict = Verdict(
            tuple(results),
            height=stated.height,
            network=stated.network,
            epoch=stated.epoch,
            not_run=_checks(self._freshness)[len(results) :],
            package=package,
        )
        if not verdict.ok:
            return verdict
        claim = claim_of_account(package, *self._claimed(index))
        words = attested(package, of_account=True, genesis=self._genesis)
        limits = (
            *limits_of_account(package, **known),
            *freshness_limits(self._freshness, trusted=known["trusted"]),
            attested_limit(words),
        )
        return replace(verdict, claim=claim, not_proven=tuple(map(printable, limits)), attested=words)

    def _claimed(self, index: int) -> tuple[int, int]:
        statement, _ = self._open[index]
        return statement.accounts[0], statement.shortfalls[0]
