"""Which certificates make a header final for a vault: exactly those that are final in consensus."""

from collections.abc import Callable

import pytest
from web3.exceptions import ContractCustomError

from bridge.contracts.deploy import deploy
from bridge.contracts.vault import checkpoint_arguments, validator_words
from clearing.base import bls
from clearing.base.certificate import VoteKind, signer_bitmap, verify_finality
from clearing.base.hashing import keccak256, sha256
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import (
    GUARDIAN,
    NETWORK,
    USER,
    ChainUser,
    Refused,
    Signers,
    VaultChain,
    make_header,
    make_signers,
)

pytestmark = pytest.mark.chain
ALL = (0, 1, 2, 3)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.name


@pytest.mark.parametrize("signers", [(0, 1, 2), (1, 2, 3), ALL])
@pytest.mark.parametrize("round_", [0, 7, 2**32 - 1])
def test_the_consensus_certificate_is_accepted_as_it_is(
    vault: VaultChain, signers: tuple[int, ...], round_: int
) -> None:
    header = make_header(vault.signers, 41, withdrawals_count=3, exit_root=sha256(b"exit"))
    certificate = vault.signers.certify(header, signers, round_=round_)
    verify_finality(header, certificate, vault.signers.validators, NETWORK)
    vault.checkpoint(header, certificate)
    height, count, trusted_at, root_number, withdrawals_root, exit_root, state_root = vault.view("latest")
    assert (height, count, root_number) == (41, 3, 1)
    assert (withdrawals_root, exit_root, state_root) == (header.withdrawals_root, header.exit_root, header.state_root)
    assert 0 < trusted_at <= vault.now()


def test_two_thirds_of_the_power_is_not_enough(anvil: Callable[..., Anvil]) -> None:
    vault = VaultChain(anvil(), make_signers((1, 2, 3, 3)))
    header = make_header(vault.signers)
    with pytest.raises(Refused) as caught:
        vault.certified(header, (2, 3))
    assert (caught.value.name, caught.value.values) == ("UnderQuorum", (6, 9))
    vault.certified(header, (0, 2, 3))


def test_an_under_quorum_certificate_is_refused(vault: VaultChain) -> None:
    assert refused(lambda: vault.certified(make_header(vault.signers), (0, 3))) == "UnderQuorum"
    assert vault.view("latest")[0] == 0


def test_claimed_signers_who_did_not_sign_are_refused(vault: VaultChain) -> None:
    header = make_header(vault.signers)
    certificate = vault.signers.certify(header, (0, 1))
    claimed = certificate.__class__(
        **{**{n: getattr(certificate, n) for n in certificate.__struct_fields__}, "signers": signer_bitmap(ALL)}
    )
    assert refused(lambda: vault.checkpoint(header, claimed)) == "BadSignature"


def test_a_prevote_certificate_is_not_final(vault: VaultChain) -> None:
    header = make_header(vault.signers)
    prevotes = vault.signers.certify(header, ALL, kind=VoteKind.PREVOTE)
    assert refused(lambda: vault.checkpoint(header, prevotes)) == "BadSignature"


def test_a_certificate_for_nil_is_not_final(vault: VaultChain) -> None:
    header = make_header(vault.signers)
    assert refused(lambda: vault.checkpoint(header, vault.signers.certify(header, ALL, value=bytes(32)))) == (
        "BadSignature"
    )


def test_a_certificate_of_another_round_height_or_network_is_refused(vault: VaultChain) -> None:
    header, other = make_header(vault.signers, 5), make_header(vault.signers, 6)
    words, (_, signers, aggregate) = checkpoint_arguments(header, vault.signers.certify(header, ALL, round_=1))
    for argument in ((words, (2, signers, aggregate)), (other.words, (1, signers, aggregate))):
        assert refused(lambda a=argument: vault.user.send(vault.vault.functions.checkpoint(*a))) == "BadSignature"
    foreign = vault.signers.certify(header, ALL, network=sha256(b"another network"))
    assert refused(lambda: vault.checkpoint(header, foreign)) == "BadSignature"


def test_a_header_of_another_network_is_refused(vault: VaultChain) -> None:
    foreign = sha256(b"another network")
    header = make_header(vault.signers, network=foreign)
    certificate = vault.signers.certify(header, ALL, network=foreign)
    assert refused(lambda: vault.checkpoint(header, certificate)) == "WrongNetwork"


def test_another_validator_set_is_refused(vault: VaultChain) -> None:
    strangers = make_signers((1, 1, 1, 1), b"strangers")
    header = make_header(strangers)
    assert refused(lambda: vault.checkpoint(header, strangers.certify(header, ALL))) == "WrongValidatorSet"
    # The same strangers under the trusted set's name.
    named = make_header(vault.signers)
    forged = Signers(vault.signers.validators, strangers.secrets).certify(named, ALL)
    assert refused(lambda: vault.checkpoint(named, forged)) == "BadSignature"


@pytest.mark.parametrize("bit", [4, 5, 128, 255])
def test_stray_bits_in_the_bitmap_are_refused(vault: VaultChain, bit: int) -> None:
    header = make_header(vault.signers)
    words, (round_, signers, aggregate) = checkpoint_arguments(header, vault.signers.certify(header, ALL))
    call = vault.vault.functions.checkpoint(words, (round_, signers | 1 << bit, aggregate))
    assert refused(lambda: vault.user.send(call)) == "StraySigner"


def test_no_signer_and_no_signature_are_refused(vault: VaultChain) -> None:
    header = make_header(vault.signers)
    words, (round_, signers, aggregate) = checkpoint_arguments(header, vault.signers.certify(header, ALL))
    checkpoint = vault.vault.functions.checkpoint
    assert refused(lambda: vault.user.send(checkpoint(words, (round_, 0, aggregate)))) == "NoSigner"
    assert refused(lambda: vault.user.send(checkpoint(words, (round_, signers, bytes(256))))) == "PointAtInfinity"
    for size in (0, 96, 255, 257, 512):
        sized = (aggregate + aggregate)[:size]
        assert refused(lambda s=sized: vault.user.send(checkpoint(words, (round_, signers, s)))) == "BadPointSize"
    off_curve = aggregate[:-1] + bytes([aggregate[-1] ^ 1])
    assert refused(lambda: vault.user.send(checkpoint(words, (round_, signers, off_curve)))) == "PrecompileFailed"


def test_keys_that_cancel_out_are_refused(anvil: Callable[..., Anvil]) -> None:
    # A set whose keys sum to infinity could "sign" everything with any pairing-neutral signature.
    pair = make_signers((1, 1))
    negative = bls.GROUP_ORDER - pair.secrets[0]
    first, second = pair.validators.validators
    mirrored = second.__class__(
        second.envelope_key, bls.public_key(negative), second.power, bls.prove_possession(negative)
    )
    signers = Signers(pair.validators.__class__((first, mirrored)), (pair.secrets[0], negative))
    vault = VaultChain(anvil(), signers)
    header = make_header(signers)
    words, _ = checkpoint_arguments(header, signers.certify(header, (0,)))
    some_point = bls.signature_coordinates(bls.sign(5, b"x"))
    call = vault.vault.functions.checkpoint(words, (0, 3, some_point))
    assert refused(lambda: vault.user.send(call)) == "PointAtInfinity"


@pytest.mark.parametrize("word", range(16))
def test_no_word_of_a_certified_header_can_be_changed(vault: VaultChain, word: int) -> None:
    header = make_header(vault.signers)
    words, argument = checkpoint_arguments(header, vault.signers.certify(header, ALL))
    changed = bytearray(words)
    changed[32 * word + 31] ^= 1
    name = refused(lambda: vault.user.send(vault.vault.functions.checkpoint(bytes(changed), argument)))
    before = {0: "MalformedHeader", 1: "WrongNetwork", 3: "NotNewer", 13: "WrongValidatorSet"}
    assert name == before.get(word, "BadSignature")


def test_a_header_of_another_length_is_refused(vault: VaultChain) -> None:
    words, argument = checkpoint_arguments(
        make_header(vault.signers), vault.signers.certify(make_header(vault.signers), ALL)
    )
    for changed in (b"", words[:-1], words[:-32], words + bytes(32)):
        call = vault.vault.functions.checkpoint(changed, argument)
        assert refused(lambda c=call: vault.user.send(c)) == "MalformedHeader"


@pytest.mark.parametrize("field", ["withdrawals_root", "next_validators_hash"])
def test_zero_roots_are_refused_even_when_certified(vault: VaultChain, field: str) -> None:
    assert refused(lambda: vault.certified(make_header(vault.signers, **{field: bytes(32)}))) == "ZeroRoot"


def test_numbers_beyond_the_networks_range_are_refused(vault: VaultChain) -> None:
    words, argument = checkpoint_arguments(
        make_header(vault.signers), vault.signers.certify(make_header(vault.signers), ALL)
    )
    for word in (3, 4, 10):
        changed = words[: 32 * word] + (2**63).to_bytes(32, "big") + words[32 * word + 32 :]
        call = vault.vault.functions.checkpoint(changed, argument)
        assert refused(lambda c=call: vault.user.send(c)) == "OutOfRange"


def test_heights_only_rise_and_withdrawals_are_never_lost(vault: VaultChain) -> None:
    header = make_header(vault.signers, 9, withdrawals_count=4)
    vault.certified(header)
    assert refused(lambda: vault.certified(header)) == "NotNewer"
    assert refused(lambda: vault.certified(make_header(vault.signers, 8, withdrawals_count=4))) == "NotNewer"
    assert refused(lambda: vault.certified(make_header(vault.signers, 10, withdrawals_count=3))) == "WithdrawalsLost"
    vault.certified(make_header(vault.signers, 10, withdrawals_count=4))


def test_a_rotation_is_certified_by_the_current_set(vault: VaultChain) -> None:
    following = make_signers((5, 5, 5, 5, 5), b"following")
    rotating = make_header(vault.signers, 3, next_validators_hash=following.validators.hash)
    vault.certified(rotating)
    later = make_header(following, 4)
    install = vault.vault.functions.installValidators
    assert refused(lambda: vault.checkpoint(later, following.certify(later, ALL))) == "ValidatorsNotInstalled"
    assert refused(lambda: vault.user.send(install(validator_words(vault.signers.validators)))) == "WrongValidatorSet"
    vault.user.send(install(validator_words(following.validators)))
    assert refused(lambda: vault.user.send(install(validator_words(following.validators)))) == "WrongValidatorSet"
    assert refused(lambda: vault.certified(make_header(vault.signers, 4))) == "WrongValidatorSet"
    vault.checkpoint(later, following.certify(later, (0, 1, 2, 4)))
    assert vault.view("latest")[0] == 4


def test_a_set_is_not_believed_beyond_the_trusting_period(own_vault: VaultChain) -> None:
    vault = own_vault
    vault.chain.rpc("evm_increaseTime", vault.terms.trusting_s - 10)
    vault.chain.mine()
    now = vault.now()
    vault.certified(make_header(vault.signers, 1, time_ms=now * 1000))
    vault.chain.rpc("evm_increaseTime", vault.terms.trusting_s - 10)
    vault.certified(make_header(vault.signers, 2, time_ms=1_000))  # an old header shown late renews nothing
    vault.chain.rpc("evm_increaseTime", 60)
    header = make_header(vault.signers, 3)
    assert refused(lambda: vault.certified(header)) == "TrustExpired"


def test_a_chain_without_the_precompiles_accepts_no_certificate(anvil: Callable[..., Anvil], four: Signers) -> None:
    # There the precompiles' addresses have no code: calls succeed, and answer with nothing.
    vault = VaultChain(anvil(hardfork="cancun"), four)
    vault.deposit(100)
    assert refused(lambda: vault.certified(make_header(vault.signers))) == "PrecompileFailed"


def test_a_paused_vault_takes_no_checkpoint(vault: VaultChain) -> None:
    ChainUser(vault.chain, GUARDIAN).send(vault.vault.functions.pause())
    assert refused(lambda: vault.certified(make_header(vault.signers))) == "IsPaused"


def test_the_words_of_a_set_hash_to_its_hash() -> None:
    for signers in (make_signers((1,)), make_signers((3, 1, 2))):
        assert sha256(validator_words(signers.validators)) == signers.validators.hash


def test_a_vault_is_not_deployed_for_a_malformed_set(vault: VaultChain) -> None:
    words = validator_words(vault.signers.validators)
    powerless = words[:64] + bytes(32) + words[96:]
    huge = words[:64] + (2**60).to_bytes(32, "big") + words[96:]
    settings = (NETWORK, vault.user.web3.to_checksum_address(vault.verifier_at.address), vault.user.address, 2, 1)
    shapeless = (b"", words[:-1], words + bytes(192), bytes(32) + words[32:], words[:32] + bytes(32))
    cases = [(case, b"MalformedValidatorSet(uint256)") for case in shapeless]
    cases += [(case, b"BadPower(uint256,uint256)") for case in (powerless, huge)]
    for malformed, error in cases:
        with pytest.raises(ContractCustomError) as caught:
            deploy(vault.user.web3, USER, "Vault", settings, malformed, [])
        assert str(caught.value.data)[:10] == "0x" + keccak256(error)[:4].hex()
