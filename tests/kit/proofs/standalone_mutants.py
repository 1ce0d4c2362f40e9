"""Mutants of standalone proofs beside a package: of bits and bytes, of points and scalars, and proofs made anew.

Such a file has no signature but its proof. So that some mutants come past it, the statement under it is another one,
certified, committed to and proven without a check of the witness.
"""

import contextlib
import random
from functools import cache
from typing import Any

import msgspec

from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot
from proofs.algebra.commitment import blinders
from proofs.algebra.field import ORDER
from proofs.algebra.group import GENERATOR, encode_point, multiply
from proofs.epoch.package import read_package
from proofs.epoch.prover import commit_epoch
from proofs.linear.prover import prove
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, context_of
from proofs.verify.standalone import AccountStatements, StandaloneProof, write_standalone
from tests.kit.proofs import small_market as market
from tests.kit.proofs import stressed
from tests.kit.proofs.bad_points import ENCODINGS
from tests.kit.proofs.counted import BOOK, MEMBERS, counted_scalars
from tests.kit.proofs.package_mutants import (
    COMMITMENTS,
    PACKAGES,
    RULEBOOKS,
    RULES,
    STATEMENT,
    Mutant,
    certified,
    change,
    cut_or_grown,
    flipped,
)

NAMED = ("three-accounts", "three-accounts", "every-rule")
"""Packages whose accounts' holdings are known here; a proof of the second has several columns."""
HEAD, POINT, SCALAR = 4, 48, 32


@cache
def snapshot_of(name: str) -> tuple[RiskSnapshot, dict[int, bytes]]:
    """What is committed in a package, with the seeds of its accounts."""
    if name == "three-accounts":
        return market.snapshot(), market.seeds()
    return stressed.snapshot_of(BOOK, MEMBERS, RULEBOOKS[name]), stressed.seeds_of([0, *BOOK])


@cache
def proof_of(name: str, account: int) -> bytes:
    """The standalone proof of an account of a good package."""
    return _proven(PACKAGES[name], *snapshot_of(name), account)


def _proven(package: bytes, shot: RiskSnapshot, seeds: dict[int, bytes], account: int) -> bytes:
    """A standalone proof, made without a check of the witness."""
    statements = AccountStatements(read_package(package))
    (holder,) = [each for each in shot.accounts if each.account == account]
    values = complete_holdings(shot.statement, AccountHoldings(account, holder.values))
    hiding = blinders(seeds[account], context_of(shot.statement, account, holder.owner))
    linear = statements.of(account)
    witness = make_witness(linear.layout, values, linear.shortfalls[0], hiding, check=False)
    proof, _ = prove(linear, [witness], check_witness=False, scalars=counted_scalars())
    return write_standalone(StandaloneProof(linear.commitments[0], proof))


def of_standalone(chance: random.Random) -> Mutant:
    """A `.ccs` file."""
    name = chance.choice(NAMED)
    account = chance.choice([each.account for each in snapshot_of(name)[0].accounts])
    way = chance.choice(("bits", "bytes", "parts", "parts", "parts", "others", "proven"))
    if way == "proven":
        return _proven_anew(chance)
    package, file = PACKAGES[name], proof_of(name, account)
    if way == "bits":
        file, what = flipped(file, chance)
    elif way == "bytes":
        file, what = cut_or_grown(file, chance)
    elif way == "parts":
        file, what = _other_parts(file, chance)
    else:
        other = chance.choice([each for each in PACKAGES if each != name])
        package, what = PACKAGES[other], f"the proof beside {other}"
    return Mutant(package, f"{name}, {way}: {what}", alone=False, suffix=".ccs", file=file)


def _parts_of(file: bytes) -> list[tuple[int, int]]:
    """Where each point and each scalar of a proof lies, and its length."""
    columns = (len(file) - HEAD - POINT - 320) // 128
    lengths = [POINT] * (1 + 2 * columns) + [SCALAR] * columns + [POINT] * 4 + [SCALAR] + [POINT] * 2
    ends = [HEAD + sum(lengths[: at + 1]) for at in range(len(lengths))]
    return [(end - length, length) for end, length in zip(ends, lengths, strict=True)]


def _other_parts(file: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One or two points or scalars are other ones, good or bad."""
    done = []
    for _ in range(chance.choice((1, 1, 2))):
        parts = _parts_of(file)
        at, length = chance.choice(parts)
        if chance.random() < 0.3:
            other, says = _of_another_place(file, parts, length, chance)
        else:
            other, says = other_point(chance) if length == POINT else other_scalar(file[at : at + length], chance)
        file = file[:at] + other + file[at + length :]
        done.append(f"[{at}] {says}")
    return file, "; ".join(done)


def _of_another_place(
    file: bytes, parts: list[tuple[int, int]], length: int, chance: random.Random
) -> tuple[bytes, str]:
    """The point or scalar of another place of this proof, or of another one's."""
    source = chance.choice((file, proof_of("three-accounts", 5)))
    at, _ = chance.choice([part for part in parts if part[1] == length and sum(part) <= len(source)])
    return source[at : at + length], "as another"


def other_point(chance: random.Random) -> tuple[bytes, str]:
    """48 bytes in the place of a point: a bad encoding, or another point of the group."""
    if chance.random() < 0.5:
        says = chance.choice(sorted(ENCODINGS))
        return ENCODINGS[says], says
    return encode_point(multiply(GENERATOR, chance.randrange(1, ORDER))), "another point"


def other_scalar(old: bytes, chance: random.Random) -> tuple[bytes, str]:
    """32 bytes in the place of a scalar: near the old one, the same beyond the order, or at an edge."""
    number = int.from_bytes(old, "big")
    says, found = chance.choice(
        [
            ("one more", number + 1),
            ("the order more", number + ORDER),
            ("the order less one", ORDER - 1),
            ("the order", ORDER),
            ("zero", 0),
            ("all ones", 2**256 - 1),
            ("negative", -number % ORDER),
        ]
    )
    return min(found, 2**256 - 1).to_bytes(32, "big"), says


def _proven_anew(chance: random.Random) -> Mutant:
    """The statement is another one, certified, committed to and proven, whether or not the account meets it."""
    while True:
        name = chance.choice(NAMED)
        shot, seeds = snapshot_of(name)
        tree = msgspec.msgpack.decode(PACKAGES[name])
        stated: list[Any] = tree[STATEMENT]
        part = chance.choice([place for place in range(len(stated)) if place != RULES])
        what = f"{part} {_changed_part(stated, part, chance)}"
        with contextlib.suppress(Exception):  # no prover can prove this
            statement = msgspec.msgpack.decode(msgspec.msgpack.encode(stated), type=type(shot.statement))
            other = msgspec.structs.replace(shot, statement=statement)
            account = chance.choice(other.accounts).account
            tree[COMMITMENTS] = [list(each) for each in commit_epoch(other, seeds, market.N)]
            package, signed = certified(tree)
            file = _proven(package, other, seeds, account)
            return Mutant(package, f"{name}, proven: {what}", alone=False, signed=signed, suffix=".ccs", file=file)


def _changed_part(node: list[Any], place: int, chance: random.Random) -> str:
    inner = [node[place]]
    found = change(inner, chance, structure=False)
    node[place] = inner[0]
    return found
