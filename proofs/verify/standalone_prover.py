"""The prover of standalone proofs: a member proves by itself that its account meets its requirement.

Rule: it needs only the member's holdings and seed and a certified package. It proves only rows that a trusted quorum
certified, because made-up rows could extract anything about the holdings. It refuses holdings or a seed that give
another C_W than the committed one. Every call draws fresh blinders, and every proof is verified before it is returned.
"""

from typing import TYPE_CHECKING

from clearing.base.errors import Bug, LocalFault
from clearing.margin.statement.snapshot import AccountHoldings
from proofs.algebra.commitment import blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import ProofCode
from proofs.linear.prover import prove, random_scalar
from proofs.linear.shard import RandomScalar
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, context_of
from proofs.verify.freshness import Freshness
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.standalone import AccountStatements, StandaloneProof, verify_standalone, write_standalone
from proofs.verify.verdict import OwnAccount

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis


def make_standalone(
    package: bytes,
    own: OwnAccount,
    *,
    network: bytes,
    validators_hash: bytes,
    genesis: "Genesis | None" = None,
    freshness: Freshness | None = None,
) -> bytes:
    """The bytes of the file, about an account of the package that this validator set of this network certified.

    With a genesis that the caller has checked, its parameters must be that one's, too. `freshness` states the time: a
    set that has retired could certify rows of its own making, so without a time the caller vouches for the set.

    Raises LocalFault NOT_INCLUDED when holdings and seed do not give the certified commitment, BAD_LENGTH,
    WITNESS_OUT_OF_RANGE; RemoteFault for a package that is not certified, lists no such account or contradicts itself.
    """
    read = read_package(package)
    for _, check in PackageChecks(
        read, network, validators_hash, genesis=genesis, freshness=freshness
    ).of_public_part():
        check()
    data = prove_account(read, own)
    verdict = verify_standalone(data, package, network=network, validators_hash=validators_hash, genesis=genesis)
    if not verdict.ok:
        raise Bug(f"own standalone proof is refused: {verdict.checks[-1].detail}")
    return data


def prove_account(package: EpochPackage, own: OwnAccount, scalars: RandomScalar = random_scalar) -> bytes:
    """The bytes of the file for a package that the caller has verified. `scalars` is replaced only to freeze vectors.

    Raises as `make_standalone` does, but for certificates.
    """
    statement = package.statement
    linear = AccountStatements(package).of(own.account)
    values = complete_holdings(statement, AccountHoldings(own.account, own.values))
    hiding = blinders(own.seed, context_of(statement, own.account, own.owner))
    found = encode_point(commit(basis(package.domain), values, hiding))
    if found != linear.commitments[0]:
        # Never what was recomputed: under the blinders of the certified C_W it reveals by how much holdings are wrong.
        raise LocalFault(ProofCode.NOT_INCLUDED, f"account {own.account}", certified=linear.commitments[0])
    witness = make_witness(linear.layout, values, linear.shortfalls[0], hiding)
    proof, _ = prove(linear, [witness], scalars=scalars)
    return write_standalone(StandaloneProof(found, proof))
