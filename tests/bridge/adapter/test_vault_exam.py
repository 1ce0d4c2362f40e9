"""Which certificates a vault takes is read from the code of its verifier, and compared with the chain's profile."""

from collections.abc import Callable

import pytest

from bridge.contracts.schemes import CertificateScheme
from bridge.probe.findings import Gravity
from bridge.probe.vault_exam import examine_vault
from bridge.rpc.endpoint import Endpoint
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import FOUR, VaultChain
from tests.kit.bridge.watched_chain import Liar, calls_answered

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("scheme", CertificateScheme)
async def test_a_vaults_verifier_is_named_and_one_that_the_profile_does_not_mean_is_a_fault(
    anvil: Callable[..., Anvil], scheme: CertificateScheme
) -> None:
    vault = VaultChain(anvil(), FOUR, scheme=scheme)
    async with Endpoint(vault.chain.url) as endpoint:
        lost = Liar(endpoint, lost=True)
        for stated in CertificateScheme:
            (finding,) = (await examine_vault([lost, endpoint], vault.vault_at.address, stated)).findings
            assert finding.gravity is (Gravity.OK if stated is scheme else Gravity.FAULT)
            assert scheme.verifier in finding.found
            assert bool(finding.advice) is (stated is not scheme)


async def test_what_is_no_vault_of_ours_is_a_fault(anvil: Callable[..., Anvil]) -> None:
    vault = VaultChain(anvil(), FOUR)
    async with Endpoint(vault.chain.url) as endpoint:
        token = "0x" + vault.token_at.address.rjust(32, b"\0").hex()
        sources = {
            "no contract": ([endpoint], bytes(19) + b"\1"),
            "another verifier": ([Liar(endpoint, calls_answered(token))], vault.vault_at.address),
            "no address": ([Liar(endpoint, calls_answered("0x" + "ff" * 32))], vault.vault_at.address),
            "nobody": ([Liar(endpoint, lost=True)], vault.vault_at.address),
        }
        for given in sources.values():
            (finding,) = (await examine_vault(*given, CertificateScheme.BLS)).findings
            assert finding.gravity is Gravity.FAULT
