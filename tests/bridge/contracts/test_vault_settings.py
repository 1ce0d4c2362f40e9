"""What a vault is deployed for: every setting at its limits, and that the vault keeps what it was given."""

from dataclasses import replace
from typing import Any

import pytest
from web3 import Web3
from web3.exceptions import ContractCustomError

from bridge.contracts.deploy import Deployed, VaultAsset, VaultTerms, deploy_vault
from clearing.base.hashing import keccak256
from tests.kit.bridge.vault_chain import COLD_KEYS, USER, VaultChain

pytestmark = pytest.mark.chain
LONGEST = 2**32 - 1
CODELESS = bytes([9]) * 20


def deployed(vault: VaultChain, verifier: bytes | None = None, **changes: Any) -> Deployed:
    """Another vault with these terms."""
    terms: VaultTerms = replace(vault.terms, **changes)
    return deploy_vault(vault.user.web3, USER, vault.verifier_at.address if verifier is None else verifier, terms)


def view(vault: VaultChain, at: Deployed, name: str, *arguments: Any) -> Any:
    return getattr(vault.user.contract("Vault", at).functions, name)(*arguments).call()


UNFIT: dict[str, tuple[str, dict[str, Any]]] = {
    "no network": ("ZeroSetting()", {"network": bytes(32)}),
    "no guardian": ("ZeroSetting()", {"guardian": bytes(20)}),
    "no trust": ("ZeroSetting()", {"trusting_s": 0, "pause_s": 0}),
    "trust beyond 32 bits": ("TrustingPeriodTooLong(uint256)", {"trusting_s": LONGEST + 1, "pause_s": 2**30}),
    "a pause of more than half the trust": ("PauseTooLong(uint256,uint256)", {"trusting_s": 129, "pause_s": 65}),
    "a pause that fits 65 times": ("PauseTooShort(uint256,uint256)", {"trusting_s": 65, "pause_s": 1}),
    "a verifier without code": ("NoCode(address)", {"verifier": CODELESS}),
}


@pytest.mark.parametrize("case", UNFIT)
def test_no_vault_is_deployed_with_unfit_settings(vault: VaultChain, case: str) -> None:
    error, changes = UNFIT[case]
    with pytest.raises(ContractCustomError) as caught:
        deployed(vault, **changes)
    assert str(caught.value.data)[:10] == "0x" + keccak256(error.encode())[:4].hex()


FIT: dict[str, dict[str, Any]] = {
    "the longest trust": {"trusting_s": LONGEST, "pause_s": 2**30},
    "a pause of half the trust": {"trusting_s": 128, "pause_s": 64},
    "a pause that fits 64 times": {"trusting_s": 64, "pause_s": 1},
    "all of the cold keys": {"cold_keys": replace(COLD_KEYS, threshold=3)},
}


@pytest.mark.parametrize("case", FIT)
def test_settings_may_reach_their_limits_and_are_kept(vault: VaultChain, case: str) -> None:
    terms = replace(vault.terms, **FIT[case])
    made = deployed(vault, **FIT[case])
    kept = [view(vault, made, name) for name in ("network", "trustingPeriod", "pausePeriod")]
    assert kept == [terms.network, terms.trusting_s, terms.pause_s]
    assert view(vault, made, "verifier") == Web3.to_checksum_address(vault.verifier_at.address)
    assert view(vault, made, "guardian") == Web3.to_checksum_address(terms.guardian)
    assert view(vault, made, "wrappedNative") == Web3.to_checksum_address(terms.wrapped_native)
    assert view(vault, made, "latest")[2] == vault.now(), "it trusts the set from now on"
    for key in terms.cold_keys.addresses:
        assert view(vault, made, "coldKey", Web3.to_checksum_address(key)) == [True, terms.cold_keys.threshold]
    assert not view(vault, made, "coldKey", vault.user.address)[0]


def test_a_clearing_unit_may_be_one_base_unit_also_of_the_native_coin(vault: VaultChain) -> None:
    made = deployed(vault, assets=tuple(VaultAsset(at.address, 1) for at in (vault.token_at, vault.wrapped_at)))
    for at in (vault.token_at, vault.wrapped_at):
        assert view(vault, made, "assetOf", Web3.to_checksum_address(at.address)) == [1, 1]
    contract = vault.user.contract("Vault", made)
    vault.user.send(contract.functions.depositNative(7), value=1)
    assert contract.functions.depositNonce().call() == 1


def test_a_token_is_listed_once(vault: VaultChain) -> None:
    with pytest.raises(ContractCustomError) as caught:
        deployed(vault, assets=(*vault.terms.assets, VaultAsset(vault.token_at.address, 7)))
    error = keccak256(b"TokenListedTwice(address)")[:4] + vault.token_at.address.rjust(32, b"\0")
    assert caught.value.data == "0x" + error.hex()
