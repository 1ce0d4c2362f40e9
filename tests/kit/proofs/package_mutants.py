"""Mutants of good packages for the differential fuzz: of bits, structure, certified fields, and whole rulebooks.

A certified mutant has a header and a certificate of its own, so it comes past the checks `certificate` and `roots`.
"""

import contextlib
import random
from typing import Any, NamedTuple

import msgspec

from clearing.base import bls
from clearing.base.certificate import Certificate, signer_indices, vote_digest
from clearing.base.hashing import sha256, tagged_hash
from clearing.base.header import Header
from clearing.base.merkle import merkle_root
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.rulebook import Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.epoch.package import attach_custody
from tests.kit.proofs import inside_market, live_market, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.write_vectors import (
    BOOK,
    EVERY_RULE,
    MEMBERS,
    PLACE,
    proven_with_counted_scalars,
    rulebook_of_every_charge,
)

NAMES = (
    *("three-accounts", "every-part", "every-rule", "every-charge"),
    *("live-surface", "averaged-option", "collateral-inside"),
)
PACKAGES = {name: (GOOD / f"{name}.ccp").read_bytes() for name in NAMES}
HEADER, CERTIFICATE, VALIDATORS, DOMAIN, STATEMENT, COMMITMENTS = 1, 2, 3, 5, 6, 7
EVIDENCE = 11
SLOTS, ROWS, PRICES, TOTALS, CUSTODY, RULES, ASSUMPTIONS, COVER = 6, 7, 8, 9, 10, 12, 13, 14
HEADER_FIELDS = (
    "network", "parent", "height", "time_ms", "payload_root", "module_roots", "commitments_root", "commitments_height",
    "withdrawals_root", "withdrawals_count", "exit_root", "epoch",
)  # fmt: skip
PARAMETERS, INSTRUMENTS, MARKS, TIME, AVERAGES = 1, 2, 6, 7, 8
"""Places in a rulebook."""
RULEBOOKS = {
    "every-rule": msgspec.structs.replace(stressed.RULEBOOK, parameters=EVERY_RULE),
    "live-surface": live_market.SURFACED,
    "averaged-option": live_market.AVERAGING,
    "every-charge": rulebook_of_every_charge(),
    "collateral-inside": inside_market.RULEBOOK,
}
EDGES = (0, 1, 2, 127, 128, 255, 256, 2**16, 2**31, 2**32 - 1, 2**32, 2**39, 2**40, 2**62, 2**63 - 1, 10**6, 10**6 + 1)


class Mutant(NamedTuple):
    """Bytes of a package, what was done to it, and whether only the checks of a standalone proof are worth running."""

    data: bytes
    what: str
    alone: bool
    signed: tuple[str, ...] = ()
    """Names of signatures that were made here: the second verifier takes them as good, and checks all else."""
    suffix: str = ""
    """Of `file`: then it is this file that is judged, beside the package."""
    file: bytes = b""


def of_bits(chance: random.Random) -> Mutant:
    """One to three bits are other ones, anywhere."""
    name = chance.choice(list(PACKAGES))
    data, what = flipped(PACKAGES[name], chance)
    return Mutant(data, f"{name}: {what}", alone=False)


def of_bytes(chance: random.Random) -> Mutant:
    """Bytes are cut out, repeated, put in or cut off."""
    name = chance.choice(list(PACKAGES))
    data, what = cut_or_grown(PACKAGES[name], chance)
    return Mutant(data, f"{name}: {what}", alone=False)


def flipped(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One to three bits are other ones; and what was done."""
    changed = bytearray(data)
    places = [chance.randrange(8 * len(changed)) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    for place in places:
        changed[place // 8] ^= 1 << place % 8
    return bytes(changed), f"bits {places}"


def cut_or_grown(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Bytes are cut out, repeated, put in or cut off; and what was done."""
    at, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 4, 32, 48, 128))
    kind = chance.choice(("cut", "repeat", "insert", "end"))
    middle = {
        "cut": b"",
        "repeat": data[at : at + length] * 2,
        "insert": chance.randbytes(length) + data[at : at + length],
    }
    changed = data[:at] if kind == "end" else data[:at] + middle[kind] + data[at + length :]
    return changed, f"{kind} {length} bytes at {at}"


SPOILT = ("bits", "bytes", "structure")
"""Ways to spoil a file that nobody signs anew."""


def spoilt(file: bytes, way: str, chance: random.Random) -> tuple[bytes, str]:
    """Bits, bytes or a value of a file that nobody signs anew."""
    if way == "bits":
        return flipped(file, chance)
    if way == "bytes":
        return cut_or_grown(file, chance)
    tree = msgspec.msgpack.decode(file)
    what = change(tree, chance)
    return msgspec.msgpack.encode(tree), what


def of_structure(chance: random.Random) -> Mutant:
    """One value of the whole package is another one, in its canonical form, without a new certificate."""
    name = chance.choice(list(PACKAGES))
    tree = msgspec.msgpack.decode(PACKAGES[name])
    what = change(tree, chance)
    return Mutant(msgspec.msgpack.encode(tree), f"{name}: {what}", alone=False)


def of_fields(chance: random.Random) -> Mutant:
    """One or two values of statement, commitments, domain or header are other ones, and certified."""
    name = chance.choice(list(PACKAGES))
    tree = msgspec.msgpack.decode(PACKAGES[name])
    done = [_certified_change(tree, chance) for _ in range(chance.choice((1, 1, 1, 2)))]
    data, signed = certified(tree)
    return Mutant(data, f"{name}, certified: {'; '.join(done)}", chance.random() < 0.9, signed)


def _certified_change(tree: list[Any], chance: random.Random) -> str:
    part = chance.choice((STATEMENT, STATEMENT, STATEMENT, RULES, RULES, COMMITMENTS, HEADER, DOMAIN))
    if part == RULES and (rules := _rules_of(tree)):
        what = change(rules, chance)
        tree[STATEMENT][RULES] = msgspec.msgpack.encode(rules)
        return f"rules {what}"
    if part == DOMAIN:
        tree[DOMAIN] = chance.choice((0, 1, 128, 255, 512, 1024, 2048, 4096))
        return f"domain {tree[DOMAIN]}"
    place = STATEMENT if part == RULES or not isinstance(tree[part], list) else part
    return f"{place} {change(tree[place], chance)}"


def _rules_of(tree: list[Any]) -> list[Any]:
    """The rulebook's values; none if an earlier change spoilt it."""
    with contextlib.suppress(IndexError, TypeError, msgspec.DecodeError):
        rules = msgspec.msgpack.decode(tree[STATEMENT][RULES])
        return rules if isinstance(rules, list) else []
    return []


def of_rulebook(chance: random.Random) -> Mutant:
    """A rulebook has other parameters and prices, and the statement is the one that they give: both accept its rows."""
    while True:
        name = chance.choice(list(RULEBOOKS))
        tree = msgspec.msgpack.decode(msgspec.msgpack.encode(RULEBOOKS[name]))
        done = [change(tree, chance, structure=False) for _ in range(chance.choice((1, 2, 4, 8)))]
        statement = _statement_under(name, tree)
        if statement is None:  # no rulebook may say this
            continue
        package = msgspec.msgpack.decode(PACKAGES[name])
        package[STATEMENT] = statement
        data, signed = certified(package)
        return Mutant(data, f"rulebook of {name}: {'; '.join(done)}", alone=True, signed=signed)


def of_prices(chance: random.Random) -> Mutant:
    """Only what a live surface and averages are made of is other, a step or two, so that most rulebooks are read."""
    while True:
        name = chance.choice(("live-surface", "averaged-option"))
        tree = msgspec.msgpack.decode(msgspec.msgpack.encode(RULEBOOKS[name]))
        done = [_priced(tree, chance) for _ in range(chance.choice((1, 1, 2, 4)))]
        statement = _statement_under(name, tree)
        if statement is None:
            continue
        package = msgspec.msgpack.decode(PACKAGES[name])
        package[STATEMENT] = statement
        data, signed = certified(package)
        return Mutant(data, f"rulebook of {name}: {'; '.join(done)}", alone=True, signed=signed)


def _priced(tree: list[Any], chance: random.Random) -> str:
    part = chance.choice(("curve", "curve", "surface", "averages", "marks", "instruments", "time"))
    if part == "time":
        tree[TIME] += chance.choice((1, -1, 3_600_000, -3_600_000, 30 * 86_400_000, 10**9 * chance.randrange(1, 9)))
        return f"time = {tree[TIME]}"
    group = tree[PARAMETERS][0][0]
    node = {
        "curve": group[10],
        "surface": group[7],
        "averages": tree[AVERAGES],
        "marks": tree[MARKS],
        "instruments": tree[INSTRUMENTS],
    }[part]
    if not node:
        return f"{part} stays"
    record = chance.choice(node)
    place = chance.choice([at for at, value in enumerate(record) if type(value) in (int, bytes)])
    if isinstance(record[place], bytes):
        number = int.from_bytes(record[place], "big")
        moved = max(number * chance.choice((1, 2, 3)) // chance.choice((1, 2, 3)) + chance.choice((-1, 0, 1, 10**9)), 0)
        record[place] = moved.to_bytes(32, "big")
    else:
        spread = max(abs(record[place]) // chance.choice((10, 100, 10**4)), 3)
        record[place] += chance.randrange(-spread, spread + 1)
        record[place] *= chance.choice((1, 1, 1, 1, -1))
    return f"{part} {place} = {str(record[place])[:40]}"


def _statement_under(name: str, tree: list[Any]) -> list[Any] | None:
    with contextlib.suppress(Exception):
        book = msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=Rulebook)
        shot = _snapshot_under(name, book)
        statement: list[Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(shot.statement))
        return statement
    return None


def _snapshot_under(name: str, book: Rulebook) -> RiskSnapshot:
    if name == "collateral-inside":
        return inside_market.snapshot_inside(book)
    if name in {"every-rule", "every-charge"}:
        return stressed.snapshot_of(BOOK, MEMBERS, book)
    return live_market.snapshot_of(book)


def of_rows(chance: random.Random) -> Mutant:
    """Slots and rows of the statement have another shape, and are certified."""
    name = chance.choice(("every-rule", "every-charge", "collateral-inside", "every-part", "averaged-option"))
    tree = msgspec.msgpack.decode(PACKAGES[name])
    done = [
        _row_change(tree[STATEMENT][SLOTS], tree[STATEMENT][ROWS], chance) for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    data, signed = certified(tree)
    return Mutant(data, f"{name}, rows: {'; '.join(done)}", alone=True, signed=signed)


ROW_CHANGES = ("drop", "twin", "coefficient", "slot", "add", "constant", "shortfall", "kind", "slot kind", "cut")


def _row_change(slots: list[Any], rows: list[Any], chance: random.Random) -> str:
    index = chance.randrange(len(rows))
    row = rows[index]
    pairs: list[list[int]] = row[2]
    kind = chance.choice(
        ("drop", "twin", "coefficient", "slot", "add", "constant", "shortfall", "kind", "slot kind", "cut")
    )
    if kind == "drop":
        del rows[index]
    elif kind == "twin":
        rows.insert(chance.randrange(len(rows)), [row[0] + "'", row[1], [list(pair) for pair in pairs], *row[3:]])
    elif kind in {"coefficient", "cut"} and pairs:
        pair = chance.choice(pairs)
        other = chance.choice((-pair[1], pair[1] + 1, pair[1] * 2, 1, -1, 10**6))
        pair[1] = 0 if kind == "cut" else other
        row[2] = [each for each in pairs if each[1] != 0]
    elif kind in {"slot", "add"}:
        named = dict(map(tuple, pairs))
        if kind == "slot" and named:
            named.pop(chance.choice(list(named)))
        named[chance.randrange(len(slots))] = chance.choice((1, -1, 2, -8, 1000))
        row[2] = [list(pair) for pair in sorted(named.items())]
    elif kind == "constant":
        row[3] = chance.choice((0, 1, -1, row[3] + 1, -(10**9), 10**9))
    elif kind == "shortfall":
        row[4] = not row[4]
    elif kind == "kind":
        row[1] = 3 - row[1]
    else:
        slot = chance.choice(slots)
        slot[1], slot[2] = chance.randrange(1, 9), chance.choice((slot[2], 0, 1, 2))
    return f"{kind} of {index}"


def of_proven(chance: random.Random) -> Mutant:
    """Custody, totals, prices or terms of the fund are other ones, certified and proven; so is the evidence."""
    while True:
        base, evidence = _base_of_proven()
        tree = msgspec.msgpack.decode(msgspec.msgpack.encode(base.statement))
        part = chance.choice((PRICES, TOTALS, CUSTODY, CUSTODY, CUSTODY, CUSTODY, ASSUMPTIONS, COVER))
        what = f"{part} {change(tree[part], chance)}" if chance.random() < 0.6 else "nothing"
        data = _proven_with(base, tree)
        if data is None:  # no prover can prove this
            continue
        package = msgspec.msgpack.decode(attach_custody(data, evidence))
        if chance.random() < 0.6:
            what += f", evidence {change(package[EVIDENCE], chance)}"
        return Mutant(msgspec.msgpack.encode(package), f"proven: {what}", alone=False)


def _base_of_proven() -> tuple[RiskSnapshot, Any]:
    shot = stressed.snapshot_of(BOOK, MEMBERS)
    terms = [msgspec.structs.replace(term, balances=PLACE) for term in shot.statement.custody]
    stated, evidence = proven(msgspec.structs.replace(shot.statement, custody=tuple(terms)))
    return msgspec.structs.replace(shot, statement=stated), evidence


def _proven_with(base: RiskSnapshot, tree: list[Any]) -> bytes | None:
    with contextlib.suppress(Exception):
        stated = msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=type(base.statement))
        return proven_with_counted_scalars(msgspec.structs.replace(base, statement=stated))
    return None


def certified(tree: list[Any]) -> tuple[bytes, tuple[str, ...]]:
    """The package with a header and a certificate for its statement, domain and commitments as they are, and the name
    of the certificate's signature."""
    signed: tuple[str, ...] = ()
    try:
        leaves = [account.to_bytes(32, "big") + bytes(point) for account, point in tree[COMMITMENTS]]
        root = tagged_hash(
            "crossclear/commitments-root/v1",
            tagged_hash("crossclear/risk-snapshot/v1", msgspec.msgpack.encode(tree[STATEMENT])),
            tree[DOMAIN].to_bytes(32, "big"),
            merkle_root(leaves),
        )
        fields = dict(zip(HEADER_FIELDS, tree[HEADER], strict=False))
        fields["module_roots"] = tuple(fields["module_roots"])
        head = market.certified(root, **{**fields, "commitments_root": root})
        tree[HEADER : VALIDATORS + 1] = [msgspec.msgpack.decode(msgspec.msgpack.encode(part)) for part in head]
        signed = (signature_name(*head),)
    except (TypeError, ValueError, AttributeError, OverflowError, IndexError):
        pass  # nobody could certify it: it stays without a certificate of its own
    return msgspec.msgpack.encode(tree), signed


def signature_name(header: Header, certificate: Certificate, validators: ValidatorSet) -> str:
    """As `certificate.ts` of the second verifier names a signature: by keys, message, signature and ciphersuite."""
    keys = [validators.validators[index].bls_key for index in signer_indices(certificate.signers)]
    kind, height, number = certificate.kind, certificate.height, certificate.round
    digest = vote_digest(header.network, validators.hash, kind, height, number, certificate.value)
    return sha256(b"".join((*keys, digest, certificate.aggregate, bls.SIGNATURE_DST))).hex()


def change(tree: list[Any], chance: random.Random, *, structure: bool = True) -> str:
    """Change one value anywhere in a tree of lists; returns where it is, and what it became."""
    node, path = tree, []
    while True:
        if not node:
            node.append(0)
            return f"{path} one item more"
        index = chance.randrange(len(node))
        path.append(index)
        if isinstance(node[index], list) and node[index] and (not structure or chance.random() < 0.93):
            node = node[index]
            continue
        if structure and (isinstance(node[index], list) or chance.random() < 0.1):
            return f"{path} {_restructure(node, index, chance)}"
        if isinstance(node[index], list):
            return f"{path} stays"
        node[index] = _other(node[index], chance)
        return f"{path} = {str(node[index])[:40]}"


def _restructure(node: list[Any], index: int, chance: random.Random) -> str:
    kind = chance.choice(("dropped", "repeated", "swapped", "emptied", "shortened"))
    other = chance.randrange(len(node))
    if kind == "dropped":
        del node[index]
    elif kind == "repeated":
        node.insert(other, node[index])
    elif kind == "swapped":
        node[index], node[other] = node[other], node[index]
    elif kind == "emptied":
        node[index] = [] if isinstance(node[index], list) else b""
    else:
        del node[-1]
    return kind


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return chance.choice((not value, not value, int(value)))
    if isinstance(value, int):
        near = value + chance.choice((-1, 1, -2, 2, 3))
        far = chance.choice((1, 1, -1)) * chance.choice(EDGES)
        scaled = value * chance.choice((2, 10, 3)) // chance.choice((1, 2, 3))
        drawn = chance.choice((near, near, far, scaled, scaled, chance.randrange(10**6), -value))
        return min(max(drawn, -(2**63)), 2**64 - 1)
    if isinstance(value, str):
        return chance.choice((value + "x", value[1:], "‮" + value, value.upper(), "", value + "\x00"))
    if isinstance(value, bytes):
        changed = bytearray(value)
        if changed and chance.random() < 0.8:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            return bytes(changed)
        return chance.choice((bytes(changed[1:]), bytes(changed) + b"\x00", b"", bytes(len(changed))))
    return value
