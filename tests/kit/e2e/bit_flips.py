"""One random bit of each byte, flipped: which check refuses it. Importable by worker processes.

Rule: a check whose inputs are the good package's is not run again: what it found then is where the others go on from.
Each place of a sample is judged by the whole verifier too, and both must name the same check.
"""

import random
from collections.abc import Sequence
from copy import copy

import msgpack

from clearing.base.errors import CrossclearError, RemoteFault
from proofs.epoch.package import EpochPackage, read_package
from proofs.verify.package_verifier import PackageChecks, verify_package

CHECKS = (
    "encoding",
    "certificate",
    "sizes",
    "roots",
    "statement",
    "ranges_and_rows",
    "matched_book",
    "reserves",
    "custody",
    "cover",
    "house",
    "rules",
)
OF_THE_COMMAND = (*CHECKS[:4], "freshness", *CHECKS[4:])
"""The command knows the time."""
FIRST_READ = {
    "header": "certificate",
    "certificate": "certificate",
    "validators": "certificate",
    "domain": "roots",
    "statement": "sizes",
    "commitments": "roots",
    "srs": "statement",
    "proof": "ranges_and_rows",
    "book": "matched_book",
    "custody": "custody",
    "cover": "cover",
    "house": "house",
}
"""The first check that reads each part of a package; all that come after it are run. `sizes` reads lengths only, which
one bit of a proof does not change."""
SAMPLE = 50
"""Of so many places one is judged by the whole verifier, too."""
SEED = 20_200_312


def flipped(data: bytes, at: int) -> bytes:
    """The byte at `at` with the one bit changed that the seed chooses for it."""
    forged = bytearray(data)
    forged[at] ^= 1 << random.Random(f"{SEED}/{at}").randrange(8)
    return bytes(forged)


def failing_checks(data: bytes, network: bytes, validators_hash: bytes, places: Sequence[int]) -> list[str]:
    """For each place the name of the check that refuses the flipped package; empty for one that was believed."""
    good = Good(data, network, validators_hash)
    found = []
    for number, at in enumerate(places):
        forged = flipped(data, at)
        name = good.failing(forged)
        if number % SAMPLE == 0 or not name:
            verdict = verify_package(forged, network=network, validators_hash=validators_hash)
            whole = "" if verdict.ok else verdict.failed
            assert name == whole, f"byte {at}: {name}, and the whole verifier says {whole}"
        found.append(name)
    return found


class Good:
    """A package that verifies, and where its checks stood before each of them."""

    def __init__(self, data: bytes, network: bytes, validators_hash: bytes) -> None:
        self.package = read_package(data)
        checks = PackageChecks(self.package, network, validators_hash)
        self.before: dict[str, PackageChecks] = {}
        for name, check in checks.in_order():
            self.before[name] = _standing(checks, self.package)
            check()

    def failing(self, forged: bytes) -> str:
        """The check that refuses these bytes; empty if none does."""
        try:
            package = read_package(forged)
        except RemoteFault:
            return "encoding"
        first = min((CHECKS.index(FIRST_READ[name]) for name in self._changed(package)), default=1)
        checks = _standing(self.before[CHECKS[first]], package)
        for name, check in checks.in_order()[first - 1 :]:
            try:
                check()
            except CrossclearError:
                return name
        return ""

    def _changed(self, package: EpochPackage) -> list[str]:
        return [name for name in FIRST_READ if getattr(package, name) != getattr(self.package, name)]


def _standing(checks: PackageChecks, package: EpochPackage) -> PackageChecks:
    """The same checks at the same place, of this package; what they find from here on is their own."""
    found = copy(checks)
    found.package, found.points, found.transcript = package, list(checks.points), copy(checks.transcript)
    return found


def is_malformed(data: bytes) -> bool:
    """Whether another reader of MessagePack cannot read these bytes, or would write them differently."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
        written: bytes = msgpack.packb(value, use_bin_type=True)
    except (ValueError, TypeError, msgpack.UnpackException):
        return True
    return written != data
