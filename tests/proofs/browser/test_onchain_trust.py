"""Files for contracts in TypeScript: what is nobody's word but the file's stays open, as in Python."""

import msgspec
import pytest

from member.verifying.onchain import check_account, checked_package
from member.verifying.package import TrustAnchor, package_file, words_of
from proofs.epoch.package import read_package
from proofs.onchain.file import epoch_file, read_account_file, sign_keys, write_file
from proofs.onchain.keys import derive_epoch
from proofs.verify.attestations import attested
from proofs.verify.freshness import Freshness
from tests.kit.proofs import small_market
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.file_answers import of_account
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.proofs.stressed import MEMBERS, RULEBOOK, snapshot_of

replace = msgspec.structs.replace
HOLDINGS = {1: (1_000_000, 0, 5_000, 0, 0), 2: (5 * 10**10, 0, -300, 0, 40)}
PACKAGE, KEYS, ACCOUNT = (GOOD / name for name in ("three-accounts.ccp", "three-accounts.cco", "account-1.cca"))
HASH = read_account_file(ACCOUNT.read_bytes()).keys.hash.hex()


def test_keys_that_only_the_accounts_file_states_stay_open(second: SecondVerifier) -> None:
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_account=ACCOUNT.read_bytes())
    assert (verdict["ok"], verdict["complete"]) == (True, False)
    assert [check["name"] for check in verdict["checks"] if not check["complete"]] == ["trusted_keys"]


def test_an_epochs_keys_say_who_says_that_the_set_is_in_force(second: SecondVerifier) -> None:
    """One that has retired loses nothing by signing keys over its own rows."""
    package = read_package(PACKAGE.read_bytes())
    time_ms = package.header.time_ms
    trusted = {"network": package.header.network, "validators_hash": package.validators.hash}
    for known_ms in (None, time_ms):
        asked = {name: value.hex() for name, value in trusted.items()} | {"now_ms": str(time_ms)}
        asked |= {} if known_ms is None else {"set_known_ms": str(known_ms)}
        verdict = second.ask(file=PACKAGE.read_bytes(), onchain_epoch=KEYS.read_bytes(), **asked)
        anchor = TrustAnchor(**trusted, freshness=Freshness(time_ms, None, set_known_ms=known_ms))
        first = checked_package(package_file(PACKAGE), anchor)
        assert verdict["notProven"] == list(first.not_proven)
        assert any("rests on the caller's word" in each for each in first.not_proven) is (known_ms is None)


@pytest.mark.parametrize("trusted", [HASH, "00" * 32])
def test_a_trusted_hash_of_keys_is_compared(second: SecondVerifier, trusted: str) -> None:
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_account=ACCOUNT.read_bytes(), keys_hash=trusted)
    refused = None if trusted == HASH else {"check": "trusted_keys", "code": "R0755 keys_differ"}
    assert (verdict["complete"], verdict.get("refusal")) == (trusted == HASH, refused)


def test_an_accounts_file_names_its_purpose_and_what_it_leaves_open(second: SecondVerifier) -> None:
    """Else a file that was presented for one purpose would read as one for another."""
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_account=ACCOUNT.read_bytes(), keys_hash=HASH)
    report = check_account(ACCOUNT, bytes.fromhex(HASH))
    assert verdict["checks"][-1]["detail"].endswith(f"for the purpose 0x{report.purpose}")
    assert verdict["notProven"] == list(report.not_proven)


NO_POINT = bytes(48)


@pytest.mark.parametrize("leaf_too", [False, True])
def test_keys_of_which_a_point_is_none_are_refused_where_python_refuses_them(
    second: SecondVerifier, leaf_too: bool
) -> None:
    """They have no hash: no trusted one is theirs, and without one the leaf is judged before the proof."""
    shown = read_account_file(ACCOUNT.read_bytes())
    shown = replace(shown, keys=replace(shown.keys, v=NO_POINT))
    if leaf_too:
        shown = replace(shown, path=[bytes(32) for _ in shown.path])
    file = write_file(shown)
    of_python = of_account(file)
    assert of_python.check == ("leaf" if leaf_too else "proof")
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_account=file)
    assert (verdict["refusal"]["check"], verdict["refusal"]["code"].split()[0]) == (of_python.check, of_python.code)
    trusting = second.ask(file=PACKAGE.read_bytes(), onchain_account=file, keys_hash=HASH)
    assert trusting["refusal"] == {"check": "trusted_keys", "code": "R0755 keys_differ"}


def test_strictly_open_keys_are_refused(second: SecondVerifier) -> None:
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_account=ACCOUNT.read_bytes(), strict={"allowed": []})
    assert verdict["refusal"]["check"] == "trusted_keys"


def test_an_epochs_keys_name_what_is_the_quorums_word(second: SecondVerifier) -> None:
    package = read_package(PACKAGE.read_bytes())
    verdict = second.ask(file=PACKAGE.read_bytes(), onchain_epoch=KEYS.read_bytes())
    assert verdict["attested"] == words_of(attested(package, of_account=True), TrustAnchor())
    assert verdict["attested"] == checked_package(package_file(PACKAGE), TrustAnchor()).attested
    assert "rules" in [check["name"] for check in verdict["checks"]]


def test_feeds_that_are_called_settled_leave_the_rules_open(second: SecondVerifier) -> None:
    """Accounts under these keys meet rows in which their positions count for nothing."""
    feeds = tuple(replace(feed, used=feed.name != "BTC") for feed in RULEBOOK.feeds)
    snapshot = snapshot_of(HOLDINGS, MEMBERS, replace(RULEBOOK, feeds=feeds))
    data = small_market.honest(snapshot)
    package = read_package(data)
    seeds = {account.account: bytes([account.account + 1]) * 32 for account in snapshot.accounts}
    made, time_s = derive_epoch(snapshot, seeds, small_market.N), package.header.time_ms // 1000
    shares = [sign_keys(made.keys, package.validators, i, key, time_s) for i, key in enumerate(small_market.SECRETS)]
    keys = write_file(epoch_file(made.keys, made.leaves, time_s, shares))
    trusted = {"network": small_market.NETWORK.hex(), "validators_hash": small_market.validator_set().hash.hex()}
    verdict = second.ask(file=data, onchain_epoch=keys, **trusted)
    assert [check["name"] for check in verdict["checks"] if not check["complete"]] == ["rules"]
    assert (verdict["ok"], verdict["complete"]) == (True, False)
