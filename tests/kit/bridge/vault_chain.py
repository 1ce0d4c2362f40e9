"""A vault on a real chain, a validator set that signs for it, and calls whose refusals can be named."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi import decode
from eth_account import Account
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError

from bridge.contracts import FOLDER, load_artifact
from bridge.contracts.cold_quorum import ColdKeys, Decision, decision_digest, in_signer_order
from bridge.contracts.deploy import (
    Deployed,
    VaultAsset,
    VaultTerms,
    connect,
    deploy,
    deploy_token,
    deploy_vault,
    deploy_verifier,
    deploy_wrapped_native,
)
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import VaultCertificate, checkpoint_arguments
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base import bls, secp256k1
from clearing.base.certificate import Certificate, VoteKind, vote_digest
from clearing.base.ecdsa_certificate import EcdsaCertificate, certificate_of, header_digest
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.hashing import keccak256, sha256
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from devnet.anvil import Anvil
from tests.kit import headers
from tests.kit.certificates import make_certificate
from tests.kit.validator_records import evm_secret_of, made_validator

NETWORK = sha256(b"network of the contract tests")
USER = bytes([7]) * 32
GUARDIAN = bytes([8]) * 32
COLD = tuple(sorted((bytes([index]) * 32 for index in (21, 22, 23)), key=secp256k1.address))
"""The cold quorum's secrets, by address; two of them must sign."""
COLD_KEYS = ColdKeys(tuple(map(secp256k1.address, COLD)), 2)
UNIT = 100
LEAST = 5 * UNIT
"""The minimum deposit of the other token; one unit is that of all others."""
_MOODY = (FOLDER / "src" / "test" / "MoodyToken.sol").read_text(encoding="utf-8")
MOODS = tuple(re.findall(r"^ +(\w+),?$", _MOODY.partition("enum Mood {")[2].partition("}")[0], re.MULTILINE))
"""Of the moody token, in the order of its source."""


class Refused(Exception):
    """A call that the contract refused: the error's name and its values."""

    def __init__(self, name: str, values: tuple[Any, ...]) -> None:
        super().__init__(name, values)
        self.name, self.values = name, values


def refusal(call: Callable[..., object], *arguments: Any, **named: Any) -> Refused:
    """Why a contract refuses a call that must not pass."""
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)
    return caught.value


def refused(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The name of that."""
    return refusal(call, *arguments, **named).name


@dataclass(frozen=True)
class Signers:
    """A validator set with its secrets, by index."""

    validators: ValidatorSet
    secrets: tuple[int, ...]

    @property
    def evm_secrets(self) -> tuple[bytes, ...]:
        """Of the validators' EVM addresses."""
        return tuple(map(evm_secret_of, self.secrets))

    def sign(self, header: Header, indices: tuple[int, ...]) -> EcdsaCertificate:
        """The certificate by secp256k1 keys."""
        digest = header_digest(header)
        return certificate_of({index: secp256k1.sign_digest(self.evm_secrets[index], digest) for index in indices})

    def certify(
        self,
        header: Header,
        indices: tuple[int, ...],
        kind: VoteKind = VoteKind.PRECOMMIT,
        network: bytes = NETWORK,
        round_: int = 0,
        value: bytes | None = None,
    ) -> Certificate:
        value = header.hash if value is None else value
        digest = vote_digest(network, self.validators.hash, kind, header.height, round_, value)
        shares = {index: bls.sign(self.secrets[index], digest) for index in indices}
        return make_certificate(kind, header.height, round_, value, self.validators, shares)


def make_signers(powers: tuple[int, ...], name: bytes = b"set") -> Signers:
    made = []
    for index, power in enumerate(powers):
        secret = bls.secret_from_seed(sha256(name + bytes([index])))
        envelope = bytes([index + 1]) + sha256(name)[1:]
        made.append((made_validator(envelope, secret, power), secret))
    return Signers(ValidatorSet(tuple(validator for validator, _ in made)), tuple(secret for _, secret in made))


FOUR = make_signers((1, 1, 1, 1))


def make_header(signers: Signers, height: int = 1, **changes: Any) -> Header:
    stated = {
        "network": NETWORK,
        "parent": sha256(b"parent"),
        "payload_root": sha256(b"payload"),
        "module_roots": (sha256(b"module"),),
        "withdrawals_root": sha256(b"withdrawals"),
    }
    return headers.make_header(height, signers.validators, **stated | changes)


def _errors() -> dict[bytes, dict[str, Any]]:
    found = {}
    contracts = (
        "Vault",
        "BlsCertificateVerifier",
        "EcdsaCertificateVerifier",
        "SolvencyVerifier",
        "CcipDeposits",
        "MoodyToken",
        "BlsHarness",
    )
    for name in contracts:
        for entry in load_artifact(name).abi:
            if entry["type"] == "error":
                signature = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
                found[keccak256(signature.encode())[:4]] = entry
    return found


ERRORS = _errors()


def _refusal_in(data: bytes) -> Refused:
    """An error of one of our contracts."""
    entry = ERRORS.get(data[:4])
    if entry is None:
        return Refused("0x" + data.hex(), ())
    return Refused(entry["name"], decode([i["type"] for i in entry["inputs"]], data[4:]))


def address_of(secret: bytes) -> str:
    return str(Account.from_key(secret).address)


class ChainUser:
    """Sends transactions from one key's address; a refusal is raised as what the contract said. The chain asks for no
    signature, no price and no nonce, so that a transaction costs a test little time."""

    def __init__(self, chain: Anvil, secret: bytes = USER) -> None:
        self.chain, self.secret = chain, secret
        self.address = address_of(secret)
        self.web3: Web3 = connect(chain.url)
        self.web3.middleware_onion.remove("validation")  # it asks for the chain's number before every call
        chain.fund(self.address)
        takes_every_sender = True
        chain.rpc("anvil_autoImpersonateAccount", takes_every_sender)

    def contract(self, name: str, at: Deployed) -> Contract:
        return self.web3.eth.contract(address=Web3.to_checksum_address(at.address), abi=load_artifact(name).abi)

    def send(self, function: Any, gas: int = 4_000_000, value: int = 0) -> Any:
        """Mine the call whatever comes of it; its receipt, or Refused."""
        stated = {"gas": gas, "value": value, "nonce": 0, "chainId": self.chain.chain_id, "gasPrice": 0}
        built = function.build_transaction(stated)  # asks the chain for nothing, as all is stated
        return self._mine(built["to"], built["data"], gas, value)

    def ask(self, function: Any) -> Any:
        """The answer of a view, or Refused."""
        try:
            return function.call()
        except ContractCustomError as error:
            raise _refusal_in(bytes.fromhex(str(error.data)[2:])) from error

    def send_data(self, to: str, data: bytes, gas: int = 4_000_000) -> Any:
        """The same for calldata as it stands."""
        return self._mine(to, "0x" + data.hex(), gas)

    def _mine(self, to: str, data: str, gas: int, value: int = 0) -> Any:
        transaction = {"from": self.address, "to": to, "data": data, "gas": hex(gas), "value": hex(value)}
        sent = self.chain.rpc("eth_sendTransaction", transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        if receipt["status"] != 1:
            raise self.why(transaction)
        return receipt

    def why(self, transaction: dict[str, Any]) -> Refused:
        """Repeat a refused call without mining it, and read the error."""
        answer = self.chain._client.post(
            self.chain.url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [transaction, "latest"]}
        ).json()
        return _refusal_in(bytes.fromhex(answer["error"]["data"][2:]))


class VaultChain:
    """One chain, one vault, a user with a million clearing units of its tokens: a dollar, another with a minimum, and
    one that behaves as a test sets it."""

    def __init__(self, chain: Anvil, signers: Signers, **terms: Any) -> None:
        self.chain, self.signers = chain, signers
        self.user = ChainUser(chain)
        web3 = self.user.web3
        self.token_at = deploy_token(web3, USER, "Dollar", "USD", 8)
        self.verifier_at = deploy_verifier(web3, USER, terms.get("scheme", CertificateScheme.BLS))
        self.other_at = deploy_token(web3, USER, "Other dollar", "OUSD", 8)
        self.moody_at = deploy(web3, USER, "MoodyToken")
        self.wrapped_at = deploy_wrapped_native(web3, USER)
        self.terms = replace(
            VaultTerms(
                network=NETWORK,
                validators=signers.validators,
                guardian=bytes.fromhex(address_of(GUARDIAN)[2:]),
                cold_keys=COLD_KEYS,
                assets=(
                    VaultAsset(self.token_at.address, UNIT),
                    VaultAsset(self.other_at.address, UNIT, LEAST),
                    VaultAsset(self.moody_at.address, UNIT),
                    VaultAsset(self.wrapped_at.address, UNIT),
                ),
                wrapped_native=self.wrapped_at.address,
            ),
            **terms,
        )
        self.vault_at = deploy_vault(web3, USER, self.verifier_at.address, self.terms)
        self.vault = self.user.contract("Vault", self.vault_at)
        self.token = self.user.contract("TestToken", self.token_at)
        for at in (self.token_at, self.other_at, self.moody_at):
            token = self.user.contract("TestToken", at)
            self.user.send(token.functions.mint(self.user.address, 10**6 * UNIT))
            self.user.send(token.functions.approve(self.vault.address, 2**256 - 1))

    def watched(self, **changes: Any) -> WatchedChain:
        """How a node watches it."""
        chain = WatchedChain(
            chain_id=self.chain.chain_id,
            vault=self.vault_at.address,
            deployment_block=self.vault_at.block_number,
            tokens=(self.token_at.address,),
            finality=FinalityPolicy(quorum=1),
            custody_stride=4,
            balances=(BalanceLocation(BalanceOrder.KEY_FIRST),),
        )
        return replace(chain, **changes)

    def deposit(self, amount: int, account: int = 1, at: Deployed | None = None) -> Any:
        token = Web3.to_checksum_address((at or self.token_at).address)
        return self.user.send(self.vault.functions.deposit(token, amount, account))

    def set_mood(self, mood: str) -> None:
        """How the moody token behaves from here on."""
        self.user.send(self.user.contract("MoodyToken", self.moody_at).functions.setMood(MOODS.index(mood)))

    def checkpoint(self, header: Header, certificate: VaultCertificate) -> Any:
        return self.show(*checkpoint_arguments(header, certificate))

    def show(self, words: bytes, argument: tuple[int, int, bytes]) -> Any:
        """A checkpoint as it stands in calldata."""
        return self.user.send(self.vault.functions.checkpoint(words, argument))

    def certified(self, header: Header, indices: tuple[int, ...] = (0, 1, 2)) -> Any:
        return self.checkpoint(header, self.signers.certify(header, indices))

    def withdraw(self, withdrawal: tuple[Any, ...], proof: tuple[bytes, ...], root: int | None = None) -> Any:
        """One claim under a root; by default under the newest."""
        return self.user.send(self.vault.functions.withdraw(claim_as_json(withdrawal), self._root(root), proof))

    def withdraw_batch(
        self,
        withdrawals: Sequence[tuple[Any, ...]],
        siblings: tuple[bytes, ...],
        root: int | None = None,
        gas: int = 4_000_000,
    ) -> Any:
        arguments = [claim_as_json(withdrawal) for withdrawal in withdrawals]
        return self.user.send(self.vault.functions.withdrawBatch(arguments, self._root(root), siblings), gas)

    def balance(self, token: bytes) -> int:
        """What the vault has of a token."""
        contract = self.user.contract("TestToken", Deployed(token, 0))
        return int(contract.functions.balanceOf(self.vault.address).call())

    @property
    def root_number(self) -> int:
        """Of the newest certified withdrawals root."""
        return int(self.view("latest")[3])

    def _root(self, number: int | None) -> int:
        return self.root_number if number is None else number

    def view(self, name: str, *arguments: Any) -> Any:
        return getattr(self.vault.functions, name)(*arguments).call()

    def install(self, validators: ValidatorSet) -> Any:
        return self.user.send(self.vault.functions.installValidators(validators.words))

    def call(self, data: bytes, secret: bytes = USER) -> Any:
        """Any function of the vault, as calldata."""
        return ChainUser(self.chain, secret).send_data(self.vault.address, data)

    def decided(self, decision: Decision, secrets: Sequence[bytes] = COLD[:2], **changes: Any) -> tuple[bytes, ...]:
        """What these cold keys sign for the quorum's next decision."""
        place = {"chain_id": self.chain.chain_id, "vault": self.vault_at.address, "nonce": self.view("coldNonce")}
        digest = decision_digest(decision=decision, **place | changes)
        return in_signer_order(digest, [secp256k1.sign_digest(secret, digest) for secret in secrets])

    def at(self, second: int) -> None:
        """The next block's time."""
        self.chain.rpc("evm_setNextBlockTimestamp", second)

    def guard(self) -> Any:
        """The guardian pauses it."""
        return ChainUser(self.chain, GUARDIAN).send(self.vault.functions.pause())

    def now(self) -> int:
        return int(self.user.web3.eth.get_block("latest")["timestamp"])


def claim_as_json(withdrawal: tuple[Any, ...]) -> tuple[Any, ...]:
    nonce, account, token, to, amount, not_after = withdrawal
    return (nonce, account, Web3.to_checksum_address(token), Web3.to_checksum_address(to), amount, not_after)
