"""Many packages of one network together: checks that no single package allows.

Rule: `proofs.verify.package_verifier` checks every package first. Only what it proved counts then: its header if the
certificate is valid, its statement if the header carries it. A finding has a stable code, names the files, and
describes the conflict. Of each package only a summary is kept, so that a folder of any size needs little memory. Pure:
it reads no files.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from sys import intern
from typing import TYPE_CHECKING

from clearing.base.errors import CodeBook, CrossclearError, RemoteFault
from clearing.genesis.custody_listing import ListedCustody
from proofs.epoch.package import read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.history.blinder_reuse import ReuseSearch
from proofs.history.ordering import Entry, Finding, backwards, chain_conflicts, entry_of, equivocations, gaps, link
from proofs.history.set_survey import SetSurvey
from proofs.history.token_flows import outflow_limits
from proofs.history.transition import Movement, in_epochs, movements, reappeared, unexplained
from proofs.verify.freshness import Freshness, check_set_in_force, set_limits
from proofs.verify.package_verifier import PackageChecks, verify_package
from proofs.verify.verdict import Attested, Clock, Verdict, failed, printable, run_checks

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis

FINDINGS_MAX = 1000
"""Of one code, so that many findings that a caller allows hide no other."""

LIMITS = (
    "What each package by itself leaves open: see `crossclear verify`. JSON output lists the values that are the "
    "validators' word under each package's `attested`.",
    "An epoch after the last or before the first of these packages: nothing here proves whether there is one.",
    "Blinders are found reused where commitments or proof messages repeat, or where two commitments of one account "
    "differ by a small multiple of one slot; a reuse behind larger changes leaves no trace that anybody could search.",
    "What changed in prices and rules between epochs is not judged, nor which accounts claims moved between: only sums "
    "move by certified flows alone.",
    "That a withdrawal which is not paid yet, or came back unpaid, was asked for: it is not among the claims "
    "meanwhile. The owner of the account alone can see that, by its leaf.",
    "Claims are held against a genesis's limits of withdrawals between neighbouring epochs under the same limits "
    "alone, and across a change of a token's unit its dust may grow to the bound that its deposits set.",
)


@dataclass(frozen=True)
class PackageResult:
    """One file of a history."""

    name: str
    ok: bool
    """Whether every check of the package passed, judged by itself."""
    failed: str | None
    """Name of the check that failed."""
    detail: str
    epoch: int = 0
    height: int = 0
    """Of the snapshot."""
    certified_at: int = 0
    """Height of the header."""
    accounts: int = 0
    bytes: int = 0
    seconds: float = 0.0
    linked: bool = False
    """Whether its validator set leads from the trusted one, so that its signatures count."""
    open: tuple[str, ...] = ()
    """Checks that found nothing wrong and could not show all; whom to trust, the history itself says (`linked`)."""
    attested: tuple[Attested, ...] = ()
    """What stays somebody's word of a good package, as its own verdict names it."""


@dataclass(frozen=True)
class HistoryVerdict:
    """What all of them say together."""

    packages: tuple[PackageResult, ...]
    """In the order in which they were added."""
    findings: tuple[Finding, ...]
    network: bytes = b""
    epochs: tuple[int, ...] = ()
    """Epochs with a good package of a linked set, ascending."""
    not_proven: tuple[str, ...] = LIMITS
    movements: tuple[Movement, ...] = ()
    """How the claims on each token moved between good packages of a linked set, in order."""

    @property
    def ok(self) -> bool:
        """Whether there is a good package and nothing was found."""
        return bool(self.epochs) and not self.findings

    def besides(self, allowed: Sequence[ProofCode]) -> tuple[Finding, ...]:
        """The findings with other codes."""
        return tuple(finding for finding in self.findings if finding.code not in allowed)


@dataclass
class PackageHistory:
    """Add packages in any order, then `finish`.

    `network`, `validators_hash` (of the earliest package), `listed` (custody) and `genesis` are trusted;
    `terms_at` gives genesis as amended and its custody at a height, where amendments are known.
    `adopt`: follow a set that nothing links, after saying so. `thorough` searches for reused blinders behind two
    changed slots, too: a tenth of a second an account and epoch. `freshness`: the time at which all is judged; only the
    trusting period of the set counts, because a history is old by nature.
    """

    network: bytes | None = None
    validators_hash: bytes | None = None
    listed: frozenset[ListedCustody] | None = None
    genesis: "Genesis | None" = None
    adopt: bool = False
    thorough: bool = False
    clock: Clock | None = None
    terms_at: "Callable[[int], tuple[Genesis, frozenset[ListedCustody]]] | None" = None
    freshness: Freshness | None = None
    _results: list[PackageResult] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    _findings: list[Finding] = field(default_factory=list)
    _counts: Counter[CodeBook] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._reuse = ReuseSearch(thorough=self.thorough)
        self._accounts: dict[bytes, bytes] = {}
        self._sets: SetSurvey | None = None

    def survey(self, data: bytes) -> None:
        """Look at a package before any is added, so that sets are known whatever the order. Once it was called, `add`
        checks nothing of a package but its certificate where its set does not follow from the trusted one."""
        if self.validators_hash is not None and not self.adopt:
            self._sets = self._sets or SetSurvey(self.validators_hash)
            self._sets.add(data, self.network)

    def _judged(self, data: bytes) -> "tuple[Verdict, Genesis | None]":
        """The verdict, and the genesis that the package was compared with."""
        if self._sets is None:
            return self._verify(data)
        try:
            package = read_package(data)
        except RemoteFault as fault:
            return Verdict((failed("encoding", fault),)), None
        if self._sets.follows(package.header.validators_hash):
            return self._verify(data)
        first, *others = PackageChecks(package, self.network).in_order()
        not_run = tuple(name for name, _ in others)
        return Verdict(run_checks([first], self.clock), package=package, not_run=not_run), None

    def _verify(self, data: bytes) -> "tuple[Verdict, Genesis | None]":
        """The verdict, and the genesis that the package was compared with."""
        if self.terms_at is None:
            return verify_package(data, listed=self.listed, genesis=self.genesis, clock=self.clock), self.genesis
        try:
            genesis, listed = self.terms_at(read_package(data).statement.height)
        except RemoteFault as fault:
            return Verdict((failed("encoding", fault),)), None
        return verify_package(data, network=self.network, listed=listed, genesis=genesis, clock=self.clock), genesis

    def add(self, name: str, data: bytes) -> PackageResult:
        """Check one package by itself and keep its summary for the comparison. Never raises for bad input."""
        verdict, genesis = self._judged(data)
        package, last = verdict.package, verdict.checks[-1]
        good = verdict.ok and not verdict.not_run
        result = PackageResult(
            name=name,
            ok=good,
            failed=verdict.failed if not verdict.ok else None if good else last.name,
            detail=f"{len(verdict.checks)} checks passed" if good else _STRANGE if verdict.ok else last.detail,
            epoch=verdict.epoch,
            height=verdict.height,
            certified_at=package.header.height if package is not None else 0,
            accounts=len(package.commitments) if package is not None else 0,
            bytes=len(data),
            seconds=sum(check.seconds for check in verdict.checks),
            open=tuple(check.name for check in verdict.checks if not check.complete and check.name != "certificate"),
            # Names repeat in every package: one object each is enough.
            attested=tuple((intern(what), value) for what, value in verdict.attested) if good else (),
        )
        self._results.append(result)
        if not verdict.ok:
            self._note(Finding(last.code or ProofCode.PROOF_REFUSED, (name,), f"{last.name}: {last.detail}"))
        passed = {check.name for check in verdict.checks if check.ok}
        if package is None or "certificate" not in passed:
            return result
        self.network = package.header.network if self.network is None else self.network
        if package.header.network != self.network:
            self._note(Finding(ProofCode.WRONG_NETWORK, (name,), f"network {package.header.network.hex()}"))
            return result
        entry = entry_of(len(self._results) - 1, name, package, stated="roots" in passed, proven=good)
        # The accounts are mostly those of another epoch: one list of them is enough.
        same = self._accounts.setdefault(entry.accounts, entry.accounts)
        outflow = outflow_limits(genesis) if genesis is not None else None
        self._entries.append(replace(entry, accounts=same, outflow=outflow))
        if good:
            for detail, files in self._reuse.add(name, package):
                self._note(Finding(ProofCode.BLINDERS_REUSED, files, detail))
        return result

    def unreadable(self, name: str, fault: CrossclearError) -> None:
        """Note a file that could not even be read."""
        self._results.append(PackageResult(name, ok=False, failed="reading", detail=printable(str(fault))))
        self._note(Finding(fault.code, (name,), printable(str(fault))))

    def finish(self) -> HistoryVerdict:
        """Compare them all."""
        ordered = sorted(self._entries, key=lambda entry: (entry.height, entry.name))
        linked, strangers = link(ordered, self.validators_hash, adopt=self.adopt)
        stated = [entry for entry in linked if entry.stated]
        proven = in_epochs([entry for entry in stated if entry.proven])
        for found in (
            strangers,
            equivocations(linked),
            backwards(linked),
            chain_conflicts(stated),
            gaps([entry for entry in stated if entry.proven]),
            unexplained(proven),
            reappeared(proven),
        ):
            for finding in found:
                self._note(finding)
        limits = (*LIMITS, *self._judge_trust(linked))
        if self._reuse.full:
            limits = (*limits, _NOT_COMPARED)
        epochs = tuple(sorted({entry.epoch for entry in stated if entry.proven}))
        if epochs and epochs[0] > 1:  # epochs are numbered from 1, and each header has its own epoch's number
            closed = "Epoch 1" if epochs[0] == 2 else f"Epochs 1 to {epochs[0] - 1}"
            limits = (
                *limits,
                f"{closed} closed before the first of these packages, and no good package of it is here.",
            )
        believed = {entry.index for entry in linked}
        results = tuple(replace(result, linked=index in believed) for index, result in enumerate(self._results))
        moved = tuple(movements(proven))
        return HistoryVerdict(results, tuple(self._findings), self.network or b"", epochs, limits, moved)

    def _judge_trust(self, linked: Sequence[Entry]) -> tuple[str, ...]:
        """A finding where the trusted set was last known to be in force too long ago; what is left to the caller."""
        if self.validators_hash is None:
            return (_OWN_SET,)
        try:
            if self.freshness is not None:
                check_set_in_force(self.freshness)
        except VerificationFailed as fault:
            first = tuple(entry.name for entry in linked[:1])
            self._note(Finding(fault.code, first, printable(str(fault))))
        return set_limits(self.freshness, trusted=True)

    def _note(self, finding: Finding) -> None:
        self._counts[finding.code] += 1
        if self._counts[finding.code] <= FINDINGS_MAX:
            self._findings.append(finding)


_OWN_SET = "The first package's validator set is its own; compare its hash with one that you trust."
_STRANGE = "nothing was checked but its certificate: its validator set does not follow from the trusted one"
_NOT_COMPARED = "There are more commitments than are compared with each other: the last packages were left out of that."
