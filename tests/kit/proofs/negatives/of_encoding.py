"""Files that are no whole package in its one canonical form; lengths and counts that do not fit each other."""

from collections.abc import Iterator

import msgspec

from proofs.linear.messages import TAIL_BYTES, part_bytes
from tests.kit.proofs.negatives.making import SMALL, WHOLE, certified, frozen, read, refused, replace
from tests.kit.proofs.vector_files import Vector

ONE_ACCOUNT = part_bytes(1)


def changed_once(old: bytes, new: bytes) -> bytes:
    """The small package with these bytes replaced where they stand once."""
    data = frozen(SMALL)
    if data.count(old) != 1:
        raise ValueError(old)
    return data.replace(old, new)


def with_tree(path: tuple[int, ...], value: object) -> bytes:
    """The small package with one item replaced, of any type."""
    tree = msgspec.msgpack.decode(frozen(SMALL))
    at = tree
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return msgspec.msgpack.encode(tree)


def vectors() -> Iterator[Vector]:
    """Of the checks `encoding` and `sizes`."""
    yield from _encoding()
    yield from _sizes()


def _encoding() -> Iterator[Vector]:
    data, malformed = frozen(SMALL), ("encoding", "MALFORMED")
    yield refused("cut-by-a-byte", "the last byte is missing", *malformed, data[:-1])
    yield refused("longer-by-a-byte", "a zero byte follows the package", *malformed, data + b"\0")
    yield refused("empty-file", "there are no bytes", *malformed, b"")
    yield refused(
        "format-1",
        "the format is crossclear-epoch-package/1",
        *malformed,
        with_tree((0,), "crossclear-epoch-package/1"),
    )
    yield refused(
        "an-item-less",
        "the item `house` is missing",
        *malformed,
        b"\x9c" + data[1 : -len(msgspec.msgpack.encode(read().house))],
    )
    yield refused("text-for-bytes", "`srs` is text", *malformed, with_tree((4,), "x" * 32))
    yield refused("nil-for-a-number", "the header's `epoch` is nil", *malformed, with_tree((1, 11), None))
    yield refused("negative-height", "the header's `height` is −1", *malformed, with_tree((1, 2), -1))
    yield refused("height-of-2-63", "the header's `height` is 2^63", *malformed, with_tree((1, 2), 2**63))
    yield refused("number-for-a-boolean", "`shortfall` of row 0 is 1", *malformed, with_tree((6, 7, 0, 4), 1))
    yield refused("vote-of-no-kind", "the certificate's `kind` is 3", *malformed, with_tree((2, 0), 3))
    yield refused(
        "text-not-utf-8",
        "a slot's name begins with the byte ff",
        *malformed,
        changed_once(b"\xa8cash:USD\x01", b"\xa8\xffash:USD\x01"),
    )
    yield refused("short-network", "the header's `network` has 31 bytes", *malformed, with_tree((1, 0), bytes(31)))
    yield refused("claimed-count", "`commitments` claims 2^32 − 1 items", *malformed, _claimed())
    yield refused(
        "long-form-of-a-number",
        "`domain` is 256 in four bytes",
        "encoding",
        "NON_CANONICAL",
        changed_once(b"\xcd\x01\x00\xdc", b"\xce\x00\x00\x01\x00\xdc")
        if data.count(b"\xcd\x01\x00\xdc") == 1
        else _long_domain(),
    )
    yield refused(
        "left-out-default",
        "row 0 ends before `shortfall`, which has its default",
        "encoding",
        "NON_CANONICAL",
        _shorter_row(),
    )
    yield refused(
        "long-certificate",
        "the certificate's `aggregate` has 1,100 bytes",
        "encoding",
        "OVERSIZE",
        with_tree((2, 6), bytes(1100)),
    )
    yield refused(
        "slot-of-a-later-kind", "slot 0 is of kind 99", "encoding", "UNKNOWN_KIND", with_tree((6, 6, 0, 1), 99)
    )
    yield refused("row-of-a-later-kind", "row 0 is of kind 99", "encoding", "UNKNOWN_KIND", with_tree((6, 7, 0, 1), 99))


def _claimed() -> bytes:
    good = read()
    listed = msgspec.msgpack.encode(msgspec.msgpack.decode(frozen(SMALL))[7])
    data = frozen(SMALL)
    at = data.index(listed)
    if len(good.commitments) > 15:
        raise ValueError("fixed form")
    return data[:at] + b"\xdd\xff\xff\xff\xff" + data[at + 1 :]


def _long_domain() -> bytes:
    data = frozen(SMALL)
    at = data.index(msgspec.msgpack.encode(read().srs)) + len(msgspec.msgpack.encode(read().srs))
    return data[:at] + b"\xce\x00\x00\x01\x00" + data[at + 3 :]


def _shorter_row() -> bytes:
    data = frozen(SMALL)
    row = msgspec.msgpack.encode(msgspec.msgpack.decode(data)[6][7][0])
    at = data.index(row)
    return data[:at] + b"\x94" + row[1:-1] + data[at + len(row) :]


def _sizes() -> Iterator[Vector]:
    good, wrong = read(), ("sizes", "BAD_LENGTH")
    listed = good.commitments[0][1]

    def crowd(count: int) -> tuple[tuple[int, bytes], ...]:
        return tuple((account, listed) for account in range(count))

    yield refused(
        "many-accounts-no-proof",
        "60 accounts with one commitment and an empty proof, certified: what 57 MiB of it cost",
        *wrong,
        certified({"commitments": crowd(60), "proof": b""}),
    )
    yield refused(
        "no-accounts-shortfalls",
        "no commitment, and two listed shortfalls, certified",
        *wrong,
        certified({"commitments": (), "statement": replace(good.statement, shortfalls=((0, 1), (1, 1)))}),
    )
    yield refused("no-proof", "`proof` is empty", *wrong, replace(good, proof=b""))
    yield refused(
        "proof-of-an-account-less",
        "`proof` lacks the part of one account",
        *wrong,
        replace(good, proof=good.proof[:-ONE_ACCOUNT]),
    )
    yield refused(
        "proof-of-a-byte-more", "`proof` has one zero byte more", *wrong, replace(good, proof=good.proof + b"\0")
    )
    yield refused(
        "proof-of-no-column",
        "`proof` has its last 320 bytes only",
        *wrong,
        replace(good, proof=good.proof[-TAIL_BYTES:]),
    )
    yield refused("house-of-a-byte", "`house` is one zero byte", *wrong, replace(good, house=b"\0"))
    yield refused("empty-book", "`book` is empty", *wrong, replace(good, book=b""))
    yield refused(
        "book-of-a-scalar-more", "`book` has 32 zero bytes more", *wrong, replace(good, book=good.book + bytes(32))
    )
    yield refused(
        "long-cover",
        "`cover` has 4,000 zero bytes without a stress scenario",
        *wrong,
        replace(good, cover=bytes(4_000)),
    )
    shortfalls = tuple((account, 1) for account in range(4))
    yield refused(
        "more-shortfalls-than-accounts",
        "four shortfalls beside three accounts, certified",
        *wrong,
        certified({"statement": replace(good.statement, shortfalls=shortfalls)}),
    )
    totals = good.statement.totals * 3
    yield refused(
        "more-totals-than-slots",
        "each total three times, certified",
        *wrong,
        certified({"statement": replace(good.statement, totals=totals)}),
    )
    whole = read(WHOLE)
    terms = whole.statement.cover[0]
    for name, changes in (("members", {"members": terms.members * 2}), ("deficits", {"deficits": (0,) * 20})):
        stated = replace(whole.statement, cover=(replace(terms, **changes),))
        yield refused(
            f"too-many-{name}",
            f"the terms of the fund have too many `{name}`, certified",
            *wrong,
            certified({"statement": stated}, WHOLE),
            base=WHOLE,
        )
