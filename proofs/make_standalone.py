"""The prover of standalone proofs: a member shows, by itself, that its account meets its requirement.

Rule: it needs the member's own holdings and seed and a certified package, no validator and no worker; it proves only
what was committed to, so holdings or a seed that give another C_W are refused before anything is sent. Every call draws
fresh blinders.
"""

from clearing.base.errors import LocalFault
from clearing.margin.snapshot import AccountHoldings
from proofs.commitment import CommitmentContext, blinders, commit
from proofs.errors import ProofCode
from proofs.group import encode_point
from proofs.linear.prover import prove, random_scalar
from proofs.linear.shard import RandomScalar
from proofs.linear.witness import make_witness
from proofs.package import EpochPackage
from proofs.solvency import complete_holdings
from proofs.srs import basis
from proofs.standalone import AccountStatements, StandaloneProof, write_standalone
from proofs.verdict import OwnAccount


def make_standalone(package: EpochPackage, own: OwnAccount, scalars: RandomScalar = random_scalar) -> bytes:
    """The bytes of the file. `scalars` is replaced only to freeze vectors.

    Raises LocalFault NOT_INCLUDED when holdings and seed do not give the certified commitment, BAD_LENGTH,
    WITNESS_OUT_OF_RANGE; Refused for a package that lists no such account or contradicts itself.
    """
    statement = package.statement
    linear = AccountStatements(package).of(own.account)
    values = complete_holdings(statement, AccountHoldings(own.account, own.values))
    context = CommitmentContext(statement.network, own.account, statement.epoch, statement.state_root)
    hiding = blinders(own.seed, context)
    found = encode_point(commit(basis(package.domain), values, hiding))
    if found != linear.commitments[0]:
        raise LocalFault(
            ProofCode.NOT_INCLUDED, f"account {own.account}", recomputed=found, certified=linear.commitments[0]
        )
    witness = make_witness(linear.layout, values, linear.shortfalls[0], hiding)
    proof, _ = prove(linear, [witness], scalars=scalars)
    return write_standalone(StandaloneProof(found, proof))
