"""A cash token that may leave its group backs cash or is collateral: the quorum says which, and is named."""

import msgspec

from clearing.base.codec import encode, u256
from clearing.genesis.json import genesis_to_json
from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.rulebook import FeedLevel, Rulebook
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.margin.statement.stress import build_cover_terms
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import DepegTerms
from proofs.epoch.package import attach_custody
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import listed_market, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import BOOK, MEMBERS
from tests.kit.proofs.made_market import arrays_of, holdings_of, statement_of
from tests.kit.proofs.named_bases import genesis_of, prove
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.second_verifier import SecondVerifier

replace = msgspec.structs.replace
GUARDED = replace(listed_market.USDC, depeg=DepegTerms(feed=5, feed_tokens=100))
FREE = replace(listed_market.USDC, id=2, name="USDT", token=b"\xc2" * 20)
WETH = listed_market.WETH
BOOK_OF_RULES: Rulebook = replace(
    stressed.RULEBOOK,
    tokens=(GUARDED.as_collateral, WETH),
    feeds=(*stressed.RULEBOOK.feeds, FeedLevel(5, "USDC", 10_000, used=True)),
)
PLACE = f"1:0x{GUARDED.vault.hex()}:0x{GUARDED.token.hex()}"
UNDER_WAY = 10**12


def package_of(*, left: bool) -> bytes:
    """Nobody holds the guarded token, and a withdrawal of it is under way."""
    lots = {account: (cash, 0, *others) for account, (cash, *others) in BOOK.items()}
    house = (10**11, 0, 0, *(-sum(vector[slot] for vector in lots.values()) for slot in range(3, 6)))
    vectors, stress = {0: house, **lots}, BOOK_OF_RULES.stress()
    accounts = [holdings_of(arrays_of(BOOK_OF_RULES), account, vector) for account, vector in vectors.items()]
    owners = {account: MEMBERS.get(account, account) for account in vectors}
    fund = BOOK_OF_RULES.parameters.default_fund_micros
    cover = build_cover_terms(stress, (1, 2), accounts, owners, 0, fund)
    statement = statement_of(BOOK_OF_RULES, list(vectors.values()), network=stressed.NETWORK, cover=cover)
    cash, _, weth = (total.total for total in statement.totals[:3])
    blank = statement.custody[0]
    terms = (
        _term(blank, GUARDED.as_collateral if left else GUARDED, int(left), 0, UNDER_WAY),
        _term(blank, FREE, 0, cash, 0),
        _term(blank, WETH, 2, weth, 0),
    )
    stated, evidence = proven(replace(statement, rules=encode(BOOK_OF_RULES), custody=terms))
    owned = [replace(each, owner=market.owner(each.account)) for each in accounts]
    return attach_custody(prove(build_snapshot(stated, owned), stressed.seeds_of(sorted(vectors))), evidence)


def _term(blank: CustodyTerm, asset: Asset, slot: int, held: int, released: int) -> CustodyTerm:
    there = u256(held * asset.base_units + released)
    place = {"chain_id": asset.chain_id, "vault": asset.vault, "token": asset.token, "balances": asset.balances}
    amounts = {"held": held, "deposited": there, "balance": there, "released": u256(released)}
    return replace(blank, **place, **amounts, slot=slot, unit=asset.base_units)


def test_whether_a_guarded_token_still_backs_cash_is_named(second: SecondVerifier) -> None:
    """Both forms are the genesis' own, and nothing that is checked tells them apart."""
    validators = market.validator_set()
    genesis = replace(genesis_of(BOOK_OF_RULES), assets=(GUARDED, FREE, WETH), validators=validators)
    known = {"network": stressed.NETWORK, "validators_hash": validators.hash}
    named = []
    for left in (False, True):
        data = package_of(left=left)
        verdict = verify_package(data, **known, genesis=genesis)
        assert verdict.ok, verdict.checks[-1]
        assert all(check.complete for check in verdict.checks)
        named.append(dict(verdict.attested))
        texts = {name: value.hex() for name, value in known.items()}
        answer = second.ask(file=data, **texts, genesis=genesis_to_json(genesis))
        assert answer["ok"]
        assert answer["attested"] == {name: str(value) for name, value in verdict.attested}
    assert {name for name in {*named[0], *named[1]} if named[0].get(name) != named[1].get(name)} == {
        f"backs_cash:{PLACE}"
    }
    assert [each[f"backs_cash:{PLACE}"] for each in named] == [1, 0]
    assert sum(name.startswith("backs_cash:") for name in named[0]) == 1, "no other token has a choice"
