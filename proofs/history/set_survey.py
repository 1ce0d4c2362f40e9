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
        self._reached = {trusted}
        """Itself and what follows from it."""
        self._after: dict[bytes, set[bytes]] = {}
        """The next sets that certified headers of each set name."""

    def add(self, data: bytes, network: bytes | None) -> None:
        """Note the change of the set, if the package has one and it is certified. Never raises for bad input."""
        try:
            package = read_package(data)
            before, after = package.header.validators_hash, package.header.next_validators_hash
            if before != after and after not in self._after.get(before, ()):
                PackageChecks(package, network).certificate()
                self.note(before, after)
        except CrossclearError:  # `PackageHistory.add` says what is wrong with it
            return

    def note(self, before: bytes, after: bytes) -> None:
        """A set names the next one. All notes together are O(changes), in whatever order they come."""
        self._after.setdefault(before, set()).add(after)
        fresh = [after] if before in self._reached else []
        while fresh:
            found = fresh.pop()
            if found not in self._reached:
                self._reached.add(found)
                fresh += self._after.get(found, ())

    def follows(self, validators_hash: bytes) -> bool:
        """Whether the set is the trusted one or follows from it."""
        return validators_hash in self._reached
