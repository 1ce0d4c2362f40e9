"""From an epoch's snapshot to its leaves and keys: what each validator computes by itself before it signs keys.

Rule: everything follows from the snapshot, the seeds and the domain, so all validators find the same keys; who finds
others signs nothing. CPU-bound: 5 ms an account at n = 2048.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clearing.base.errors import LocalFault
from clearing.margin.snapshot import AccountHoldings, RiskSnapshot, RiskStatement
from proofs.commitment import CommitmentContext, blinders, commit
from proofs.errors import ProofCode
from proofs.group import encode_point
from proofs.layout import Layout
from proofs.least import LeastValues
from proofs.linear.witness import Witness, make_witness
from proofs.onchain.keys import EpochKeys, EpochStatement, derive_keys, epoch_statement
from proofs.onchain.leaves import Leaf, make_leaf
from proofs.solvency import DOMAIN, complete_holdings, layout_of
from proofs.srs import basis


@dataclass(frozen=True)
class DerivedEpoch:
    """All that is public of an epoch on chain."""

    statement: EpochStatement
    leaves: tuple[Leaf, ...]
    keys: EpochKeys


def derive_epoch(snapshot: RiskSnapshot, seeds: Mapping[int, bytes], domain: int = DOMAIN) -> DerivedEpoch:
    """The leaves and keys of a snapshot. Raises LocalFault BAD_LENGTH without a seed, WITNESS_OUT_OF_RANGE, Refused."""
    layout, points, least = layout_of(snapshot.statement, domain), basis(domain), LeastValues(snapshot.statement)
    witnesses = [
        account_witness(snapshot.statement, layout, account, _seed(seeds, account.account), least)
        for account in snapshot.accounts
    ]
    commitments = [
        (account.account, encode_point(commit(points, witness.values, witness.blinders)))
        for account, witness in zip(snapshot.accounts, witnesses, strict=True)
    ]
    statement = epoch_statement(snapshot.statement, commitments, domain)
    leaves = tuple(
        make_leaf(statement.linear, index, witness, _seed(seeds, account.account), points)
        for index, (account, witness) in enumerate(zip(snapshot.accounts, witnesses, strict=True))
    )
    return DerivedEpoch(statement, leaves, derive_keys(statement, leaves))


def account_witness(
    statement: RiskStatement, layout: Layout, account: AccountHoldings, seed: bytes, least: LeastValues | None = None
) -> Witness:
    """An account's witness, by its holdings and seed. Raises LocalFault WITNESS_OUT_OF_RANGE, BAD_LENGTH."""
    values = complete_holdings(statement, account, least)
    context = CommitmentContext(statement.network, account.account, statement.epoch, statement.state_root)
    return make_witness(layout, values, account.shortfall, blinders(seed, context))


def _seed(seeds: Mapping[int, bytes], account: int) -> bytes:
    try:
        return seeds[account]
    except KeyError:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed missing", account=account) from None
