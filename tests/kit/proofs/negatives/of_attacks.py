"""What attacks on a whole verifier found to be accepted, or to be dear; each is refused by the rule that mends it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.evm.rlp_coding import Encodable
from clearing.base.evm.rlp_coding import encode as rlp
from clearing.base.hashing import keccak256
from clearing.base.header import CHAINS_MAX, MODULES_MAX, DepositCursor
from clearing.margin.statement.rulebook import FeedLevel, MarkPrice, Rulebook, write_rulebook
from clearing.schema.terms.instruments import InstrumentKind
from proofs.algebra.field import ORDER
from proofs.epoch.package import attach_custody
from proofs.verify.freshness import MAX_AGE_MS, Freshness
from proofs.verify.signed_inclusion import NO_SIGNATURE, read_answer, sign_inclusion
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import NODE_SECRET
from tests.kit.proofs.negatives.making import (
    SMALL,
    TIME,
    WHOLE,
    anchored,
    certified,
    frozen,
    proven,
    read,
    refused,
    replace,
    stating,
)
from tests.kit.proofs.negatives.of_certificate import NO_POINT
from tests.kit.proofs.negatives.of_encoding import with_tree
from tests.kit.proofs.proven_custody import chains_of
from tests.kit.proofs.proven_custody import proven as proven_custody
from tests.kit.proofs.vector_files import Vector
from tests.kit.proofs.write_vectors import signed_answer

EMPTY_STORAGE = keccak256(rlp(b""))
CHAIN = 3
"""One that the small market does not have."""


def vectors() -> Iterator[Vector]:
    """In the order in which they were found."""
    yield from _tries()
    yield from _rulebooks()
    yield from _settled()
    yield from _expiring()
    yield from _retired()
    yield from _two_defects()
    yield from _two_amounts()
    yield from _answers()
    yield from _short_slots()
    yield from _impossible_epochs()
    yield from _old_custody()
    yield from _long_headers()


def _long_headers() -> Iterator[Vector]:
    """No validator signs a header beyond its limits."""
    cursors = tuple(DepositCursor(chain, bytes(20), 0) for chain in range(CHAINS_MAX + 1))
    roots = (bytes(32),) * (MODULES_MAX + 1)
    for name, says, changes in (
        ("header-of-65-cursors", "the header has 65 deposit cursors, certified", {"deposit_cursors": cursors}),
        ("header-of-17-roots", "the header has 17 module roots, certified", {"module_roots": roots}),
    ):
        yield refused(name, says, "encoding", "MALFORMED", certified({}, **changes))


def _old_custody() -> Iterator[Vector]:
    """A vault may have been robbed since its block; who states an age asks for what the vaults have now."""
    shot = market.snapshot()
    chains = chains_of(shot.statement.custody)
    for chain in chains.values():
        chain.time_s = (TIME - MAX_AGE_MS) // 1000 - 1
    stated, evidence = proven_custody(shot.statement, chains)
    for name, says, data, wanted in (
        (
            "an-old-block",
            "custody is proven by blocks a week and a second before the header; certified and proven",
            attach_custody(proven(replace(shot, statement=stated)), evidence),
            Freshness(TIME),
        ),
        (
            "a-block-to-come",
            "nothing; the blocks of its custody are dated years after the time at which it is judged",
            frozen(WHOLE),
            Freshness(TIME, max_age_ms=None),
        ),
    ):
        yield refused(
            f"strict-custody-of-{name}",
            says,
            "custody",
            "CHECK_OPEN",
            data,
            trust=anchored(freshness=wanted, strict=True),
        )


def _impossible_epochs() -> Iterator[Vector]:
    """Epochs are numbered from 1, and each closes at a height of its own."""
    good = read()
    for epoch in (0, 41, 2**63 - 1):
        yield refused(
            f"epoch-{epoch}-at-height-40",
            f"header and statement agree on epoch {epoch} at height 40, certified",
            "roots",
            "EPOCH_IMPOSSIBLE",
            certified({"statement": replace(good.statement, epoch=epoch)}, epoch=epoch),
        )


def _answers() -> Iterator[Vector]:
    """What the differential fuzz found: an amount beyond its slot's range is a number like any other."""
    far, unknown = ("position:BTC-PERP", 2**55), ("max:BTC", 1)
    for name, says, holdings, contradiction in (
        ("answer-beyond-a-range", "the node signed 2^55 lots, which no slot can hold", (far,), "commitment"),
        ("answer-beyond-a-range-and-elsewhere", "the same, and a slot that is not public", (unknown, far), "holdings"),
    ):
        more = {"kind": "answer", "file": signed_answer(holdings=holdings), "file_base": "answer.cci"}
        yield refused(name, says, "", "", frozen(SMALL), contradiction=contradiction, **more)


def _rulebooks() -> Iterator[Vector]:
    unread, rules = ("rules", "BAD_STATEMENT"), write_rulebook(market.RULEBOOK)
    same_name, long_name = FeedLevel(4, "ETH", 7, used=True), FeedLevel(4, "e" * 257, 7, used=True)
    yield refused(
        "two-feeds-of-one-name",
        "a second feed is called ETH; certified and proven",
        *unread,
        _priced_by(replace(market.RULEBOOK, feeds=(*market.RULEBOOK.feeds, same_name))),
    )
    yield refused(
        "name-of-257-bytes",
        "a further feed has a name of 257 bytes; certified and proven",
        *unread,
        _priced_by(replace(market.RULEBOOK, feeds=(*market.RULEBOOK.feeds, long_name))),
    )
    yield refused(
        "rulebook-with-a-longer-form",
        "the version of `rules` is cc01 in the place of 01; certified and proven",
        *unread,
        _stated(rules=rules[:1] + b"\xcc" + rules[1:]),
    )


def _expiring() -> Iterator[Vector]:
    """The bound of a mark falls away at expiry, but not by the header's time."""
    day_ms, (perpetual, *others) = 86_400_000, market.RULEBOOK.instruments
    expiry_ms = market.RULEBOOK.time_ms + 3 * day_ms
    future = replace(perpetual, kind=InstrumentKind.FUTURE, expiry_ms=expiry_ms)
    _, *marks = market.RULEBOOK.marks
    book = replace(market.RULEBOOK, instruments=(future, *others), marks=(MarkPrice(future.id, 1), *marks))
    slots, rows = book.slots_and_rows()
    yield refused(
        "header-at-a-futures-expiry",
        "a future has a mark of one tick three days before it expires, and the header's time is its expiry; certified "
        "and proven",
        "rules",
        "PRICE_OUT_OF_BOUNDS",
        _stated({"time_ms": expiry_ms}, rules=write_rulebook(book), prices=book.prices, slots=slots, rows=rows),
    )


def _settled() -> Iterator[Vector]:
    bitcoin, *others = market.RULEBOOK.feeds
    book = replace(market.RULEBOOK, feeds=(replace(bitcoin, used=False), *others))
    slots, rows = book.slots_and_rows()
    yield refused(
        "strict-settled-feed",
        "a quorum calls the feed of an instrument settled, so its positions count for nothing; certified and proven",
        "rules",
        "CHECK_OPEN",
        _stated(rules=write_rulebook(book), prices=book.prices, slots=slots, rows=rows),
        trust=anchored(strict=True, allowed=("custody", "cover")),
    )


def _retired() -> Iterator[Vector]:
    late = Freshness(TIME + 15 * 86_400_000, None, 0, TIME)
    yield refused(
        "answer-beside-a-set-that-may-have-retired",
        "nothing; the trusted set was last known to be in force fifteen days ago",
        "freshness",
        "SET_EXPIRED",
        frozen(SMALL),
        kind="answer",
        file=frozen("answer.cci"),
        file_base="answer.cci",
        trust=anchored(freshness=late),
    )


def _two_defects() -> Iterator[Vector]:
    """Of two defects in one check, every verifier names the same."""
    over, good, whole = ORDER.to_bytes(32, "big"), read(), read(WHOLE)
    yield refused(
        "book-with-a-bad-point-and-a-bad-scalar",
        "R of `book` is no point, and its first z is the order of the group",
        "matched_book",
        "BAD_SCALAR",
        replace(good, book=NO_POINT + over + good.book[80:]),
    )
    yield refused(
        "house-with-a-bad-point-and-a-bad-scalar",
        "C_D of `house` is no point, and its D̄ is the order of the group",
        "house",
        "BAD_SCALAR",
        replace(whole, house=NO_POINT + whole.house[48:96] + over + whole.house[128:]),
        base=WHOLE,
    )
    stresses = len(whole.statement.cover[0].deficits)
    digits = 48 * stresses + 96
    yield refused(
        "cover-with-a-bad-point-and-a-bad-scalar",
        "the first C_V of `cover` is no point, and its first D̄ is the order of the group",
        "cover",
        "BAD_POINT",
        replace(whole, cover=NO_POINT + whole.cover[48:digits] + over + whole.cover[digits + 32 :]),
        base=WHOLE,
    )
    (account, _), *others = good.commitments
    yield refused(
        "commitment-that-is-no-point-and-a-bad-scalar",
        "the first C_W is no point, certified, and the first D̄ of `proof` is the order of the group",
        "ranges_and_rows",
        "BAD_POINT",
        certified({"commitments": ((account, NO_POINT), *others), "proof": good.proof[:96] + over + good.proof[128:]}),
    )
    first, second, third = good.statement.custody
    yield refused(
        "counted-twice-and-a-unit-of-0",
        "two terms name one block of two chains, and the third has a unit of 0; certified",
        "statement",
        "BAD_STATEMENT",
        stating(custody=(first, replace(second, block_hash=first.block_hash), replace(third, unit=0))),
    )
    alone = frozen("account-1.ccs")
    yield refused(
        "alone-with-a-bad-point-and-a-bad-scalar",
        "C_D of the standalone proof is no point, and its D̄ is the order of the group",
        "solvency",
        "BAD_SCALAR",
        frozen(SMALL),
        kind="standalone",
        file=alone[:52] + NO_POINT + alone[100:148] + over + alone[180:],
        file_base="account-1.ccs",
    )


def _priced_by(book: Rulebook) -> bytes:
    """The small package under another rulebook with the same slots and rows."""
    return _stated(rules=write_rulebook(book), prices=book.prices)


def _stated(header: Mapping[str, Any] = MappingProxyType({}), **changes: Any) -> bytes:
    """The small package with another statement, certified and proven by a quorum that plays along."""
    shot = market.snapshot()
    return proven(replace(shot, statement=replace(shot.statement, **changes)), **header)


def _tries() -> Iterator[Vector]:
    unproven = ("custody", "CUSTODY_NOT_PROVEN")
    vault = bytes([1]) * 20
    path = [nibble for byte in keccak256(vault) for nibble in (byte >> 4, byte & 15)]
    # A leaf below a branch: an odd path of 63 nibbles, and an account without balance.
    compact = bytes([0x30 | path[1], *(path[at] << 4 | path[at + 1] for at in range(2, 64, 2))])
    leaf: list[Encodable] = [compact, rlp([b"", b"", EMPTY_STORAGE, bytes(32)])]
    below = keccak256(rlp(leaf))
    yield refused(
        "branch-whose-value-is-a-list",
        "the branch above a vault's account has a list as its item 16; certified and proven",
        *unproven,
        _with_state(vault, _branch(path[0], below, [b"\x01"] * 5), rlp(leaf)),
    )
    yield refused(
        "long-node-inside-another",
        "a branch has the vault's account, a node of more than 31 bytes, inside it; certified and proven",
        *unproven,
        _with_state(vault, _branch(path[0], leaf, b"")),
    )
    yield refused(
        "stray-item-beside-the-path",
        "the branch above a vault's account has three bytes as another item; certified and proven",
        *unproven,
        _with_state(vault, _branch(path[0], below, b"", beside=b"\x01\x02\x03"), rlp(leaf)),
    )


def _branch(at: int, below: Encodable, value: Encodable, *, beside: Encodable = b"") -> bytes:
    items: list[Encodable] = [b""] * 16
    items[at], items[at - 1] = below, beside
    return rlp([*items, value])


def _with_state(vault: bytes, *nodes: bytes) -> bytes:
    """The small package with a further term of an empty vault, whose block has a state of these nodes."""
    header = rlp(
        [
            bytes(32),
            bytes(32),
            bytes(20),
            keccak256(nodes[0]),
            bytes(32),
            bytes(32),
            bytes(256),
            b"",
            b"\x67",
            *[b""] * 6,
        ]
    )
    shot, zero = market.snapshot(), bytes(32)
    stated = shot.statement
    none = dict.fromkeys(("deposited", "withdrawn", "balance", "released", "later", "strays", "dust"), zero)
    term = replace(
        stated.custody[-1],
        chain_id=CHAIN,
        vault=vault,
        token=bytes(20),
        block_number=0x67,
        block_hash=keccak256(header),
        held=0,
        **none,
    )
    shot = replace(shot, statement=replace(stated, custody=(*stated.custody, term)))
    return attach_custody(proven(shot), (BlockEvidence(CHAIN, header, nodes),))


def _two_amounts() -> Iterator[Vector]:
    """Verifiers that kept the last amount of a slot called such an answer true."""
    good = read_answer(frozen("answer.cci"))
    (name, amount), *others = good.holdings
    said = replace(good, holdings=((name, 10**9), (name, amount), *others), signature=NO_SIGNATURE)
    yield refused(
        "answer-with-two-amounts-of-a-slot",
        "the node signed another amount of cash before the one that it committed to",
        "encoding",
        "MALFORMED",
        frozen(SMALL),
        kind="answer",
        file=encode(sign_inclusion(said, lambda digest: ed25519.sign(NODE_SECRET, digest))),
        file_base="answer.cci",
    )


def _short_slots() -> Iterator[Vector]:
    """A slot whose last field is left out has the kind that its second item says, known or not."""
    for name, says, slot in (
        ("short-slot-of-no-kind", "slot 0 has two items, and is of kind 0", ["cash:USD", 0]),
        ("short-slot-of-a-later-kind", "slot 0 has two items, and is of kind 99", ["cash:USD", 99]),
    ):
        yield refused(name, says, "encoding", "UNKNOWN_KIND", with_tree((6, 6, 0), slot))
    row = ["maintenance", 99, [[0, 10]]]
    yield refused(
        "short-row-of-a-later-kind", "row 0 has three items", "encoding", "UNKNOWN_KIND", with_tree((6, 7, 0), row)
    )
