"""Whole packages as a cheating prover makes them: certified by a quorum that plays along, proven without any check."""

import msgspec

from proofs.algebra.commitment import blinders
from proofs.algebra.srs import CEREMONY_SHA256, basis
from proofs.epoch.matched_book import open_book
from proofs.epoch.package import FORMAT, EpochPackage, commitments_root, linear_statement, read_package, write_package
from proofs.linear.prover import random_scalar
from proofs.statement.arithmetization import auxiliary_slots, complete_holdings, context_of, layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict
from tests.kit.proofs.cheating import CheatingProver, Secret, bytes_of, commit_poly

replace = msgspec.structs.replace


def signed_anew(market, package: EpochPackage, **header) -> bytes:
    """A quorum certifies what the package now says; the proofs stay what they were."""
    root = commitments_root(package.statement, package.commitments, package.domain)
    stated = package.statement
    fields = {"commitments_height": stated.height, "height": stated.height + 3, "epoch": stated.epoch, **header}
    head, certificate, validators = market.certified(root, **fields)
    return write_package(replace(package, header=head, certificate=certificate, validators=validators))


def lying(market, package: bytes, **changes) -> Verdict:
    """The package with another statement, which a quorum certifies."""
    good = read_package(package)
    return verify_package(signed_anew(market, replace(good, statement=replace(good.statement, **changes))))


def secrets_of(market, shot) -> dict[int, Secret]:
    """Every account as it is, to be bent by a test."""
    stated, layout = shot.statement, layout_of(shot.statement, market.N)
    found = {}
    for account in shot.accounts:
        full = complete_holdings(stated, account)
        digits = bytes_of(layout, full, account.shortfall)
        hiding = blinders(market.seeds()[account.account], context_of(stated, account.account, account.owner))
        found[account.account] = Secret(list(full), digits, list(hiding))
    return found


def cheated(market, statement, secrets: dict[int, Secret], way=CheatingProver, exponents=None) -> Verdict:
    """Commit, have it certified, prove without any check, open the book as well as can be, and verify."""
    size, auxiliary = market.N, auxiliary_slots(statement)
    commitments = tuple((account, commit_poly(own.poly(size))) for account, own in sorted(secrets.items()))
    own = [each for _, each in sorted(secrets.items())]
    prover = way(linear_statement(statement, commitments, size), own)
    proof = prover.prove()
    if exponents is None:
        exponents = [sum(each.rho[i] for each in own) for i in range(2)]
        exponents += [sum(each.values[slot] for each in own) for slot in auxiliary]
    totals = [(total.slot, total.total) for total in statement.totals]
    book = open_book(basis(size), auxiliary, totals, exponents, prover.transcript, random_scalar)
    head, certificate, validators = market.certified(
        commitments_root(statement, commitments, size), epoch=statement.epoch
    )
    package = EpochPackage(
        FORMAT,
        head,
        certificate,
        validators,
        CEREMONY_SHA256,
        size,
        statement,
        commitments,
        proof,
        book,
    )
    return verify_package(write_package(package))
