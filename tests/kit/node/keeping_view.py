"""Members of the fake node and their seeds."""

from clearing.base import secp256k1
from node.epochs.seeds import AccountSeeds
from tests.kit.node.fake_view import ALICE, BOB

FAKE_OWNERS = {1: secp256k1.address(ALICE), 2: secp256k1.address(BOB)}


def seed_of(account: int, epoch: int = 1, sealed: bytes = b"") -> bytes:
    return AccountSeeds(bytes(32)).at(account, epoch, sealed)
