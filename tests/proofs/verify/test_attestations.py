"""What a verdict leaves to somebody's word is named with its value, and an open check says what counts for nothing."""

import hashlib

import msgspec
import pytest

from clearing.base.codec import encode, encode_trimmed
from clearing.margin.statement.rulebook import FeedLevel, write_rulebook
from clearing.schema.risk.parameters import JointCredit, JointScenario
from member.verifying.package import TrustAnchor, report_of
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.verify.attestations import JOINT_TAG, MEMBERS_TAG, POSSESSIONS_TAG, _named_apart, attested
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount, printable
from tests.kit.proofs.counted import BOOK
from tests.kit.proofs.stressed import MEMBERS, RULEBOOK, snapshot_of

replace = msgspec.structs.replace
VECTORS = {1: (1_000_000, 0, 5_000, 0, 0), 2: (5 * 10**10, 0, -300, 0, 40)}
"""Account 1 is long 5,000 lots on one dollar."""


def tagged(tag: str, data: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(tag.encode()).digest() + data).hexdigest()


def with_feed(name: str, **changes):
    """The rulebook with one feed changed."""
    return replace(RULEBOOK, feeds=tuple(replace(f, **changes) if f.name == name else f for f in RULEBOOK.feeds))


def verdict_of(market, book, vectors=VECTORS):
    trusted = {"network": market.NETWORK, "validators_hash": market.validator_set().hash}
    return verify_package(market.honest(snapshot_of(vectors, MEMBERS, book)), **trusted)


def report(market, verdict):
    anchor = TrustAnchor(market.NETWORK, market.validator_set().hash)
    return report_of("epoch.ccp", 1, verdict, anchor, 0.0)


def test_a_feed_that_is_called_settled_is_named_so_with_its_value_and_leaves_the_rules_open(market):
    """Positions on it need no margin: what hides there must not pass strictly."""
    honest, verdict = verdict_of(market, RULEBOOK), verdict_of(market, with_feed("BTC", used=False))
    assert {check.name for check in honest.checks if not check.complete} == {"custody"}
    assert verdict.ok
    (rules,) = [check for check in verdict.checks if check.name == "rules"]
    assert not rules.complete
    assert rules.detail.endswith(
        "positions in 2 of the instruments count for nothing, for the validators call their feeds settled: BTC"
    )
    listed = dict(verdict.attested)
    assert listed["settled:BTC"] == 800_000
    assert "index:BTC" not in listed
    assert listed["index:ETH"] == 20_000
    strict = report(market, verdict).judged(strict=True, allowed=("custody",))
    assert (strict.ok, strict.open) == (False, ("custody", "rules"))
    assert report(market, verdict).judged(strict=True, allowed=("custody", "rules")).ok


def test_a_settled_feed_of_no_instrument_leaves_nothing_open(market):
    verdict = verdict_of(market, replace(RULEBOOK, feeds=(*RULEBOOK.feeds, FeedLevel(9, "GONE", 7, used=False))))
    assert {check.name for check in verdict.checks if not check.complete} == {"custody"}
    assert dict(verdict.attested)["settled:GONE"] == 7


def test_a_mark_that_is_left_out_is_named(market):
    """The instrument counts at its index then, which may be better for who holds it."""
    unmarked = replace(RULEBOOK, marks=())
    honest, verdict = dict(verdict_of(market, RULEBOOK).attested), dict(verdict_of(market, unmarked).attested)
    assert "mark:BTC-PERP" in honest
    assert "unmarked:BTC-PERP" not in honest
    assert verdict["unmarked:BTC-PERP"] == 1
    assert "mark:BTC-PERP" not in verdict
    assert {name for name in honest if name.startswith("unmarked:")} == {"unmarked:BTC-PUT", "unmarked:ETH-PERP"}


def test_joint_scenarios_are_named_by_their_hash(market):
    joint = JointCredit((JointScenario((0, 1), 2), JointScenario((2, 2), 1)), tail=1)
    book = replace(RULEBOOK, parameters=replace(RULEBOOK.parameters, joint=joint))
    data = market.honest(market.snapshot())
    package = read_package(data)
    assert "joint_credit" not in dict(attested(package))

    stated = replace(
        package, statement=replace(package.statement, rules=write_rulebook(book), slots=(*package.statement.slots,) * 2)
    )
    assert dict(attested(stated))["joint_credit"] == tagged(JOINT_TAG, encode_trimmed(joint, {type(joint): 4}))


def test_without_a_test_of_the_fund_no_member_is_named(market, package):
    assert "members" not in dict(verify_package(package).attested)


def test_a_standalone_proof_does_not_rest_on_the_members(market):
    data = market.honest(snapshot_of(BOOK, MEMBERS))
    assert "members" not in dict(attested(read_package(data), of_account=True))


def test_the_signatures_of_evm_keys_are_the_files_own_word(market):
    """The holder of the key makes several, all valid, and the set's hash is the same."""
    package = read_package(market.honest(market.snapshot()))
    trusted = {"network": market.NETWORK, "validators_hash": market.validator_set().hash}
    found = dict(verify_package(write_package(package), **trusted).attested)["evm_possessions"]
    joined = b"".join(each.evm_possession for each in package.validators.validators)
    assert found == tagged(POSSESSIONS_TAG, joined)
    assert len(joined) == 65 * len(package.validators.validators)


def test_which_account_is_which_members_is_named_by_its_hash(market):
    """A quorum that calls two accounts of one member two members' makes each of them smaller."""
    apart = {**MEMBERS, 2: 99}
    maps = [read_package(market.honest(snapshot_of(VECTORS, owners))) for owners in (MEMBERS, apart)]
    found = [dict(attested(package)) for package in maps]
    for package, words in zip(maps, found, strict=True):
        assert words["members"] == tagged(MEMBERS_TAG, encode(package.statement.cover[0].members))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"members"}
    assert "members" not in dict(attested(read_package(market.honest(market.snapshot()))))


def test_the_blocks_whose_states_prove_custody_are_named(market):
    """Nothing here shows that a block is one of its chain: with any other state in it, every balance is proven."""
    package = read_package(market.honest(market.snapshot()))
    words, terms = dict(attested(package)), package.statement.custody
    assert {name: value for name, value in words.items() if name.startswith("block:")} == {
        f"block:{term.chain_id}:{term.block_number}": term.block_hash.hex() for term in terms
    }
    other = replace(terms[0], block_hash=bytes([99]) * 32)
    moved = dict(attested(replace(package, statement=replace(package.statement, custody=(other, *terms[1:])))))
    assert moved[f"block:{other.chain_id}:{other.block_number}"] == (bytes([99]) * 32).hex()


def test_the_time_that_makes_a_package_fresh_is_named(market):
    package = read_package(market.honest(market.snapshot(), time_ms=1_584_000_000_123))
    assert dict(attested(package))["header_time_ms"] == 1_584_000_000_123
    assert dict(attested(package, of_account=True))["header_time_ms"] == 1_584_000_000_123


@pytest.mark.parametrize(
    ("height", "epoch", "later", "differs"),
    [
        (40, 4, 4, {"header_height"}),
        (10**15, 4, 3, {"header_height", "snapshot_height"}),
        (40, 40, 3, {"epoch"}),
    ],
)
def test_heights_and_epoch_bind_nothing_and_are_named(market, height, epoch, later, differs):
    """No chain of headers is in a package: a quorum may say of an old book that it is that of a height to come, of
    which a caller asked for the least one."""
    shot, trusted = market.snapshot(), {"network": market.NETWORK, "validators_hash": market.validator_set().hash}
    honest = verify_package(market.honest(shot), **trusted)
    moved = replace(shot, statement=replace(shot.statement, height=height, epoch=epoch))
    root = commitments_root(moved.statement, commit_epoch(moved, market.seeds(), market.N), market.N)
    head = market.certified(root, height=height + later, commitments_height=height, epoch=epoch)
    package = prove_epoch(moved, market.seeds(), *head, domain=market.N)
    verdict = verify_package(package, **trusted)
    assert (honest.ok, verdict.ok) == (True, True)
    before, after = dict(honest.attested), dict(verdict.attested)
    assert {name for name in after if before.get(name) != after[name]} - {"accounts_root"} == differs
    assert (after["header_height"], after["snapshot_height"], after["epoch"]) == (height + later, height, epoch)
    alone = dict(attested(read_package(package), of_account=True))
    assert differs <= alone.keys()


def test_a_standalone_proof_leaves_the_same_to_a_word_but_for_custody(market):
    data = market.honest(market.snapshot())
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))
    verdict = verify_standalone(prove_account(read_package(data), own), data)
    assert verdict.ok
    whole = dict(verify_package(data).attested)
    kinds = ("block", "released", "later", "strays", "dust", "deposited", "withdrawn", "balance")
    custody = {name for name in whole if name.split(":")[0] in kinds}
    others = {*custody, "accounts_root", "vaults"}
    assert dict(verdict.attested) == {name: value for name, value in whole.items() if name not in others}
    assert len(custody) == 2 + 7 * len(market.statement().custody)
    assert any(f"{len(verdict.attested) - 1} values are the word" in limit for limit in verdict.not_proven)


def test_a_standalone_proof_beside_a_settled_feed_leaves_the_rules_open(market):
    data = market.honest(snapshot_of(VECTORS, MEMBERS, with_feed("BTC", used=False)))
    verdict = verify_standalone(bytes(500), data)
    assert [check.name for check in verdict.checks if not check.complete] == []
    proof = verify_standalone(b"ccs\x01" + bytes(496), data)
    assert {check.name for check in proof.checks if not check.complete} == {"certificate", "rules"}


@pytest.mark.parametrize("name", ["E\u200bTH", "E\\u200bTH"])
def test_a_name_that_is_printed_like_another_hides_no_value(market, name):
    """Escaped marks look like their own escapes."""
    feeds = (*RULEBOOK.feeds, FeedLevel(8, "E\u200bTH", 1, used=True), FeedLevel(9, "E\\u200bTH", 2, used=True))
    verdict = verdict_of(market, replace(RULEBOOK, feeds=feeds))
    shown = printable(f"index:{name}")
    listed = report(market, verdict).attested
    assert (listed[shown], listed[f"{shown} (2)"]) == ("1", "2")
    assert len(listed) == len(verdict.attested)


def test_every_value_is_a_whole_number_or_a_hash(market):
    for name, value in verdict_of(market, RULEBOOK).attested:
        assert isinstance(value, int) or (len(value) == 64 and bytes.fromhex(value)), name


def test_many_names_that_are_printed_alike_cost_one_look_each():
    """Each of fourteen characters is written as itself or as what it is printed as: 16,384 feeds, all printed alike."""
    places, last = 14, max(feed.feed for feed in RULEBOOK.feeds)
    names = ["".join("\\u0001" if at >> k & 1 else "\x01" for k in range(places)) for at in range(1 << places)]
    more = [FeedLevel(last + 1 + at, name, at + 1, used=True) for at, name in enumerate(names)]
    book = replace(
        RULEBOOK, feeds=(*RULEBOOK.feeds, FeedLevel(last, f"{printable(names[0])} (3)", 7, used=True), *more)
    )
    found = dict(_named_apart((f"index:{feed.name}", feed.ticks) for feed in book.feeds))
    shown = f"index:{printable(names[0])}"
    assert [found[shown], found[f"{shown} (2)"], found[f"{shown} (3)"], found[f"{shown} (4)"]] == [1, 2, 7, 3]
    assert len(found) == len(book.feeds)
    assert len({feed.name for feed in book.feeds}) == len(book.feeds)
