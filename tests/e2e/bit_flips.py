"""One random bit of each byte, flipped: which check refuses it. Importable by worker processes."""

import random
from collections.abc import Sequence

import msgpack
import msgspec

from clearing.base.errors import CrossclearError, RemoteFault
from proofs.package import EpochPackage, read_package
from proofs.verify import PackageChecks, verify_package

CHECKS = (
    "encoding",
    "certificate",
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
SEED = 20_200_312


def flipped(data: bytes, at: int) -> bytes:
    """The byte at `at` with the one bit changed that the seed chooses for it."""
    forged = bytearray(data)
    forged[at] ^= 1 << random.Random(f"{SEED}/{at}").randrange(8)
    return bytes(forged)


def failing_checks(data: bytes, network: bytes, validators_hash: bytes, places: Sequence[int]) -> list[str]:
    """For each place the name of the check that refuses the flipped package; empty for one that was believed."""
    good = read_package(data)
    return [_failing(flipped(data, at), network, validators_hash, good) for at in places]


def _failing(forged: bytes, network: bytes, validators_hash: bytes, good: EpochPackage) -> str:
    try:
        package = read_package(forged)
    except RemoteFault:
        return "encoding"
    if msgspec.structs.replace(package, custody=good.custody) == good:
        # Storage proofs are half of the package, and no check before theirs reads them: the rest is the good package's.
        try:
            PackageChecks(package).custody()
        except CrossclearError:
            return "custody"
    verdict = verify_package(forged, network=network, validators_hash=validators_hash)
    return "" if verdict.ok else verdict.failed or ""


def is_malformed(data: bytes) -> bool:
    """Whether another reader of MessagePack cannot read these bytes, or would write them differently."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
        written: bytes = msgpack.packb(value, use_bin_type=True)
    except (ValueError, TypeError, msgpack.UnpackException):
        return True
    return written != data
