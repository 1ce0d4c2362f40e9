"""Vaults on chains without EIP-2537: a header is final for them when a quorum's secp256k1 keys signed it, each once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bridge.contracts.conflicts import freeze_call
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.stored_set import NO_SET, stored_set_hash
from bridge.contracts.vault import checkpoint_arguments
from clearing.base import secp256k1
from clearing.base.codec import u256
from clearing.base.ecdsa_certificate import certificate_of, header_digest, verify_ecdsa_certificate
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.validators import NO_EVM_ADDRESS, ValidatorSet
from devnet.anvil import Anvil
from tests.kit.bridge.certified import Tree, released
from tests.kit.bridge.vault_chain import FOUR, UNIT, Signers, VaultChain, make_header, make_signers, refusal, refused

pytestmark = pytest.mark.chain
STRANGERS = make_signers((1, 1, 1, 1), b"strangers")
ECDSA = CertificateScheme.ECDSA
ROUND, SIGNERS, SIGNATURES = range(3)
Argument = tuple[int, int, bytes]


@pytest.fixture
def chain(anvil: Callable[..., Anvil]) -> VaultChain:
    return VaultChain(anvil(), FOUR, scheme=ECDSA)


def argument(header: Header, indices: tuple[int, ...] = (0, 1, 2), by: Signers = FOUR) -> Argument:
    return checkpoint_arguments(header, by.sign(header, indices))[1]


def other_parity(signature: bytes) -> bytes:
    return signature[:32] + bytes([signature[32] ^ 0x80]) + signature[33:]


def high_s(signature: bytes) -> bytes:
    """The other solution for the same key, as 64 bytes: its s takes the bit of the parity."""
    s = int.from_bytes(signature[32:], "big") % 2**255
    return signature[:32] + u256(secp256k1.ORDER - s)


@pytest.mark.parametrize("indices", [(0, 1, 2), (1, 2, 3), (0, 1, 2, 3)])
def test_a_header_is_final_when_more_than_two_thirds_signed_it(chain: VaultChain, indices: tuple[int, ...]) -> None:
    header = make_header(FOUR, 41, withdrawals_count=3)
    certificate = FOUR.sign(header, indices)
    verify_ecdsa_certificate(header, certificate, FOUR.validators)
    chain.show(*checkpoint_arguments(header, certificate))
    assert chain.view("latest")[:2] == [41, 3]


def refusals() -> dict[str, tuple[str, Header, Argument]]:
    header = make_header(FOUR)
    good = argument(header)
    parts = [good[SIGNATURES][at : at + 64] for at in range(0, 192, 64)]
    foreign = make_header(FOUR, network=sha256(b"another network"))
    of_strangers = make_header(STRANGERS)

    def signed(*signatures: bytes, signers: int = 0b111, round_: int = 0) -> tuple[Header, Argument]:
        return header, (round_, signers, b"".join(signatures))

    return {
        "too little power": ("UnderQuorum", header, argument(header, (0, 3))),
        "nobody": ("NoSigner", *signed(signers=0)),
        "one signer twice": ("WrongSignatory", *signed(parts[0], parts[0], parts[1])),
        "signers in another order": ("WrongSignatory", *signed(parts[1], parts[0], parts[2])),
        "another validator named": ("WrongSignatory", *signed(*parts, signers=0b1011)),
        "a validator named who did not sign": ("BadSignaturesSize", *signed(*parts, signers=0b1111)),
        "a signature too many": ("BadSignaturesSize", *signed(*parts, parts[0])),
        "a byte too many": ("BadSignaturesSize", *signed(*parts, b"\0")),
        "a byte too few": ("BadSignaturesSize", *signed(*parts[:2], parts[2][:-1])),
        "a bit beyond the set": ("StraySigner", *signed(*parts, signers=0b10011)),
        "a malleable signature": ("WrongSignatory", *signed(parts[0], parts[1], high_s(parts[2]))),
        "the other parity": ("WrongSignatory", *signed(parts[0], parts[1], other_parity(parts[2]))),
        "a recovery that fails": ("WrongSignatory", *signed(parts[0], parts[1], bytes(64))),
        "another round": ("WrongSignatory", *signed(*parts, round_=1)),
        "another header": ("WrongSignatory", make_header(FOUR, 2), good),
        "forged by strangers": (
            "WrongSignatory",
            header,
            argument(header, by=replace(STRANGERS, validators=FOUR.validators)),
        ),
        "another network": ("WrongNetwork", foreign, argument(foreign)),
        "another set": ("WrongValidatorSet", of_strangers, argument(of_strangers, by=STRANGERS)),
        "the consensus certificate": (
            "WrongSignatory",
            header,
            checkpoint_arguments(header, FOUR.certify(header, (0, 1, 2)))[1],
        ),
    }


@pytest.mark.parametrize("case", refusals())
def test_what_no_quorum_signed_is_refused_by_its_name(chain: VaultChain, case: str) -> None:
    name, header, given = refusals()[case]
    assert refused(chain.show, header.words, given) == name
    assert chain.view("latest")[0] == 0


def test_signatures_count_by_power(anvil: Callable[..., Anvil]) -> None:
    signers = make_signers((1, 2, 3, 3))
    chain = VaultChain(anvil(), signers, scheme=ECDSA)
    header = make_header(signers)
    assert refusal(chain.show, *checkpoint_arguments(header, signers.sign(header, (2, 3)))).values == (6, 9)
    chain.show(*checkpoint_arguments(header, signers.sign(header, (0, 2, 3))))


def test_a_set_in_which_nobody_signs_for_an_address_is_not_stored(chain: VaultChain) -> None:
    first, *others = FOUR.validators.validators
    unaddressed = ValidatorSet((msgspec.structs.replace(first, evm_address=NO_EVM_ADDRESS), *others))
    verifier = chain.user.contract(ECDSA.verifier, chain.verifier_at)
    assert refused(chain.user.send, verifier.functions.store(unaddressed.words)) == "NoAddress"


def test_the_code_of_a_set_has_its_hash_and_no_other_code_has(chain: VaultChain) -> None:
    code = bytes(chain.user.web3.eth.get_code(chain.view("validatorsCode")))
    assert stored_set_hash(code) == FOUR.validators.hash
    for place in (0, 32, 33, 64, len(code) - 1):
        changed = code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :]
        assert stored_set_hash(changed) != FOUR.validators.hash
    assert {stored_set_hash(each) for each in (b"", code[:-1], code[:33])} == {NO_SET}


def test_a_vault_follows_the_next_set_and_pays_under_its_headers(chain: VaultChain) -> None:
    following = make_signers((2, 1, 1), b"following")
    chain.deposit(10 * UNIT)
    entry, leaf = released(chain, 0)
    tree = Tree([leaf])
    rotating = make_header(FOUR, 1, next_validators_hash=following.validators.hash)
    chain.show(*checkpoint_arguments(rotating, FOUR.sign(rotating, (0, 1, 2))))
    chain.install(following.validators)
    header = make_header(following, 2, withdrawals_root=tree.root, withdrawals_count=1)
    chain.show(*checkpoint_arguments(header, following.sign(header, (0, 1))))
    chain.withdraw(entry, tree.proof(0))
    assert chain.view("isPaid", 0)


def test_two_certified_headers_of_one_height_freeze_it(chain: VaultChain) -> None:
    both: list[Any] = [make_header(FOUR, 8, payload_root=sha256(name)) for name in (b"one", b"two")]
    first, second = ((header, FOUR.sign(header, (0, 1, 2))) for header in both)
    under = (both[1], FOUR.sign(both[1], (0, 1)))
    assert refused(chain.call, freeze_call(first, under)) == "UnderQuorum"
    chain.call(freeze_call(first, second))
    assert refused(chain.deposit, UNIT) == "IsFrozen"


@pytest.mark.parametrize("indices", [(0, 1), (0, 1, 2)])
def test_python_checks_what_the_contract_checks(indices: tuple[int, ...]) -> None:
    header = make_header(FOUR)
    digest = header_digest(header)
    signatures = {index: secp256k1.sign_digest(FOUR.evm_secrets[index], digest) for index in indices}
    forged = signatures | {indices[-1]: secp256k1.sign_digest(STRANGERS.evm_secrets[0], digest)}
    verify = verify_ecdsa_certificate
    with pytest.raises(RemoteFault):
        verify(header, certificate_of(forged), FOUR.validators)
    with pytest.raises(RemoteFault):
        verify(header, certificate_of(signatures), STRANGERS.validators)
    if len(indices) == 3:
        verify(header, certificate_of(signatures), FOUR.validators)
    else:
        with pytest.raises(RemoteFault):
            verify(header, certificate_of(signatures), FOUR.validators)
