"""Live surfaces and averages that say something else than the rows, or what no rulebook or genesis lets them say."""

from collections.abc import Iterator
from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.margin.statement.rulebook import AverageSoFar, MarkPrice, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.terms.instruments import Instrument
from tests.kit.proofs import listed_market, live_market
from tests.kit.proofs.live_market import (
    AVERAGED,
    AVERAGING,
    COVERED_MS,
    CURVE,
    DATED,
    FUTURES,
    HALF,
    NOW_MS,
    SMILES,
    SURFACED,
)
from tests.kit.proofs.negatives.making import anchored, refused, replace
from tests.kit.proofs.vector_files import Trust, Vector

BASE, AVERAGE = "live-surface.ccp", "averaged-option.ccp"
NEAR, FAR = CURVE
DIFFERS, UNREAD = ("rules", "RULES_DIFFER"), ("rules", "BAD_STATEMENT")


def vectors() -> Iterator[Vector]:
    """Certified and proven by a quorum that plays along, all of them."""
    yield from _other_rows()
    yield from _unread()
    yield from _marks()
    yield from _beyond_the_genesis()
    yield from _futures()


def _other_rows() -> Iterator[Vector]:
    """The rows are those of the frozen package, the rulebook is not."""
    forward, rate = replace(NEAR, forward_ppb=NEAR.forward_ppb + 10**6), replace(FAR, rate_ppm=FAR.rate_ppm + 1_000)
    yield refused("bent-forward", "the first forward is 0.1 % of the index higher; the rows are as they were", *DIFFERS,
                  _stated(SURFACED, _curved(forward, FAR)), base=BASE)  # fmt: skip
    yield refused("bent-rate", "the second rate is 0.1 % higher; the rows are as they were", *DIFFERS,
                  _stated(SURFACED, _curved(NEAR, rate)), base=BASE)  # fmt: skip
    yield refused("no-curve", "the curve is left out; the rows are as they were", *DIFFERS,
                  _stated(SURFACED, _curved()), base=BASE)  # fmt: skip
    more = replace(HALF, weighted_ticks=u256(20_903 * COVERED_MS))
    yield refused("bent-average", "the average so far is three ticks higher; the rows are as they were", *DIFFERS,
                  _stated(AVERAGING, replace(AVERAGING, averages=(more,))), base=AVERAGE)  # fmt: skip
    less = replace(HALF, covered_ms=COVERED_MS - 60_000)
    yield refused("bent-part-of-an-average", "a minute less is covered; the rows are as they were", *DIFFERS,
                  _stated(AVERAGING, replace(AVERAGING, averages=(less,))), base=AVERAGE)  # fmt: skip
    yield refused("no-average", "the average so far is left out; the rows are as they were", *DIFFERS,
                  _stated(AVERAGING, replace(AVERAGING, averages=())), base=AVERAGE)  # fmt: skip


def _unread() -> Iterator[Vector]:
    """No reader takes these rulebooks."""
    curves = {
        "curve-that-does-not-rise": ("the expiries of the curve fall", (FAR, NEAR)),
        "forward-of-nothing": ("the first forward is 0", (replace(NEAR, forward_ppb=0), FAR)),
        "forward-beyond-a-thousand-indices": (
            "the second forward is 10^12 + 1",
            (NEAR, replace(FAR, forward_ppb=10**12 + 1)),
        ),
        "rate-beyond-the-whole": ("the second rate is -100.0001 %", (NEAR, replace(FAR, rate_ppm=-1_000_001))),
        "curve-of-65-expiries": ("the curve has 65 expiries", tuple(ExpiryCarry(at, 10**9, 0) for at in range(1, 66))),
    }
    for name, (says, curve) in curves.items():
        yield refused(name, says, *UNREAD, _stated(SURFACED, _curved(*curve)), base=BASE)
    at_most = COVERED_MS * (2**40 - 1)
    averages = {
        "average-of-the-future": (
            "a millisecond more is covered than has passed",
            replace(HALF, covered_ms=COVERED_MS + 1),
        ),
        "average-of-nothing": ("nothing is covered", AverageSoFar(AVERAGED.id, u256(0), 0)),
        "average-below-a-tick": ("the average is less than a tick", replace(HALF, weighted_ticks=u256(COVERED_MS - 1))),
        "average-above-every-price": ("the average is above 2^40 - 1", replace(HALF, weighted_ticks=u256(at_most + 1))),
        "average-of-an-option-without-a-window": ("the average is of BTC-PUT", replace(HALF, instrument=2)),
        "average-of-a-perpetual": ("the average is of ETH-PERP", replace(HALF, instrument=7)),
    }
    for name, (says, average) in averages.items():
        book = replace(AVERAGING, averages=(average,))
        yield refused(name, says, *UNREAD, _stated(AVERAGING, book), base=AVERAGE)
    twice = replace(AVERAGING, averages=(HALF, HALF))
    yield refused("average-twice", "the average is there twice", *UNREAD, _stated(AVERAGING, twice), base=AVERAGE)
    uncounted = replace(SURFACED, averages=(HALF,))
    yield refused("average-that-is-not-counted", "there is an average, and the parameters count none", *UNREAD,
                  _stated(SURFACED, uncounted), base=BASE)  # fmt: skip


def _marks() -> Iterator[Vector]:
    """The highest marks are in `good`, a tick above each is here."""
    for name, says, book, base in marked(1):
        yield refused(f"mark-above-{name}", f"the mark is a tick above {says}", "rules", "PRICE_OUT_OF_BOUNDS",
                      live_market.package_of(book), base=base)  # fmt: skip


def marked(above: int) -> Iterator[tuple[str, str, Rulebook, str]]:
    """Name, words, rulebook and base of options so far above their highest marks."""
    negative = _curved(replace(NEAR, rate_ppm=-1_000), FAR)
    paid = replace(HALF, weighted_ticks=u256(30_000 * COVERED_MS))
    yield (
        "a-forward",
        "the first forward, of a call that expires before it",
        _marked(SURFACED, 3, 816_800 + above),
        BASE,
    )
    yield "twice-a-strike", "twice a put's strike, at a rate below zero", _marked(negative, 2, 1_500_000 + above), BASE
    later = replace(SURFACED, parameters=live_market.PARAMETERS, time_ms=live_market.NEAR_MS)
    says = "twice the strike of a put that has expired and waits for its price, without a live surface"
    yield "twice-a-strike-after-expiry", says, _marked(later, 2, 1_500_000 + above), BASE
    highest = (30_000 * COVERED_MS + 20_000 * (AVERAGED.averaging_ms - COVERED_MS)) // AVERAGED.averaging_ms
    book = _marked(replace(AVERAGING, averages=(paid,)), AVERAGED.id, highest + above)
    yield "an-average", "the average, if the rest is as high as the index", book, AVERAGE


def futures() -> Iterator[tuple[str, str, Rulebook]]:
    """Name, words and rulebook of futures at their forwards and at the bounds of their marks."""
    low, high = _forwards(950_000_000, FAR), _forwards(1_050_000_000, FAR)
    between = _forwards(NEAR.forward_ppb, FAR, dated=replace(DATED, expiry_ms=DATED.expiry_ms + 1))
    yield "future-on-the-curve", "a future without a mark is valued at its forward", FUTURES
    yield "future-off-the-curve", "a future without a mark, a millisecond off the curve's expiry, is carried", between
    yield "future-at-a-low-forward", "the mark is the forward, which is below the index", _marked(low, 2, 760_000)
    yield "future-at-a-high-forward", "the mark is the forward, beyond every carry", _marked(high, 2, 840_000)
    yield "future-at-the-index", "the mark is the index, and the forward is above it", _marked(high, 2, 800_000)


def _futures() -> Iterator[Vector]:
    """A tick beyond the bounds of marks, and rows of another mark than the curve's."""
    low, high = _forwards(950_000_000, FAR), _forwards(1_050_000_000, FAR)
    above = _marked(high, 2, 840_001)
    beyond = {
        "below-its-forward": (_marked(low, 2, 759_999), Trust()),
        "above-its-forward": (above, anchored(genesis=live_market.genesis(above))),
        "below-its-index": (_marked(high, 2, 799_999), Trust()),
    }
    for name, (book, trust) in beyond.items():
        yield refused(f"future-{name}", f"the mark of a future is a tick {name.replace('-', ' ')}", "rules",
                      "PRICE_OUT_OF_BOUNDS", live_market.package_of(book), base=BASE, trust=trust)  # fmt: skip
    carried = replace(FUTURES, parameters=replace(FUTURES.parameters, futures_on_curve=False))
    yield refused("future-that-is-carried", "the rows are of a future off the curve, the parameters carry it", *DIFFERS,
                  _stated(FUTURES, carried), base=BASE)  # fmt: skip
    yield refused("future-that-is-not-carried", "the rows are of a carried future, the parameters do not carry it",
                  *DIFFERS, _stated(carried, FUTURES), base=BASE)  # fmt: skip
    yield _listed("futures-that-the-genesis-carries", "futures are marked off the curve", FUTURES,
                  live_market.genesis(carried))  # fmt: skip


def _forwards(near_ppb: int, far: ExpiryCarry, dated: Instrument = DATED) -> Rulebook:
    group = replace(FUTURES.parameters.groups[0], curve=(replace(NEAR, forward_ppb=near_ppb), far))
    parameters = replace(FUTURES.parameters, groups=(group, FUTURES.parameters.groups[1]))
    return replace(
        FUTURES, parameters=parameters, instruments=(FUTURES.instruments[0], dated, *FUTURES.instruments[2:])
    )


def _beyond_the_genesis() -> Iterator[Vector]:
    """The rows are those of the rulebook, and the genesis does not let it say so."""
    surface = {
        "level": (replace(SMILES[0], level_ppm=49_999, wing_ppm=0), replace(SMILES[1], wing_ppm=0)),
        "skew": tuple(replace(each, skew_ppm=950_001, wing_ppm=100_000) for each in SMILES),
        "wing": tuple(replace(each, wing_ppm=1_500_001) for each in SMILES),
        "tenor": (replace(SMILES[0], tenor_ms=SMILES[0].tenor_ms - 1), SMILES[1]),
    }
    curve = {
        "rate": (NEAR, replace(FAR, rate_ppm=-500_001)),
        "forward": (replace(NEAR, forward_ppb=1_101_868_494), FAR),
        "low-forward": (replace(NEAR, forward_ppb=901_479_450), FAR),
        "past-expiry": (ExpiryCarry(NOW_MS, 10**9, 0), NEAR, FAR),
    }
    for name, pillars in surface.items():
        yield _listed(f"{name}-beyond-the-genesis", f"{name} of a live surface", _live(surface=pillars))
    for name, expiries in curve.items():
        yield _listed(f"{name}-beyond-the-genesis", f"{name} of a live surface", _curved(*expiries))
    yield _listed("volatility-of-a-live-surface", "the volatility beside a live surface", _live(volatility_ppm=900_000))
    bare = replace(live_market.genesis(), surfaces=())
    yield _listed("surface-without-terms", "nothing; the genesis has no terms of a surface", SURFACED, bare)
    unlike = replace(live_market.genesis(), surfaces=(replace(live_market.SURFACE, group=2),))
    yield _listed("surface-of-another-group", "nothing; the terms are of the group ETH", SURFACED, unlike)
    counted = live_market.genesis(SURFACED)
    yield _listed("averages-that-the-genesis-does-not-count", "averages are counted", AVERAGING, counted, AVERAGE)


def _listed(name: str, changed: str, book: Rulebook, genesis: Any = None, base: str = BASE) -> Vector:
    trust: Trust = anchored(genesis=genesis or live_market.genesis())
    return refused(name, f"{changed}; with the genesis", *DIFFERS, live_market.package_of(book), base=base, trust=trust)


def _live(**changes: Any) -> Rulebook:
    groups = (replace(SURFACED.parameters.groups[0], **changes), SURFACED.parameters.groups[1])
    return replace(SURFACED, parameters=replace(SURFACED.parameters, groups=groups))


def _curved(*curve: ExpiryCarry) -> Rulebook:
    return _live(curve=curve)


def _marked(book: Rulebook, instrument: int, ticks: int) -> Rulebook:
    marks = {each.instrument: each.ticks for each in book.marks} | {instrument: ticks}
    return replace(book, marks=tuple(MarkPrice(number, marks[number]) for number in sorted(marks)))


def _stated(rows_of: Rulebook, book: Rulebook) -> bytes:
    """The package whose rulebook is one and whose rows are another's."""
    shot: RiskSnapshot = live_market.snapshot_of(rows_of)
    stated = msgspec.structs.replace(shot.statement, rules=write_rulebook(book))
    return listed_market.listed_from(replace(shot, statement=stated))
