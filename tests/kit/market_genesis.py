"""A genesis out of a market file: one validator, two chains, eight members."""

from clearing.base import bls, ed25519
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.genesis import Genesis
from devnet.genesis import DeployedChain, MemberIdentity, build_genesis
from devnet.market import Market
from tests.kit.validator_records import made_validator


def genesis_of(market: Market) -> Genesis:
    """The genesis that a devnet would make."""
    secret = bls.secret_from_seed(b"\1" * 32)
    one = made_validator(ed25519.public_key(b"\1" * 32), secret)
    tokens = {"USDC": b"\x11" * 20, "WETH": b"\x12" * 20}
    chains = tuple(DeployedChain(31337 + at, f"chain{at}", bytes([at + 1]) * 20, 0, tokens) for at in range(2))
    return build_genesis(
        market,
        name="devnet",
        time_ms=1_584_000_000_000,
        validators=ValidatorSet((one,)),
        chains=chains,
        house=MemberIdentity(0, "house", b"\xaa" * 20),
        members=tuple(MemberIdentity(at, f"member{at}", bytes([at]) * 20) for at in range(1, 9)),
    )
