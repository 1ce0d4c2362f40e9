"""The page works from a file, without a server or a network, and says what the command says."""

import re
from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import listed_market, small_market
from tests.kit.proofs.browser_page import GOOD, play
from tests.kit.proofs.package_node import serving

PACKAGE = GOOD / "three-accounts.ccp"
SET = read_package(PACKAGE.read_bytes()).validators.hash
TRUSTED = {"validators": SET.hex(), "network": "07" * 32}
NOW = "2026-01-01T00:00"
ANY_AGE = {"age": ""}


@pytest.fixture(scope="module")
def scenes(built_verifier: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    bad = tmp_path_factory.mktemp("page") / "changed.ccp"
    changed = bytearray(PACKAGE.read_bytes())
    changed[-1] ^= 1
    bad.write_bytes(changed)
    genesis = bad.with_name("genesis.json")
    own_set = {"validators": small_market.validator_set()}
    genesis.write_bytes(genesis_to_json(msgspec.structs.replace(listed_market.genesis(), **own_set)))
    again = bad.with_name("again.ccp")
    again.write_bytes((GOOD / "every-part.ccp").read_bytes())
    asked = {
        "good": {"file": GOOD / "every-part.ccp", "keyboard": True, "fields": {**ANY_AGE, **TRUSTED}},
        "open": {"dropped": PACKAGE.read_bytes(), "fields": ANY_AGE},
        "bad": {"file": bad, "fields": ANY_AGE},
        "own": {"file": PACKAGE, "answer": GOOD / "answer.cci", "fields": ANY_AGE},
        "not own": {"file": PACKAGE, "answer": GOOD / "answer.cci", "fields": {**ANY_AGE, "holdings": "cash:USD 9001"}},
        "other network": {"file": PACKAGE, "fields": {"network": "08" * 32}},
        "old": {"file": PACKAGE},
        "narrow": {"file": PACKAGE, "dark": True, "viewport": {"width": 320, "height": 640}, "fields": ANY_AGE},
        "another set later": {
            "file": GOOD / "every-part.ccp",
            "fields": {**ANY_AGE, **TRUSTED},
            "later": {"validators": "11" * 32},
        },
        "no file": {},
        "genesis": {"file": GOOD / "listed-custody.ccp", "genesis": genesis, "fields": {**ANY_AGE, "known": NOW}},
        "expired set": {"file": PACKAGE, "fields": {**ANY_AGE, **TRUSTED, "known": "2020-03-12T00:00"}},
        "no genesis": {"file": PACKAGE, "genesis": bad, "fields": ANY_AGE},
        "history": {"file": [GOOD / "every-part.ccp", PACKAGE, bad]},
        "strange history": {"file": [GOOD / "every-part.ccp", again]},
        "trusted history": {"file": [GOOD / "every-part.ccp", again], "fields": TRUSTED},
    }
    return dict(zip(asked, play(*asked.values()), strict=True))


@pytest.fixture(scope="module")
def exchanges(built_verifier: None) -> dict[str, dict]:
    """Scenes with nodes. All packages are of one epoch: a node that lists two of them has no history."""
    good, other = PACKAGE.read_bytes(), (GOOD / "every-part.ccp").read_bytes()
    with (
        serving({4: good}) as one,
        serving({4: good, 5: other}) as two,
        serving({}) as empty,
        serving({4: good}, listed={4: other}) as lying,
        serving({}, listed={4: good}) as forgetful,
        serving({4: good}, origins=("https://page.example",)) as closed,
        serving({5: good}) as displacing,
        serving({4: good}, higher=1) as exalting,
    ):
        asked = {
            "one": {"address": f"{one}/", "fetch": "#fetch", "fields": {**ANY_AGE, **TRUSTED}},
            "all": {"address": two, "fetch": "#fetch-all", "fields": ANY_AGE},
            "empty": {"address": empty, "fetch": "#fetch"},
            "lying": {"address": lying, "fetch": "#fetch"},
            "forgetful": {"address": forgetful, "fetch": "#fetch"},
            "closed": {"address": closed, "fetch": "#fetch"},
            "displacing": {"address": displacing, "fetch": "#fetch", "fields": {**ANY_AGE, **TRUSTED}},
            "exalting": {"address": exalting, "fetch": "#fetch", "fields": {**ANY_AGE, **TRUSTED}},
            "no node": {"address": f"{one}/elsewhere", "fetch": "#fetch"},
            "nobody": {"address": "http://127.0.0.1:1", "fetch": "#fetch"},
            "no address": {"address": "ftp://127.0.0.1", "fetch": "#fetch"},
        }
        return dict(zip(asked, play(*asked.values()), strict=True))


def last(scene: dict) -> str:
    return [line for line in scene["checks"] if not line.startswith("--")][-1]


def test_no_scene_complains_or_uses_a_network(scenes: dict[str, dict]) -> None:
    for scene in scenes.values():
        assert scene["complaints"] == []
        assert set(scene["requests"]) <= {"file", "blob"}


def test_a_good_package_passes_by_keyboard_alone(scenes: dict[str, dict]) -> None:
    scene = scenes["good"]
    assert scene["outcome"] == "VERIFIED"
    assert scene["focused"] == "result"
    data = (GOOD / "every-part.ccp").read_bytes()
    first = verify_package(data, validators_hash=SET, network=bytes([7]) * 32)
    assert scene["claim"] == first.claim
    lines = [line for line in scene["checks"] if not line.startswith("ok freshness")]
    for ours, line in zip(first.checks, lines, strict=True):
        assert re.fullmatch(rf"ok {ours.name} {re.escape(ours.detail)}\n+.*", line), line


def test_progress_is_shown_in_the_order_of_the_checks(scenes: dict[str, dict]) -> None:
    names = [check.name for check in verify_package((GOOD / "every-part.ccp").read_bytes()).checks]
    names.insert(names.index("roots") + 1, "freshness")
    assert scenes["good"]["steps"] == [f"Checking {name}…" for name in names]


def test_a_package_that_leaves_something_open_is_not_called_verified(scenes: dict[str, dict]) -> None:
    scene = scenes["open"]
    assert scene["outcome"] == "VERIFIED IN PART"
    assert [line.split()[1] for line in scene["checks"] if line.startswith("open")] == [
        "certificate",
        "custody",
        "cover",
    ]
    assert any("nothing but the file itself was trusted" in line for line in scene["unproven"])


def test_a_changed_package_is_refused(scenes: dict[str, dict]) -> None:
    scene = scenes["bad"]
    assert scene["outcome"] == "NOT VERIFIED"
    assert scene["claim"] == ""
    assert scene["unproven"] == []
    assert (
        scene["advice"]
        == "Check `house` failed; trust nothing in this file. `crossclear explain R0701` says what to do."
    )
    assert last(scene).startswith("FAIL house")
    assert scene["checks"][-1] == "-- rules not run"


def test_the_own_account_is_found_only_with_its_holdings(scenes: dict[str, dict]) -> None:
    assert last(scenes["own"]).startswith("ok inclusion account 1 ")
    assert last(scenes["not own"]).startswith("FAIL inclusion R0712 not_included")


def test_what_is_trusted_is_compared(scenes: dict[str, dict]) -> None:
    assert last(scenes["other network"]).startswith("FAIL certificate R0124 wrong_network")
    assert last(scenes["old"]).startswith("FAIL freshness R0756 stale")


def test_a_narrow_dark_screen_needs_no_sideways_scrolling(scenes: dict[str, dict]) -> None:
    assert not scenes["narrow"]["wide"]
    assert scenes["narrow"]["background"] != scenes["open"]["background"]


def test_a_genesis_names_whom_to_trust(scenes: dict[str, dict]) -> None:
    """Its digest is another one than the vector's network, which was chosen by hand."""
    assert last(scenes["genesis"]).startswith("FAIL certificate R0124 wrong_network")
    assert scenes["no genesis"]["problem"].startswith("R0102 MALFORMED: genesis")


def test_a_set_that_was_known_long_ago_is_not_trusted(scenes: dict[str, dict]) -> None:
    assert last(scenes["expired set"]).startswith("FAIL freshness R0758 set_expired")


def test_several_files_are_compared(scenes: dict[str, dict]) -> None:
    scene = scenes["history"]
    assert scene["outcome"] == "NOT VERIFIED"
    assert [line.split()[:2] for line in scene["checks"]] == [
        ["ok", "every-part.ccp"],
        ["ok", "three-accounts.ccp"],
        ["FAIL", "changed.ccp"],
    ]
    assert any(line.startswith("R0730 equivocation: two headers of height 43") for line in scene["found"])


def test_a_history_of_nobody_that_is_trusted_is_verified_in_part(scenes: dict[str, dict]) -> None:
    assert scenes["strange history"]["outcome"] == "VERIFIED IN PART"
    assert scenes["trusted history"]["outcome"] == "VERIFIED"


def test_a_package_is_fetched_from_a_node_and_checked(exchanges: dict[str, dict]) -> None:
    scene = exchanges["one"]
    size = len(PACKAGE.read_bytes())
    assert scene["states"] == ["One package.", f"epoch 4, height 40, {size:,} bytes", "The package was fetched."]
    assert scene["outcome"] == "VERIFIED IN PART"
    assert scene["checks"][0].startswith("ok encoding")
    assert scene["complaints"] == []


def test_a_good_package_of_another_epoch_is_none_of_the_one_that_was_chosen(exchanges: dict[str, dict]) -> None:
    scene = exchanges["displacing"]
    assert scene["problem"] == "The node sent the package of epoch 4 in the place of epoch 5's."
    assert scene["outcome"] == ""


def test_a_good_package_of_another_height_is_none_of_the_one_that_was_chosen(exchanges: dict[str, dict]) -> None:
    scene = exchanges["exalting"]
    assert scene["problem"] == "The node sent the package of height 40 in the place of height 41's."
    assert (scene["outcome"], scene["shown"]) == ("", False)


def test_a_verdict_is_gone_when_other_things_are_trusted(scenes: dict[str, dict]) -> None:
    assert scenes["good"]["shown"]
    assert not scenes["another set later"]["shown"]


def test_all_packages_of_a_node_are_fetched_and_compared(exchanges: dict[str, dict]) -> None:
    scene = exchanges["all"]
    assert scene["states"][0] == "2 packages, the newest first."
    assert scene["states"][2] == "2 packages were fetched."
    assert {line.split()[1] for line in scene["checks"]} == {"epoch-4.ccp", "epoch-5.ccp"}
    assert any(line.startswith("R0730") for line in scene["found"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty", "This node keeps no package."),
        ("lying", "The node sent other bytes for epoch 4 than it lists."),
        ("forgetful", "The node does not have this package"),
        ("closed", "There is no answer that this page may read."),
        ("nobody", "There is no answer that this page may read."),
        ("no node", "The node does not have this package, or this is no address of a node."),
        ("no address", "An address begins with http:// or https://."),
    ],
)
def test_what_a_node_does_not_give_is_said(exchanges: dict[str, dict], name: str, words: str) -> None:
    scene = exchanges[name]
    assert scene["states"][-1].startswith(words)
    assert scene["outcome"] == ""


def test_a_page_from_the_disk_says_which_setting_lets_it_read(exchanges: dict[str, dict]) -> None:
    assert 'no page of the origin "null"' in exchanges["closed"]["states"][-1]
    assert "`api.origins`" in exchanges["closed"]["states"][-1]


def test_a_missing_file_is_said(scenes: dict[str, dict]) -> None:
    assert scenes["no file"]["problem"] == "Choose a package first."


def test_the_page_is_one_file_that_allows_its_own_script_alone(built_verifier: None) -> None:
    text = (Path(__file__).resolve().parents[3] / "proofs" / "browser" / "build" / "verifier.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r"(src|href)=\"?https?:", text)
