"""The shipped risk parameters: typed, in blocks of another length, and in every new draft."""

import tomllib
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from clearing.liquidation.auction import auction_discount_ppm
from clearing.schema.risk.price_ranges import check_range_parameters
from devnet.codes import DevnetCode
from devnet.market import CONFIGS, load_market
from devnet.network_draft import MARKET, new_draft
from devnet.risk_set import RISK_SET, read_risk_set, with_tables


def test_a_new_draft_has_the_shipped_risk_parameters(tmp_path: Path) -> None:
    new_draft(tmp_path / "network", "example", "0x" + "11" * 20)
    path = tmp_path / "network" / MARKET
    written, ours = tomllib.loads(path.read_text()), tomllib.loads(RISK_SET.read_text())
    theirs = tomllib.loads((CONFIGS / "market.toml").read_text())
    for part in ("calls", "liquidation", "default", "fund", "house", "gates", "governance"):
        assert written["crisis"][part] == ours["crisis"][part]
    assert written["ranges"] == ours["ranges"]
    assert written["risk"]["stress"] == ours["risk"]["stress"]
    for token, before in zip(written["tokens"], theirs["tokens"], strict=True):
        assert token == before | {name: ours["tokens"][name] for name in ("gate", "haircut") if name in before}
    assert load_market(path).market.epoch_blocks == read_risk_set().epoch_blocks
    assert "# No time below maintenance margin" in path.read_text()


def test_the_shipped_ranges_are_within_bounds() -> None:
    check_range_parameters(read_risk_set().ranges)


@pytest.mark.parametrize("block_ms", [1_000, 7_000, 300_000])
def test_longer_blocks_never_take_time_away(block_ms: int) -> None:
    base = read_risk_set()
    longer = base.in_blocks_of(block_ms)
    for part in ("calls", "liquidation", "default", "fund", "house", "gates"):
        mine, theirs = getattr(base.crisis, part), getattr(longer.crisis, part)
        for name in mine.__struct_fields__:
            if name.endswith("_blocks"):
                before, after = getattr(mine, name) * base.block_ms, getattr(theirs, name) * block_ms
                assert before <= after < before + block_ms
    assert longer.ranges == base.ranges


def test_a_longer_block_has_the_discount_at_its_end() -> None:
    sale = read_risk_set().crisis.liquidation
    longer = read_risk_set().in_blocks_of(300_000).crisis.liquidation
    for block in (1, 12, longer.auction_blocks):
        at_end = auction_discount_ppm(sale.start_ppm, sale.end_ppm, 1, sale.auction_blocks, 300 * block)
        assert (
            abs(auction_discount_ppm(longer.start_ppm, longer.end_ppm, 1, longer.auction_blocks, block) - at_end) <= 2
        )


def test_a_wrong_key_or_value_is_named(tmp_path: Path) -> None:
    for old, new in (("early_ppm = 50_000", "early = 1"), ("early_ppm = 50_000", "early_ppm = 1")):
        path = tmp_path / "risk.toml"
        path.write_text(RISK_SET.read_text().replace(old, new))
        with pytest.raises(LocalFault) as fault:
            read_risk_set(path)
        assert fault.value.code is DevnetCode.MARKET_FILE_INVALID
        assert "early" in str(fault.value)


def test_tables_replace_those_of_the_same_name_and_keep_the_rest() -> None:
    base = "top = 1\n# of a\n[a]\nx = 1\n[[b]]\ny = 1\n[[b]]\ny = 2\n[c]\nz = 3\n"
    ours = "note = 2\n# new b\n[[b]]\ny = 9\n[d]\nw = 4\n"
    text = with_tables(base, ours)
    assert tomllib.loads(text) == {"top": 1, "a": {"x": 1}, "b": [{"y": 9}], "c": {"z": 3}, "d": {"w": 4}}
    assert text.index("# new b") < text.index("[[b]]")


def test_a_table_of_a_list_s_entries_is_that_of_every_entry_that_has_one() -> None:
    base = "[[a]]\nx = 1\n[a.own]\ny = 1\n[[a]]\nx = 2\n[[a]]\nx = 3\n[a.own]\ny = 3\n"
    text = with_tables(base, "# of each\n[a.own]\ny = 9\n")
    assert tomllib.loads(text) == {"a": [{"x": 1, "own": {"y": 9}}, {"x": 2}, {"x": 3, "own": {"y": 9}}]}
    assert text.count("# of each") == 2


def test_funding_that_no_genesis_may_have_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "risk.toml"
    path.write_text(RISK_SET.read_text().replace("wash_cover_ppm = 2_000_000", "wash_cover_ppm = 1"))
    with pytest.raises(LocalFault) as fault:
        read_risk_set(path)
    assert "wash_cover_ppm" in str(fault.value)
