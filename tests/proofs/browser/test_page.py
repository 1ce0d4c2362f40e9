"""The page works from a file, without a server or a network, and says what the command says."""

import re
from pathlib import Path

import pytest

from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.browser_page import GOOD, play

PACKAGE = GOOD / "three-accounts.ccp"
SET = read_package(PACKAGE.read_bytes()).validators.hash
TRUSTED = {"validators": SET.hex(), "network": "07" * 32}
ANY_AGE = {"age": ""}


@pytest.fixture(scope="module")
def scenes(built_verifier: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    bad = tmp_path_factory.mktemp("page") / "changed.ccp"
    changed = bytearray(PACKAGE.read_bytes())
    changed[-1] ^= 1
    bad.write_bytes(changed)
    asked = {
        "good": {"file": GOOD / "every-part.ccp", "keyboard": True, "fields": {**ANY_AGE, **TRUSTED}},
        "open": {"dropped": PACKAGE.read_bytes(), "fields": ANY_AGE},
        "bad": {"file": bad, "fields": ANY_AGE},
        "own": {"file": PACKAGE, "answer": GOOD / "answer.cci", "fields": ANY_AGE},
        "not own": {"file": PACKAGE, "answer": GOOD / "answer.cci", "fields": {**ANY_AGE, "holdings": "cash:USD 9001"}},
        "other network": {"file": PACKAGE, "fields": {"network": "08" * 32}},
        "old": {"file": PACKAGE},
        "narrow": {"file": PACKAGE, "dark": True, "viewport": {"width": 320, "height": 640}, "fields": ANY_AGE},
        "no file": {},
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


def test_a_missing_file_is_said(scenes: dict[str, dict]) -> None:
    assert scenes["no file"]["problem"] == "Choose a package first."


def test_the_page_is_one_file_that_allows_its_own_script_alone(built_verifier: None) -> None:
    text = (Path(__file__).resolve().parents[3] / "proofs" / "browser" / "build" / "verifier.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r"(src|href)=\"?https?:", text)
