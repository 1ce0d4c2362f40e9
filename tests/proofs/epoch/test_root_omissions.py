"""What the quorum certifies, with each item left out of the hashes in turn: the package that this admits, and its end.

Rule: the forged package passes every check of a verifier whose root or vote lacks that one item, and the real one
refuses it by `roots` or `certificate`. An item that something else binds, too, says which check that is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base import certificate as certificate_module
from clearing.base.certificate import Certificate, VoteKind, vote_digest
from clearing.base.codec import encode, u256
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.merkle import merkle_root
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.rulebook import write_rulebook
from clearing.margin.statement.snapshot import SNAPSHOT_TAG, PriceUsed, RiskStatement
from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch import package as package_module
from proofs.epoch.package import COMMITMENTS_TAG, EpochPackage, commitments_root, read_package, write_package
from proofs.epoch.prover import assemble
from proofs.linear.statement import Witness
from proofs.verify import package_verifier as verify_module
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.certificates import make_certificate
from tests.kit.proofs.small_market import rulebook_of

Weakened = Callable[[pytest.MonkeyPatch], None]
SOFT = {"BTC": (2, 4, (90, -70)), "ETH": (3, 5, (8, -6))}
THIN = ((0, (5_000, 10, 0, 3)), (1, (500, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
"""Account 1 is short by 8·1800 − 10·620 = 8,200 under the true rows, and solvent under the soft ones."""


@contextmanager
def weakened(by: Weakened) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        by(patch)
        yield


def without_field(*names: str) -> Weakened:
    """A digest of the statement that skips some fields."""

    def digest(self: RiskStatement) -> bytes:
        return tagged_hash(SNAPSHOT_TAG, *(encode(getattr(self, f)) for f in self.__struct_fields__ if f not in names))

    return lambda patch: patch.setattr(RiskStatement, "digest", digest)


def without_part(part: str) -> Weakened:
    """A commitments root that skips the statement, n, or one half of its leaves."""

    def root(statement: RiskStatement, commitments: Any, domain: int = 2048) -> bytes:
        leaves = [
            (b"" if part == "account" else u256(account)) + (b"" if part == "C_W" else commitment)
            for account, commitment in commitments
        ]
        digest = b"" if part == "statement" else statement.digest()
        return tagged_hash(COMMITMENTS_TAG, digest, b"" if part == "n" else u256(domain), merkle_root(leaves))

    def patched(patch: pytest.MonkeyPatch) -> None:
        for module in (package_module, verify_module):
            patch.setattr(module, "commitments_root", root)

    return patched


def prove_for(market: SimpleNamespace, holdings: Any, certified: RiskStatement, shown: RiskStatement) -> bytes:
    """Commitments are certified with one statement, and another is proven and shown. Weakened code only."""
    shot = market.snapshot(holdings, shown.shortfalls, shown.rows)
    witnesses = market.Cheat(shot).witnesses()
    commitments = committed(market, witnesses, [account.account for account in shot.accounts])
    head = market.certified(package_module.commitments_root(certified, commitments, market.N))
    return assemble(shown, commitments, witnesses, *head, domain=market.N, check_witness=False)


def committed(
    market: SimpleNamespace, witnesses: Sequence[Witness], accounts: Sequence[int]
) -> tuple[tuple[int, bytes], ...]:
    return tuple(
        (account, encode_point(commit(basis(market.N), witness.values, witness.blinders)))
        for account, witness in zip(accounts, witnesses, strict=True)
    )


def changed(market: SimpleNamespace, name: str) -> tuple[Any, RiskStatement, RiskStatement]:
    """(holdings, the statement that is certified, the one that is shown)."""
    stated = market.statement()
    first, *others = stated.custody
    short = market.statement(THIN, [(1, 8_200)])
    variants: dict[str, tuple[RiskStatement, dict[str, object]]] = {
        "network": (stated, {"network": bytes(32)}),
        "height": (stated, {"height": 39}),
        "epoch": (stated, {"epoch": 5}),
        "state_root": (stated, {"state_root": bytes(32)}),
        "scenarios": (stated, {"scenarios": 3}),
        "groups": (stated, {"groups": ("SAFE", "SAFER")}),
        "slots": (stated, {"slots": (msgspec.structs.replace(stated.slots[0], name="cash:EUR"), *stated.slots[1:])}),
        "rows": (market.statement(THIN), {"rows": market.rows(SOFT)}),
        "prices": (stated, {"prices": (PriceUsed("BTC", 1), *stated.prices[1:])}),
        "totals": (stated, {"totals": (msgspec.structs.replace(stated.totals[0], total=1), *stated.totals[1:])}),
        "custody": (stated, {"custody": (msgspec.structs.replace(first, balance=u256(10**30)), *others)}),
        "shortfalls": (short, {"shortfalls": ((1, 9_000),)}),
        "rules": (stated, {"rules": b"\0"}),
        "assumptions": (stated, {"assumptions": ("nothing",)}),
    }
    certified, fields = variants[name]
    holdings = THIN if name in ("rows", "shortfalls") else market.HOLDINGS
    return holdings, certified, msgspec.structs.replace(certified, **fields)


OTHERWISE = {
    "network": "roots",
    "height": "roots",
    "scenarios": "statement",
    "totals": "matched_book",
    **dict.fromkeys(("groups", "slots", "rows", "prices", "rules", "assumptions"), "rules"),
}
"""Fields that another check binds, too: the header's network and height, the rows' names, the book, and those that are
a function of the rulebook, or the rulebook of them; left out together with it they admit a softer rule. `cover` is
attacked in `test_cover_of_the_fund`, whose market has stress scenarios."""


@pytest.mark.parametrize("name", [name for name in RiskStatement.__struct_fields__ if name != "cover"])
def test_without_a_field_of_the_statement_in_the_root_another_one_is_shown(market: SimpleNamespace, name: str) -> None:
    holdings, certified, shown = changed(market, name)
    with weakened(without_field(name)):
        data = prove_for(market, holdings, certified, shown)
        assert verify_package(data).failed == OTHERWISE.get(name), verify_package(data).checks[-1]
    assert verify_package(data).failed == "roots"


def test_without_rulebook_and_rows_in_the_root_an_insolvent_account_passes_under_softer_rules(
    market: SimpleNamespace,
) -> None:
    stated = market.statement(THIN)
    soft = msgspec.structs.replace(stated, rows=market.rows(SOFT), rules=write_rulebook(rulebook_of(SOFT)))
    with weakened(without_field("rules", "rows")):
        data = prove_for(market, THIN, stated, soft)
        assert verify_package(data).ok
    assert verify_package(data).failed == "roots"


def test_without_the_statement_in_the_root_an_insolvent_account_passes_under_softer_rows(
    market: SimpleNamespace,
) -> None:
    stated = market.statement(THIN)
    soft = msgspec.structs.replace(stated, rows=market.rows(SOFT), rules=write_rulebook(rulebook_of(SOFT)))
    with weakened(without_part("statement")):
        data = prove_for(market, THIN, stated, soft)
        verdict = verify_package(data)
        assert verdict.ok
        assert "all 3 accounts meet" in verdict.claim
        assert verify_package(prove_for(market, THIN, stated, stated)).failed == "ranges_and_rows"
    assert verify_package(data).failed == "roots"


def test_without_the_commitments_in_the_root_another_book_is_shown(market: SimpleNamespace) -> None:
    """What members find by their own leaf: the shown book has their account with holdings that are not theirs."""
    moved = ((0, (5_001, 10, 0, 3)), (1, (8_999, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
    with weakened(without_part("C_W")):
        data = prove_for(market, moved, market.statement(), market.statement())
        good = prove_for(market, market.HOLDINGS, market.statement(), market.statement())
        assert read_package(data).header == read_package(good).header
        assert verify_package(data).ok
        assert verify_package(data, own=own(market)).failed == "inclusion"
    certified = market.certified(read_package(market.honest(market.snapshot())).header.commitments_root)
    assert verify_package(with_head(data, certified)).failed == "roots"


def test_without_the_accounts_in_the_root_a_commitment_is_given_to_another_account(market: SimpleNamespace) -> None:
    shot = market.snapshot()
    witnesses = market.Cheat(shot).witnesses()
    certified = market.certified(commitments_root(shot.statement, committed(market, witnesses, (0, 1, 5)), market.N))
    shown = committed(market, witnesses, (0, 1, 6))
    with weakened(without_part("account")):
        head = market.certified(package_module.commitments_root(shot.statement, shown, market.N))
        data = assemble(shot.statement, shown, witnesses, *head, domain=market.N)
        assert verify_package(data).ok
    assert verify_package(data).failed == "roots"
    assert verify_package(with_head(data, certified)).failed == "roots"


def test_without_n_in_the_root_the_joint_proof_still_refuses_another_n(market: SimpleNamespace) -> None:
    """The same points commit to other values for another n, and the layout names it: nothing is admitted by this."""
    with weakened(without_part("n")):
        good = prove_for(market, market.HOLDINGS, market.statement(), market.statement())
        assert verify_package(good).ok
        other = write_package(msgspec.structs.replace(read_package(good), domain=512))
        assert verify_package(other).failed == "ranges_and_rows"
    honest = market.honest(market.snapshot())
    assert verify_package(write_package(msgspec.structs.replace(read_package(honest), domain=512))).failed == "roots"


def own(market: SimpleNamespace) -> OwnAccount:
    account, values = market.HOLDINGS[1]
    return OwnAccount(account, values, market.seeds()[account])


def with_head(data: bytes, head: tuple[Header, Certificate, ValidatorSet]) -> bytes:
    header, certificate, validators = head
    package = read_package(data)
    return write_package(
        msgspec.structs.replace(package, header=header, certificate=certificate, validators=validators)
    )


def made_up(market: SimpleNamespace) -> EpochPackage:
    """An epoch that no validator has seen: everybody is rich."""
    rich = ((0, (10**6, 10, 0, 3)), (1, (10**6, 40, -2, 0)), (5, (10**6, 700, 2, -3)))
    return read_package(market.honest(market.snapshot(rich)))


def signed(market: SimpleNamespace, header: Header, kind: VoteKind = VoteKind.PRECOMMIT) -> Certificate:
    _, _, validators = market.certified(bytes(32))
    digest = certificate_module.vote_digest(market.NETWORK, validators.hash, kind, header.height, 1, header.hash)
    shares = {i: bls.sign(secret, digest) for i, secret in enumerate(market.SECRETS)}
    return make_certificate(kind, header.height, 1, header.hash, validators, shares)


def with_certificate(package: EpochPackage, header: Header, certificate: Certificate) -> bytes:
    return write_package(msgspec.structs.replace(package, header=header, certificate=certificate))


def test_without_the_commitments_root_in_the_header_a_made_up_epoch_passes(market: SimpleNamespace) -> None:
    real = Header.words.func  # type: ignore[attr-defined]

    def words(self: Header) -> bytes:
        return bytes(real(msgspec.structs.replace(self, commitments_root=bytes(32))))

    def forged() -> bytes:
        """The header that the quorum signed, with the root of another epoch put in afterwards."""
        header, _, _ = market.certified(bytes([5]) * 32)
        other = made_up(market)
        certificate = signed(market, header)
        root = commitments_root(other.statement, other.commitments, market.N)
        return with_certificate(other, msgspec.structs.replace(header, commitments_root=root), certificate)

    with weakened(lambda patch: patch.setattr(Header, "words", property(words))):
        data = forged()
        assert verify_package(data).ok
    assert verify_package(data).failed == "certificate"
    assert verify_package(forged()).failed == "certificate"


def without_in_vote(position: int) -> Weakened:
    """A vote whose digest skips one of (network, validators, kind, height, round, value)."""
    neutral: tuple[object, ...] = (bytes(32), bytes(32), VoteKind.PREVOTE, 0, 0, bytes(32))

    def digest(*parts: Any) -> bytes:
        return vote_digest(*(neutral[i] if i == position else part for i, part in enumerate(parts)))

    return lambda patch: patch.setattr(certificate_module, "vote_digest", digest)


def test_without_the_value_in_the_vote_any_header_is_final(market: SimpleNamespace) -> None:
    def forged() -> bytes:
        package = made_up(market)
        signed_one, _, _ = market.certified(bytes([5]) * 32)
        certificate = signed(market, signed_one)
        moved = msgspec.structs.replace(certificate, value=package.header.hash)
        return with_certificate(package, package.header, moved)

    with weakened(without_in_vote(5)):
        data = forged()
        assert verify_package(data).ok
    assert verify_package(data).failed == "certificate"
    assert verify_package(forged()).failed == "certificate"


def test_without_the_kind_in_the_vote_a_header_that_was_never_final_passes(market: SimpleNamespace) -> None:
    """Two thirds prevoted it, and nobody decided it."""

    def forged() -> bytes:
        package = made_up(market)
        certificate = signed(market, package.header, VoteKind.PREVOTE)
        return with_certificate(package, package.header, msgspec.structs.replace(certificate, kind=VoteKind.PRECOMMIT))

    with weakened(without_in_vote(2)):
        data = forged()
        assert verify_package(data).ok
    assert verify_package(data).failed == "certificate"
    assert verify_package(forged()).failed == "certificate"


@pytest.mark.parametrize("field", ["network", "height", "validators_hash"])
def test_what_the_header_says_too_may_be_left_out_of_the_vote(market: SimpleNamespace, field: str) -> None:
    """Network, height and set stand in the header, whose hash is the value: alone, each may be left out."""
    position = {"network": 0, "validators_hash": 1, "height": 3}[field]
    package = read_package(market.honest(market.snapshot()))
    with weakened(without_in_vote(position)):
        certificate = signed(market, package.header)
        assert verify_package(with_certificate(package, package.header, certificate)).ok
        other = {"network": bytes(32), "height": 44, "validators_hash": bytes(32)}[field]
        moved = msgspec.structs.replace(package.header, **{field: other})
        assert verify_package(with_certificate(package, moved, certificate)).failed == "certificate"
        claimed = msgspec.structs.replace(certificate, value=moved.hash)
        assert verify_package(with_certificate(package, moved, claimed)).failed == "certificate"


def without_in_set(**neutral: object) -> Weakened:
    """A validator set whose hash skips these fields of its validators."""
    real = ValidatorSet.hash.func  # type: ignore[attr-defined]

    def hashed(self: ValidatorSet) -> bytes:
        alike = (msgspec.structs.replace(validator, **neutral) for validator in self.validators)
        return bytes(real(ValidatorSet(tuple(alike))))

    return lambda patch: patch.setattr(ValidatorSet, "hash", property(hashed))


def test_without_the_powers_in_the_hash_of_the_set_one_validator_is_a_quorum(market: SimpleNamespace) -> None:
    """A member trusts a set by its hash; the package shows that set with another weight for the one that lies."""
    _, _, trusted = market.certified(bytes(32))
    first, second = trusted.validators
    heavy = ValidatorSet((msgspec.structs.replace(first, power=1000), second))
    check_forged_set(market, trusted, heavy, market.SECRETS[:1], without_in_set(power=1))


def test_without_the_keys_in_the_hash_of_the_set_anybody_is_a_quorum(market: SimpleNamespace) -> None:
    _, _, trusted = market.certified(bytes(32))
    secrets = [bls.secret_from_seed(bytes([90 + i]) * 32) for i in range(2)]
    own = ValidatorSet(
        tuple(
            msgspec.structs.replace(each, bls_key=bls.public_key(secret), possession=bls.prove_possession(secret))
            for each, secret in zip(trusted.validators, secrets, strict=True)
        )
    )
    check_forged_set(market, trusted, own, secrets, without_in_set(bls_key=trusted.validators[0].bls_key))


def check_forged_set(
    market: SimpleNamespace, trusted: ValidatorSet, shown: ValidatorSet, secrets: Sequence[int], weak: Weakened
) -> None:
    """A made-up epoch that only `secrets` signed, shown with another set to a member who trusts a hash."""

    def forged() -> tuple[bytes, bytes]:
        package, known = made_up(market), ValidatorSet(trusted.validators).hash
        header = msgspec.structs.replace(package.header, validators_hash=known)
        fresh = ValidatorSet(shown.validators)
        digest = certificate_module.vote_digest(
            market.NETWORK, fresh.hash, VoteKind.PRECOMMIT, header.height, 1, header.hash
        )
        shares = {i: bls.sign(secret, digest) for i, secret in enumerate(secrets)}
        certificate = make_certificate(VoteKind.PRECOMMIT, header.height, 1, header.hash, fresh, shares)
        return with_head(write_package(package), (header, certificate, fresh)), known

    with weakened(weak):
        data, known = forged()
        assert verify_package(data, validators_hash=known).ok
    assert verify_package(data, validators_hash=trusted.hash).failed == "certificate"
    data, known = forged()
    assert known == trusted.hash
    assert verify_package(data, validators_hash=known).failed == "certificate"
