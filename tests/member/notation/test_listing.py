"""Names and units of what is listed: found by name or id, refused where they stand for nothing or for several."""

import msgspec
import pytest

from clearing.schema.terms.genesis import AccountKind, AccountTerms
from member.notation.listing import Listing
from tests.kit.clearing.genesis import ALICE, BTC, BTC_PERP, ETH, USDC_1, USDC_2, WETH_1, make_genesis, member_terms

GENESIS = make_genesis()
LISTING = Listing(GENESIS, {BTC: 100})


def renamed(*names: str) -> Listing:
    """The assets under these names."""
    assets = tuple(msgspec.structs.replace(asset, name=name) for asset, name in zip(GENESIS.assets, names, strict=True))
    return Listing(msgspec.structs.replace(GENESIS, assets=assets), {})


def test_an_account_is_found_by_its_id_or_its_members_name() -> None:
    assert LISTING.account("7") == 7
    assert LISTING.account("member-1") == ALICE
    assert LISTING.account_text(ALICE) == f"member-1 (account {ALICE})"
    assert LISTING.account_text(999) == "account 999"
    with pytest.raises(ValueError, match="listed: member-0, member-1"):
        LISTING.account("nobody")


def test_a_member_with_two_own_accounts_is_no_account() -> None:
    terms = member_terms(9, 90, AccountTerms(91, AccountKind.HOUSE))
    listing = Listing(make_genesis(members=(terms,)), {})
    with pytest.raises(ValueError, match="give its id"):
        listing.account("member-9")
    assert listing.member("member-9") == 9


def test_a_token_on_several_chains_needs_its_chain() -> None:
    listing = renamed("USDC@chain-1", "USDC@chain-2", "WETH@chain-1")
    assert listing.asset("USDC@chain-2").id == listing.asset("USDC", "chain-2").id == listing.asset("2").id == USDC_2
    assert listing.asset("USDC", "1").id == USDC_1
    assert listing.asset("WETH").id == WETH_1
    with pytest.raises(ValueError, match="several chains: name one, or write USDC@chain-1, USDC@chain-2"):
        listing.asset("USDC")
    with pytest.raises(ValueError, match="no single token"):
        listing.asset("WETH", "chain-2")
    with pytest.raises(ValueError, match="no single chain"):
        listing.asset("WETH", "nowhere")


def test_an_amount_of_a_token_has_the_decimals_of_the_token_or_of_the_ledger() -> None:
    asset, amount = LISTING.token_amount("1.5 WETH-1")
    assert (asset.id, amount) == (WETH_1, 15 * 10**17)
    assert LISTING.ledger_amount("1.5 WETH-1") == (asset, 1_500_000)
    assert LISTING.token_amount("0.0000001 WETH-1")[1] == 10**11
    with pytest.raises(ValueError, match="counts WETH-1 with 6 decimals"):
        LISTING.ledger_amount("0.0000001 WETH-1")
    with pytest.raises(ValueError, match="more than 6 decimals"):
        LISTING.token_amount("0.0000001 USDC-1")
    with pytest.raises(ValueError, match="above 0"):
        LISTING.token_amount("0 USDC-1")
    assert LISTING.units_text(WETH_1, "1500000") == LISTING.amount_text(asset, amount) == "1.50 WETH-1"


def test_sizes_and_prices_are_whole_lots_and_ticks() -> None:
    perpetual = LISTING.instrument("BTC-PERP")
    assert perpetual.id == LISTING.instrument(str(BTC_PERP)).id == BTC_PERP
    assert LISTING.lots(perpetual, "0.5") == 500
    assert LISTING.ticks(perpetual, "7,900.25") == 790_025
    assert LISTING.price_text(perpetual, 790_025) == "7,900.25"
    assert LISTING.size_text(perpetual, 500) == "500 lots (0.50)"
    assert LISTING.notional_text(perpetual, 500, 790_025) == "3,950.125 USD"
    with pytest.raises(ValueError, match="between two ticks"):
        LISTING.ticks(perpetual, "7900.255")
    with pytest.raises(ValueError, match="no whole number of lots"):
        LISTING.lots(perpetual, "0.0005")


def test_without_a_scale_lots_and_ticks_are_written_as_they_are() -> None:
    perpetual = LISTING.instrument("ETH-PERP")
    assert perpetual.feed == ETH
    assert LISTING.price_text(perpetual, 20_000) == "20,000 ticks"
    assert LISTING.size_text(perpetual, 5) == "5 lots"
    with pytest.raises(ValueError, match="give lots and ticks"):
        LISTING.lots(perpetual, "5")


def test_a_scale_that_no_decimals_say_shows_ticks() -> None:
    perpetual = LISTING.instrument("BTC-PERP")
    assert Listing(GENESIS, {BTC: 3}).price_text(perpetual, 6) == "6 ticks"
    assert Listing(GENESIS, {BTC: 8}).price_text(perpetual, 5) == "0.625"
