"""A sealed seed opens for the validators and for its own account, and otherwise to nothing."""

import pytest

from clearing.base.errors import LocalFault
from member.signing.sealed_seeds import SealedSeed, open_sealed_seed, seal_key, seal_seed

NETWORK_SEED, SEED = bytes([7]) * 32, bytes(range(32))


def whole(sealed: SealedSeed) -> bytes:
    return sealed.ephemeral + sealed.masked + sealed.mac


def test_the_validators_open_what_was_sealed_for_them_and_this_account() -> None:
    sealed = whole(seal_seed(SEED, 5, seal_key(NETWORK_SEED)))
    assert open_sealed_seed(sealed, 5, NETWORK_SEED) == SEED
    assert open_sealed_seed(sealed, 6, NETWORK_SEED) is None
    assert open_sealed_seed(sealed, 5, bytes(32)) is None
    assert SEED not in sealed


def test_two_seals_of_one_seed_have_nothing_in_common() -> None:
    one, two = (seal_seed(SEED, 5, seal_key(NETWORK_SEED)) for _ in range(2))
    assert not {one.ephemeral, one.masked, one.mac} & {two.ephemeral, two.masked, two.mac}


def test_what_was_changed_opens_to_nothing_and_raises_nothing() -> None:
    sealed = whole(seal_seed(SEED, 5, seal_key(NETWORK_SEED)))
    for at in (0, 31, 32, 63, 64, 95):
        bent = bytes(byte ^ (index == at) for index, byte in enumerate(sealed))
        assert open_sealed_seed(bent, 5, NETWORK_SEED) is None
    for other in (b"", sealed[:-1], sealed + b"\0", bytes(96), bytes([1]) + bytes(95)):
        assert open_sealed_seed(other, 5, NETWORK_SEED) is None


def test_a_seed_is_32_bytes_and_a_key_is_one() -> None:
    for seed, key in ((SEED[:-1], seal_key(NETWORK_SEED)), (SEED, bytes(32))):
        with pytest.raises(LocalFault):
            seal_seed(seed, 5, key)


def test_a_sealed_seed_is_the_frozen_one() -> None:
    """All validators must open alike for ever."""
    sealed = seal_seed(SEED, 5, seal_key(NETWORK_SEED), secret=bytes([3]) * 32)
    assert sealed.ephemeral.hex() == "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
    assert sealed.masked.hex() == "48527b9ce43a5ff64c71e1a46e8121715f33880e8a8f08c103032cc1a0072cea"
    assert sealed.mac.hex() == "862f6a83f577a8513335c93281398bbd23f2352868acd4d1778e6fca66a5a36e"


def test_the_validators_derive_their_key_once_for_all_accounts_of_a_snapshot() -> None:
    seal_key.cache_clear()
    sealed = [whole(seal_seed(SEED, account, seal_key(NETWORK_SEED))) for account in range(20)]
    assert all(open_sealed_seed(each, account, NETWORK_SEED) == SEED for account, each in enumerate(sealed))
    assert seal_key.cache_info().misses == 1
