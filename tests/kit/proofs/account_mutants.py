"""Mutants of one account under the keys of an epoch (`.cca`).

Bits, bytes and values are changed and nobody signs anew; or the leaf's presenter signs for another audience; or the
signature or the proof is another one; or the account is proven anew under other keys, in a tree of other leaves.
"""

import contextlib
import random
from dataclasses import dataclass
from functools import cache

import msgspec

from clearing.base import secp256k1
from clearing.base.codec import u256
from clearing.base.hashing import tagged_hash
from clearing.base.merkle import ROOT_TAG, leaf_hash, node_hash
from proofs.linear.statement import LinearStatement, Weights, Witness, weights_of
from proofs.onchain.file import LeafRecord, OnchainAccount, account_file, epoch_file, write_file
from proofs.onchain.keys import EpochKeys, Leaf, account_witness, row_challenge
from proofs.onchain.presentation import Audience, Presentation, present
from proofs.onchain.prover import prove_leaf
from tests.kit.proofs import onchain_epoch
from tests.kit.proofs import small_market as market
from tests.kit.proofs.keys_mutants import SMALL, changed_keys
from tests.kit.proofs.negatives import of_onchain
from tests.kit.proofs.package_mutants import PACKAGES, SPOILT, Mutant, change, spoilt
from tests.kit.proofs.standalone_mutants import other_scalar

replace = msgspec.structs.replace
PRIME = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
"""Of the coordinates of BLS12-381."""


def of_account(chance: random.Random) -> Mutant:
    """A `.cca` file. The package beside it is not looked at."""
    way = chance.choice((*SPOILT, "structure", "audience", "signature", "proof", "proven", "proven"))
    proven = _account_of(chance.randrange(4))
    if way in SPOILT:
        file, what = spoilt(write_file(proven.file), way, chance)
    elif way == "audience":
        audience, what = _other_audience(proven.file.presentation.audience, chance)
        shown = proven.presented(proven.file.keys, proven.file.leaf.leaf, audience)
        file = write_file(replace(proven.file, presentation=shown))
    elif way == "signature":
        shown, what = _other_presentation(proven.file.presentation, chance)
        file = write_file(replace(proven.file, presentation=shown))
    elif way == "proof":
        file, what = _other_proof(proven.file, chance)
    else:
        file, what = _proven_anew(proven, chance)
    return Mutant(PACKAGES[SMALL], f"{proven.name}, {way}: {what}", alone=False, suffix=".cca", file=file)


@dataclass(frozen=True)
class Proven:
    """An account's file, and all that its prover knows."""

    name: str
    file: OnchainAccount
    weights: Weights
    witness: Witness
    seed: bytes
    linear: LinearStatement

    def presented(self, keys: EpochKeys, leaf: Leaf, audience: Audience) -> Presentation:
        """Signed by the leaf's own presenter."""
        return present(audience, keys.hash, leaf, self.seed, self.linear.context)

    def proven(self, keys: EpochKeys, leaf: Leaf) -> bytes:
        """A proof under whatever keys and leaf."""
        layout = self.linear.layout
        return prove_leaf(layout, self.weights, keys, leaf, self.witness, self.seed, check_witness=False)


@cache
def _account_of(number: int) -> Proven:
    """Account 1 of the small market, or one of another epoch: short, alone in its tree, or of two columns."""
    if number == 0:
        return _of_small_market()
    holdings, shortfalls = onchain_epoch.HOLDINGS, onchain_epoch.SHORTFALLS
    if number == 2:
        holdings, shortfalls = holdings[:1], shortfalls[:1]
    rows = onchain_epoch.ROWS * (20 if number == 3 else 1)
    epoch = onchain_epoch.make_epoch(holdings=holdings, shortfalls=shortfalls, rows=rows)
    index = len(holdings) - 1
    linear = epoch.statement.linear
    shown = present(of_onchain.AUDIENCE, epoch.keys.hash, epoch.leaves[index], epoch.seeds[index], linear.context)
    file = account_file(epoch_file(epoch.keys, epoch.leaves, 0), index, epoch.prove(index), shown)
    name = ("", "a short account", "one account alone", f"{linear.layout.columns} columns")[number]
    return Proven(name, file, epoch.weights, epoch.witnesses[index], epoch.seeds[index], linear)


def _of_small_market() -> Proven:
    file, linear = of_onchain.account(), of_onchain.derived().statement.linear
    shot, seed = market.snapshot(), market.seeds()[1]
    witness = account_witness(shot.statement, linear.layout, shot.accounts[1], seed)
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, file.keys.leaves_root))
    return Proven(SMALL, file, weights, witness, seed, linear)


def _other_audience(audience: Audience, chance: random.Random) -> tuple[Audience, str]:
    changes = {
        "chain_id": chance.choice((0, 1, 2**63 - 1, chance.randrange(2**62))),
        "verifier": chance.randbytes(20),
        "caller": chance.choice((bytes(20), chance.randbytes(20))),
        "purpose": chance.randbytes(32),
    }
    name = chance.choice(sorted(changes))
    return replace(audience, **{name: changes[name]}), name


def _other_presentation(shown: Presentation, chance: random.Random) -> tuple[Presentation, str]:
    """Another form of the same signature, or numbers at the edges."""
    order, parity = secp256k1.ORDER, 1 << 255
    vs, r = int.from_bytes(shown.vs, "big"), int.from_bytes(shown.r, "big")
    s = vs % parity
    says, r, vs = chance.choice(
        [
            ("the other s", r, (order - s) % parity | (parity ^ vs & parity)),
            ("the other s and the same parity", r, (order - s) % parity | vs & parity),
            ("the other parity", r, vs ^ parity),
            ("s of half the order", r, order // 2 | vs & parity),
            ("s above half the order", r, order // 2 + 1 | vs & parity),
            ("s of 0", r, vs & parity),
            ("r of 0", 0, vs),
            ("r of the order", order, vs),
            ("r above the order", min(r + order, 2**256 - 1), vs),
            ("r without a point", 5, vs),
            ("r of another point", chance.randrange(1, order), vs),
        ]
    )
    return replace(shown, r=u256(r), vs=u256(vs)), says


def _other_proof(file: OnchainAccount, chance: random.Random) -> tuple[bytes, str]:
    """Points and scalars of a proof are those of another place, at an edge, or of another account."""
    columns, proof = len(file.keys.u), bytearray(file.proof)
    points = 128 * (4 + columns)
    scalars = 32 * (3 + 2 * columns)
    if chance.random() < 0.5:
        at = chance.choice([*range(0, points, 128), points + scalars, points + scalars + 128])
        options = (bytes(128), file.proof[:128], file.proof[-128:], b"\xff" * 128, _negative(file.proof[at : at + 128]))
        which = chance.randrange(len(options))
        proof[at : at + 128] = options[which]
        return write_file(replace(file, proof=bytes(proof))), f"[{at}] point {which}"
    at = points + 32 * chance.randrange(scalars // 32)
    other, what = other_scalar(file.proof[at : at + 32], chance)
    proof[at : at + 32] = other
    return write_file(replace(file, proof=bytes(proof))), f"[{at}] {what}"


def _negative(padded: bytes) -> bytes:
    """The point of the other y."""
    y = int.from_bytes(padded[64:], "big")
    return padded[:64] + (PRIME - y).to_bytes(64, "big")


def _proven_anew(of: Proven, chance: random.Random) -> tuple[bytes, str]:
    """Under other keys and another leaf, in a tree of any number of leaves."""
    while True:
        with contextlib.suppress(Exception):  # what is no point cannot be hashed
            keys, leaf, what = of.file.keys, of.file.leaf, "another tree"
            if chance.random() < 0.6:
                keys, what = changed_keys(keys, chance)
                what = f"keys {what}"
            elif chance.random() < 0.6:
                leaf, what = _changed_leaf(leaf, chance)
            keys, index, path = _another_tree(keys, leaf.leaf, chance)
            proof = of.proven(keys, leaf.leaf)
            shown = of.presented(keys, leaf.leaf, of.file.presentation.audience)
            made = replace(of.file, keys=keys, leaf=leaf, index=index, path=path, proof=proof, presentation=shown)
            return write_file(made), what


def _changed_leaf(leaf: LeafRecord, chance: random.Random) -> tuple[LeafRecord, str]:
    tree = msgspec.msgpack.decode(msgspec.msgpack.encode(leaf))
    what = change(tree, chance, structure=False)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=LeafRecord), f"leaf {what}"


def _another_tree(keys: EpochKeys, leaf: Leaf, chance: random.Random) -> tuple[EpochKeys, int, tuple[bytes, ...]]:
    """A tree in which the leaf is one of many, whose others nobody knows; now and then of a wrong depth."""
    accounts = chance.choice((1, 2, 3, 256, 1 << 20, (1 << 20) + 1, 2**32 - 1, chance.randrange(1, 1 << 20)))
    index = chance.choice((0, accounts - 1, chance.randrange(accounts)))
    depth = max(min((accounts - 1).bit_length(), 20) + chance.choice((0, 0, 0, 0, 0, 0, 1, -1)), 0)
    path = tuple(chance.randbytes(32) for _ in range(depth))
    node: bytes = leaf_hash(leaf.words)
    for level, sibling in enumerate(path):
        node = node_hash(sibling, node) if index >> level & 1 else node_hash(node, sibling)
    root = tagged_hash(ROOT_TAG, u256(accounts), node)
    return replace(keys, leaves_root=root, accounts=accounts), index, path
