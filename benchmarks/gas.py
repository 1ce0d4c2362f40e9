"""Gas of what members and relayers pay for: deposit, checkpoint by set size, withdrawal, solvency, on a real chain.

Run `python -m benchmarks.gas` at the top of the repository; figures are of mined transactions, intrinsic cost included,
for the second and later ones of their kind (the first pays for fresh storage).
"""

import tempfile
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3

from benchmarks.figures import Figure
from benchmarks.gas_solvency import solvency_figures
from bridge.contracts import load_artifact
from bridge.contracts.deploy import VaultAsset, VaultTerms, connect, deploy_token, deploy_vault, deploy_verifier
from bridge.contracts.vault import checkpoint_arguments
from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.hashing import keccak256, sha256
from clearing.base.header import Header
from clearing.base.validators import Validator, ValidatorSet
from clearing.base.withdrawal_leaves import DEPTH, empty_subtree_root, withdrawal_leaf_hash
from devnet.anvil import anvil_chain
from tests.kit.bridge.vault_chain import COLD_KEYS
from tests.kit.certificates import make_certificate

KEY = bytes([7]) * 32
OWNER = str(Account.from_key(KEY).address)
NETWORK = sha256(b"gas")
SIZES = (4, 21, 100)
UNIT = 1


def make_set(size: int) -> tuple[ValidatorSet, list[int]]:
    secrets = [bls.secret_from_seed(sha256(bytes([index]))) for index in range(size)]
    entries = (
        Validator(bytes([index]) * 32, bls.public_key(secret), 1, bls.prove_possession(secret))
        for index, secret in enumerate(secrets)
    )
    return ValidatorSet(tuple(entries)), secrets


def make_header(validators: ValidatorSet, height: int, root: bytes, count: int) -> Header:
    return Header(
        network=NETWORK,
        parent=sha256(b"parent"),
        height=height,
        time_ms=height,
        payload_root=sha256(b"payload"),
        module_roots=(sha256(bytes([height])),),
        commitments_root=bytes(32),
        commitments_height=0,
        withdrawals_root=root,
        withdrawals_count=count,
        exit_root=sha256(b"exit" + bytes([height])),
        epoch=0,
        validators_hash=validators.hash,
        next_validators_hash=validators.hash,
        deposit_cursors=(),
    )


class Meter:
    """Sends with one key and reads the gas used."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3

    def gas(self, function: Any) -> int:
        nonce, chain_id = self.web3.eth.get_transaction_count(OWNER), self.web3.eth.chain_id
        unsigned = function.build_transaction({"from": OWNER, "nonce": nonce, "chainId": chain_id, "gas": 4_000_000})
        raw = Account.from_key(KEY).sign_transaction(unsigned).raw_transaction
        receipt = self.web3.eth.wait_for_transaction_receipt(self.web3.eth.send_raw_transaction(raw), poll_latency=0.01)
        assert receipt["status"] == 1
        return int(receipt["gasUsed"])


def measure(web3: Web3, chain_id: int, size: int) -> tuple[dict[str, int], list[Figure]]:
    """Figures of one vault whose `size` validators have equal power, a bare quorum signing; solvency for the least."""
    validators, secrets = make_set(size)
    token = deploy_token(web3, KEY, "Dollar", "USD", 6)
    verifier = deploy_verifier(web3, KEY)
    owner = bytes.fromhex(OWNER[2:])
    terms = VaultTerms(NETWORK, validators, owner, COLD_KEYS, (VaultAsset(token.address, UNIT),))
    at = deploy_vault(web3, KEY, verifier.address, terms)
    vault = web3.eth.contract(address=Web3.to_checksum_address(at.address), abi=load_artifact("Vault").abi)
    coin = web3.eth.contract(address=Web3.to_checksum_address(token.address), abi=load_artifact("TestToken").abi)
    meter = Meter(web3)
    meter.gas(coin.functions.mint(OWNER, 10**12))
    meter.gas(coin.functions.approve(vault.address, 2**256 - 1))
    deposits = [meter.gas(vault.functions.deposit(coin.address, 10**6, 1)) for _ in range(3)]

    never = 2**63 - 1
    leaves = [
        withdrawal_leaf_hash(chain_id, at.address, nonce, 1, token.address, owner, 1000, never) for nonce in range(2)
    ]
    root = keccak256(leaves[0] + leaves[1])
    for level in range(1, DEPTH):
        root = keccak256(root + empty_subtree_root(level))
    checkpoints = []
    for height in (1, 2, 3):
        header = make_header(validators, height, root, 2)
        digest = vote_digest(NETWORK, validators.hash, VoteKind.PRECOMMIT, height, 0, header.hash)
        shares = {index: bls.sign(secrets[index], digest) for index in range(2 * size // 3 + 1)}
        certificate = make_certificate(VoteKind.PRECOMMIT, height, 0, header.hash, validators, shares)
        checkpoints.append(meter.gas(vault.functions.checkpoint(*checkpoint_arguments(header, certificate))))
    withdrawals = []
    for nonce in range(2):
        siblings = (leaves[1 - nonce],)  # the others are roots of empty subtrees, which the vault knows
        argument = (nonce, 1, coin.address, OWNER, 1000, never)
        withdrawals.append(meter.gas(vault.functions.withdraw(argument, 1, siblings)))
    proven = solvency_figures(meter, KEY, at.address, NETWORK, validators, secrets) if size == SIZES[0] else []
    return {"deposit": deposits[-1], "checkpoint": checkpoints[-1], "withdrawal": withdrawals[-1]}, proven


GOALS = {21: "< 260,000"}


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    with tempfile.TemporaryDirectory() as folder, anvil_chain(31337, Path(folder)) as chain:
        chain.fund(OWNER)
        web3 = connect(chain.url)
        sizes = SIZES[:2] if quick else SIZES
        both = {size: measure(web3, chain.chain_id, size) for size in sizes}
    found = {size: vault for size, (vault, _) in both.items()}
    return [
        Figure("deposit", found[sizes[0]]["deposit"], "gas", goal="< 60,000"),
        *(
            Figure(f"checkpoint, {size} validators", found[size]["checkpoint"], "gas", goal=GOALS.get(size, ""))
            for size in sizes
        ),
        Figure(f"withdrawal, depth {DEPTH}", found[sizes[0]]["withdrawal"], "gas", goal="< 75,000"),
        *both[sizes[0]][1],
    ]


def main() -> None:
    for figure in figures():
        print(figure.line())


if __name__ == "__main__":
    main()
