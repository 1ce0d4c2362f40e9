"""What was taken as proven, proven: the holdings are chosen so that it holds, and a quorum signs them."""

from contextlib import suppress

import msgspec

from clearing.base.errors import CrossclearError
from clearing.base.header import Header
from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot, RiskStatement
from proofs.epoch.package import attach_custody, commitments_root, read_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import counted_scalars
from tests.kit.proofs.named_bases import Base

replace = msgspec.structs.replace


def proven_again(data: bytes, base: Base) -> bytes | None:
    """The package that says the same and is proven; None where these accounts cannot have it so."""
    said = read_package(data)
    with suppress(CrossclearError, KeyError):
        shot = RiskSnapshot(said.statement, _holdings(said.statement, base))
        seeds = {each.account: base.seeds[each.account] for each in shot.accounts}
        root = commitments_root(said.statement, commit_epoch(shot, seeds, base.domain), base.domain)
        header = {name: getattr(said.header, name) for name in Header.__struct_fields__}
        head = market.certified(root, **{**header, "commitments_root": root})
        proven = prove_epoch(shot, seeds, *head, domain=base.domain, scalars=counted_scalars())
        return attach_custody(proven, said.custody)
    return None


def _holdings(stated: RiskStatement, base: Base) -> tuple[AccountHoldings, ...]:
    """The base's, the house with what the totals have more or less; an account that falls short is listed as the
    statement has it."""
    first, *others = base.accounts
    sums = [sum(values) for values in zip(*(each.values for each in base.accounts), strict=True)]
    wanted = [total.total for total in stated.totals]
    moved = tuple(own + after - before for own, before, after in zip(first.values, sums, wanted, strict=True))
    listed = dict(stated.shortfalls)
    return tuple(
        replace(each, auxiliary=(), shortfall=listed.get(each.account, 0))
        for each in (replace(first, values=moved), *others)
    )


def verified(data: bytes, base: Base) -> Verdict:
    """By the verifier as it is."""
    return verify_package(data, **base.trusted)  # type: ignore[arg-type]
