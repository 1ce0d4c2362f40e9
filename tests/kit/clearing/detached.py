"""A chain of which nothing is heard any more: its vault is to be detached, and its owners still wait for money."""

import msgspec

from clearing.schema.requests.governance import VaultDetachment
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import BOB, DOLLAR, USDC_2, VAULTS
from tests.kit.clearing.signer import validator
from tests.kit.clearing.world import World

VALID_MS = 20_000
GONE = VaultDetachment(2, VAULTS[2])


def stuck(*gates: AssetWithdrawalLimits, heartbeat_ms_max: int = 0, guarded: bool = True) -> World:
    """A change of validators that chain 2 never follows; 3,000 dollars of Bob's are there, and withdrawals run."""
    genesis = governed_genesis(market=MarketParameters(withdrawal_valid_ms=VALID_MS, epoch_blocks=5))
    usdc, second, weth = genesis.assets
    if guarded:
        second = msgspec.structs.replace(second, depeg=DepegTerms(feed=2, feed_tokens=200))
    crisis = msgspec.structs.replace(genesis.crisis, gates=WithdrawalControlTerms(gates, give_back_expired=True))
    first, silent = genesis.chains
    chains = (first, msgspec.structs.replace(silent, heartbeat_ms_max=heartbeat_ms_max))
    genesis = msgspec.structs.replace(genesis, assets=(usdc, second, weth), crisis=crisis, chains=chains)
    house = parliament_world(genesis, dollars=1_000)
    house.deposit(BOB, USDC_2, 3_000 * DOLLAR)
    house.change([4], [validator(8)])
    house.block(facts=house.rotations((1,)))
    return house


def waited(house: World) -> World:
    """Until a vote may detach."""
    while house.state.now.height - house.state.set_changes[0].height < 10:
        house.block()
    return house


def gone(house: World | None = None) -> World:
    """The vault is detached by a vote."""
    house = waited(house or stuck())
    house.agree(GONE)
    house.wait(6)
    assert detached(house)
    return house


def detached(house: World) -> bool:
    return (2, VAULTS[2]) in house.state.detached_vaults
