"""The shipped market makes a genesis, and its file refuses what it does not know."""

from pathlib import Path

import pytest

from clearing.base import bls, ed25519
from clearing.base.errors import LocalFault
from clearing.base.validators import Validator, ValidatorSet
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.terms.genesis import network_id
from devnet.genesis import DeployedChain, MemberIdentity, build_genesis
from devnet.market import CONFIGS, load_market
from node.oracle.source import load_hours


def test_the_shipped_market_makes_a_genesis_that_survives_json() -> None:
    secret = bls.secret_from_seed(b"\1" * 32)
    one = Validator(ed25519.public_key(b"\1" * 32), bls.public_key(secret), 1, bls.prove_possession(secret))
    market = load_market()
    chains = tuple(
        DeployedChain(
            31337 + index, f"chain{index}", bytes([index + 1]) * 20, 0, {"USDC": b"\x11" * 20, "WETH": b"\x12" * 20}
        )
        for index in range(2)
    )
    members = tuple(MemberIdentity(index, f"member{index}", bytes([index]) * 20) for index in range(1, 9))
    genesis = build_genesis(
        market,
        name="devnet",
        time_ms=1,
        validators=ValidatorSet((one,)),
        chains=chains,
        house=MemberIdentity(0, "house", b"\xaa" * 20),
        members=members,
    )
    assert len(genesis.assets) == 4
    assert {instrument.kind.name for instrument in genesis.instruments} == {"PERPETUAL", "FUTURE", "CALL", "PUT"}
    assert network_id(genesis_from_json(genesis_to_json(genesis))) == network_id(genesis)
    assert len(load_hours(CONFIGS / market.hours)) == 48


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    text = (CONFIGS / "market.toml").read_text().replace("rate_ppm = 20_000", "rate_ppm = 20_000\nratio = 3")
    (tmp_path / "market.toml").write_text(text)
    with pytest.raises(LocalFault) as caught:
        load_market(tmp_path / "market.toml")
    assert "ratio" in str(caught.value)


def test_the_shipped_market_pays_funding_averages_settlements_and_lets_no_feed_die_unnoticed() -> None:
    market = load_market()
    for each in market.instruments:
        assert (each.funding is not None) is (each.kind == "perpetual"), each.name
        assert (each.averaging_minutes > 0) is (each.kind != "perpetual"), each.name
    terms = market.market.prices
    assert terms is not None
    assert 0 < terms.grace_blocks < terms.settle_blocks
    assert terms.outlier_deviations > 0
