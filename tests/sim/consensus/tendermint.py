"""Tendermint's own encoding, as far as its light client vectors need it: hashes of sets and headers, signed bytes.

After the protobuf definitions and RFC 6962 trees of its specification. The vectors' blocks become ours; what is wrong
in theirs (a hash that is not the set's, a signature that does not verify) is wrong in ours. The bisection vectors are
older and speak Amino (headers of block version 0): keys carry a type prefix there. Of those the header's hash is taken
as stated by its commit, for the vectors leave out the version that was hashed.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from clearing.base import bls, ed25519
from clearing.base.certificate import Certificate, VoteKind, signer_bitmap, signer_indices
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.validators import Validator, ValidatorSet
from consensus.light_client import LightBlock
from tests.kit.headers import make_header
from tests.kit.validator_records import unproven_validator

Json = dict[str, Any]
AMINO_KEY = bytes.fromhex("1624de6420")
WRONG = sha256(b"not what it should be")


class Chain:
    """Turns vectors into blocks and remembers who really signed them: the signature oracle of the light client.

    An abstract one believes the listed sets and signers as they stand, for a vector whose bytes contradict themselves.
    """

    def __init__(self, *, abstract: bool = False) -> None:
        self._abstract = abstract
        self._ours: dict[str, bytes] = {}
        self._signed: dict[bytes, frozenset[int]] = {}

    def block(self, found: Json, below: LightBlock | None = None) -> LightBlock:
        """`below` stands in for the parent that the model's headers leave out."""
        header, commit = found["signed_header"]["header"], found["signed_header"]["commit"]
        amino = header["version"]["block"] == "0"
        listed = found.get("validator_set") or found["next_validator_set"]
        validators, hash_ = _set(listed, header["validators_hash"], amino=amino)
        next_validators, next_hash = _set(found["next_validator_set"], header["next_validators_hash"], amino=amino)
        if self._abstract:
            hash_, next_hash = validators.hash, next_validators.hash
        real = commit["block_id"]["hash"] if amino else header_hash(header)
        made = make_header(
            int(header["height"]),
            validators,
            network=sha256(header["chain_id"].encode()),
            parent=self._parent(header, below),
            time_ms=time_ns(header["time"]) // 1_000_000,
            payload_root=sha256(real.encode()),
            validators_hash=hash_,
            next_validators_hash=next_hash,
        )
        self._ours[real] = made.hash
        keys = {_address(validator.envelope_key): i for i, validator in enumerate(validators.validators)}
        stated, good = set(), set()
        for entry in commit["signatures"] or ():
            if entry["block_id_flag"] != 2:
                continue
            index = keys.get(entry["validator_address"], len(validators.validators))
            stated.add(index)
            signature = base64.b64decode(entry["signature"])
            if index < len(validators.validators) and ed25519.verify(
                validators.validators[index].envelope_key, vote_bytes(header, commit, entry), signature
            ):
                good.add(index)
        certificate = Certificate(
            kind=VoteKind.PRECOMMIT,
            height=int(commit["height"]),
            round=int(commit["round"]),
            value=made.hash if commit["block_id"]["hash"] == real else WRONG,
            validators_hash=hash_,
            signers=signer_bitmap(tuple(stated)),
            aggregate=bytes(96),
        )
        self._signed[made.hash] = frozenset(stated if self._abstract else good)
        return LightBlock(header=made, certificate=certificate, validators=validators, next_validators=next_validators)

    def check_set(self, validators: ValidatorSet) -> None:
        """Their keys need no proof of possession: nothing is aggregated."""

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        """Every stated signature verified under their encoding, and they are a quorum's."""
        indices = signer_indices(certificate.signers)
        if not set(indices) <= self._signed[certificate.value]:
            raise RemoteFault(BaseCode.BAD_SIGNATURE, "certificate", network=network)
        power = sum(validators.validators[index].power for index in indices)
        if not validators.is_quorum(power):
            raise RemoteFault(BaseCode.UNDER_QUORUM, "certificate", power=power)

    def _parent(self, header: Json, below: LightBlock | None) -> bytes:
        last = header["last_block_id"]
        if last is not None and last["hash"]:
            return self._ours.get(last["hash"], WRONG)
        return WRONG if below is None else below.header.hash


def time_ns(text: str) -> int:
    """RFC 3339 to nanoseconds since the epoch."""
    whole, nanos = re.fullmatch(r"(.*?)(?:\.(\d+))?Z", text).groups()  # type: ignore[union-attr]
    at = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**9 + int((nanos or "").ljust(9, "0"))


def header_hash(header: Json) -> str:
    """The root over the fourteen fields."""
    version, last = header["version"], header["last_block_id"]
    names = (
        "last_commit_hash",
        "data_hash",
        "validators_hash",
        "next_validators_hash",
        "consensus_hash",
        "app_hash",
        "last_results_hash",
        "evidence_hash",
        "proposer_address",
    )
    fields = [
        _number(1, int(version["block"])) + _number(2, int(version["app"])),
        _bytes(1, header["chain_id"].encode()),
        _number(1, int(header["height"])),
        _time(header["time"]),
        _block_id(last) if last is not None else _bytes(2, b"", always=True),
        *(_bytes(1, bytes.fromhex(header[name])) for name in names),
    ]
    return _root(fields).hex().upper()


def vote_bytes(header: Json, commit: Json, entry: Json) -> bytes:
    """What one precommit signs."""
    body = b"".join(
        (
            _number(1, 2),
            _fixed(2, int(commit["height"])),
            _fixed(3, int(commit["round"])),
            _bytes(4, _block_id(commit["block_id"], hash_first=header["version"]["block"] == "0"), always=True),
            _bytes(5, _time(entry["timestamp"]), always=True),
            _bytes(6, header["chain_id"].encode()),
        )
    )
    return _varint(len(body)) + body


def _set(listed: Json, stated: str, *, amino: bool) -> tuple[ValidatorSet, bytes]:
    """Our set, and the hash that our header states of it: a wrong one when theirs is wrong."""
    theirs = [(base64.b64decode(v["pub_key"]["value"]), int(v["voting_power"])) for v in listed["validators"]]
    theirs.sort(key=lambda pair: (0 if amino else -pair[1], _address(pair[0])))
    keys = [AMINO_KEY + key if amino else _bytes(1, key) for key, _ in theirs]
    leaves = [_bytes(1, key) + _number(2, power) for key, (_, power) in zip(keys, theirs, strict=True)]
    made = ValidatorSet(validators=tuple(_validator(key, power) for key, power in sorted(theirs)))
    return made, made.hash if _root(leaves).hex().upper() == stated else WRONG


@lru_cache(maxsize=512)
def _validator(key: bytes, power: int) -> Validator:
    bls_key = bls.public_key(bls.secret_from_seed(key))
    return unproven_validator(key, bls_key, power)


def _address(key: bytes) -> str:
    return hashlib.sha256(key).digest()[:20].hex().upper()


def _block_id(found: Json, *, hash_first: bool = False) -> bytes:
    """Amino's canonical form has the two fields of the part set the other way round."""
    total, hash_ = int(found["part_set_header"]["total"]), bytes.fromhex(found["part_set_header"]["hash"])
    inner = _bytes(1, hash_) + _number(2, total) if hash_first else _number(1, total) + _bytes(2, hash_)
    return _bytes(1, bytes.fromhex(found["hash"])) + _bytes(2, inner, always=True)


def _time(text: str) -> bytes:
    at = time_ns(text)
    return _number(1, at // 10**9) + _number(2, at % 10**9)


def _root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(leaves[:half]) + _root(leaves[half:])).digest()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + value.to_bytes(8, "little") if value else b""


def _bytes(field: int, value: bytes, *, always: bool = False) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value if value or always else b""
