"""Deploy a vault: plan it, then create its contracts one after another.

Rule: the network id comes from genesis, and the set from genesis or, where it changed since, from a node that is
trusted with nothing: its hash is the one that the caller states.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.contracts.deploy import VaultTerms
from bridge.relay.transactions import Sender
from bridge.relay.vault_deployer import VaultDeployer
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.validators import ValidatorSet
from member.light.source import HttpSource
from member.vaults.receipt import VaultReceipt, created, receipt_of


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be deployed. `profile`: of the chain, by default the one that names its chain id."""

    terms: VaultTerms
    salt: int = 0
    profile: str = ""

    def terms_on(self, chain_id: int) -> VaultTerms:
        """With the certificates that a vault of this chain takes. Raises LocalFault WRONG_PROFILE."""
        return replace(self.terms, scheme=profile_of(chain_id, self.profile).scheme)


def set_in_force(url: str, validators_hash: bytes) -> ValidatorSet:
    """The set with this hash, as a node's newest light block has it.

    Raises LocalFault NODE_UNREACHABLE, RemoteFault WRONG_VALIDATOR_SET when the node's set in force is another.
    """
    source = HttpSource(url)
    try:
        block = source.block(None)
    finally:
        source.close()
    if block.next_validators.hash != validators_hash:
        raise RemoteFault(
            BaseCode.WRONG_VALIDATOR_SET, url, in_force=block.next_validators.hash, stated=validators_hash
        )
    return block.next_validators


async def plan_vault(rpc: str, deployment: Deployment, secret: bytes) -> VaultReceipt:
    """Check everything, predict the addresses and estimate the gas; send nothing. Raises as `VaultDeployer.plan`."""
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        terms = deployment.terms_on(chain_id)
        deployer = VaultDeployer(endpoint, terms, deployment.salt)
        payer = Sender(endpoint, chain_id, secret).address
        planned = await deployer.plan(payer)
        contracts = [created(each.creation, each.gas) for each in planned]
        return receipt_of(chain_id, deployment.salt, terms, contracts)


async def deploy_vault(
    rpc: str, deployment: Deployment, secret: bytes, on_progress: Callable[[VaultReceipt], None]
) -> VaultReceipt:
    """Plan it, then create each contract that does not stand yet.

    A deployment that ended between two contracts is continued by the next: what stands is not created again.
    `secret`: the key that pays; no other program may use it meanwhile. `on_progress`: before anything is sent, and
    after each contract; what it raises ends the deployment. Raises as `VaultDeployer`.
    """
    async with Endpoint(rpc) as endpoint:
        chain_id = await endpoint.chain_id()
        terms = deployment.terms_on(chain_id)
        deployer = VaultDeployer(endpoint, terms, deployment.salt)
        sender = Sender(endpoint, chain_id, secret)
        planned = await deployer.plan(sender.address)
        contracts = [created(each.creation, each.gas) for each in planned]
        on_progress(receipt_of(chain_id, deployment.salt, terms, contracts))
        for index, each in enumerate(planned):
            contracts[index] = created(each.creation, each.gas, await deployer.create(sender, each))
            on_progress(receipt_of(chain_id, deployment.salt, terms, contracts))
        return receipt_of(chain_id, deployment.salt, terms, contracts)
