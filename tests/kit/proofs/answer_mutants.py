"""Mutants of a node's signed answers beside a package: bits, bytes and structure, and fields that are signed anew.

What is signed anew comes past the signature, so both verifiers compare it with the package. Other signatures are by
keys and nonces of small order, or outside of the group of prime order.
"""

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from clearing.base import ed25519
from clearing.base.hashing import tagged_hash
from proofs.verify.signed_inclusion import ANSWER_FORMAT, ANSWER_TAG
from tests.kit.proofs.counted import NODE_SECRET
from tests.kit.proofs.ed25519_cases import MIXED, NONCE, NONCE_MIXED, NONCE_PURE, PURE, SECRET, T
from tests.kit.proofs.package_mutants import PACKAGES, Mutant, change, spoilt
from tests.kit.proofs.standalone_mutants import NAMED, snapshot_of
from tests.vectors.proofs.runner import ed25519 as specified

SIGNATURE = 64


@cache
def answer_of(name: str, account: int) -> list[Any]:
    """The fields of a true answer about an account, in order."""
    shot, seeds = snapshot_of(name)
    (holder,) = [each for each in shot.accounts if each.account == account]
    names = [slot.name for slot in shot.statement.slots if slot.is_public]
    held = [list(pair) for pair in sorted(zip(names, holder.values, strict=False)) if pair[1]]
    stated = shot.statement
    return [
        ANSWER_FORMAT, stated.network, stated.epoch, stated.height, account, holder.owner, seeds[account], held,
        ed25519.public_key(NODE_SECRET), bytes(SIGNATURE),
    ]  # fmt: skip


SEED, HOLDINGS, SIGNER = 6, 7, 8
"""Places in an answer; the signature is its last field."""


def of_answer(chance: random.Random) -> Mutant:
    """A `.cci` file."""
    name = chance.choice(NAMED)
    shot, _ = snapshot_of(name)
    fields = msgspec.msgpack.decode(
        msgspec.msgpack.encode(answer_of(name, chance.choice([each.account for each in shot.accounts])))
    )
    way = chance.choice(("bits", "bytes", "structure", "fields", "fields", "holdings", "holdings", "key", "others"))
    package = PACKAGES[name]
    if way in {"fields", "holdings", "others"}:
        if way == "others":
            what = chance.choice([each for each in PACKAGES if each != name])
            package, what = PACKAGES[what], f"beside {what}"
        else:
            do: Callable[[], str] = {
                "fields": lambda: change(fields, chance, structure=chance.random() < 0.2),
                "holdings": lambda: _held(fields[HOLDINGS], [slot.name for slot in shot.statement.slots], chance),
            }[way]
            what = "; ".join(do() for _ in range(chance.choice((1, 1, 2))))
        file = _signed(fields)
    elif way == "key":
        file, what = _signed_by_a_strange_key(fields, chance)
    else:
        file, what = spoilt(_signed(fields), way, chance)
    return Mutant(package, f"{name}, {way}: {what}", alone=False, suffix=".cci", file=file)


def _held(holdings: list[list[Any]], names: list[str], chance: random.Random) -> str:
    """One of the holdings is other: more, less, twice, elsewhere or out of order."""
    way = chance.choice(("amount", "more", "twice", "order", "away", "zero"))
    if way in {"more", "zero"} or not holdings:
        amount = 0 if way == "zero" else chance.choice((1, -1, 2**39, 2**56, -(2**63) + 1, 2**63 - 1))
        holdings.append([chance.choice([*names, "position:NOTHING", ""]), amount])
        return f"{way}: {holdings[-1]}"
    item = chance.choice(holdings)
    if way == "amount":
        item[1] = chance.choice((item[1] + 1, -item[1], 0, 2**39 - 1, 2**39, -(2**39), -(2**39) - 1, 2**55, 2**56))
    elif way == "twice":
        holdings.append([item[0], chance.choice((item[1], 1))])
    elif way == "order":
        chance.shuffle(holdings)
    else:
        holdings.remove(item)
    return f"{way}: {item}"


def _unsigned(fields: list[Any]) -> bytes:
    """What is signed: the encoding with zeros in the signature's place."""
    return tagged_hash(ANSWER_TAG, msgspec.msgpack.encode([*fields[:-1], bytes(SIGNATURE)]))


def _signed(fields: list[Any]) -> bytes:
    """The file, signed by the node of the vectors, whatever it says."""
    return msgspec.msgpack.encode([*fields[:-1], ed25519.sign(NODE_SECRET, _unsigned(fields))])


def _signed_by_a_strange_key(fields: list[Any], chance: random.Random) -> tuple[bytes, str]:
    """Keys and nonces outside of the group of prime order, of small order, and scalars beyond the order."""
    key = chance.choice((PURE, MIXED, T, specified.NEUTRAL, specified.times(4, T)))
    nonce = chance.choice((NONCE_PURE, NONCE_MIXED, T, specified.NEUTRAL))
    fields[SIGNER] = specified.encoded(key)
    point = specified.encoded(nonce)
    fields[SEED] = chance.choice((fields[SEED], chance.randbytes(32)))
    factor = NONCE if nonce in (NONCE_PURE, NONCE_MIXED) else 0
    number = (factor + specified.challenge(point, fields[SIGNER], _unsigned(fields)) * SECRET) % specified.ORDER
    more = chance.choice((0, 0, 0, specified.ORDER))
    signature = point + (number + more).to_bytes(32, "little")
    what = f"order of the key {_order(key)}, of R {_order(nonce)}, S {'beyond' if more else 'below'} the order"
    return msgspec.msgpack.encode([*fields[:-1], signature]), what


def _order(point: specified.Point) -> str:
    if specified.times(8, point) == specified.NEUTRAL:
        return "small"
    return "prime" if specified.times(specified.ORDER, point) == specified.NEUTRAL else "mixed"
