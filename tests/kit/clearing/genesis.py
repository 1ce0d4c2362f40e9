"""The small genesis of all worlds: two chains, three tokens, four instruments, the house and three members.

Rule: whatever a test wants of the terms is an argument of `make_genesis`; nothing is changed where no test asks for it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from clearing.base.secp256k1 import address
from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from tests.kit.clearing.signer import secret, set_with
from tests.kit.validator_records import unproven_validator

SALT = bytes(range(32))
START_MS = 1_700_000_000_000
VAULTS = {1: b"\xa1" * 20, 2: b"\xa2" * 20}
USD = 1
USDC_1, USDC_2, WETH_1 = 1, 2, 3
BTC, ETH = 1, 2
BTC_PERP, BTC_FUT, BTC_CALL, ETH_PERP = 1, 2, 3, 4
DOLLAR = 1_000_000
HOUSE, ALICE, BOB, CAROL, ALICE_CLIENT = 0, 1, 2, 3, 4
EVERYBODY = (HOUSE, ALICE, BOB, CAROL)
ACCOUNTS = (*EVERYBODY, ALICE_CLIENT)
EXPIRY_MS = START_MS + 3_600_000
POWERS = (10, 10, 10, 10)
OWNER = {HOUSE: 0, ALICE: 1, ALICE_CLIENT: 1, BOB: 2, CAROL: 3}
"""Which member's key signs for an account."""
MARKET = {"move_cap_ppm": 300_000, "epoch_blocks": 5}
RISK = RiskParameters(
    (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000)),
    cash_limit_micros=1_000 * DOLLAR,
)


def make_genesis(
    market: MarketParameters | Mapping[str, Any] | None = None,
    risk: RiskParameters | None = None,
    *,
    powers: Mapping[int, int] | None = None,
    members: tuple[MemberTerms, ...] = (),
    crisis: Mapping[str, Any] | None = None,
    **parts: Any,
) -> Genesis:
    """`market`: all its terms, or those that differ from MARKET. `powers`: of validators with real keys, by name.

    Commitments are carried within their epoch, however short it is. `members`: come after the three. `crisis`: terms of
    crises by name. `parts`: any other part of the genesis.
    """
    terms = market if isinstance(market, MarketParameters) else MarketParameters(**MARKET | dict(market or {}))
    delay = min(terms.snapshot_delay_blocks, max(terms.epoch_blocks - 1, 0))
    fake = (unproven_validator(bytes([i + 1]) * 32, bytes([i + 1]) * 48, power) for i, power in enumerate(POWERS))
    genesis = Genesis(
        name="test",
        time_ms=START_MS,
        validators=set_with(powers) if powers else ValidatorSet(tuple(fake)),
        chains=tuple(
            ChainTerms(chain, f"chain-{chain}", vault, 4, heartbeat_ms_max=0) for chain, vault in VAULTS.items()
        ),
        feeds=(Feed(BTC, "BTC"), Feed(ETH, "ETH")),
        cash_groups=(CashGroup(USD, "USD"),),
        assets=(
            Asset(USDC_1, "USDC-1", 1, VAULTS[1], b"\xc1" * 20, 6, 6, USD, 0, 0, 10**17),
            Asset(USDC_2, "USDC-2", 2, VAULTS[2], b"\xc2" * 20, 6, 6, USD, 0, 0, 10**17),
            Asset(WETH_1, "WETH-1", 1, VAULTS[1], b"\xc3" * 20, 18, 6, 0, ETH, 100_000, 10**13),
        ),
        instruments=(
            Instrument(BTC_PERP, "BTC-PERP", InstrumentKind.PERPETUAL, BTC, 1, USD, 10),
            Instrument(BTC_FUT, "BTC-FUT", InstrumentKind.FUTURE, BTC, 1, USD, 10, EXPIRY_MS),
            Instrument(
                BTC_CALL, "BTC-CALL", InstrumentKind.CALL, BTC, 1, USD, 10, EXPIRY_MS, 800_000, band_ppm=1_000_000
            ),
            Instrument(ETH_PERP, "ETH-PERP", InstrumentKind.PERPETUAL, ETH, 2, USD, 100),
        ),
        risk=risk or RISK,
        market=msgspec.structs.replace(terms, snapshot_delay_blocks=delay),
        members=(
            member_terms(0, HOUSE),
            member_terms(1, ALICE, AccountTerms(ALICE_CLIENT, AccountKind.CLIENT)),
            member_terms(2, BOB),
            member_terms(3, CAROL),
            *members,
        ),
        crisis=CrisisParameters(**crisis or {}),
    )
    return msgspec.structs.replace(genesis, **parts)


def member_terms(member: int, account: int, *clients: AccountTerms) -> MemberTerms:
    """A member with an account of its own and those of clients."""
    accounts = (AccountTerms(account, AccountKind.HOUSE), *clients)
    return MemberTerms(member, f"member-{member}", address(secret(member)), accounts)
