"""Mutants of the keys and leaves of an epoch (`.cco`) beside its package.

Bits, bytes and values are changed and nobody signs anew; or all validators sign other keys, leaves and times; or their
signatures are other ones.
"""

import contextlib
import random
from collections.abc import Sequence

import msgspec

from clearing.base import bls
from proofs.onchain.file import (
    KeysShare,
    LeafRecord,
    OnchainEpoch,
    epoch_file,
    sign_keys,
    write_file,
)
from proofs.onchain.keys import EpochKeys, Leaf, derive_keys
from tests.kit.proofs import small_market as market
from tests.kit.proofs.negatives import of_onchain
from tests.kit.proofs.package_mutants import PACKAGES, SPOILT, Mutant, change, spoilt
from tests.kit.proofs.standalone_mutants import other_point

SMALL = "three-accounts"
LEAVES, SHARES = 2, 3
"""Places in a `.cco`."""
replace = msgspec.structs.replace


def of_keys(chance: random.Random) -> Mutant:
    """A `.cco` file."""
    good = of_onchain.epoch()
    way = chance.choice((*SPOILT, "keys", "leaves", "leaves", "time", "shares", "shares", "others"))
    package = PACKAGES[SMALL]
    if way in SPOILT:
        file, what = spoilt(write_file(good), way, chance)
    elif way == "keys":
        file, what = _other_keys(good, chance)
    elif way == "leaves":
        file, what = _other_leaves(good, chance)
    elif way == "time":
        time_s = max(good.time_s + chance.choice((-1, 1, 604_800, -(2**31))), 0)
        file, what = write_file(_signed(good, good.keys, good.all_leaves, time_s)), f"{time_s}"
    elif way == "shares":
        file, what = _other_shares(good, chance)
    else:
        what = chance.choice([each for each in PACKAGES if each != SMALL])
        package, file = PACKAGES[what], write_file(good)
    return Mutant(package, f"{SMALL}, {way}: {what}", alone=False, suffix=".cco", file=file)


def _signed(good: OnchainEpoch, keys: EpochKeys, leaves: Sequence[Leaf], time_s: int) -> OnchainEpoch:
    """The file of these keys, signed by all validators."""
    validators = market.validator_set()
    shares = [sign_keys(keys, validators, at, secret, time_s) for at, secret in enumerate(market.SECRETS)]
    return epoch_file(keys, leaves, time_s, shares)


def _other_keys(good: OnchainEpoch, chance: random.Random) -> tuple[bytes, str]:
    """One field of the keys is another one, and signed."""
    while True:
        keys, what = changed_keys(good.keys, chance)
        with contextlib.suppress(Exception):  # what is no point cannot be signed
            return write_file(_signed(good, keys, good.all_leaves, good.time_s)), what


def changed_keys(keys: EpochKeys, chance: random.Random) -> tuple[EpochKeys, str]:
    """Other keys, of the right types."""
    while True:
        tree = msgspec.msgpack.decode(msgspec.msgpack.encode(keys))
        if chance.random() < 0.2:
            tree[-1], what = other_point(chance)
        else:
            what = change(tree, chance, structure=False)
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=EpochKeys), what


def _other_leaves(good: OnchainEpoch, chance: random.Random) -> tuple[bytes, str]:
    """One leaf is another one; where keys follow from the leaves, they do, and are signed."""
    tree = msgspec.msgpack.decode(write_file(good))
    at = chance.randrange(len(tree[LEAVES]))
    record = tree[LEAVES][at]
    place = chance.choice((0, 1, 2, 3, 3, 4, 4, 4))
    if place == 3:
        point, what = other_point(chance)
        record[3] = chance.choice(([point], [point], record[3] * 2, [*record[3], point]))
    elif place == 2:
        record[2], what = other_point(chance)
    else:
        inner = [record[place]]
        what, record[place] = change(inner, chance, structure=False), inner[0]
    what = f"[{at}, {place}] {what}"
    with contextlib.suppress(Exception):  # keys follow from good leaves of the package's accounts alone
        leaves = [msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=LeafRecord).leaf for each in tree[LEAVES]]
        keys = derive_keys(of_onchain.derived().statement, leaves)
        return write_file(_signed(good, keys, leaves, good.time_s)), f"{what}, keys derived"
    return msgspec.msgpack.encode(tree), what


def _other_shares(good: OnchainEpoch, chance: random.Random) -> tuple[bytes, str]:
    """Signatures that are missing, false, of others, out of order or no points."""
    shares, done = list(good.shares), []
    for _ in range(chance.choice((1, 1, 2))):
        way = chance.choice(("drop", "order", "number", "set", "point", "message", "more"))
        at = chance.randrange(len(shares)) if shares else 0
        if not shares or way == "more":
            shares.append(KeysShare(chance.randbytes(32), chance.randrange(4), good.shares[0].signature))
        elif way == "drop":
            del shares[at]
        elif way == "order":
            shares.reverse()
        elif way == "number":
            shares[at] = replace(shares[at], validator=chance.choice((0, 1, 2, 2**32 - 1)))
        elif way == "set":
            shares[at] = replace(shares[at], validators_hash=bytes(32))
        elif way == "point":
            shares[at] = replace(shares[at], signature=_other_signature(chance))
        else:
            signature = bls.sign(market.SECRETS[0], chance.randbytes(32))
            shares[at] = replace(shares[at], signature=signature)
        done.append(way)
    if chance.random() < 0.5:
        shares.sort(key=lambda share: (share.validators_hash, share.validator))
    return write_file(replace(good, shares=tuple(shares))), " and ".join(done)


def _other_signature(chance: random.Random) -> bytes:
    infinity = bytes([0xC0]) + bytes(95)
    return chance.choice((infinity, infinity[:-1] + b"\x01", bytes(96), chance.randbytes(96), b"\xff" * 96))
