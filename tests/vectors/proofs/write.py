"""Writes `vectors.json` of both folders, and the traces of the good files. A vector that is there stays as it is.

Rule: a new vector comes at the end of its list. `python -m tests.vectors.proofs.write` writes the files first.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.algebra.commitment import blinders
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, context_of, layout_of
from proofs.verify.freshness import Freshness
from tests.kit.proofs import live_market
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import SUMS, VECTORS
from tests.kit.proofs.ed25519_cases import cases
from tests.kit.proofs.listed_market import genesis
from tests.kit.proofs.negatives import (
    of_attacks,
    of_certificate,
    of_encoding,
    of_history,
    of_onchain,
    of_parts,
    of_statements,
    of_surfaces,
)
from tests.kit.proofs.negatives.making import LISTED, SMALL, TIME, WHOLE, anchored, frozen
from tests.kit.proofs.negatives.of_onchain import OnchainVector
from tests.kit.proofs.vector_files import FORMAT, Trust, Vector, as_json
from tests.kit.proofs.write_vectors import package_of_a_short_credit, vectors, write_missing
from tests.vectors.proofs.runner import trace

BAD = VECTORS.parent / "bad"
RULES, INSIDE = "every-rule.ccp", "collateral-inside.ccp"
TRACED = (
    *(SMALL, WHOLE, LISTED, RULES, INSIDE, "every-charge.ccp"),
    *(of_history.BASE, of_surfaces.BASE, of_surfaces.AVERAGE),
)
FILE, ONCHAIN, FURTHER = "vectors.json", "onchain.json", "further.json"
"""`further.json`: of the same form as `vectors.json`, with what later attacks found."""
SIGNATURES = "ed25519.json"
FILES = (".ccp", ".ccs", ".cci", ".cco", ".cca")
"""Suffixes of what is verified."""


def negative() -> Iterator[Vector]:
    """All that must be refused."""
    for module in (of_encoding, of_certificate, of_statements, of_parts, of_surfaces, of_history):
        yield from module.vectors()


def positive() -> Iterator[Vector]:
    """All that must be accepted."""

    def good(name: str, says: str, base: str, trust: Trust = Trust(), **more: Any) -> Vector:  # noqa: B008 - frozen
        return Vector(name, says, "", "", more.pop("package", None) or frozen(base), base, trust=trust, **more)

    for base in (SMALL, WHOLE, RULES, LISTED, INSIDE):
        yield good(base.removesuffix(".ccp"), "nothing; nobody is trusted", base)
    yield good("anchored", "nothing; network and validator set are trusted", SMALL, anchored())
    recent = Freshness(TIME + 7 * 86_400_000, set_known_ms=TIME)
    yield good("recent", "nothing; judged at the last moment that is accepted", SMALL, anchored(freshness=recent))
    old = Freshness(TIME + 10**12, max_age_ms=None)
    yield good("of-any-age", "nothing; any age is accepted", SMALL, anchored(freshness=old))
    yield good("strict", "nothing; strictly, with the genesis", LISTED, anchored(genesis=genesis(), strict=True))
    allowed = anchored(strict=True, allowed=("custody", "cover"))
    yield good("strict-but-for-two", "nothing; strictly, custody and cover may be open", SMALL, allowed)
    yield good("own-account", "nothing; the owner of account 1 looks for it", SMALL, of_parts.own_account())
    file = {"kind": "standalone", "file": frozen("account-1.ccs"), "file_base": "account-1.ccs"}
    yield good("standalone", "nothing", SMALL, **file)
    yield good("standalone-anchored", "nothing", SMALL, anchored(freshness=recent), **file)
    charged = "nothing; nobody is trusted; every charge on net amounts is on, a part of a scenario in the tail"
    yield good("every-charge", charged, "every-charge.ccp")
    past = "nothing; nobody is trusted; the expected shortfall of moves of history is required"
    yield good("history", past, of_history.BASE)
    yield good("answer", "nothing", SMALL, kind="answer", file=frozen("answer.cci"), file_base="answer.cci")
    yield from _with_surfaces()
    says = "the joint credit has no `keep_largest`, which is true by default"
    yield good("joint-credit-of-three-items", says, RULES, package=package_of_a_short_credit())


def _with_surfaces() -> Iterator[Vector]:
    """Packages on a live surface, and options at their highest marks."""
    for base, book in ((of_surfaces.BASE, live_market.SURFACED), (of_surfaces.AVERAGE, live_market.AVERAGING)):
        name, package, trust = base.removesuffix(".ccp"), frozen(base), anchored(genesis=live_market.genesis(book))
        yield Vector(name, "nothing; nobody is trusted", "", "", package, base)
        yield Vector(f"{name}-and-genesis", "nothing; with the genesis", "", "", package, base, trust=trust)
    for name, says, book, base in of_surfaces.marked(0):
        yield Vector(f"mark-at-{name}", f"the mark is {says}", "", "", live_market.package_of(book), base)
    for name, says, book in of_surfaces.futures():
        yield Vector(name, says, "", "", live_market.package_of(book), of_surfaces.BASE)
    trust = anchored(genesis=live_market.genesis(live_market.FUTURES))
    package = live_market.package_of(live_market.FUTURES)
    yield Vector(
        "future-on-the-curve-and-genesis", "nothing; with the genesis", "", "", package, of_surfaces.BASE, trust=trust
    )


def signatures() -> dict[str, Any]:
    """Signatures that distinguish the equation of Ed25519 from others."""
    return {"format": "crossclear-ed25519-vectors/1", "signatures": list(cases())}


def accounts_of(shot: RiskSnapshot, seeds: dict[int, bytes]) -> list[dict[str, Any]]:
    """What a prover knows and computes of each account, up to its digits."""
    stated, found = shot.statement, []
    layout = layout_of(stated, market.N)
    for each in shot.accounts:
        values = complete_holdings(stated, each)
        hiding = blinders(seeds[each.account], context_of(stated, each.account, each.owner))
        witness = make_witness(layout, values, each.shortfall, hiding)
        named = [(slot.name, values[at]) for at, slot in enumerate(stated.slots) if slot.is_public]
        found.append(
            {
                "account": str(each.account),
                "owner": each.owner.hex(),
                "seed": seeds[each.account].hex(),
                "shortfall": str(each.shortfall),
                "holdings": [[name, str(value)] for name, value in named],
                "values": [str(value) for value in values],
                "blinders": [str(value) for value in hiding],
                "digits": [bytes(column).hex() for column in witness.digits],
            }
        )
    return found


def traces() -> dict[str, dict[str, Any]]:
    """Each good file's intermediates, by the name of the trace."""
    small = accounts_of(market.snapshot(), market.seeds())
    found = {f"{name.removesuffix('.ccp')}.trace.json": trace.traced(frozen(name)) for name in TRACED}
    found["three-accounts.trace.json"]["accounts"] = small
    found["account-1.trace.json"] = trace.traced(frozen(SMALL), frozen("account-1.ccs"))
    return found


def joined(path: Path, made: Iterable[Vector | OnchainVector], bases: dict[str, bytes]) -> list[dict[str, Any]]:
    """Those that are written, and then the new ones."""
    known: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["vectors"] if path.exists() else []
    names = {each["name"] for each in known}
    return [*known, *(written(each, bases) for each in made if each.name not in names)]


def written(vector: Vector | OnchainVector, bases: dict[str, bytes]) -> dict[str, Any]:
    """A vector of either kind as JSON."""
    return as_json(vector, bases) if isinstance(vector, Vector) else vector.as_json(bases)


def made_files() -> dict[Path, Iterable[Vector | OnchainVector]]:
    """What belongs into each file of vectors."""
    return {
        VECTORS / FILE: positive(),
        BAD / FILE: negative(),
        VECTORS / ONCHAIN: of_onchain.positive(),
        BAD / ONCHAIN: of_onchain.negative(),
        BAD / FURTHER: of_attacks.vectors(),
    }


def write() -> None:
    """Write what is not there, and the sums."""
    bases = {path.name: path.read_bytes() for path in VECTORS.iterdir() if path.suffix in FILES}
    BAD.mkdir(exist_ok=True)
    for path, made in made_files().items():
        found = joined(path, made, bases)
        _dump(path, {"format": FORMAT, "vectors": found})
        sys.stdout.write(f"{path.name}: {len(found)} vectors\n")
    if not (BAD / SIGNATURES).exists():
        _dump(BAD / SIGNATURES, signatures())
    for name, found in traces().items():
        if not (VECTORS / name).exists():
            _dump(VECTORS / name, {"format": FORMAT, **found})
    for folder in (VECTORS, BAD):
        _sum(folder, sorted(each for each in folder.iterdir() if each.name != SUMS))


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _sum(folder: Path, files: Sequence[Path]) -> None:
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in files]
    (folder / SUMS).write_text("".join(sums))


if __name__ == "__main__":
    write_missing(VECTORS, vectors())
    write_missing(VECTORS, of_onchain.files())
    write()
