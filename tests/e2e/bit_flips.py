"""One random bit of each byte, flipped: which check refuses it. Importable by worker processes."""

import random
from collections.abc import Sequence

import msgpack

from proofs.verify import verify_package

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
    verdicts = [verify_package(flipped(data, at), network=network, validators_hash=validators_hash) for at in places]
    return ["" if verdict.ok else verdict.failed or "" for verdict in verdicts]


def is_malformed(data: bytes) -> bool:
    """Whether another reader of MessagePack cannot read these bytes, or would write them differently."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
        written: bytes = msgpack.packb(value, use_bin_type=True)
    except (ValueError, TypeError, msgpack.UnpackException):
        return True
    return written != data
