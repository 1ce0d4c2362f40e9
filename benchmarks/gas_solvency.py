"""Gas of showing one account's solvency to a contract, and time of making and checking the proof off the chain.

Rule: gas is of mined transactions, intrinsic cost and calldata included, for the design's shape (1,664 digits in one
column) among a thousand accounts. All but one copy its points: what a path costs depends on how many there are.
"""

from dataclasses import replace
from typing import Any

from eth_account import Account
from web3 import Web3

from benchmarks.figures import Figure, of_times, repeated
from benchmarks.proofs import accounts_of, layout_of_the_design
from bridge.contracts import load_artifact
from bridge.contracts.deploy import deploy_solvency_verifier
from clearing.base import bls
from clearing.base.certificate import signer_bitmap
from clearing.base.validators import ValidatorSet
from proofs.algebra.srs import basis
from proofs.onchain.keys import EpochStatement, certified_digest, leaf_path, make_leaf
from proofs.onchain.presentation import Audience, present
from proofs.onchain.prover import prove_account
from proofs.onchain.verifier import verify_account

ACCOUNTS = 1000
SHOWN = 700
SEED = bytes([9]) * 32


def solvency_figures(
    meter: Any, key: bytes, vault: bytes, network: bytes, validators: ValidatorSet, secrets: list[int]
) -> list[Figure]:
    """Certify an epoch beside this vault, and show account 700 of 1,000; `meter` is that of `benchmarks.gas`."""
    one, (witness,) = accounts_of(layout_of_the_design(), 1)
    linear = replace(
        one, accounts=tuple(range(ACCOUNTS)), shortfalls=(0,) * ACCOUNTS, commitments=one.commitments * ACCOUNTS
    )
    own = make_leaf(linear, SHOWN, witness, SEED, basis(2048))
    leaves = [replace(own, account=account) for account in range(ACCOUNTS)]
    statement = EpochStatement(linear, network, 1, 1)
    keys, proof = prove_account(statement, leaves, SHOWN, witness, SEED)
    path = leaf_path(leaves, SHOWN)
    alone = EpochStatement(replace(one, accounts=(SHOWN,)), network, 1, 1)
    proving = repeated(lambda: prove_account(alone, [own], 0, witness, SEED), 3)
    checking = repeated(lambda: verify_account(keys, own, SHOWN, path, proof), 15)

    verifier = deploy_solvency_verifier(meter.web3, key, vault)
    contract = meter.web3.eth.contract(
        address=Web3.to_checksum_address(verifier.address), abi=load_artifact("SolvencyVerifier").abi
    )
    signers = tuple(range(2 * len(secrets) // 3 + 1))
    time_s = int(meter.web3.eth.get_block("latest")["timestamp"])
    digest = certified_digest(keys, validators.hash, time_s)
    total = bls.signature_coordinates(bls.aggregate([bls.sign(secrets[index], digest) for index in signers]))
    certified = meter.gas(
        contract.functions.certify(keys.words, time_s, (int.from_bytes(signer_bitmap(signers), "big"), total))
    )
    payer = bytes.fromhex(Account.from_key(key).address[2:])
    audience = Audience(int(meter.web3.eth.chain_id), verifier.address, payer, bytes([0xAB]) * 32)
    signed = present(audience, keys.hash, own, SEED, linear.context)
    presentation = (audience.purpose, signed.r, signed.vs)
    shown = meter.gas(contract.functions.show(keys.words, own.words, SHOWN, list(path), proof, presentation))
    return [
        Figure(f"certify an epoch's keys, {len(secrets)} validators", certified, "gas"),
        Figure(f"show one account of {ACCOUNTS:,}", shown, "gas", goal="< 320,000"),
        Figure("size of an on-chain proof", len(proof), "bytes"),
        of_times("prove an account for a contract, keys derived", proving),
        of_times("verify the same in Python", checking),
    ]
