"""The small network with gates on, and verbs for what waits, what is cancelled and what a vault did not pay."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.deposits.custody import custody_terms
from clearing.schema.facts import CustodySeen, WithdrawalNotExecuted
from clearing.schema.terms.genesis import Genesis, MarketParameters
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing.genesis import DOLLAR, USDC_1, make_genesis
from tests.kit.clearing.world import World, funded

WINDOW = 5
VALID_MS = 60_000
MARKET = MarketParameters(move_cap_ppm=300_000, epoch_blocks=WINDOW, withdrawal_valid_ms=VALID_MS)
GATE = AssetWithdrawalLimits(
    USDC_1,
    owner_units_max=50_000 * DOLLAR,
    window_units_max=80_000 * DOLLAR,
    delay_above_units=1_000 * DOLLAR,
    delay_blocks=3,
)


def gated_genesis(*assets: AssetWithdrawalLimits, base: Genesis | None = None, **terms: Any) -> Genesis:
    """Gates on these assets and these terms, on top of `base`."""
    gates = WithdrawalControlTerms(assets, **terms)
    genesis = base or make_genesis(MARKET)
    return msgspec.structs.replace(genesis, crisis=msgspec.structs.replace(genesis.crisis, gates=gates))


def gated(*assets: AssetWithdrawalLimits, check: bool = True, **terms: Any) -> World:
    """Everybody with 100,000 dollars behind these gates."""
    return funded(check, gated_genesis(*assets, **terms))


def may_withdraw(world: World, account: int, units: int, refused: list[int], asset: int = USDC_1) -> None:
    """So many units leave the account, and one more is refused so."""
    assert world.refused(world.withdrawal(account, asset, units + 1)) == refused
    assert world.refused(world.withdrawal(account, asset, units)) == []


def not_executed(world: World, nonce: int, /, **changes: Any) -> WithdrawalNotExecuted:
    """What honest validators say of a withdrawal that its vault did not pay."""
    released = world.state.withdrawals[nonce]
    fact = WithdrawalNotExecuted(
        chain_id=released.chain_id,
        vault=released.vault,
        nonce=nonce,
        not_after_s=released.not_after_s,
        block_number=900,
        block_hash=b"\x0d" * 32,
        block_time_s=released.not_after_s + 1,
    )
    return msgspec.structs.replace(fact, **changes)


def counted(world: World, block_number: int, paid: Sequence[int] = ()) -> tuple[CustodySeen, ...]:
    """What the vaults count when they paid these withdrawals and nothing else."""
    facts = []
    for fact in world.custody_facts(block_number):
        amounts = [
            int.from_bytes(world.state.withdrawals[nonce].amount, "big")
            for nonce in paid
            if world.state.withdrawals[nonce].token == fact.token
        ]
        left = int.from_bytes(fact.deposited, "big") - sum(amounts)
        facts.append(msgspec.structs.replace(fact, withdrawn=u256(sum(amounts)), balance=u256(left)))
    return tuple(facts)


def owed_and_held(world: World, block_number: int, paid: Sequence[int] = ()) -> None:
    """The reserves add up, term by term, for every asset. Raises AssertionError when they do not."""
    world.block(facts=counted(world, block_number, paid))
    terms = custody_terms(world.state)
    assert terms is not None
    for term in terms:
        deposited, withdrawn, released, later, strays, dust = (
            int.from_bytes(word, "big")
            for word in (term.deposited, term.withdrawn, term.released, term.later, term.strays, term.dust)
        )
        assert deposited - withdrawn == term.held * term.unit + released + later + strays + dust
