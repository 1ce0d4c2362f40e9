"""What is proven: commitments to holdings, the linear solvency proof, the epoch package and its verifier.

Rule: a verifier needs only the file. Nothing here knows networks, clocks or chains; only provers and workers may draw
randomness or start processes. Border type: `clearing.margin.statement.snapshot.RiskStatement`.

The names of `__all__` are the library: what other programs may build on (docs/explanation/verifying.md). Each is
imported when it is first used, so that a verifier loads no prover.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proofs.epoch.package import EpochPackage, read_package
    from proofs.errors import ProofCode, VerificationFailed
    from proofs.history.ordering import Finding
    from proofs.history.package_history import HistoryVerdict, PackageHistory, PackageResult
    from proofs.verify.file_view import view_of
    from proofs.verify.freshness import Freshness
    from proofs.verify.inclusion import own_account
    from proofs.verify.package_verifier import verify_package
    from proofs.verify.standalone import verify_standalone, verify_standalones
    from proofs.verify.standalone_prover import make_standalone
    from proofs.verify.verdict import CheckResult, OwnAccount, Verdict

__all__ = [
    "CheckResult",
    "EpochPackage",
    "Finding",
    "Freshness",
    "HistoryVerdict",
    "OwnAccount",
    "PackageHistory",
    "PackageResult",
    "ProofCode",
    "Verdict",
    "VerificationFailed",
    "make_standalone",
    "own_account",
    "read_package",
    "verify_package",
    "verify_standalone",
    "verify_standalones",
    "view_of",
]

_HOME = {
    "errors": ("ProofCode", "VerificationFailed"),
    "epoch.package": ("EpochPackage", "read_package"),
    "history.ordering": ("Finding",),
    "history.package_history": ("HistoryVerdict", "PackageHistory", "PackageResult"),
    "verify.inclusion": ("own_account",),
    "verify.standalone": ("verify_standalone", "verify_standalones"),
    "verify.standalone_prover": ("make_standalone",),
    "verify.verdict": ("CheckResult", "OwnAccount", "Verdict"),
    "verify.package_verifier": ("verify_package",),
    "verify.file_view": ("view_of",),
    "verify.freshness": ("Freshness",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"proofs.{module}"), name)
    raise AttributeError(f"module 'proofs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
