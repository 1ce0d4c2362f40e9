"""A world whose rules were amended three times, its headers, and the certified file of its amendments."""

from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind, vote_digest
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.governance.certified_amendments import CertifiedAmendments, certify_amendments
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.validators.validator_sets import validator_sets
from tests.kit.certificates import make_certificate
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, USD
from tests.kit.clearing.world import World
from tests.kit.headers import make_header


def header_of(house: World) -> Header:
    """What the network's header of the decided height says, as far as it matters here."""
    sets, result = validator_sets(house.state), house.results[-1]
    fields = ("withdrawals_root", "withdrawals_count", "exit_root", "epoch", "deposit_cursors")
    return make_header(
        result.height,
        sets.last,
        sets.now,
        network=house.network,
        time_ms=house.time_ms,
        module_roots=house.state.module_roots(),
        **{field: getattr(result, field) for field in fields},
    )


def signed(house: World, header: Header) -> tuple[Certificate, ValidatorSet]:
    validators = validator_sets(house.state).last
    digest = vote_digest(house.network, validators.hash, VoteKind.PRECOMMIT, header.height, 0, header.hash)
    shares = {
        at: bls.sign(bls.secret_from_seed(bytes([house.names[each.envelope_key]]) * 32), digest)
        for at, each in enumerate(validators.validators)
    }
    return make_certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash, validators, shares), validators


def certified(house: World) -> CertifiedAmendments:
    header = header_of(house)
    return certify_amendments(house.state, header, *signed(house, header))


def amended() -> World:
    house = parliament_world(governed_genesis())
    house.block(house.perp_trade(ALICE, BOB, 1_000))
    house.amend(("risk.groups.1.range_ppm", 300_000))
    house.amend(("instruments.9", Instrument(9, "BTC-9", InstrumentKind.PERPETUAL, 1, 1, USD, 10)))
    house.amend(("assets.3.haircut_ppm", 150_000), ("market.trade_fee_ppm", 100))
    house.block(facts=house.custody_facts(400))
    return house
