"""What the quorum certifies, with each item left out of the hashes in turn: the package that this admits, and its end.

Rule: the forged package passes every check of a verifier whose root or vote lacks that one item, and the real one
refuses it by `roots` or `certificate`. An item that something else binds, too, says which check that is.
"""

from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from clearing.base import bls
from clearing.base import certificate as certificate_module
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.codec import encode, u256
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.merkle import merkle_root
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.rulebook import write_rulebook
from clearing.margin.statement.snapshot import SNAPSHOT_TAG, PriceUsed, RiskStatement
from proofs.epoch.package import COMMITMENTS_TAG, commitments_root, read_package, write_package
from proofs.verify import package_verifier as verify_module
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.certificates import make_certificate
from tests.kit.proofs import small_market
from tests.kit.proofs.forgers.weakened import passes_only_in
from tests.kit.proofs.small_market import rulebook_of

SOFT = {"BTC": (2, 4, (90, -70)), "ETH": (3, 5, (8, -6))}
THIN = ((0, (5_000, 10, 0, 3)), (1, (500, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
"""Account 1 is short by 8·1800 − 10·620 = 8,200 under the true rows, and solvent under the soft ones."""


@contextmanager
def patched(*places):
    """Each (object, name, value) in its place for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for place in places:
            patch.setattr(*place)
        yield


def without_field(*names):
    """A digest of the statement that skips some fields."""

    def digest(self):
        return tagged_hash(SNAPSHOT_TAG, *(encode(getattr(self, f)) for f in self.__struct_fields__ if f not in names))

    return patched((RiskStatement, "digest", digest))


def without_part(part):
    """A commitments root that skips the statement, n, or one half of its leaves, in provers and verifier."""

    def root(statement, commitments, domain=2048):
        leaves = [
            (b"" if part == "account" else u256(account)) + (b"" if part == "C_W" else commitment)
            for account, commitment in commitments
        ]
        digest = b"" if part == "statement" else statement.digest()
        return tagged_hash(COMMITMENTS_TAG, digest, b"" if part == "n" else u256(domain), merkle_root(leaves))

    return patched(*((module, "commitments_root", root) for module in (small_market, verify_module)))


def prove_for(market, holdings, certified, shown):
    """Commitments are certified with one statement, and another is proven and shown. Weakened code only."""
    cheat = market.Cheat(market.snapshot(holdings, shown.shortfalls, shown.rows))
    return cheat.package(cheat.witnesses(), certified, proven=shown)


def shown_instead(market, name):
    """(holdings, the statement that is certified, the one that is shown)."""
    stated = market.statement()
    slot, total, term = (field[0] for field in (stated.slots, stated.totals, stated.custody))
    other = {
        "network": bytes(32),
        "height": 39,
        "epoch": 5,
        "state_root": bytes(32),
        "scenarios": 3,
        "groups": ("SAFE", "SAFER"),
        "slots": (replace(slot, name="cash:EUR"), *stated.slots[1:]),
        "rows": market.rows(SOFT),
        "prices": (PriceUsed("BTC", 1), *stated.prices[1:]),
        "totals": (replace(total, total=1), *stated.totals[1:]),
        "custody": (replace(term, balance=u256(10**30)), *stated.custody[1:]),
        "shortfalls": ((1, 9_000),),
        "rules": b"\0",
        "assumptions": ("nothing",),
    }[name]
    if name == "rows":
        stated = market.statement(THIN)
    if name == "shortfalls":
        stated = market.statement(THIN, [(1, 8_200)])
    holdings = THIN if name in ("rows", "shortfalls") else market.HOLDINGS
    return holdings, stated, replace(stated, **{name: other})


OTHERWISE = {
    "network": "roots",
    "height": "roots",
    "epoch": "roots",
    "scenarios": "statement",
    "totals": "matched_book",
    **dict.fromkeys(("groups", "slots", "rows", "prices", "rules", "assumptions"), "rules"),
}
"""Fields that another check binds, too: the header's network, height and epoch, the rows' names, the book, and those
that are a function of the rulebook, or the rulebook of them; left out together with it they admit a softer rule.
`cover` is attacked in `test_cover_of_the_fund`, whose market has stress scenarios."""


@pytest.mark.parametrize("name", [name for name in RiskStatement.__struct_fields__ if name != "cover"])
def test_without_a_field_of_the_statement_in_the_root_another_one_is_shown(market, name):
    with without_field(name):
        data = prove_for(market, *shown_instead(market, name))
        assert verify_package(data).failed == OTHERWISE.get(name), verify_package(data).checks[-1]
    assert verify_package(data).failed == "roots"


def softened(market):
    """(holdings that the true rows find short, the true statement, one of softer rules)."""
    stated = market.statement(THIN)
    return THIN, stated, replace(stated, rows=market.rows(SOFT), rules=write_rulebook(rulebook_of(SOFT)))


def test_without_rulebook_and_rows_in_the_root_an_insolvent_account_passes_under_softer_rules(market):
    passes_only_in(without_field("rules", "rows"), lambda: prove_for(market, *softened(market)), "roots")


def test_without_the_statement_in_the_root_an_insolvent_account_passes_under_softer_rows(market):
    holdings, stated, soft = softened(market)
    with without_part("statement"):
        assert "all 3 accounts meet" in verify_package(prove_for(market, holdings, stated, soft)).claim
        assert verify_package(prove_for(market, holdings, stated, stated)).failed == "ranges_and_rows"
    passes_only_in(without_part("statement"), lambda: prove_for(market, holdings, stated, soft), "roots")


def test_without_the_commitments_in_the_root_another_book_is_shown(market):
    """What members find by their own leaf: the shown book has their account with holdings that are not theirs."""
    moved = ((0, (5_001, 10, 0, 3)), (1, (8_999, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
    with without_part("C_W"):
        data = prove_for(market, moved, market.statement(), market.statement())
        good = prove_for(market, market.HOLDINGS, market.statement(), market.statement())
        assert read_package(data).header == read_package(good).header
        assert verify_package(data).ok
        account, values = market.HOLDINGS[1]
        own = OwnAccount(account, values, market.seeds()[account], market.owner(account))
        assert verify_package(data, own=own).failed == "inclusion"
    certified = market.certified(read_package(market.honest(market.snapshot())).header.commitments_root)
    assert verify_package(with_head(data, certified)).failed == "roots"


def test_without_the_accounts_in_the_root_a_commitment_is_given_to_another_account(market):
    shot = market.snapshot()
    certified = market.certified(read_package(market.honest(shot)).header.commitments_root)
    cheat = market.Cheat(shot)
    witnesses = cheat.witnesses()
    house, member, other = shot.accounts
    cheat.shot = replace(shot, accounts=(house, member, replace(other, account=6)))
    with without_part("account"):
        data = cheat.package(witnesses)
        assert verify_package(data).ok
    assert verify_package(data).failed == "roots"
    assert verify_package(with_head(data, certified)).failed == "roots"


def test_without_n_in_the_root_the_joint_proof_still_refuses_another_n(market):
    """The same points commit to other values for another n, and the layout names it: nothing is admitted by this."""
    with without_part("n"):
        good = prove_for(market, market.HOLDINGS, market.statement(), market.statement())
        assert verify_package(good).ok
        assert verify_package(with_parts(good, domain=512)).failed == "ranges_and_rows"
    assert verify_package(with_parts(market.honest(market.snapshot()), domain=512)).failed == "roots"


def with_parts(package, **changes):
    """The package's bytes, or a package, with other parts."""
    return write_package(replace(read_package(package) if isinstance(package, bytes) else package, **changes))


def with_head(data, head):
    return with_parts(data, **dict(zip(("header", "certificate", "validators"), head, strict=True)))


def made_up(market):
    """An epoch that no validator has seen: everybody is rich."""
    rich = ((0, (10**6, 10, 0, 3)), (1, (10**6, 40, -2, 0)), (5, (10**6, 700, 2, -3)))
    return read_package(market.honest(market.snapshot(rich)))


def signed(market, header, kind=VoteKind.PRECOMMIT, validators=None, secrets=None):
    """A certificate of the network's validators, or of others."""
    validators = validators or market.certified(bytes(32))[2]
    digest = certificate_module.vote_digest(market.NETWORK, validators.hash, kind, header.height, 1, header.hash)
    shares = {i: bls.sign(secret, digest) for i, secret in enumerate(secrets or market.SECRETS)}
    return make_certificate(kind, header.height, 1, header.hash, validators, shares)


def test_without_the_commitments_root_in_the_header_a_made_up_epoch_passes(market):
    real = Header.words.func  # type: ignore[attr-defined]
    words = property(lambda self: real(replace(self, commitments_root=bytes(32))))

    def forged():
        """The header that the quorum signed, with the root of another epoch put in afterwards."""
        header, _, _ = market.certified(bytes([5]) * 32)
        other = made_up(market)
        root = commitments_root(other.statement, other.commitments, market.N)
        forged_header = replace(header, commitments_root=root)
        return with_parts(other, certificate=signed(market, header), header=forged_header)

    passes_only_in(patched((Header, "words", words)), forged, "certificate")


def without_in_vote(position):
    """A vote whose digest skips one of (network, validators, kind, height, round, value)."""
    neutral = (bytes(32), bytes(32), VoteKind.PREVOTE, 0, 0, bytes(32))

    def digest(*parts):
        return vote_digest(*(neutral[i] if i == position else part for i, part in enumerate(parts)))

    return patched((certificate_module, "vote_digest", digest))


def test_without_the_value_in_the_vote_any_header_is_final(market):
    def forged():
        package = made_up(market)
        certificate = signed(market, market.certified(bytes([5]) * 32)[0])
        return with_parts(package, certificate=replace(certificate, value=package.header.hash))

    passes_only_in(without_in_vote(5), forged, "certificate")


def test_without_the_kind_in_the_vote_a_header_that_was_never_final_passes(market):
    """Two thirds prevoted it, and nobody decided it."""

    def forged():
        package = made_up(market)
        certificate = signed(market, package.header, VoteKind.PREVOTE)
        return with_parts(package, certificate=replace(certificate, kind=VoteKind.PRECOMMIT))

    passes_only_in(without_in_vote(2), forged, "certificate")


@pytest.mark.parametrize(
    ("position", "other"), [(0, {"network": bytes(32)}), (1, {"validators_hash": bytes(32)}), (3, {"height": 44})]
)
def test_what_the_header_says_too_may_be_left_out_of_the_vote(market, position, other):
    """Network, height and set stand in the header, whose hash is the value: alone, each may be left out."""
    package = read_package(market.honest(market.snapshot()))
    with without_in_vote(position):
        certificate = signed(market, package.header)
        assert verify_package(with_parts(package, certificate=certificate)).ok
        moved = replace(package.header, **other)
        for shown in (certificate, replace(certificate, value=moved.hash)):
            assert verify_package(with_parts(package, header=moved, certificate=shown)).failed == "certificate"


def without_in_set(**neutral):
    """A validator set whose hash skips these fields of its validators."""
    real = ValidatorSet.hash.func  # type: ignore[attr-defined]

    def hashed(self):
        return real(ValidatorSet(tuple(replace(validator, **neutral) for validator in self.validators)))

    return patched((ValidatorSet, "hash", property(hashed)))


def test_without_the_powers_in_the_hash_of_the_set_one_validator_is_a_quorum(market):
    """A member trusts a set by its hash; the package shows that set with another weight for the one that lies."""
    _, _, trusted = market.certified(bytes(32))
    first, second = trusted.validators
    heavy = ValidatorSet((replace(first, power=1000), second))
    check_forged_set(market, trusted, heavy, market.SECRETS[:1], without_in_set(power=1))


def test_without_the_keys_in_the_hash_of_the_set_anybody_is_a_quorum(market):
    _, _, trusted = market.certified(bytes(32))
    secrets = [bls.secret_from_seed(bytes([90 + i]) * 32) for i in range(2)]
    own = ValidatorSet(
        tuple(
            replace(each, bls_key=bls.public_key(secret), possession=bls.prove_possession(secret))
            for each, secret in zip(trusted.validators, secrets, strict=True)
        )
    )
    check_forged_set(market, trusted, own, secrets, without_in_set(bls_key=trusted.validators[0].bls_key))


def check_forged_set(market, trusted, shown, secrets, weakened):
    """A made-up epoch that only `secrets` signed, shown with another set to a member who trusts a hash."""

    def forged():
        package, known = made_up(market), ValidatorSet(trusted.validators).hash
        header, fresh = replace(package.header, validators_hash=known), ValidatorSet(shown.validators)
        certificate = signed(market, header, validators=fresh, secrets=secrets)
        return with_parts(package, header=header, certificate=certificate, validators=fresh), known

    with weakened:
        data, known = forged()
        assert verify_package(data, validators_hash=known).ok
    assert verify_package(data, validators_hash=trusted.hash).failed == "certificate"
    data, known = forged()
    assert known == trusted.hash
    assert verify_package(data, validators_hash=known).failed == "certificate"
