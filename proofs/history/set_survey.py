"""Which validator sets follow from a trusted one, by the headers of many packages, before anything dear is checked.

Rule: a set follows where a certified header of a set that follows names it as the next. Only headers that change the
set have their certificates checked. The order of the packages plays no part. What follows by this may still not be
linked: `proofs.history.ordering.link` decides, and this is never narrower.
"""

from clearing.base.errors import CrossclearError
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import PackageChecks


class SetSurvey:
    """Add every package, then ask."""

    def __init__(self, trusted: bytes) -> None:
        self._trusted = trusted
        self._changes: set[tuple[bytes, bytes]] = set()

    def add(self, data: bytes, network: bytes | None) -> None:
        """Note the change of the set, if the package has one and it is certified. Never raises for bad input."""
        try:
            package = read_package(data)
            change = package.header.validators_hash, package.header.next_validators_hash
            if change[0] != change[1] and change not in self._changes:
                PackageChecks(package, network).certificate()
                self._changes.add(change)
        except CrossclearError:  # `PackageHistory.add` says what is wrong with it
            return

    def follows(self, validators_hash: bytes) -> bool:
        """Whether the set is the trusted one or follows from it."""
        reached, grown = {self._trusted}, True
        while grown:
            further = {after for before, after in self._changes if before in reached} - reached
            grown = bool(further)
            reached |= further
        return validators_hash in reached
