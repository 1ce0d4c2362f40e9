"""Whose signature the verifier takes, and for how much power: of all but the absent, exactly as of the signers."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bridge.contracts.deploy import deploy_verifier
from bridge.contracts.stored_set import NO_SET, stored_set_hash
from clearing.base import bls
from clearing.base.hashing import sha256
from clearing.base.validators import VALIDATORS_MAX
from devnet.anvil import anvil_chain
from tests.kit.bridge.vault_chain import USER, ChainUser, Signers, make_signers, refusal, refused

pytestmark = pytest.mark.chain
DIGEST = sha256(b"what they sign")
OTHER_DIGEST = sha256(b"what they do not sign")


class StoredSet:
    """A set that the verifier keeps."""

    def __init__(self, user: ChainUser, signers: Signers) -> None:
        self.user, self.signers = user, signers
        self.verifier = user.contract("BlsCertificateVerifier", deploy_verifier(user.web3, USER))
        store = self.verifier.functions.store(signers.validators.words)
        self.address = store.call()
        user.send(store, gas=16_000_000)

    def power_of(self, signers: int, signed_by: int | None = None, digest: bytes = DIGEST) -> list[int]:
        """Power and total that the verifier finds behind a bitmap; `signed_by`: of the keys that really signed."""
        indices = _indices(signers if signed_by is None else signed_by)
        secret = sum(self.signers.secrets[index] for index in indices) % bls.GROUP_ORDER
        aggregate = bls.signature_coordinates(bls.sign(secret, DIGEST))
        found: list[int] = self.user.ask(self.verifier.functions.signedPower(digest, self.address, signers, aggregate))
        return found

    def sum_of_powers(self, signers: int) -> list[int]:
        """The same by adding up."""
        powers = [validator.power for validator in self.signers.validators.validators]
        return [sum(powers[index] for index in _indices(signers)), sum(powers)]


def _indices(bitmap: int) -> Sequence[int]:
    return [index for index in range(256) if bitmap >> index & 1]


@pytest.fixture(scope="module")
def user(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainUser]:
    with anvil_chain(31337, tmp_path_factory.mktemp("chain")) as chain:
        yield ChainUser(chain)


@pytest.mark.parametrize("powers", [(1,), (3, 1), (1, 2, 3, 3), (7, 1, 2**40, 5, 11)])
def test_every_bitmap_has_the_key_and_the_power_of_its_signers(user: ChainUser, powers: tuple[int, ...]) -> None:
    stored = StoredSet(user, make_signers(powers))
    for signers in range(1, 1 << len(powers)):
        assert stored.power_of(signers) == stored.sum_of_powers(signers)


def test_bitmaps_of_large_sets_have_the_key_and_the_power_of_their_signers(user: ChainUser) -> None:
    choice = random.Random(13)
    for size in (21, VALIDATORS_MAX):
        stored = StoredSet(user, make_signers(tuple(choice.randrange(1, 1000) for _ in range(size))))
        everyone = (1 << size) - 1
        bitmaps = [everyone, 1, 1 << (size - 1), everyone - 1, everyone >> 1]
        for signers in bitmaps + [choice.randrange(1, everyone) for _ in range(5)]:
            assert stored.power_of(signers) == stored.sum_of_powers(signers)


def test_no_bitmap_stands_for_other_signers(user: ChainUser) -> None:
    stored = StoredSet(user, make_signers((1, 1, 1, 1)))
    for signers in range(1, 16):
        other = signers % 15 + 1
        assert refused(stored.power_of, signers, signed_by=other) == "BadSignature"
    assert refused(stored.power_of, 15, digest=OTHER_DIGEST) == "BadSignature"


def test_a_bit_beyond_the_set_is_refused(user: ChainUser) -> None:
    stored = StoredSet(user, make_signers((1, 1, 1)))
    for bit in (3, 4, 127, 255):
        found = refusal(stored.power_of, 7 | 1 << bit, signed_by=7)
        assert (found.name, found.values) == ("StraySigner", (7 | 1 << bit, 3))
    assert refused(stored.power_of, 0, signed_by=7) == "NoSigner"


def test_what_no_verifier_wrote_is_no_set(user: ChainUser) -> None:
    stored = StoredSet(user, make_signers((1, 1, 1)))
    one = "0x" + "11" * 20
    sizes = {user.address: 0, one: 159 + 192}
    user.chain.rpc("anvil_setCode", one, "0x" + "00" * (1 + sizes[one]))
    for stored.address, size in sizes.items():
        found = refusal(stored.power_of, 7)
        assert (found.name, found.values) == ("MalformedValidatorSet", (size,))


def test_a_set_is_kept_whole_or_not_at_all(user: ChainUser) -> None:
    """As much gas as is used is too little: a creation gets 63 of 64 parts of what is left."""
    stored = StoredSet(user, make_signers((1, 1, 1)))
    store = stored.verifier.functions.store(stored.signers.validators.words)
    assert refused(user.send, store, gas=user.send(store)["gasUsed"]) == "StoreFailed"


def test_the_code_of_a_set_has_its_hash_and_no_other_code_has(user: ChainUser) -> None:
    stored = StoredSet(user, make_signers((3, 1, 2)))
    code = bytes(user.web3.eth.get_code(stored.address))
    assert stored_set_hash(code) == stored.signers.validators.hash
    for place in (0, 32, 33, 160, 161, 192, 193, 352, len(code) - 1):
        changed = code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :]
        assert stored_set_hash(changed) != stored.signers.validators.hash
    hostile = (b"", code[:-1], code[:161], code[:161] + b"\xff" * 192 * 127, code + code[161:353] * 125, bytes(353))
    assert {stored_set_hash(each) for each in hostile} == {NO_SET}
