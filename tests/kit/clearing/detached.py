"""A chain that left: its vault detached, and what its owners still wait for."""

import msgspec

from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing import gone_chain
from tests.kit.clearing.chamber import governed_genesis
from tests.kit.clearing.genesis import VAULTS
from tests.kit.clearing.world import World

VALID_MS = 20_000
USDC_TWO = 2


def stuck(heartbeat_ms_max: int = 0, *gates: AssetWithdrawalLimits) -> World:
    """A change of validators that chain 2 never follows; 3,000 dollars of Bob's are there, and withdrawals run."""
    genesis = governed_genesis(market=MarketParameters(withdrawal_valid_ms=VALID_MS, epoch_blocks=5))
    crisis = msgspec.structs.replace(genesis.crisis, gates=WithdrawalControlTerms(gates, give_back_expired=True))
    chains = tuple(
        msgspec.structs.replace(each, heartbeat_ms_max=heartbeat_ms_max if each.chain_id == 2 else 0)
        for each in genesis.chains
    )
    return gone_chain.stuck(guarded=True, genesis=msgspec.structs.replace(genesis, crisis=crisis, chains=chains))


def waited(house: World) -> None:
    """Until a vote may detach."""
    while house.state.now.height - house.state.set_changes[0].height < 10:
        house.block()


def detached(house: World) -> bool:
    return (2, VAULTS[2]) in house.state.detached_vaults
