"""What a quorum leaves out of a rulebook, though the terms let it be there, is named in the words of both verifiers."""

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.schema.risk.price_ranges import RangeParameters
from proofs.epoch.package import attach_custody
from proofs.history.package_history import PackageHistory
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs import listed_market, live_market, small_market, stressed
from tests.kit.proofs.second_verifier import SecondVerifier

replace = msgspec.structs.replace
VALIDATORS = small_market.validator_set()
KNOWN = {"network": small_market.NETWORK, "validators_hash": VALIDATORS.hash}
STATED = {name: value.hex() for name, value in KNOWN.items()}
RISK = replace(live_market.PARAMETERS, averaged_options=True)
LEFT_OUT = replace(live_market.AVERAGING, parameters=RISK, averages=())
"""A third of an option's window has passed, validators agree on a surface and on moves of history: it says none."""
GENESIS = replace(
    live_market.genesis(live_market.AVERAGING),
    validators=VALIDATORS,
    ranges=RangeParameters(interval_ms=3_600_000, window_min=2, historical_scenarios=8),
)
NAMES = ("average_covered_ms:ETH-AVERAGE", "live_surface:BTC", "historical_moves")


@pytest.fixture(scope="module")
def data() -> bytes:
    return live_market.package_of(LEFT_OUT)


def test_what_is_left_out_is_named_by_both_verifiers(second: SecondVerifier, data: bytes) -> None:
    known = verify_package(data, genesis=GENESIS, **KNOWN)
    verdict = second.ask(file=data, genesis=genesis_to_json(GENESIS), **STATED)
    assert known.ok, known.checks[-1]
    assert verdict["ok"]
    assert list(verdict["attested"].items()) == [(name, str(value)) for name, value in known.attested]
    words = dict(known.attested)
    assert (words[NAMES[0]], words[NAMES[1]], len(str(words[NAMES[2]]))) == (0, 0, 64)


def test_without_a_genesis_only_the_average_can_be_missed(second: SecondVerifier, data: bytes) -> None:
    known, verdict = verify_package(data, **KNOWN), second.ask(file=data, **STATED)
    assert [name for name in NAMES if name in dict(known.attested)] == [NAMES[0]]
    assert list(verdict["attested"]) == [name for name, _ in known.attested]


def test_without_a_genesis_accounts_rulebook_and_vaults_are_named_alike(second: SecondVerifier) -> None:
    data = listed_market.listed_package()
    known, verdict = verify_package(data, **KNOWN), second.ask(file=data, **STATED)
    assert {"accounts_root", "rulebook", "vaults"} < set(verdict["attested"])
    assert list(verdict["attested"].items()) == [(name, str(value)) for name, value in known.attested]


def test_what_no_state_proves_is_named_alike(second: SecondVerifier) -> None:
    data = attach_custody(listed_market.listed_package(), ())
    known, verdict = verify_package(data, **KNOWN), second.ask(file=data, **STATED)
    assert any(name.startswith("balance:") for name in verdict["attested"])
    assert list(verdict["attested"].items()) == [(name, str(value)) for name, value in known.attested]


def test_a_history_has_the_words_of_each_package_in_both(second: SecondVerifier, data: bytes) -> None:
    history = PackageHistory(**KNOWN)
    result = history.add("0.ccp", data)
    (file,) = second.ask(history=[data], **STATED)["files"]
    assert list(file["attested"].items()) == [(name, str(value)) for name, value in result.attested]
    assert file["attested"]


def test_terms_that_let_nothing_be_there_miss_nothing(data: bytes) -> None:
    plain = replace(GENESIS, ranges=RangeParameters(), surfaces=())
    known = verify_package(data, genesis=plain, **KNOWN)
    assert known.ok
    assert [name for name in NAMES if name in dict(known.attested)] == [NAMES[0]]


def test_a_proof_of_one_account_names_it_too(data: bytes) -> None:
    shot = live_market.snapshot_of(LEFT_OUT)
    account = next(each for each in shot.accounts if each.account == 1)
    seed = stressed.seeds_of([1])[1]
    package = verify_package(data, **KNOWN).package
    own = OwnAccount(1, account.values, seed, small_market.owner(1))
    verdict = verify_standalone(prove_account(package, own), data, genesis=GENESIS, **KNOWN)
    assert verdict.ok, verdict.checks[-1]
    assert set(NAMES) <= set(dict(verdict.attested))
