"""Page "Certificates": validator set, header, quorum."""

from hashlib import sha256
from itertools import pairwise
from typing import Any

from coincurve import PublicKey
from py_ecc.bls import G2ProofOfPossession
from py_ecc.optimized_bls12_381 import normalize
from sha3 import keccak_256

from tests.vectors.proofs.one_account.encoding import Refused, g1, need, tagged, word


def set_hash(validators: list[list[Any]]) -> bytes:
    words = sha256(b"crossclear/validator-set/v1").digest() + word(len(validators))
    for envelope, bls, power, _, address, _ in validators:
        x, y = normalize(g1(bls, "certificate"))
        padded = b"".join(bytes(16) + int(each).to_bytes(48, "big") for each in (x, y))
        words += word(int.from_bytes(address, "big") * 2**96 + power) + envelope + padded
    return sha256(words).digest()


def check_set(validators: list[list[Any]]) -> None:
    def good(what: bool, code: str = "BAD_VALIDATOR_SET") -> None:
        need(what, "certificate", code)

    good(1 <= len(validators) <= 127)
    envelopes, keys, powers, _, addresses, _ = zip(*validators, strict=True)
    good(all(a < b for a, b in pairwise(envelopes)) and len(set(keys)) == len(keys))
    good(all(power >= 1 for power in powers) and sum(powers) < 2**60)
    good(len(set(addresses)) == len(addresses) and bytes(20) not in addresses)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    for envelope, bls, _, possession, address, signature in validators:
        g1(bls, "certificate")
        good(G2ProofOfPossession.PopVerify(bls, possession), "BAD_POSSESSION_PROOF")
        r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
        good(v in (27, 28) and 1 <= s <= order // 2 and 1 <= r < order, "BAD_SIGNATURE")
        digest = tagged("crossclear/evm-possession/v1", envelope)
        try:
            key = PublicKey.from_signature_and_message(signature[:64] + bytes([v - 27]), digest, hasher=None)
        except ValueError:
            raise Refused("certificate", "BAD_SIGNATURE") from None
        good(keccak_256(key.format(compressed=False)[1:]).digest()[-20:] == address, "BAD_POSSESSION_PROOF")


def header_hash(header: list[Any]) -> bytes:
    network, parent, height, time_ms, payload, roots, commitments, at, withdrawals, count = header[:10]
    exits, epoch, own, following, cursors = header[10:]
    state = tagged("crossclear/state-root/v1", word(len(roots)), *roots)
    places = b"".join(word(chain) + vault.rjust(32, b"\0") + word(nonce) for chain, vault, nonce in cursors)
    words = [sha256(b"crossclear/header/v1").digest(), network, parent, word(height), word(time_ms), payload, state]
    words += [commitments, word(at), withdrawals, word(count), exits, word(epoch), own, following]
    return sha256(b"".join(words) + tagged("crossclear/deposit-cursors/v1", places)).digest()


def check_certificate(header: list[Any], certificate: list[Any], validators: list[list[Any]]) -> None:
    def good(what: bool, code: str) -> None:
        need(what, "certificate", code)

    check_set(validators)
    kind, height, round_, value, of_set, signers, aggregate = certificate
    good(kind == 2, "WRONG_KIND")
    good(value == header_hash(header) and height == header[2], "WRONG_VALUE")
    good(header[12] == of_set == set_hash(validators), "WRONG_VALIDATOR_SET")
    bits = int.from_bytes(signers, "big")
    good(bits >> len(validators) == 0, "STRAY_SIGNER")
    signed = [each for i, each in enumerate(validators) if bits >> i & 1]
    good(3 * sum(each[2] for each in signed) > 2 * sum(each[2] for each in validators), "UNDER_QUORUM")
    vote = (
        sha256(b"crossclear/vote/v1").digest() + header[0] + of_set + word(kind) + word(height) + word(round_) + value
    )
    keys = [each[1] for each in signed]
    good(G2ProofOfPossession.FastAggregateVerify(keys, sha256(vote).digest(), aggregate), "BAD_SIGNATURE")
