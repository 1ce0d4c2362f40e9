"""What negative vectors are made with: frozen packages, and a prover without checks whose blinders are counted."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from clearing.margin.statement.snapshot import RiskSnapshot, RiskStatement
from proofs.algebra.commitment import blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch.package import EpochPackage, commitments_root, read_package, write_package
from proofs.epoch.prover import assemble
from proofs.linear.statement import Witness, make_witness
from proofs.statement.arithmetization import complete_holdings, context_of, layout_of
from tests.kit.proofs import small_market as market
from tests.kit.proofs import stressed
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.counted import BOOK, MEMBERS, VECTORS, counted_scalars
from tests.kit.proofs.vector_files import Trust, Vector

replace = msgspec.structs.replace
SMALL, WHOLE, LISTED = "three-accounts.ccp", "every-part.ccp", "listed-custody.ccp"
TIME = 1_584_000_000_000
"""Of the small market's header and prices."""


@cache
def frozen(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


@cache
def read(name: str = SMALL) -> EpochPackage:
    return read_package(frozen(name))


def refused(name: str, changed: str, by: str, code: str, package: bytes | EpochPackage, **more: Any) -> Vector:
    """A package that a check refuses."""
    data = package if isinstance(package, bytes) else write_package(package)
    return Vector(name, changed, by, code, data, **more)


def certified(changes: Mapping[str, Any], base: str = SMALL, **header: Any) -> bytes:
    """Parts of a package changed, and a quorum that signs the result; its proofs stay what they were."""
    return signed_anew(market, replace(read(base), **changes), **header)


def stating(base: str = SMALL, **changes: Any) -> bytes:
    """Another statement, which a quorum signs."""
    good = read(base)
    return certified({"statement": replace(good.statement, **changes)}, base)


def custody(stated: RiskStatement, place: int = 0, **changes: Any) -> dict[str, Any]:
    terms = list(stated.custody)
    terms[place] = replace(terms[place], **changes)
    return {"custody": tuple(terms)}


def witnesses(shot: RiskSnapshot, seeds: Mapping[int, bytes], values: Mapping[int, Mapping[int, int]]) -> list[Witness]:
    """Every account's witness, with some values replaced and nothing checked."""
    layout, found = layout_of(shot.statement, market.N), []
    for account in shot.accounts:
        full = list(complete_holdings(shot.statement, account))
        for slot, value in values.get(account.account, {}).items():
            full[slot] = value
        hiding = blinders(seeds[account.account], context_of(shot.statement, account.account, account.owner))
        found.append(make_witness(layout, full, account.shortfall, hiding, check=False))
    return found


def proven(
    shot: RiskSnapshot,
    *,
    values: Mapping[int, Mapping[int, int]] | None = None,
    shown: RiskStatement | None = None,
    seeds: Mapping[int, bytes] | None = None,
    **header: Any,
) -> bytes:
    """Commit, have it certified, and prove `shown` for these witnesses without a check."""
    keys = seeds or {each.account: bytes([each.account + 1]) * 32 for each in shot.accounts}
    own, stated, points = witnesses(shot, keys, values or {}), shown or shot.statement, basis(market.N)
    commitments = tuple(
        (account.account, encode_point(commit(points, each.values, each.blinders)))
        for account, each in zip(shot.accounts, own, strict=True)
    )
    head = market.certified(
        commitments_root(stated, commitments, market.N),
        **{"commitments_height": stated.height, "height": stated.height + 3, "epoch": stated.epoch, **header},
    )
    return assemble(stated, commitments, own, *head, domain=market.N, check_witness=False, scalars=counted_scalars())


def fund_shot() -> RiskSnapshot:
    """The snapshot behind the packages with a default fund."""
    return stressed.snapshot_of(BOOK, MEMBERS)


def fund_seeds() -> dict[int, bytes]:
    return stressed.seeds_of([0, *BOOK])


ANCHORED = Trust(network=market.NETWORK, validators_hash=market.validator_set().hash)


def anchored(**more: Any) -> Trust:
    """The network and its validators, and more."""
    return Trust(network=ANCHORED.network, validators_hash=ANCHORED.validators_hash, **more)
