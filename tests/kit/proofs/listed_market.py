"""A market with a genesis whose vaults, tokens and parameters a whole package has; its accounts have owners."""

import msgspec

from clearing.base.codec import u256
from clearing.margin.statement.rulebook import Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset, Feed
from clearing.schema.terms.genesis import Genesis
from proofs.epoch.package import attach_custody
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs import small_market as market
from tests.kit.proofs import stressed
from tests.kit.proofs.counted import BOOK, MEMBERS, PLACE, counted_scalars
from tests.kit.proofs.made_market import NOW_MS
from tests.kit.proofs.proven_custody import proven as with_evidence

replace = msgspec.structs.replace
VAULTS = {1: b"\xa1" * 20, 31337: b"\xa2" * 20}
USDC = Asset(1, "USDC", 1, VAULTS[1], b"\xc1" * 20, 8, 6, 1, 0, 0, 10**17, balances=PLACE)
WETH = Asset(3, "WETH", 31337, VAULTS[31337], bytes(20), 18, 6, 0, 2, 150_000, 10**15)


def genesis(book: Rulebook = stressed.RULEBOOK) -> Genesis:
    """Of the network of `listed-custody.ccp`, or of one with another rulebook."""
    return replace(
        make_genesis(),
        time_ms=book.time_ms - 86_400_000,
        feeds=(Feed(1, "BTC"), Feed(2, "ETH")),
        cash_groups=book.cash_groups,
        assets=(USDC, WETH),
        instruments=book.instruments,
        risk=book.parameters,
        ranges=RangeParameters(),
    )


def listed_package() -> bytes:
    """A whole package whose custody and rules are those of `genesis()`; its accounts have owners."""
    return listed_from(stressed.snapshot_of(BOOK, MEMBERS, replace(stressed.RULEBOOK, tokens=(WETH,))))


def listed_from(shot: RiskSnapshot, time_ms: int = NOW_MS) -> bytes:
    """The whole package of a snapshot whose custody is that of USDC and WETH; `time_ms` of its header."""
    terms = [
        replace(
            term,
            vault=asset.vault,
            token=asset.token,
            balances=asset.balances,
            unit=10 ** (asset.token_decimals - asset.unit_decimals),
            deposited=u256(term.held * 10 ** (asset.token_decimals - asset.unit_decimals) + 900),
            withdrawn=u256(900),
            balance=u256(term.held * 10 ** (asset.token_decimals - asset.unit_decimals) + 5),
        )
        for term, asset in zip(shot.statement.custody, (USDC, WETH), strict=True)
    ]
    stated, evidence = with_evidence(replace(shot.statement, custody=tuple(terms)))
    accounts = tuple(replace(each, owner=market.owner(each.account)) for each in shot.accounts)
    shot = replace(shot, statement=stated, accounts=accounts)
    seeds = stressed.seeds_of([each.account for each in accounts])
    made = market.honest(shot, seeds, scalars=counted_scalars(), time_ms=time_ms)
    return attach_custody(made, evidence)
