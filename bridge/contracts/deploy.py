"""Deploy a vault, its verifier, and a devnet's tokens.

Rule: everything that a vault is bound to for ever (network, set, verifier, tokens) is checked before it is deployed.
The genesis document names the vault and the vault names the genesis hash, so the vault's address is computed before it
exists. Calls block: under trio, use them in worker threads.
"""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3

from bridge.codes import BridgeCode
from bridge.contracts import load_artifact
from bridge.contracts.cold_quorum import ColdKeys
from bridge.contracts.schemes import CertificateScheme
from clearing.base.errors import LocalFault
from clearing.base.evm import rlp_coding
from clearing.base.hashing import keccak256
from clearing.base.plain_json import bound_recursion
from clearing.base.validators import ValidatorSet, check_validator_set

bound_recursion()  # eth-account and py-ecc raise it

TRUSTING_SECONDS = 14 * 86_400
PAUSE_SECONDS = 3 * 86_400
_RECEIPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Deployed:
    """A contract on a chain: its address, and the block that created it."""

    address: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class VaultAsset:
    """A token that a vault takes: base units in one clearing unit, at least 1, and in the least deposit, at least one
    clearing unit; 0: that."""

    token: bytes
    unit: int
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class VaultTerms:
    """What a vault is bound to. `wrapped_native`: the listed token that native coin is paid in as; empty: none.

    `scheme`: as the chain's profile says.
    """

    network: bytes
    validators: ValidatorSet
    guardian: bytes
    cold_keys: ColdKeys
    assets: tuple[VaultAsset, ...]
    trusting_s: int = TRUSTING_SECONDS
    pause_s: int = PAUSE_SECONDS
    wrapped_native: bytes = b""
    scheme: CertificateScheme = CertificateScheme.BLS


def connect(url: str) -> Web3:
    """A client of one endpoint."""
    return Web3(Web3.HTTPProvider(url))


def _contract_address(deployer: bytes, nonce: int) -> bytes:
    """Address of the contract that transaction `nonce` of `deployer` creates (Yellow Paper, section 7)."""
    return keccak256(rlp_coding.encode([deployer, nonce]))[12:]


def next_vault_address(web3: Web3, secret: bytes) -> bytes:
    """Where `deploy_vault` will put the vault, if this key sends nothing else before: after its extension."""
    account = _account(secret)
    nonce = web3.eth.get_transaction_count(account.address, "pending")
    return _contract_address(bytes.fromhex(account.address[2:]), nonce + 1)


def deploy_token(web3: Web3, secret: bytes, name: str, symbol: str, decimals: int) -> Deployed:
    """A token for devnets that anybody can mint."""
    return deploy(web3, secret, "TestToken", name, symbol, decimals)


def deploy_wrapped_native(web3: Web3, secret: bytes) -> Deployed:
    """The token that stands for a devnet's native coin, with 18 decimals."""
    return deploy(web3, secret, "WrappedNative")


def deploy_verifier(web3: Web3, secret: bytes, scheme: CertificateScheme = CertificateScheme.BLS) -> Deployed:
    """The verifier of certificates; any number of vaults on a chain may share one."""
    return deploy(web3, secret, scheme.verifier)


def deploy_vault(web3: Web3, secret: bytes, verifier: bytes, terms: VaultTerms) -> Deployed:
    """A vault, and its extension before it.

    Raises RemoteFault for a bad validator set, LocalFault TRANSACTION_REVERTED.
    """
    check_validator_set(terms.validators)
    settings = vault_settings(verifier, terms)
    extension = deploy(web3, secret, "VaultExtension", settings).address
    return deploy(web3, secret, "Vault", *vault_arguments(settings, extension, terms))


def vault_settings(verifier: bytes, terms: VaultTerms) -> tuple[Any, ...]:
    """The first constructor argument of a vault, and the only one of its extension."""
    return (
        terms.network,
        to_checksum_address(verifier),
        to_checksum_address(terms.guardian),
        terms.trusting_s,
        terms.pause_s,
        to_checksum_address(terms.wrapped_native or bytes(20)),
        [to_checksum_address(key) for key in terms.cold_keys.addresses],
        terms.cold_keys.threshold,
    )


def vault_arguments(settings: tuple[Any, ...], extension: bytes, terms: VaultTerms) -> tuple[Any, ...]:
    """All constructor arguments of a vault. Raises RemoteFault BAD_POINT."""
    assets = [(to_checksum_address(asset.token), asset.unit, asset.minimum or asset.unit) for asset in terms.assets]
    return settings, to_checksum_address(extension), terms.validators.words, assets


def deploy_solvency_verifier(web3: Web3, secret: bytes, vault: bytes) -> Deployed:
    """A verifier of single accounts that trusts the validator sets that this vault trusts.

    Raises LocalFault TRANSACTION_REVERTED.
    """
    return deploy(web3, secret, "SolvencyVerifier", to_checksum_address(vault))


def deploy(web3: Web3, secret: bytes, name: str, *arguments: Any) -> Deployed:
    """Any of our contracts, by the name of its artifact. Raises LocalFault TRANSACTION_REVERTED."""
    artifact, account = load_artifact(name), _account(secret)
    constructor = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
    unsigned = constructor.build_transaction(
        {
            "from": account.address,
            "nonce": web3.eth.get_transaction_count(account.address, "pending"),
            "chainId": web3.eth.chain_id,
        }
    )
    sent = web3.eth.send_raw_transaction(account.sign_transaction(unsigned).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=_RECEIPT_SECONDS, poll_latency=0.02)
    address = receipt["contractAddress"]
    if receipt["status"] != 1 or address is None:
        raise LocalFault(BridgeCode.TRANSACTION_REVERTED, f"deploy {name}", transaction=bytes(sent))
    return Deployed(bytes.fromhex(address[2:]), int(receipt["blockNumber"]))


def _account(secret: bytes) -> LocalAccount:
    account: LocalAccount = Account.from_key(secret)
    return account
