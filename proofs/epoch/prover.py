"""The prover's side of an epoch: commit a snapshot, and later prove it into a package.

Rule: committing is deterministic (every validator gets the same root); proving draws fresh randomness each time and may
be done by anyone trusted with the holdings. Both are CPU-bound: call them through `proofs.epoch.pool`, off the
request path.
"""

from collections.abc import Mapping, Sequence

from clearing.base.certificate import Certificate
from clearing.base.errors import LocalFault
from clearing.base.header import Header
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot, RiskStatement, SlotKind
from proofs.algebra.commitment import Committer, blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import CEREMONY_SHA256, basis
from proofs.algebra.transcript import Transcript
from proofs.cover.prover import prove_cover
from proofs.epoch.house_solvency import house_statement
from proofs.epoch.matched_book import open_book
from proofs.epoch.package import FORMAT, EpochPackage, commitments_root, linear_statement, write_package
from proofs.epoch.workers import ShardWorkers
from proofs.errors import ProofCode
from proofs.linear.prover import prove, random_scalar
from proofs.linear.shard import RandomScalar
from proofs.linear.statement import Witness, make_witness
from proofs.statement.arithmetization import (
    DOMAIN,
    AuxiliaryWitness,
    auxiliary_slots,
    complete_holdings,
    context_of,
    layout_of,
)

Seeds = Mapping[int, bytes]
"""Account to its 32-byte seed of the epoch."""


def commit_epoch(
    snapshot: RiskSnapshot, seeds: Seeds, domain: int = DOMAIN, committer: Committer | None = None
) -> tuple[tuple[int, bytes], ...]:
    """(account, C_W) of every account, in order; then `proofs.epoch.package.commitments_root`. About 1 ms an account.

    A `committer` of the same domain that has seen an earlier epoch needs less. Raises LocalFault BAD_LENGTH when an
    account has no seed.
    """
    points, auxiliary = basis(domain), AuxiliaryWitness(snapshot.statement)
    result = []
    for account in snapshot.accounts:
        values = complete_holdings(snapshot.statement, account, auxiliary)
        hiding = blinders(_seed(seeds, account), context_of(snapshot.statement, account.account, account.owner))
        found = (
            commit(points, values, hiding) if committer is None else committer.commit(account.account, values, hiding)
        )
        result.append((account.account, encode_point(found)))
    if committer is not None:
        committer.keep({account for account, _ in result})
    return tuple(result)


def prove_epoch(
    snapshot: RiskSnapshot,
    seeds: Seeds,
    header: Header,
    certificate: Certificate,
    validators: ValidatorSet,
    *,
    domain: int = DOMAIN,
    scalars: RandomScalar = random_scalar,
    workers: ShardWorkers | None = None,
) -> bytes:
    """The bytes of the epoch package for the snapshot whose commitments root `header` carries.

    `workers` are further processes over which the accounts are spread; without, it all happens in this one.
    Raises LocalFault WITNESS_OUT_OF_RANGE when an account breaks a row without a listed shortfall, WRONG_ROOT when the
    header certifies other commitments than these holdings and seeds give.
    """
    if workers is not None:
        workers.start(len(snapshot.accounts))
    points, layout = basis(domain), layout_of(snapshot.statement, domain)
    auxiliary = AuxiliaryWitness(snapshot.statement)
    commitments, secrets = [], []
    for account in snapshot.accounts:
        values = complete_holdings(snapshot.statement, account, auxiliary)
        hiding = blinders(_seed(seeds, account), context_of(snapshot.statement, account.account, account.owner))
        commitments.append((account.account, encode_point(commit(points, values, hiding))))
        secrets.append((values, account.shortfall, hiding))
    root = commitments_root(snapshot.statement, commitments, domain)
    if root != header.commitments_root:
        raise LocalFault(ProofCode.WRONG_ROOT, "prove_epoch", certified=header.commitments_root, found=root)
    witnesses = [make_witness(layout, *secret) for secret in secrets]
    head = (header, certificate, validators)
    return assemble(snapshot.statement, commitments, witnesses, *head, domain=domain, scalars=scalars, workers=workers)


def assemble(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    witnesses: Sequence[Witness],
    header: Header,
    certificate: Certificate,
    validators: ValidatorSet,
    *,
    domain: int = DOMAIN,
    scalars: RandomScalar = random_scalar,
    check_witness: bool = True,
    workers: ShardWorkers | None = None,
) -> bytes:
    """Prove and put together. The lowest layer: with `check_witness` off it is the cheating prover of the tests."""
    linear = linear_statement(statement, commitments, domain)
    if workers is None:
        proof, transcript = prove(linear, witnesses, check_witness=check_witness, scalars=scalars)
    else:
        proof, transcript = workers.prove(linear, witnesses, check_witness=check_witness)
    auxiliary = auxiliary_slots(statement)
    exponents = [sum(witness.blinders[i] for witness in witnesses) for i in range(2)]
    exponents += [sum(witness.values[slot] for witness in witnesses) for slot in auxiliary]
    totals = [(total.slot, total.total) for total in statement.totals]
    book = open_book(basis(domain), auxiliary, totals, exponents, transcript, scalars)
    cover = prove_cover(
        statement, commitments, witnesses, domain, transcript, scalars=scalars, check_witness=check_witness
    )
    house = _prove_house(statement, commitments, witnesses, domain, transcript, scalars)
    return write_package(
        EpochPackage(
            format=FORMAT,
            header=header,
            certificate=certificate,
            validators=validators,
            srs=CEREMONY_SHA256,
            domain=domain,
            statement=statement,
            commitments=tuple(commitments),
            proof=proof,
            book=book,
            cover=cover,
            house=house,
        )
    )


def _prove_house(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    witnesses: Sequence[Witness],
    domain: int,
    transcript: Transcript,
    scalars: RandomScalar,
) -> bytes:
    """Proof that the house owes no cash; empty if it owes, or there is no such account."""
    wanted = house_statement(statement, commitments, domain, transcript)
    if wanted is None:
        return b""
    own = witnesses[[account for account, _ in commitments].index(HOUSE_ACCOUNT)]
    if any(own.values[j] < 0 for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.CASH):
        return b""
    witness = make_witness(wanted.layout, own.values, 0, own.blinders)
    return prove(wanted, [witness], scalars=scalars)[0]


def _seed(seeds: Seeds, account: AccountHoldings) -> bytes:
    seed = seeds.get(account.account)
    if seed is None:
        raise LocalFault(ProofCode.BAD_LENGTH, "account seed missing", account=account.account)
    return seed
