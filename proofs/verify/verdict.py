"""`Verdict`: one named result per check, and the conclusion of all of them.

Rule: checks run in a fixed order and stop at the first that fails, whose name is the answer; bad input never raises. It
must not know what is checked. The caller brings the clock that measures seconds: a verifier has none. Text from a
hostile file reaches a terminal only as printable characters of bounded length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from clearing.base.errors import CodeBook, CrossclearError
from clearing.base.plain_text import one_line
from proofs.epoch.package import EpochPackage
from proofs.errors import Inconclusive

DETAIL_MAX = 2000
"""Characters of a check's detail, or of one sentence."""

Clock = Callable[[], float]
"""Seconds since any moment, such as `time.perf_counter`."""
Attested = tuple[str, int | str]
"""The name of a value that rests on somebody's word, and the value: a whole number, or a hash in hexadecimal."""
NamedCheck = tuple[str, Callable[[], str]]
"""A check's stable name, and the call that returns its result as text or raises `VerificationFailed`."""


@dataclass(frozen=True)
class CheckResult:
    """One check: its stable name, whether it passed, its result as text; the stable code if it failed."""

    name: str
    ok: bool
    detail: str
    code: CodeBook | None = None
    seconds: float = 0.0
    complete: bool = True
    """False if nothing is wrong, but not all that the check means is proven."""


@dataclass(frozen=True)
class OwnAccount:
    """What a member knows of itself: its account, its values for all slots but the auxiliary ones, its seed of the
    epoch, and the address that owns the account."""

    account: int
    values: tuple[int, ...]
    seed: bytes = field(repr=False)
    owner: bytes = bytes(20)
    """Zeros: an account of the ledger itself, such as the one of the members' contributions."""


@dataclass(frozen=True)
class Verdict:
    """The outcome: the checks up to and including the first that failed; claim and limits as text."""

    checks: tuple[CheckResult, ...]
    height: int = 0
    """Height of the snapshot; 0 when the file could not be read."""
    network: bytes = b""
    claim: str = ""
    """Empty unless every check passed."""
    not_proven: tuple[str, ...] = ()
    epoch: int = 0
    not_run: tuple[str, ...] = ()
    """Names of the checks that the failed one stopped."""
    attested: tuple[Attested, ...] = ()
    """What stays somebody's word (`proofs.verify.attestations`). Empty unless every check passed."""
    package: EpochPackage | None = field(default=None, repr=False, compare=False)
    """What was read, believed or not; None when the file could not be read."""

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> str | None:
        """Name of the check that failed."""
        return next((check.name for check in self.checks if not check.ok), None)


def run_checks(checks: Sequence[NamedCheck], clock: Clock | None = None) -> tuple[CheckResult, ...]:
    """Run them in order, up to and including the first that fails."""
    results: list[CheckResult] = []
    for name, check in checks:
        started = clock() if clock is not None else 0.0
        try:
            found = passed(name, check())
        except CrossclearError as fault:
            found = failed(name, fault)
        seconds = clock() - started if clock is not None else 0.0
        results.append(replace(found, seconds=seconds))
        if not found.ok:
            break
    return tuple(results)


def passed(name: str, detail: str) -> CheckResult:
    """A check that passed, and its result as text."""
    return CheckResult(name, ok=True, detail=printable(detail), complete=not isinstance(detail, Inconclusive))


def failed(name: str, fault: CrossclearError, where: str = "") -> CheckResult:
    """A check that failed: the fault's text and code."""
    return CheckResult(name, ok=False, detail=printable(where + str(fault)), code=fault.code)


def printable(text: str) -> str:
    """Without control characters and invisible marks, which a hostile file could steer a terminal with."""
    cut = text if len(text) <= DETAIL_MAX else text[:DETAIL_MAX] + "…"
    return one_line(cut)
