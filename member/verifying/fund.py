"""`crossclear fund verify`: an epoch package and the opened account of the contributions, offline.

Rule: the package is checked as always, with the opening as an own account; one more check compares. What the opening
states is trusted only as far as the certified list confirms it.
"""

import time
from pathlib import Path

import msgspec

from clearing.base.errors import BaseCode, CrossclearError, LocalFault, RemoteFault
from clearing.base.plain_json import read_json
from clearing.margin.statement.snapshot import RiskStatement
from member.api.proofs import FundOpening
from member.verifying.package import Checked, FileBytes, TrustAnchor, VerificationReport, read_limited, report_of
from proofs.epoch.package import read_package
from proofs.verify.inclusion import check_contributions, own_account
from proofs.verify.verdict import OwnAccount, printable

OPENING_BYTES_MAX = 1 << 20
MEANING = (
    "What members contributed, with what the house's own fund bears, covers what the two largest members would lack in "
    "every stress scenario. Contributions are the cash of the one account that was opened."
)


def read_opening(data: bytes) -> FundOpening:
    """The opening out of anybody's bytes. Raises RemoteFault OVERSIZE, MALFORMED."""
    if len(data) > OPENING_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "opening", bytes=len(data), limit=OPENING_BYTES_MAX)
    try:
        return read_json(data, FundOpening)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "opening", why=str(error)[:200]) from None


def verify_fund(package: FileBytes, opening: Path, anchor: TrustAnchor) -> VerificationReport:
    """Check a package file and the fund's opening. Raises LocalFault for an unreadable path, RemoteFault MALFORMED."""
    started = time.perf_counter()
    data, opened = package.data, read_opening(read_limited(opening, OPENING_BYTES_MAX))
    own = _own_account(data, opened)
    verdict = anchor.verify(data, own)
    report = report_of(package.name, len(data), verdict, anchor, time.perf_counter() - started)
    if own is None or verdict.package is None or not verdict.ok:
        return report
    return report.with_check(_covered(verdict.package.statement, own))


def _covered(statement: RiskStatement, own: OwnAccount) -> Checked:
    try:
        return Checked("contributions", ok=True, detail=check_contributions(statement, own), meaning=MEANING)
    except CrossclearError as fault:
        code = f"{fault.code.label} {fault.code.name.lower()}"
        return Checked("contributions", ok=False, detail=printable(str(fault)), meaning=MEANING, code=code)


def _own_account(data: bytes, opening: FundOpening) -> OwnAccount | None:
    """The opened account in the package's slots; None when the package does not even parse."""
    try:
        package = read_package(data)
    except RemoteFault:
        return None
    if package.statement.epoch != opening.epoch:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "epoch", package=package.statement.epoch, opening=opening.epoch)
    holdings = {name: int(amount) for name, amount in opening.holdings.items()}
    return own_account(package, opening.account, holdings, bytes.fromhex(opening.seed), bytes(20))
