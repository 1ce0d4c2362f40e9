"""Statements, rows, books and reserves that a verifier must refuse, though a quorum signed them."""

from collections.abc import Iterator
from typing import Any

from clearing.base.codec import u256
from clearing.margin.statement.rulebook import MarkPrice, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import PriceUsed, PublicTotal, RiskSnapshot, Row, RowKind, Slot, SlotKind
from proofs.algebra.field import ORDER, inverse
from proofs.epoch.package import read_package
from tests.kit.proofs import small_market as market
from tests.kit.proofs import stressed
from tests.kit.proofs.counted import BOOK, MEMBERS
from tests.kit.proofs.listed_market import genesis
from tests.kit.proofs.negatives.making import (
    LISTED,
    anchored,
    certified,
    custody,
    frozen,
    fund_seeds,
    proven,
    read,
    refused,
    replace,
    stating,
)
from tests.kit.proofs.negatives.of_certificate import INFINITY_1, NO_POINT
from tests.kit.proofs.vector_files import Vector


def vectors() -> Iterator[Vector]:
    """Of the checks `statement`, `ranges_and_rows`, `matched_book`, `reserves` and `rules`."""
    yield from _statements()
    yield from _counted_twice()
    yield from _ranges()
    yield from _proof_bytes()
    yield from _books()
    yield from _reserves()
    yield from _rules()
    yield from _with_a_genesis()


def _statements() -> Iterator[Vector]:
    good, bad = read(), ("statement", "BAD_STATEMENT")
    stated = good.statement
    rows = stated.rows

    def without(name: str) -> bytes:
        return stating(rows=tuple(row for row in rows if row.name != name))

    yield refused("another-ceremony", "`srs` is 32 zero bytes", "statement", "WRONG_SRS", replace(good, srs=bytes(32)))
    yield refused(
        "two-slots-of-one-name",
        "slot 1 has the name of slot 0, certified",
        *bad,
        stating(slots=(stated.slots[0], replace(stated.slots[1], name="cash:USD"), *stated.slots[2:])),
    )
    yield refused("no-totals", "`totals` is empty, certified", *bad, stating(totals=()))
    yield refused("shortfall-of-nothing", "a listed shortfall is 0, certified", *bad, stating(shortfalls=((1, 0),)))
    yield refused(
        "shortfalls-out-of-order",
        "listed shortfalls do not rise, certified",
        *bad,
        stating(shortfalls=((5, 1), (1, 1))),
    )
    yield refused(
        "shortfall-of-nobody",
        "a shortfall is listed of account 9, which is not there, certified",
        *bad,
        stating(shortfalls=((9, 1),)),
    )
    yield refused("scenario-left-out", "the loss row of one scenario is missing, certified", *bad, without("BTC/0"))
    yield refused("requirement-left-out", "the maintenance row is missing, certified", *bad, without("maintenance"))
    yield refused("scenario-more-than-rows", "`scenarios` is 3, rows are of 2, certified", *bad, stating(scenarios=3))
    yield refused("group-left-out", "`groups` lacks one, certified", *bad, stating(groups=("BTC",)))
    yield refused(
        "two-rows-of-one-name",
        "row 1 has the name of row 0, certified",
        *bad,
        stating(rows=(rows[0], replace(rows[1], name=rows[0].name), *rows[2:])),
    )
    yield refused(
        "row-of-no-slot",
        "row 0 names slot 99, certified",
        *bad,
        stating(rows=(replace(rows[0], coefficients=((2, 900), (99, 1))), *rows[1:])),
    )
    yield refused(
        "losses-forgiven",
        "the constant of a loss row is positive, certified",
        *bad,
        stating(rows=(replace(rows[0], constant=1), *rows[1:])),
    )
    yield refused(
        "group-not-charged",
        "the maintenance row lacks one group, certified",
        *bad,
        stating(rows=(*rows[:4], replace(rows[4], coefficients=((0, 10), (1, 30), (4, -8))), rows[5])),
    )
    yield refused(
        "accounts-out-of-order",
        "accounts do not rise, certified",
        *bad,
        certified({"commitments": good.commitments[::-1]}),
    )
    yield refused(
        "row-of-a-huge-coefficient",
        "a coefficient is 2^62, certified",
        "statement",
        "BAD_LAYOUT",
        stating(rows=(*rows[:5], replace(rows[5], coefficients=((0, 2**62),)))),
    )
    yield refused("domain-of-300", "`domain` is 300, certified", "statement", "BAD_LAYOUT", certified({"domain": 300}))
    free = Row("free", RowKind.EQUAL_ZERO, ((0, 1), (0, -1)))
    yield refused(
        "row-of-a-slot-twice",
        "a further row names slot 0 twice, certified",
        "statement",
        "BAD_LAYOUT",
        stating(rows=(*rows, free)),
    )


def _counted_twice() -> Iterator[Vector]:
    a, b, c = read().statement.custody
    twice = ("statement", "COUNTED_TWICE")
    yield refused(
        "block-of-two-numbers",
        "one block has two numbers, certified",
        *twice,
        stating(custody=(a, b, replace(c, block_number=b.block_number + 1))),
    )
    yield refused(
        "two-blocks-of-one-number",
        "one number has two blocks, certified",
        *twice,
        stating(custody=(a, b, replace(c, block_hash=bytes([99]) * 32))),
    )
    yield refused(
        "block-of-two-chains",
        "one block hash is of two chains, certified",
        *twice,
        stating(custody=(a, replace(b, block_hash=a.block_hash), c)),
    )
    other = replace(b, vault=bytes([200]) * 20, block_number=300, block_hash=bytes([98]) * 32)
    yield refused(
        "token-at-two-blocks",
        "one token is counted in two vaults at two blocks, certified",
        *twice,
        stating(custody=(a, b, other)),
    )
    bad = ("statement", "BAD_STATEMENT")
    yield refused(
        "vault-and-token-twice",
        "one vault and token backs two slots, certified",
        *bad,
        stating(custody=(a, b, replace(b, slot=1))),
    )
    yield refused("unit-of-nothing", "`unit` is 0, certified", *bad, stating(**custody(read().statement, unit=0)))
    yield refused(
        "balance-of-no-bits",
        "`bits` is 0, certified",
        *bad,
        stating(**custody(read().statement, balances=replace(a.balances, bits=0))),
    )
    yield refused(
        "custody-of-a-position",
        "a custody term backs a POSITION slot, certified",
        *bad,
        stating(**custody(read().statement, slot=2)),
    )


RANGES: tuple[tuple[str, str, dict[int, int]], ...] = (
    ("negative-token", "account 1 has −1 of a token", {market.TOKEN: -1}),
    ("fraction-of-a-token", "account 1 has a third of a token, modulo p", {market.TOKEN: inverse(3)}),
    ("token-of-p-minus-1", "account 1 has p − 1 of a token", {market.TOKEN: ORDER - 1}),
    ("position-beyond-its-range", "account 1 has a position of 2^39 lots", {market.BTC: 2**39}),
    ("requirement-understated", "account 1's largest loss of a group is one micro too small", {market.R_BTC: 1_799}),
    ("cash-of-minus-2-63", "account 1 has cash of −2^63 − 1", {market.CASH: -(2**63) - 1}),
)


def _ranges() -> Iterator[Vector]:
    by = ("ranges_and_rows", "PROOF_REFUSED")
    shot = market.snapshot()
    for name, changed, values in RANGES:
        yield refused(
            name, f"{changed}; committed, certified, and proven without a check", *by, proven(shot, values={1: values})
        )
    broke = market.snapshot(market.BROKE)
    yield refused(
        "insolvent-and-not-listed",
        "account 1 is short of its requirement and not listed; certified, proven without a check",
        *by,
        proven(broke),
    )
    listed = market.snapshot(market.BROKE, [(1, market.SHORT - 1)])
    yield refused(
        "shortfall-listed-too-low",
        "account 1's listed shortfall is one too small; certified, proven without a check",
        *by,
        proven(listed),
    )
    yield refused(
        "statement-swapped",
        "a coefficient is 899 for 900, certified; proven for 900",
        *by,
        stating(rows=(replace(shot.statement.rows[0], coefficients=((2, 899), (4, 1))), *shot.statement.rows[1:])),
    )
    yield refused(
        "account-swapped",
        "account 5 is called 6, certified; proven for 5",
        *by,
        certified({"commitments": (*read().commitments[:2], (6, read().commitments[2][1]))}),
    )


def _proof_bytes() -> Iterator[Vector]:
    good, by = read(), "ranges_and_rows"
    proof = good.proof

    def with_proof(at: int, data: bytes) -> Any:
        return replace(good, proof=proof[:at] + data + proof[at + len(data) :])

    yield refused(
        "proof-of-two-columns",
        "`proof` has the length of two columns, the layout has one",
        by,
        "BAD_LENGTH",
        replace(good, proof=bytes(2 * 128 * 3 + 320)),
    )
    yield refused("proof-with-infinity", "the first C_D is infinity", by, "BAD_POINT", with_proof(0, INFINITY_1))
    yield refused("proof-with-no-point", "C_m is no point of the curve", by, "BAD_POINT", with_proof(3 * 128, NO_POINT))
    yield refused(
        "proof-with-a-large-scalar",
        "the first D(ζ) is p more",
        by,
        "BAD_SCALAR",
        with_proof(96, (int.from_bytes(proof[96:128], "big") + ORDER).to_bytes(32, "big")),
    )
    yield refused(
        "proof-with-another-evaluation",
        "the first D(ζ) is one more",
        by,
        "PROOF_REFUSED",
        with_proof(96, ((int.from_bytes(proof[96:128], "big") + 1) % ORDER).to_bytes(32, "big")),
    )
    yield refused(
        "proof-with-exchanged-openings",
        "π_1 and π_2 are exchanged",
        by,
        "PROOF_REFUSED",
        replace(good, proof=proof[:-96] + proof[-48:] + proof[-96:-48]),
    )
    other = proven(replace(market.snapshot(), statement=replace(market.statement(), state_root=bytes([8]) * 32)))
    yield refused(
        "proof-of-another-snapshot",
        "`proof` is that of the same accounts under another state root",
        by,
        "PROOF_REFUSED",
        replace(good, proof=read_package(other).proof),
    )
    no_point = ((good.commitments[0][0], NO_POINT), *good.commitments[1:])
    yield refused(
        "commitment-no-point",
        "the first C_W is no point of the curve, certified",
        by,
        "BAD_POINT",
        certified({"commitments": no_point}),
    )


def _books() -> Iterator[Vector]:
    good, by = read(), "matched_book"
    shot, stated, book = market.snapshot(), market.statement(), read().book
    unmatched = ((0, (5_000, 10, 0, 3)), (1, (9_000, 40, -1, 0)), (5, (2_000, 700, 2, -3)))
    totals = tuple(PublicTotal(each.slot, 0 if each.slot >= market.BTC else each.total) for each in stated.totals)
    other = market.snapshot(unmatched)
    yield refused(
        "one-lot-that-nobody-owes",
        "the positions of an instrument sum to 1, the stated total is 0; proven without a check",
        by,
        "BOOK_NOT_MATCHED",
        proven(other, shown=replace(other.statement, totals=totals)),
    )
    yield refused(
        "position-total-of-one",
        "the stated total of an instrument is 1, and the positions sum to 1",
        by,
        "BOOK_NOT_MATCHED",
        proven(other),
    )
    less = tuple(PublicTotal(each.slot, each.total - (each.slot == market.CASH)) for each in stated.totals)
    yield refused(
        "cash-understated",
        "the stated total of cash is one micro too small; proven without a check",
        by,
        "BOOK_NOT_MATCHED",
        proven(shot, shown=replace(stated, totals=less)),
    )
    yield refused(
        "book-with-another-answer",
        "the last answer of `book` is one more",
        by,
        "BOOK_NOT_MATCHED",
        replace(good, book=book[:-32] + ((int.from_bytes(book[-32:], "big") + 1) % ORDER).to_bytes(32, "big")),
    )
    yield refused(
        "book-with-a-large-scalar",
        "the first answer of `book` is 2^256 − 1",
        by,
        "BAD_SCALAR",
        replace(good, book=book[:48] + b"\xff" * 32 + book[80:]),
    )
    yield refused(
        "book-with-no-point",
        "R of `book` is no point of the curve",
        by,
        "BAD_POINT",
        replace(good, book=NO_POINT + book[48:]),
    )


def _reserves() -> Iterator[Vector]:
    shot, by = market.snapshot(), ("reserves", "RESERVES_SHORT")
    first = shot.statement.custody[0]
    cases: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("no-balance", "the balance of a vault's cash is 0", {"balance": bytes(32)}),
        (
            "balance-below-the-accounts",
            "the balance of cash is one below what is accounted for",
            {"balance": u256(first.accounted - 1)},
        ),
        (
            "less-deposited",
            "one base unit less is deposited than is owed",
            {"deposited": u256(int.from_bytes(first.deposited, "big") - 1)},
        ),
        ("more-withdrawn-than-deposited", "more is withdrawn than was deposited", {"withdrawn": u256(2**255)}),
        ("release-left-out", "`released` is 0, and the counters are as they were", {"released": bytes(32)}),
        ("strays-left-out", "`strays` is 0, and the counters are as they were", {"strays": bytes(32)}),
        ("another-unit", "`unit` is 99 for 100", {"unit": 99}),
    )
    for name, changed, changes in cases:
        yield refused(
            name,
            f"{changed}; certified and proven",
            *by,
            proven(shot, shown=replace(shot.statement, **custody(shot.statement, **changes))),
        )
    less = replace(first, held=first.held - 1, released=u256(int.from_bytes(first.released, "big") + first.unit))
    yield refused(
        "less-owed-than-the-book",
        "`held` is one less than the total, `released` one unit more; certified and proven",
        *by,
        proven(shot, shown=replace(shot.statement, custody=(less, *shot.statement.custody[1:]))),
    )
    yield refused(
        "money-without-custody",
        "a custody term is missing; certified and proven",
        *by,
        proven(shot, shown=replace(shot.statement, custody=shot.statement.custody[1:])),
    )


def _small_with(book: Rulebook, **changes: Any) -> RiskSnapshot:
    shot = market.snapshot()
    return replace(shot, statement=replace(shot.statement, rules=write_rulebook(book), **changes))


def _soft(at: int, coefficients: tuple[tuple[int, int], ...]) -> RiskSnapshot:
    shot = market.snapshot()
    rows = list(shot.statement.rows)
    rows[at] = replace(rows[at], coefficients=coefficients)
    return replace(shot, statement=replace(shot.statement, rows=tuple(rows)))


def _rules() -> Iterator[Vector]:
    differ, shot = ("rules", "RULES_DIFFER"), market.snapshot()
    book, stated = market.RULEBOOK, market.statement()

    def shown(**changes: Any) -> bytes:
        return proven(replace(shot, statement=replace(stated, **changes)))

    for ticks in (0, 1):
        low = replace(stressed.RULEBOOK, marks=(MarkPrice(1, ticks),))
        yield refused(
            f"mark-of-{ticks}",
            f"a perpetual's mark is {ticks} beside an index of 800,000; all is proven for it and certified",
            "rules",
            "PRICE_OUT_OF_BOUNDS",
            proven(stressed.snapshot_of(BOOK, MEMBERS, low), seeds=fund_seeds()),
            base="every-part.ccp",
        )
    above = replace(stressed.RULEBOOK, marks=(MarkPrice(1, 804_001),))
    yield refused(
        "mark-above-its-cap",
        "a perpetual's mark is 804,001, its highest is 804,000; all is proven for it and certified",
        "rules",
        "PRICE_OUT_OF_BOUNDS",
        proven(stressed.snapshot_of(BOOK, MEMBERS, above), seeds=fund_seeds()),
        base="every-part.ccp",
    )
    yield refused("no-rulebook", "`rules` is empty; certified and proven", *differ, shown(rules=b""))
    yield refused(
        "rulebook-that-is-none",
        "`rules` is one zero byte; certified and proven",
        "rules",
        "BAD_STATEMENT",
        shown(rules=b"\0"),
    )
    yield refused(
        "softer-scenario",
        "a loss is 90 for 900; certified, and proven for the softer row",
        *differ,
        proven(_soft(0, ((2, 90), (4, 1)))),
    )
    yield refused(
        "softer-haircut",
        "a token counts 31 for 30; certified and proven",
        *differ,
        proven(_soft(4, ((0, 10), (1, 31), (4, -8), (5, -8)))),
    )
    yield refused(
        "softer-maintenance",
        "requirements count 7 tenths for 8; certified and proven",
        *differ,
        proven(_soft(4, ((0, 10), (1, 30), (4, -7), (5, -7)))),
    )
    yield refused(
        "higher-cash-limit",
        "the limit on owed cash is one micro higher; certified and proven",
        *differ,
        shown(rows=(*stated.rows[:5], replace(stated.rows[5], constant=10**12 + 1))),
    )
    yield refused(
        "prices-not-the-rulebooks",
        "the stated price of BTC is 1; certified and proven",
        *differ,
        shown(prices=(PriceUsed("BTC", 1), *stated.prices[1:])),
    )
    yield refused(
        "assumption-not-named",
        "`assumptions` lacks its first name; certified and proven",
        *differ,
        shown(assumptions=stated.assumptions[1:]),
    )
    yield refused(
        "prices-after-the-header",
        "the rulebook's time is a millisecond after the header's; certified and proven",
        *differ,
        proven(_small_with(replace(book, time_ms=book.time_ms + 1))),
    )
    slots = (*stated.slots[:2], Slot("position:BTC", SlotKind.POSITION), *stated.slots[3:])
    yield refused(
        "slot-of-another-name",
        "an instrument's slot is called position:BTC; certified and proven",
        *differ,
        shown(slots=slots),
    )


def _with_a_genesis() -> Iterator[Vector]:
    own, data = genesis(), frozen(LISTED)
    base: dict[str, Any] = {"base": LISTED}

    def given(**changes: Any) -> dict[str, Any]:
        return base | {"trust": anchored(genesis=replace(own, **changes))}

    usdc, weth = own.assets
    unlisted, differ = ("custody", "CUSTODY_UNLISTED"), ("rules", "RULES_DIFFER")
    yield refused(
        "vault-not-in-the-genesis",
        "the genesis has another vault",
        *unlisted,
        data,
        **given(assets=(replace(usdc, vault=bytes([9]) * 20), weth)),
    )
    yield refused(
        "unit-not-of-the-genesis",
        "the genesis has another unit",
        *unlisted,
        data,
        **given(assets=(replace(usdc, unit_decimals=5), weth)),
    )
    more = replace(usdc, id=9, chain_id=2, token=bytes([9]) * 20)
    yield refused(
        "asset-without-custody",
        "the genesis has one more asset, of which no term is",
        *unlisted,
        data,
        **given(assets=(usdc, weth, more)),
    )
    yield refused(
        "parameters-not-of-the-genesis",
        "the genesis has a higher maintenance fraction",
        *differ,
        data,
        **given(risk=replace(own.risk, maintenance_numerator=own.risk.maintenance_numerator + 1)),
    )
    yield refused(
        "haircut-below-the-genesis",
        "the genesis has a higher haircut, which does not move",
        *differ,
        data,
        **given(assets=(usdc, replace(weth, haircut_ppm=150_001))),
    )
    yield refused(
        "instrument-not-of-the-genesis",
        "the genesis lists one instrument less",
        *differ,
        data,
        **given(instruments=own.instruments[1:]),
    )
    yield refused(
        "feed-not-of-the-genesis",
        "the genesis names a feed otherwise",
        *differ,
        data,
        **given(feeds=(own.feeds[0], replace(own.feeds[1], name="ETC"))),
    )
    yield refused(
        "cash-group-not-of-the-genesis",
        "the genesis has one more group of cash",
        *differ,
        data,
        **given(cash_groups=(*own.cash_groups, replace(own.cash_groups[0], id=2, name="EUR"))),
    )
