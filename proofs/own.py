"""What a member knows of itself, in the order of a package's slots.

Rule: holdings are told by slot names, such as `position:BTC-PERP`; what is not named is zero, and a name that the
package does not have is the caller's mistake. Nothing here is secret but holdings and seed, which go nowhere else.
"""

from collections.abc import Mapping

from clearing.base.errors import BaseCode, LocalFault
from clearing.margin.snapshot import RiskStatement
from proofs.package import EpochPackage
from proofs.verdict import OwnAccount, printable


def own_account(package: EpochPackage, account: int, holdings: Mapping[str, int], seed: bytes) -> OwnAccount:
    """An account by its holdings (slot name to whole units) and 32-byte seed. Raises LocalFault OUT_OF_RANGE."""
    return OwnAccount(account, values_in_slots(package.statement, holdings), seed)


def values_in_slots(statement: RiskStatement, holdings: Mapping[str, int]) -> tuple[int, ...]:
    """Amounts for all slots but the auxiliary ones, zero where none is named. Raises LocalFault for an unknown name."""
    names = [slot.name for slot in statement.slots if slot.is_public]
    for name in sorted(holdings.keys() - set(names)):
        raise LocalFault(BaseCode.OUT_OF_RANGE, "holdings", slot=name, slots=printable(", ".join(names)))
    return tuple(holdings.get(name, 0) for name in names)
