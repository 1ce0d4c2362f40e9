"""Claims that fall by more than a genesis lets out, in whole packages: both verifiers find it, with the genesis alone.

A package of the listed market states vaults, parameters and network of the genesis; in the next epoch one account has
seven clearing units of a token less, which the statement calls withdrawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.genesis.custody_listing import listed_custody
from clearing.genesis.json import genesis_to_json
from clearing.schema.terms.genesis import CrisisParameters, Genesis, network_id
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.errors import ProofCode
from proofs.history.package_history import PackageHistory
from tests.kit.proofs import listed_market, small_market, stressed
from tests.kit.proofs.counted import BOOK, MEMBERS
from tests.kit.proofs.epochs import SPACING, head_of
from tests.kit.proofs.second_verifier import SecondVerifier

replace = msgspec.structs.replace
LEFT = 7
COUNTED = 10**40
ASSETS = (listed_market.USDC, listed_market.WETH)


def limited(units: int) -> Genesis:
    """The genesis of the listed market, which lets out so many units of WETH in a window of a thousand blocks."""
    gates = WithdrawalControlTerms((AssetWithdrawalLimits(listed_market.WETH.id, 0, units),))
    validators = small_market.validator_set()
    listed = listed_market.genesis()
    market = replace(listed.market, epoch_blocks=1_000)
    return replace(listed, validators=validators, market=market, crisis=CrisisParameters(gates=gates))


def package_at(genesis: Genesis, epoch: int, book: Any) -> bytes:
    """The package of an epoch in which accounts hold this."""
    shot = stressed.snapshot_of(book, MEMBERS, replace(stressed.RULEBOOK, tokens=(listed_market.WETH,)))
    terms = []
    for term, asset in zip(shot.statement.custody, ASSETS, strict=True):
        unit = 10 ** (asset.token_decimals - asset.unit_decimals)
        block = {"block_number": 100 * epoch, "block_hash": bytes([asset.id]) + bytes([epoch]) * 31}
        place = {"vault": asset.vault, "token": asset.token, "balances": asset.balances, "unit": unit}
        counters = {"deposited": u256(COUNTED), "withdrawn": u256(COUNTED - term.held * unit)}
        terms.append(replace(term, **block, **place, **counters, balance=u256(term.held * unit)))
    about = {"network": network_id(genesis), "epoch": epoch, "height": SPACING * epoch, "custody": tuple(terms)}
    accounts = tuple(replace(each, owner=small_market.owner(each.account)) for each in shot.accounts)
    shot = replace(shot, statement=replace(shot.statement, **about), accounts=accounts)
    seeds = stressed.seeds_of([each.account for each in accounts])
    root = commitments_root(shot.statement, commit_epoch(shot, seeds, small_market.N), small_market.N)
    return prove_epoch(shot, seeds, *head_of(shot, root), domain=small_market.N)


def with_less(book: Mapping[int, Sequence[int]]) -> dict[int, Any]:
    """The same, in which account 1 has given up some of the token."""
    cash, tokens, *positions = book[1]
    return {**book, 1: (cash, tokens - LEFT, *positions)}


@pytest.mark.parametrize(("units", "found"), [(LEFT, []), (LEFT - 1, ["R0779 above_limits"])])
def test_both_find_claims_that_fall_by_more_than_a_genesis_lets_out(
    second: SecondVerifier, units: int, found: list[str]
) -> None:
    genesis = limited(units)
    packages = [package_at(genesis, 4, BOOK), package_at(genesis, 5, with_less(BOOK))]
    own = genesis.validators.hash
    history = PackageHistory(network_id(genesis), own, listed_custody(genesis), genesis)
    for number, data in enumerate(packages):
        history.survey(data)
        assert history.add(f"{number}.ccp", data).ok
    first = history.finish()
    assert [f"R{f.code:04} {f.code.name.lower()}" for f in first.findings] == found
    assert all(f.code is ProofCode.ABOVE_LIMITS for f in first.findings)
    words = genesis_to_json(genesis)
    verdict = second.ask(history=packages, surveyed=True, genesis=words, validators_hash=own.hex())
    assert [(f["code"], f["detail"]) for f in verdict["findings"]] == [
        (code, finding.detail) for code, finding in zip(found, first.findings, strict=True)
    ]
    assert verdict["ok"] == first.ok == (not found)
    assert not second.ask(history=packages, validators_hash=own.hex())["findings"], "without a genesis nobody knows"
