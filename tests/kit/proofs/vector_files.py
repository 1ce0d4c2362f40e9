"""Vectors as JSON: what a file is made from, what its verifier trusts, and what must come out.

Rule: plain JSON that any language reads: bytes in hex, whole numbers as decimal text. A file is a frozen one with some
bytes replaced.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from clearing.base.codec import encode_trimmed
from clearing.schema.terms.genesis import FIRST_FIELDS, Genesis
from proofs.verify.freshness import Freshness
from proofs.verify.verdict import OwnAccount

FORMAT = "crossclear-proof-vectors/1"
COMPARED = ("feeds", "cash_groups", "assets", "instruments", "risk", "ranges")
SURFACES = "surfaces"
"""Compared, too, and written only where there are any: earlier vectors stay as they are."""
Edit = dict[str, str]


@dataclass(frozen=True)
class Trust:
    """What the caller of a verifier knows."""

    network: bytes | None = None
    validators_hash: bytes | None = None
    genesis: Genesis | None = None
    freshness: Freshness | None = None
    own: OwnAccount | None = None
    strict: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vector:
    """One vector: a package, or a standalone proof or an answer (`file`) beside one; and the check that refuses it."""

    name: str
    changed: str
    refused_by: str
    code: str
    package: bytes
    base: str = "three-accounts.ccp"
    kind: str = "package"
    file: bytes = b""
    file_base: str = ""
    trust: Trust = field(default=Trust())
    contradiction: str = ""


def as_json(vector: Vector, bases: dict[str, bytes]) -> dict[str, Any]:
    """The vector as it is written."""
    found: dict[str, Any] = {"name": vector.name, "kind": vector.kind, "changed": vector.changed}
    found["package"] = edited(vector.base, bases[vector.base], vector.package)
    if vector.kind != "package":
        found["file"] = edited(vector.file_base, bases[vector.file_base], vector.file)
    found["trusted"] = trusted_json(vector.trust)
    found["refused_by"], found["code"] = vector.refused_by, vector.code
    if vector.kind == "answer":
        found["contradiction"] = vector.contradiction
    return found


def edited(base: str, old: bytes, new: bytes) -> dict[str, Any]:
    """A file as the changes of another."""
    return {"base": base, "edits": edits_of(old, new), "sha256": hashlib.sha256(new).hexdigest()}


def edits_of(old: bytes, new: bytes) -> list[Edit]:
    """What to replace, from the front: `remove` bytes at `at` of the old file by `insert`."""
    found: list[Edit] = []
    trees = [_tree(old), _tree(new)]
    if None in trees:
        _replace(old, new, 0, found)
    else:
        _compare(trees[0], trees[1], 0, found)
    return found


def _tree(data: bytes) -> Any:
    """The nested lists of a canonical file; None of any other."""
    try:
        tree = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return tree if isinstance(tree, list) and msgspec.msgpack.encode(tree) == data else None


def _compare(old: Any, new: Any, at: int, found: list[Edit]) -> None:
    before, after = msgspec.msgpack.encode(old), msgspec.msgpack.encode(new)
    if before == after:
        return
    if not (isinstance(old, list) and isinstance(new, list) and len(old) == len(new)):
        _replace(before, after, at, found)
        return
    items = [msgspec.msgpack.encode(item) for item in old]
    at += len(before) - sum(map(len, items))
    for one, other, item in zip(old, new, items, strict=True):
        _compare(one, other, at, found)
        at += len(item)


def _replace(before: bytes, after: bytes, at: int, found: list[Edit]) -> None:
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    insert = after[head : len(after) - tail]
    found.append({"at": str(at + head), "remove": str(len(before) - head - tail), "insert": insert.hex()})


def applied(old: bytes, edits: list[Edit]) -> bytes:
    """The new file."""
    parts, done = [], 0
    for edit in edits:
        at = int(edit["at"])
        parts += [old[done:at], bytes.fromhex(edit["insert"])]
        done = at + int(edit["remove"])
    return b"".join((*parts, old[done:]))


def _common(one: bytes, other: bytes) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def trusted_json(trust: Trust) -> dict[str, Any]:
    """What is not named is left out."""
    found: dict[str, Any] = {}
    if trust.network is not None:
        found["network"] = trust.network.hex()
    if trust.validators_hash is not None:
        found["validators_hash"] = trust.validators_hash.hex()
    if trust.genesis is not None:
        parts = {name: encode_trimmed(getattr(trust.genesis, name), FIRST_FIELDS).hex() for name in COMPARED}
        if trust.genesis.surfaces:
            parts[SURFACES] = encode_trimmed(trust.genesis.surfaces, FIRST_FIELDS).hex()
        found["genesis"] = {"time_ms": str(trust.genesis.time_ms), **parts}
    if trust.freshness is not None:
        wanted = trust.freshness
        found["freshness"] = {
            "now_ms": str(wanted.now_ms),
            "max_age_ms": "any" if wanted.max_age_ms is None else str(wanted.max_age_ms),
            "min_height": str(wanted.min_height),
            "set_known_ms": "unknown" if wanted.set_known_ms is None else str(wanted.set_known_ms),
            "trusting_period_ms": str(wanted.trusting_period_ms),
        }
    if trust.own is not None:
        own = trust.own
        found["own"] = {
            "account": str(own.account),
            "owner": own.owner.hex(),
            "seed": own.seed.hex(),
            "public_values": [str(value) for value in own.values],
        }
    if trust.strict:
        found["strict"] = {"allowed": list(trust.allowed)}
    return found


def read_trust(found: dict[str, Any], some: Genesis) -> Trust:
    """The same read again; `some` genesis gives the parts that are not compared."""
    genesis, freshness, own = found.get("genesis"), found.get("freshness"), found.get("own")
    hints = msgspec.structs.fields(Genesis)
    types = {each.name: each.type for each in hints}
    parts = (
        {}
        if genesis is None
        else {
            n: msgspec.msgpack.decode(bytes.fromhex(genesis[n]), type=types[n])
            for n in (*COMPARED, SURFACES)
            if n in genesis
        }
    )
    return Trust(
        network=None if "network" not in found else bytes.fromhex(found["network"]),
        validators_hash=None if "validators_hash" not in found else bytes.fromhex(found["validators_hash"]),
        genesis=None if genesis is None else msgspec.structs.replace(some, time_ms=int(genesis["time_ms"]), **parts),
        freshness=None
        if freshness is None
        else Freshness(
            int(freshness["now_ms"]),
            None if freshness["max_age_ms"] == "any" else int(freshness["max_age_ms"]),
            int(freshness["min_height"]),
            None if freshness["set_known_ms"] == "unknown" else int(freshness["set_known_ms"]),
            int(freshness["trusting_period_ms"]),
        ),
        own=None
        if own is None
        else OwnAccount(
            int(own["account"]),
            tuple(map(int, own["public_values"])),
            bytes.fromhex(own["seed"]),
            bytes.fromhex(own["owner"]),
        ),
        strict="strict" in found,
        allowed=tuple(found.get("strict", {}).get("allowed", ())),
    )
