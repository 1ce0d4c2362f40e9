"""What a verdict rests on has its value in it: the list of accounts, and without a genesis rulebook and vaults."""

import msgspec
import pytest

from clearing.base.evm.storage import BalanceLocation
from clearing.base.merkle import merkle_root
from clearing.genesis.custody_listing import listed_custody
from proofs.epoch.package import read_package, write_package
from proofs.history.package_history import PackageHistory
from proofs.verify.attestations import attested
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import listed_market, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.counted import BOOK, MEMBERS
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.write_vectors import proven_with_counted_scalars

replace = msgspec.structs.replace
KNOWN = {"network": market.NETWORK, "validators_hash": market.validator_set().hash}
LISTED = (GOOD / "listed-custody.ccp").read_bytes()
GENESIS = listed_market.genesis(replace(stressed.RULEBOOK, tokens=(listed_market.WETH,)))


def words(data: bytes, **trusted: object) -> dict[str, int | str]:
    verdict = verify_package(data, **KNOWN, **trusted)
    assert verdict.ok, verdict.checks[-1]
    return dict(verdict.attested)


def differing(data: bytes, other: bytes) -> set[str]:
    known, found = words(data), words(other)
    return {name for name in {*known, *found} if known.get(name) != found.get(name)}


def test_the_list_of_accounts_is_named_by_the_root_of_its_tree():
    """What is in a commitment is the quorum's word until the account's owner checks it."""
    package = read_package(LISTED)
    leaves = [account.to_bytes(32, "big") + point for account, point in package.commitments]
    assert words(LISTED)["accounts_root"] == merkle_root(leaves).hex()


def test_two_accounts_that_sum_to_nothing_are_not_left_out_unnamed():
    """The totals are the same without them."""
    few = ((0, (5_000, 10, 0, 3)), (5, (2_000, 740, 0, -3)))
    more = (*few, (6, (3_000, 0, -1, 0)), (7, (-3_000, 2_000, 1, 0)))
    fewer = (few[0], (5, (2_000, 2_740, 0, -3)))
    packages = [market.honest(market.snapshot(tuple(each))) for each in (more, fewer)]
    assert differing(*packages) == {"accounts_root"}


def test_without_a_genesis_the_rulebook_is_named():
    """A requirement of nothing passes without one."""
    halved = replace(stressed.RULEBOOK, parameters=replace(stressed.PARAMETERS, maintenance_numerator=1))
    packages = [
        proven_with_counted_scalars(stressed.snapshot_of(BOOK, MEMBERS, book)) for book in (stressed.RULEBOOK, halved)
    ]
    assert differing(*packages) == {"rulebook"}


def test_with_a_genesis_the_rulebook_and_the_vaults_are_not_named():
    listed = words(LISTED, genesis=GENESIS, listed=listed_custody(GENESIS))
    assert not {"rulebook", "vaults"} & set(listed)
    assert {"rulebook", "vaults"} < set(words(LISTED))


@pytest.mark.parametrize("changes", [{"bits": 128}, {"slot": bytes(32)}])
def test_without_a_genesis_where_balances_are_is_named(changes):
    """Another mapping of the token may say any balance."""
    package = read_package(LISTED)
    first, *others = package.statement.custody
    stated, evidence = proven(
        replace(package.statement, custody=(replace(first, balances=replace(first.balances, **changes)), *others))
    )
    alone = signed_anew(market, replace(package, statement=stated, custody=evidence))
    found = [dict(attested(read_package(each))) for each in (LISTED, alone)]
    assert found[0]["vaults"] != found[1]["vaults"]


def test_a_history_names_the_words_of_each_package():
    history = PackageHistory(**KNOWN, terms_at=lambda _: (GENESIS, listed_custody(GENESIS)))
    result = history.add("listed.ccp", LISTED)
    assert dict(result.attested) == words(LISTED, genesis=GENESIS, listed=listed_custody(GENESIS))
    assert history.add("bad.ccp", LISTED[:-1]).attested == ()


def test_counters_and_balances_that_no_state_proves_are_named():
    """A reader that lets custody stay open believes them."""
    bare = write_package(replace(read_package(LISTED), custody=()))
    unproven = {name.split(":")[0] for name in set(words(bare)) - set(words(LISTED))}
    assert unproven == {"deposited", "withdrawn", "balance"}
    unplaced = replace(read_package(LISTED).statement.custody[0], balances=BalanceLocation())
    stated, evidence = proven(replace(read_package(LISTED).statement, custody=(unplaced,)))
    found = attested(replace(read_package(LISTED), statement=stated, custody=evidence))
    assert [name.split(":")[0] for name, _ in found][-2:] == ["balance", "evm_possessions"]
    assert "deposited" not in {name.split(":")[0] for name, _ in found}
