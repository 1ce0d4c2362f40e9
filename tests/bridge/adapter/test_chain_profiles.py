"""Profiles: each file is read strictly, a chain id has one profile, and nobody can name another for it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from bridge.evm.layouts import ETHEREUM, HEADERS, RECEIPTS
from bridge.rpc.chain_profiles import FOLDER, GENERIC, all_profiles, known_profile, profile_of, read_profile
from bridge.watched_chain import FinalityPolicy, LogRange
from clearing.base.errors import LocalFault
from tests.kit.refusals import refused

TEXT = (FOLDER / "polygon.toml").read_text(encoding="utf-8")
MAIN = {
    1: "ethereum",
    10: "optimism",
    56: "bnb",
    137: "polygon",
    8453: "base",
    42161: "arbitrum",
    43114: "avalanche",
    59144: "linea",
    534352: "scroll",
}


@pytest.mark.parametrize(("chain_id", "name"), MAIN.items())
def test_a_known_chain_has_its_profile_unasked_and_no_other(chain_id: int, name: str) -> None:
    assert profile_of(chain_id) is profile_of(chain_id, name) is all_profiles()[name]
    for other in set(all_profiles()) - {name}:
        with refused(BridgeCode.WRONG_PROFILE, LocalFault):
            profile_of(chain_id, other)


def test_a_development_chain_has_the_layouts_of_ethereum() -> None:
    assert known_profile(31337) is None
    profile = profile_of(31337)
    assert profile is profile_of(31337, GENERIC)
    assert profile.layout == ETHEREUM
    for name in MAIN.values():
        with refused(BridgeCode.WRONG_PROFILE, LocalFault):
            profile_of(31337, name)


def test_no_profile_of_an_unknown_name_is_made_up() -> None:
    with refused(BridgeCode.WRONG_PROFILE, LocalFault):
        profile_of(1, "etherum")


def test_every_layout_is_used_by_a_profile() -> None:
    facts = [profile.facts for profile in all_profiles().values()]
    assert {each.header.layout for each in facts} == set(HEADERS)
    assert {each.receipts.layout for each in facts} == set(RECEIPTS)


def test_the_operator_only_adds_to_the_depth_of_a_chain() -> None:
    polygon = profile_of(137)
    assert polygon.finality(2) == FinalityPolicy(2, "finalized", 64)
    assert polygon.finality(2, 3) == FinalityPolicy(2, "finalized", 64)
    assert polygon.finality(2, 200) == FinalityPolicy(2, "finalized", 200)


def test_the_operator_may_ask_for_other_ranges_of_logs() -> None:
    bnb = profile_of(56)
    assert bnb.log_range() == LogRange(1_000, 5_000)
    assert bnb.log_range(50) == LogRange(50, 5_000)
    assert bnb.log_range(9_000) == LogRange(9_000, 9_000)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('title = "Polygon PoS"', 'title = ""'),
        ('title = "Polygon PoS"', 'titel = "Polygon PoS"'),
        ("chain_ids = [137, 80002]", "chain_ids = [0]"),
        ("chain_ids = [137, 80002]", "chain_ids = [137, 137]"),
        ("chain_ids = [137, 80002]", 'chain_ids = ["137"]'),
        ('tag = "finalized"', 'tag = "pending"'),
        ('tag = "finalized"\ndepth = 64', 'tag = "latest"\ndepth = 0'),
        ("depth = 64", "depth = -1"),
        ("depth = 64", "depth = true"),
        ("milliseconds = 2000", "milliseconds = 0"),
        ("range = 1000\n", "range = 20000\n"),
        ("eip2537 = true", "eip2537 = 1"),
        ("eip2537 = true", "eip2537 = true\neip7951 = true"),
        ('layout = "london"', 'layout = "tokyo"'),
        ('layout = "polygon"', 'layout = "matic"'),
        ("extra_data_max = 32768", "extra_data_max = 1000000"),
        ("[blocks]", "[blocks]\n[blocks]"),
        ('source = "PIP-11', 'sauce = "PIP-11'),
    ],
)
def test_a_profile_with_a_fact_out_of_bounds_is_refused_as_a_whole(before: str, after: str) -> None:
    assert before in TEXT
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        read_profile("polygon", TEXT.replace(before, after, 1))


@pytest.mark.parametrize("section", ["finality", "blocks", "logs", "precompiles", "header", "receipts"])
def test_every_fact_needs_its_source(section: str) -> None:
    before, after = TEXT.split(f"[{section}]\n")
    facts, *rest = after.split("\n\n", 1)
    bare = "\n".join(line for line in facts.splitlines() if not line.startswith("source"))
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        read_profile("polygon", "\n\n".join((f"{before}[{section}]\n{bare}", *rest)))


@given(st.text(max_size=200) | st.text(max_size=40).map(lambda text: TEXT + text))
def test_no_text_crashes_the_reader(text: str) -> None:
    try:
        profile = read_profile("x", text)
    except LocalFault as refusal:
        assert refusal.code is BridgeCode.BAD_PROFILE
    else:
        assert profile.layout


def test_a_chain_id_in_two_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT)
    (tmp_path / "b.toml").write_text(TEXT)
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        all_profiles(tmp_path)


@pytest.mark.parametrize(("name", "data"), [("A", b""), ("a b", b""), ("a", b"\xff"), ("a", b"#" * (1 << 17))])
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / f"{name}.toml").write_bytes(data)
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        all_profiles(tmp_path)


def test_without_its_files_no_chain_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.rpc.chain_profiles.all_profiles", lambda: all_profiles(tmp_path))
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        profile_of(31337)
