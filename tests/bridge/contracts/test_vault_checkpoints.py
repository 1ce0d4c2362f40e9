"""Which certificates make a header final for a vault: exactly those that are final in consensus."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from eth_utils.address import to_checksum_address
from web3.exceptions import ContractCustomError

from bridge.contracts.deploy import deploy
from bridge.contracts.vault import checkpoint_arguments
from clearing.base import bls
from clearing.base.certificate import VoteKind, verify_finality
from clearing.base.codec import u256
from clearing.base.hashing import keccak256, sha256
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import (
    COLD_KEYS,
    FOUR,
    NETWORK,
    USER,
    Signers,
    VaultChain,
    make_header,
    make_signers,
    refusal,
    refused,
)

pytestmark = pytest.mark.chain
ALL = (0, 1, 2, 3)
STRANGERS = make_signers((1, 1, 1, 1), b"strangers")
FOREIGN = sha256(b"another network")


@pytest.mark.parametrize("signers", [(0, 1, 2), (1, 2, 3), ALL])
@pytest.mark.parametrize("round_", [0, 7, 2**32 - 1])
def test_the_consensus_certificate_is_accepted_as_it_is(
    vault: VaultChain, signers: tuple[int, ...], round_: int
) -> None:
    header = make_header(vault.signers, 41, withdrawals_count=3, exit_root=sha256(b"exit"))
    certificate = vault.signers.certify(header, signers, round_=round_)
    verify_finality(header, certificate, vault.signers.validators, NETWORK)
    vault.checkpoint(header, certificate)
    height, count, trusted_at, root_number, *roots = vault.view("latest")
    assert (height, count, root_number) == (41, 3, 1)
    assert roots == [header.withdrawals_root, header.exit_root, keccak256(bytes(32) + header.hash)]
    assert 0 < trusted_at <= vault.now()


Shown = tuple[bytes, tuple[int, int, bytes]]
"""A header's words, and (round, signers, aggregate)."""


def shown(
    indices: tuple[int, ...] = ALL,
    *,
    of: Signers = FOUR,
    by: Signers | None = None,
    height: int = 1,
    **certificate: Any,
) -> Shown:
    """A header of this set, certified by it or by others; `header` changes the header, all else what is signed."""
    header = make_header(of, height, **certificate.pop("header", {}))
    return checkpoint_arguments(header, (by or of).certify(header, indices, **certificate))


def but(given: Shown, **changes: Any) -> Shown:
    """With another round, signers or aggregate than was signed."""
    words, argument = given
    return words, tuple((dict(zip(("round_", "signers", "aggregate"), argument, strict=True)) | changes).values())


def with_word(word: int, value: bytes) -> Shown:
    words, argument = shown()
    return words[: 32 * word] + value + words[32 * word + 32 :], argument


def flipped(word: int) -> Shown:
    last = shown()[0][32 * word : 32 * word + 32]
    return with_word(word, last[:-1] + bytes([last[-1] ^ 1]))


WORDS, (_, _, AGGREGATE) = shown()
REFUSED_BEFORE_THE_SIGNATURE = {0: "MalformedHeader", 1: "WrongNetwork", 3: "NotNewer", 13: "WrongValidatorSet"}
REFUSED: dict[str, tuple[str, Shown]] = {
    "under_quorum": ("UnderQuorum", shown((0, 3))),
    "claimed_signers_who_did_not_sign": ("BadSignature", but(shown((0, 1)), signers=0b1111)),
    "prevotes": ("BadSignature", shown(kind=VoteKind.PREVOTE)),
    "nil": ("BadSignature", shown(value=bytes(32))),
    "another_round": ("BadSignature", but(shown(round_=1), round_=2)),
    "another_height": ("BadSignature", (shown(height=6)[0], shown(height=5)[1])),
    "a_certificate_of_another_network": ("BadSignature", shown(network=FOREIGN)),
    "a_header_of_another_network": ("WrongNetwork", shown(header={"network": FOREIGN}, network=FOREIGN)),
    "another_set": ("WrongValidatorSet", shown(of=STRANGERS)),
    "strangers_under_the_trusted_sets_name": (
        "BadSignature",
        shown(by=Signers(FOUR.validators, STRANGERS.secrets)),
    ),
    **{f"stray_bit_{bit}": ("StraySigner", but(shown(), signers=0b1111 | 1 << bit)) for bit in (4, 5, 128, 255)},
    "no_signer": ("NoSigner", but(shown(), signers=0)),
    "no_signature": ("PointAtInfinity", but(shown(), aggregate=bytes(256))),
    "a_signature_off_the_curve": (
        "PrecompileFailed",
        but(shown(), aggregate=AGGREGATE[:-1] + bytes([AGGREGATE[-1] ^ 1])),
    ),
    **{
        f"a_signature_of_{size}_bytes": ("BadPointSize", but(shown(), aggregate=(AGGREGATE * 2)[:size]))
        for size in (0, 96, 255, 257, 512)
    },
    **{
        f"a_changed_word_{word}": (REFUSED_BEFORE_THE_SIGNATURE.get(word, "BadSignature"), flipped(word))
        for word in range(16)
    },
    **{
        f"a_header_of_{len(words)}_bytes": ("MalformedHeader", (words, shown()[1]))
        for words in (b"", WORDS[:-1], WORDS[:-32], WORDS + bytes(32))
    },
    **{
        f"a_certified_zero_{name}": ("ZeroRoot", shown(header={name: bytes(32)}))
        for name in ("withdrawals_root", "next_validators_hash")
    },
    **{
        f"word_{word}_beyond_its_range": ("OutOfRange", with_word(word, u256(2**bits)))
        for word, bits in ((3, 40), (4, 63), (10, 40))
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_final_in_consensus_is_refused_by_its_name(vault: VaultChain, case: str) -> None:
    name, (words, argument) = REFUSED[case]
    assert refused(vault.show, words, argument) == name
    assert vault.view("latest")[0] == 0


def test_two_thirds_of_the_power_is_not_enough(anvil: Callable[..., Anvil]) -> None:
    vault = VaultChain(anvil(), make_signers((1, 2, 3, 3)))
    header = make_header(vault.signers)
    found = refusal(vault.certified, header, (2, 3))
    assert (found.name, found.values) == ("UnderQuorum", (6, 9))
    vault.certified(header, (0, 2, 3))


def test_keys_that_cancel_out_are_refused(anvil: Callable[..., Anvil]) -> None:
    # A set whose keys sum to infinity could "sign" everything with any pairing-neutral signature.
    pair = make_signers((1, 1))
    negative = bls.GROUP_ORDER - pair.secrets[0]
    first, second = pair.validators.validators
    mirrored = msgspec.structs.replace(
        second, bls_key=bls.public_key(negative), possession=bls.prove_possession(negative)
    )
    signers = Signers(pair.validators.__class__((first, mirrored)), (pair.secrets[0], negative))
    words, _ = shown((0,), of=signers)
    some_point = bls.signature_coordinates(bls.sign(5, b"x"))
    assert refused(VaultChain(anvil(), signers).show, words, (0, 3, some_point)) == "PointAtInfinity"


def test_heights_only_rise_and_withdrawals_are_never_lost(vault: VaultChain) -> None:
    header = make_header(vault.signers, 9, withdrawals_count=4)
    vault.certified(header)
    assert refused(vault.certified, header) == "NotNewer"
    assert refused(vault.certified, make_header(vault.signers, 8, withdrawals_count=4)) == "NotNewer"
    assert refused(vault.certified, make_header(vault.signers, 10, withdrawals_count=3)) == "WithdrawalsLost"
    vault.certified(make_header(vault.signers, 10, withdrawals_count=4))


def test_a_rotation_is_certified_by_the_current_set(vault: VaultChain) -> None:
    following = make_signers((5, 5, 5, 5, 5), b"following")
    rotating = make_header(vault.signers, 3, next_validators_hash=following.validators.hash)
    vault.certified(rotating)
    later = make_header(following, 4)
    assert refused(vault.checkpoint, later, following.certify(later, ALL)) == "ValidatorsNotInstalled"
    assert refused(vault.install, vault.signers.validators) == "WrongValidatorSet"
    vault.install(following.validators)
    assert refused(vault.install, following.validators) == "WrongValidatorSet"
    assert refused(vault.certified, make_header(vault.signers, 4)) == "WrongValidatorSet"
    vault.checkpoint(later, following.certify(later, (0, 1, 2, 4)))
    assert vault.view("latest")[0] == 4


def test_a_set_is_not_believed_beyond_the_trusting_period(vault: VaultChain) -> None:
    vault.chain.rpc("evm_increaseTime", vault.terms.trusting_s - 10)
    vault.chain.mine()
    now = vault.now()
    vault.certified(make_header(vault.signers, 1, time_ms=now * 1000))
    vault.chain.rpc("evm_increaseTime", vault.terms.trusting_s - 10)
    vault.certified(make_header(vault.signers, 2, time_ms=1_000))  # an old header shown late renews nothing
    vault.chain.rpc("evm_increaseTime", 60)
    assert refused(vault.certified, make_header(vault.signers, 3)) == "TrustExpired"


def test_a_set_is_believed_in_the_last_second_of_the_trusting_period_and_not_in_the_next(vault: VaultChain) -> None:
    until = vault.view("latest")[2] + vault.terms.trusting_s
    vault.at(until)
    vault.certified(make_header(vault.signers, 1))
    vault.at(until + 1)
    assert refused(vault.certified, make_header(vault.signers, 2)) == "TrustExpired"


def test_a_chain_without_the_precompiles_gets_no_vault(anvil: Callable[..., Anvil]) -> None:
    # There the precompiles' addresses have no code: calls succeed, and answer with nothing.
    with pytest.raises(ContractCustomError) as caught:
        VaultChain(anvil(hardfork="cancun"), FOUR)
    assert caught.value.data == "0x" + (keccak256(b"PrecompileFailed(address)")[:4] + u256(0x0B)).hex()


def test_a_paused_vault_takes_no_checkpoint(vault: VaultChain) -> None:
    vault.guard()
    assert refused(vault.certified, make_header(vault.signers)) == "IsPaused"


def test_the_words_of_a_set_hash_to_its_hash() -> None:
    for signers in (make_signers((1,)), make_signers((3, 1, 2))):
        assert sha256(signers.validators.words) == signers.validators.hash


def with_powers(words: bytes, *powers: int) -> bytes:
    """A set whose first validators have these powers, and no addresses."""
    for index, power in enumerate(powers):
        start = 64 + 192 * index
        words = words[:start] + u256(power) + words[start + 32 :]
    return words


def test_a_vault_is_not_deployed_for_a_malformed_set(vault: VaultChain) -> None:
    words = vault.signers.validators.words
    powerless, huge, together = (with_powers(words, *powers) for powers in ((0,), (2**60,), (2**59, 2**59 - 2, 1, 1)))
    verifier, none = map(to_checksum_address, (vault.verifier_at.address, bytes(20)))
    cold = [*map(to_checksum_address, COLD_KEYS.addresses)]
    settings = (NETWORK, verifier, vault.user.address, 2, 1, none, cold, 2)
    extension = to_checksum_address(deploy(vault.user.web3, USER, "VaultExtension", settings).address)
    shapeless = (b"", words[:-1], words + bytes(192), bytes(32) + words[32:], words[:32] + bytes(32))
    shapeless += (words[:32] + u256(128) + words[64:256] * 128,)
    cases = [(case, b"MalformedValidatorSet(uint256)", u256(len(case))) for case in shapeless]
    cases += [
        (powerless, b"BadPower(uint256,uint256)", bytes(64)),
        (huge, b"BadPower(uint256,uint256)", u256(0) + u256(2**60)),
        (together, b"BadPower(uint256,uint256)", u256(4) + u256(2**60)),
    ]
    for malformed, error, values in cases:
        with pytest.raises(ContractCustomError) as caught:
            deploy(vault.user.web3, USER, "Vault", settings, extension, malformed, [])
        assert caught.value.data == "0x" + (keccak256(error)[:4] + values).hex()
