"""The beacon chains that the profiles describe, by the chain id of the execution chain.

Rule: a chain whose light-client objects this version does not read has no network here, and is refused by code. All of
them have the mainnet preset: 512 members of a committee, 32 slots of 12 seconds an epoch, 256 epochs a period.
"""

from functools import cache

from bridge.beacon.network import CAPELLA, DENEB, ELECTRA, BeaconNetwork, Fork
from bridge.codes import BridgeCode
from bridge.rpc.chain_profiles import BeaconFacts, all_profiles
from clearing.base.errors import LocalFault

_LAYOUTS = {"capella": CAPELLA, "deneb": DENEB, "electra": ELECTRA}


def beacon_chain_ids() -> tuple[int, ...]:
    """The chain ids that a light client serves, ascending. Raises LocalFault BAD_PROFILE."""
    return tuple(sorted(_described()))


@cache
def network_of(chain_id: int, at: str = "light_client") -> BeaconNetwork:
    """The beacon chain of an execution chain. Raises LocalFault NO_BEACON_CHAIN of this place, BAD_PROFILE."""
    facts = _described().get(chain_id)
    if facts is None:
        served = ", ".join(map(str, beacon_chain_ids()))
        raise LocalFault(BridgeCode.NO_BEACON_CHAIN, at, chain_id=chain_id, served=served)
    return BeaconNetwork(
        genesis_time=facts.genesis_time,
        genesis_validators_root=bytes.fromhex(facts.genesis_validators_root[2:]),
        forks=tuple(Fork(fork.epoch, bytes.fromhex(fork.version[2:]), _LAYOUTS[fork.layout]) for fork in facts.forks),
    )


def _described() -> dict[int, BeaconFacts]:
    return {facts.chain_id: facts for profile in all_profiles().values() for facts in profile.facts.beacon_chains}
