"""Under certified amendments the terms are the quorum's word: a verdict says so, and names them by their hash chain."""

from pathlib import Path

import pytest

from clearing.genesis.custody_listing import listed_custody
from clearing.governance.certified_amendments import certify_amendments, write_amendments
from member.verifying.onchain import checked_package
from member.verifying.package import AMENDED, TrustAnchor, amended_anchor, package_file, terms_at, verify_file
from member.verifying.proof_files import history_of
from tests.kit.clearing.amended import amended, header_of
from tests.kit.proofs import small_market

HOUSE = amended()
SET = small_market.validator_set().hash
ANCHOR = TrustAnchor(HOUSE.network, SET, listed_custody(HOUSE.genesis), HOUSE.genesis)
HEAD = HOUSE.state.governance_counters.get(0).chain_head.hex()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A package of a network whose range, haircut and listing were voted on, and what was voted."""
    folder = tmp_path_factory.mktemp("amended")
    package, amendments = folder / "epoch.ccp", folder / "amendments.bin"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(small_market, "NETWORK", HOUSE.network)
        package.write_bytes(small_market.package_of_state(HOUSE.state).data)
        header = header_of(HOUSE)
        others = ("commitments_root", "validators_hash", "next_validators_hash")
        kept = {name: getattr(header, name) for name in header.__struct_fields__ if name not in others}
        certified = small_market.certified(header.commitments_root, **kept)
    amendments.write_bytes(write_amendments(certify_amendments(HOUSE.state, *certified)))
    return package, amendments


def test_a_verdict_under_amendments_names_them_and_whose_word_they_are(files: tuple[Path, Path]) -> None:
    package, amendments = map(package_file, files)
    report, _ = verify_file(package, amended_anchor(ANCHOR, package, terms_at(ANCHOR, amendments, SET)))
    assert report.ok
    assert report.attested["amendments"] == HEAD
    assert any(limit.startswith(AMENDED) for limit in report.not_proven)


def test_without_amendments_nothing_is_said_of_them_and_the_rules_differ(files: tuple[Path, Path]) -> None:
    report, _ = verify_file(package_file(files[0]), ANCHOR)
    assert (report.checks[-1].name, report.ok, report.attested) == ("rules", False, {})


def test_keys_and_histories_under_amendments_say_so_too(files: tuple[Path, Path]) -> None:
    package, amendments = map(package_file, files)
    terms = terms_at(ANCHOR, amendments, SET)
    assert checked_package(package, amended_anchor(ANCHOR, package, terms)).attested["amendments"] == HEAD
    report = history_of([files[0]], ANCHOR, [], thorough=False, terms_at=terms)
    assert report.ok
    amended_package, _ = verify_file(package, amended_anchor(ANCHOR, package, terms))
    assert report.packages[0].attested == amended_package.attested
    assert report.packages[0].attested["amendments"] == HEAD
    assert any(limit.startswith(AMENDED) for limit in report.not_proven)


def test_amendments_of_later_heights_are_not_in_the_name(files: tuple[Path, Path]) -> None:
    terms = terms_at(ANCHOR, package_file(files[1]), SET)
    heights = [record.height for record in terms.certified.amendments]
    assert terms.head(heights[0] - 1) == bytes(32)
    assert terms.head(heights[1]) == terms.certified.amendments[1].chain_head
