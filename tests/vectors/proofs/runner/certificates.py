"""Page "Certificates": header, validator set, BLS and ECDSA."""

from typing import Any

from py_arkworks_bls12381 import GT, G1Point, G2Point

from tests.vectors.proofs.runner.encoding import Refused, keccak, need, padded, point, point2, sha, tagged, word
from tests.vectors.proofs.runner.trace import note

SIGNATURES = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
PRECOMMIT = 2


def tag(name: str) -> bytes:
    return sha(name.encode())


def header_hash(header: dict[str, Any]) -> bytes:
    roots = header["module_roots"]
    cursors = b"".join(
        word(each["chain_id"]) + bytes(12) + each["vault"] + word(each["nonce"]) for each in header["deposit_cursors"]
    )
    words = (
        tag("crossclear/header/v1"),
        header["network"],
        header["parent"],
        word(header["height"]),
        word(header["time_ms"]),
        header["payload_root"],
        tagged("crossclear/state-root/v1", word(len(roots)), *roots),
        header["commitments_root"],
        word(header["commitments_height"]),
        header["withdrawals_root"],
        word(header["withdrawals_count"]),
        header["exit_root"],
        word(header["epoch"]),
        header["validators_hash"],
        header["next_validators_hash"],
        tagged("crossclear/deposit-cursors/v1", cursors),
    )
    note("header", words=words, hash=sha(*words))
    return sha(*words)


def set_hash(validators: list[dict[str, Any]]) -> bytes:
    words = [tag("crossclear/validator-set/v1"), word(len(validators))]
    for each in validators:
        words.append(word(int.from_bytes(each["evm_address"], "big") * 2**96 + each["power"]))
        words += [each["envelope_key"], padded(point(each["bls_key"]))]
    return sha(*words)


def check_set(validators: list[dict[str, Any]]) -> None:
    envelopes, keys = [each["envelope_key"] for each in validators], [each["bls_key"] for each in validators]
    addresses, powers = [each["evm_address"] for each in validators], [each["power"] for each in validators]
    need(1 <= len(validators) <= 127, "BAD_VALIDATOR_SET", "number")
    need(envelopes == sorted(set(envelopes)) and len(set(keys)) == len(keys), "BAD_VALIDATOR_SET", "keys")
    need(min(powers) >= 1 and sum(powers) < 2**60, "BAD_VALIDATOR_SET", "powers")
    need(len(set(addresses)) == len(addresses) and bytes(20) not in addresses, "BAD_VALIDATOR_SET", "addresses")
    for each in validators:
        key, proof = point(each["bls_key"]), point2(each["possession"])
        need(signed(key, G2Point.hash_to_curve(each["bls_key"], POSSESSION), proof), "BAD_POSSESSION_PROOF", "key")
        digest = tagged("crossclear/evm-possession/v1", each["envelope_key"])
        need(recovered(digest, each["evm_possession"]) == each["evm_address"], "BAD_POSSESSION_PROOF", "address")


def signed(key: G1Point, message: G2Point, signature: G2Point) -> bool:
    return bool(GT.pairing_check([key, -G1Point()], [message, signature]))


def check_final(
    header: dict[str, Any], certificate: dict[str, Any], validators: list[dict[str, Any]], network: bytes
) -> None:
    own, hashed = set_hash(validators), header_hash(header)
    need(header["network"] == network, "WRONG_NETWORK", "header")
    need(certificate["kind"] == PRECOMMIT, "WRONG_KIND", "certificate")
    need(certificate["value"] == hashed and certificate["height"] == header["height"], "WRONG_VALUE", "certificate")
    need(header["validators_hash"] == own == certificate["validators_hash"], "WRONG_VALIDATOR_SET", "certificate")
    bits = int.from_bytes(certificate["signers"], "big")
    need(bits >> len(validators) == 0, "STRAY_SIGNER", "certificate")
    signers = [each for i, each in enumerate(validators) if bits >> i & 1]
    whole = sum(each["power"] for each in validators)
    need(3 * sum(each["power"] for each in signers) > 2 * whole, "UNDER_QUORUM", "certificate")
    digest = sha(
        tag("crossclear/vote/v1"),
        network,
        own,
        word(certificate["kind"]),
        word(certificate["height"]),
        word(certificate["round"]),
        certificate["value"],
    )
    keys = G1Point.identity()
    note("certificate", validators_hash=own, vote_digest=digest, signers=[validators.index(each) for each in signers])
    for each in signers:
        keys = keys + point(each["bls_key"])
    message = G2Point.hash_to_curve(digest, SIGNATURES)
    note("aggregate", keys=keys, message=message)
    need(signed(keys, message, point2(certificate["aggregate"])), "BAD_SIGNATURE", "certificate")


# ECDSA on secp256k1: y² = x³ + 7 modulo Q, generator G of order N.
Q = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Affine = tuple[int, int] | None


def added(a: Affine, b: Affine) -> Affine:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % Q == 0:
        return None
    slope = 3 * a[0] ** 2 * pow(2 * a[1], -1, Q) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, Q)
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def times(number: int, at: Affine) -> Affine:
    total: Affine = None
    for bit in bin(number % N)[2:]:
        total = added(total, total)
        total = added(total, at) if bit == "1" else total
    return total


def recovered(digest: bytes, signature: bytes) -> bytes:
    """The address that signed a digest."""
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    need(v in (27, 28) and 1 <= r < N and 1 <= s <= N // 2, "BAD_SIGNATURE", "secp256k1")
    square = (r**3 + 7) % Q
    y = pow(square, (Q + 1) // 4, Q)
    need(y * y % Q == square, "BAD_SIGNATURE", "secp256k1")
    y = y if y % 2 == v - 27 else Q - y
    inverse = pow(r, -1, N)
    key = added(times(s * inverse, (r, y)), times(-int.from_bytes(digest, "big") * inverse, G))
    return address(key)


def address(key: Affine) -> bytes:
    if key is None:
        raise Refused("BAD_SIGNATURE", "secp256k1")
    return keccak(word(key[0]) + word(key[1]))[12:]
