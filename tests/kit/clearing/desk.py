"""Two venues and what they report, and a world in which ALICE and BOB have a mandate to one."""

from collections.abc import Sequence

from clearing.base.secp256k1 import address
from clearing.base.units import DAY_MS
from clearing.schema.terms.genesis import Genesis, VenueTerms
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, HOUSE, make_genesis
from tests.kit.clearing.requests import TODAY, VENUE_SECRETS
from tests.kit.clearing.world import World, funded


def venue_genesis(*, fee_ppm: int = 0, band_ppm: int = 0, id_chunks: int = 2, **market: int) -> Genesis:
    venues = tuple(
        VenueTerms(each, f"venue-{each}", address(key), band_ppm, fee_ppm, HOUSE, id_chunks)
        for each, key in VENUE_SECRETS.items()
    )
    return make_genesis(market, venues=venues)


def venue_world(genesis: Genesis | None = None, *, mandates: bool = True, dollars: int = 100_000) -> World:
    """Everybody with cash, prices open and reported in every block."""
    desk = funded(genesis=genesis or venue_genesis(), dollars=dollars, fresh=True)
    if mandates:
        desk.block(desk.mandate(ALICE), desk.mandate(BOB))
    return desk


def finish_day(desk: World) -> None:
    """Go to when the first day's statement is taken."""
    desk.block(after_ms=(TODAY + 1) * DAY_MS + 700_000 - desk.time_ms)


def matched(desk: World, accounts: Sequence[int] = (HOUSE, ALICE, BOB, CAROL, 4)) -> bool:
    return sum(desk.lots(each, BTC_PERP) for each in accounts) == 0
