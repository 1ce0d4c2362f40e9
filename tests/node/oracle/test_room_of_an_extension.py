"""The room of a vote extension: prices, surfaces and facts of chains, each as large as it may be, at once."""

import msgspec

from clearing.base.codec import encode, u256
from clearing.schema.blocks.block import (
    EXTENSION_BYTES_MAX,
    FACTS_AND_SURFACES_BYTES_MAX,
    FACTS_MAX,
    REPORTS_MAX,
    SURFACE_EXPIRIES_MAX,
    SURFACES_BYTES_MAX,
    ExpiryQuote,
    PriceReport,
    SurfaceReport,
    VoteExtension,
    decode_extension,
    encode_extension,
)
from clearing.schema.blocks.deposit_batch import write_facts
from clearing.schema.facts import (
    ChainHeartbeat,
    CustodySeen,
    DepositSeen,
    DepositSighted,
    ValidatorsRotated,
    WithdrawalExecuted,
    WithdrawalNotExecuted,
)
from clearing.schema.risk.live_surface import FORWARD_MAX_PPB, LEVEL_MAX_PPM, RATE_MAX_PPM
from clearing.schema.risk.volatility_surface import SKEW_MAX_PPM, WING_MAX_PPM
from node.chains.attestation_pool import AttestationPool
from node.oracle.surfaces.service import encoded_size
from tests.kit.clearing.genesis import VAULTS
from tests.kit.clearing.world import World

LARGEST = ExpiryQuote(2**62 - 1, FORWARD_MAX_PPB, -RATE_MAX_PPM, LEVEL_MAX_PPM, -SKEW_MAX_PPM, WING_MAX_PPM)
SURFACE = SurfaceReport(
    2**32 - 1,
    2**63 - 1,
    2**32 - 1,
    tuple(msgspec.structs.replace(LARGEST, expiry_ms=2**62 - at) for at in range(SURFACE_EXPIRIES_MAX, 0, -1)),
)
LARGEST_PRICE = PriceReport(2**32 - 1, 2**63 - 1, 2**63 - 1, 2**32 - 1, 2**63 - 1)
CHAIN, VAULT = 2**62, b"\xee" * 20
LARGEST_FACTS = (
    DepositSeen(CHAIN, VAULT, 2**62, VAULT, 2**62, u256(2**255), 2**62, bytes(32), b"\x01" * 32, VAULT),
    WithdrawalExecuted(CHAIN, VAULT, 2**62, 2**62, bytes(32), bytes(32)),
    ChainHeartbeat(CHAIN, 2**62, bytes(32)),
    CustodySeen(CHAIN, VAULT, VAULT, 2**62, bytes(32), *[u256(2**255)] * 3),
    DepositSighted(CHAIN, VAULT, 2**62, VAULT, 2**62, u256(2**255), 2**62, bytes(32), b"\x01" * 32),
    ValidatorsRotated(CHAIN, VAULT, 2**62, bytes(32), 2**62, bytes(32), bytes(32)),
    WithdrawalNotExecuted(CHAIN, VAULT, 2**62, 2**62, 2**62, bytes(32), 2**62),
)


def test_prices_and_surfaces_at_their_limits_leave_room_for_a_fact_of_every_kind() -> None:
    assert encoded_size((SURFACE, SURFACE)) <= SURFACES_BYTES_MAX
    room = FACTS_AND_SURFACES_BYTES_MAX - SURFACES_BYTES_MAX
    assert all(len(encode(write_facts((fact,)))) <= room for fact in LARGEST_FACTS)


def test_a_validator_with_a_full_pool_of_facts_still_sends_its_surfaces() -> None:
    prices = tuple(msgspec.structs.replace(LARGEST_PRICE, feed=2**31 + at) for at in range(REPORTS_MAX))
    chosen = tuple(msgspec.structs.replace(SURFACE, group=2**31 + at) for at in range(2))
    assert encoded_size(chosen) <= SURFACES_BYTES_MAX
    world = World()
    pool = AttestationPool(b"\x01" * 32)
    for chain, vault in VAULTS.items():
        for nonce in range(1, 1 + 4 * FACTS_MAX):
            pool.add(ValidatorsRotated(chain, vault, nonce, bytes(32), 2**62, bytes([nonce]) * 32, bytes(32)))
    alone = pool.pending(world.state)
    beside = pool.pending(world.state, reserved=encoded_size(chosen))
    assert len(alone) == FACTS_MAX > len(beside) > FACTS_MAX // 2
    extension = VoteExtension(prices, write_facts(beside), chosen)
    data = encode_extension(extension)
    assert decode_extension(data) == extension
    spare = EXTENSION_BYTES_MAX - len(data)
    assert 0 <= spare < len(encode(write_facts(alone[:2]))), "another fact would not fit"
    assert len(encode_extension(VoteExtension(prices, write_facts(alone)))) <= EXTENSION_BYTES_MAX
    assert encoded_size(()) == 0
