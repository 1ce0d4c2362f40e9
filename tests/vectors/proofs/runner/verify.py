"""Page "Verification": all checks in order.

python -m tests.vectors.proofs.runner PACKAGE.ccp [ACCOUNT.ccs]
"""

from collections.abc import Callable
from typing import Any

from tests.vectors.proofs.runner import certificates, custody, further, linear, rules, statement, tables
from tests.vectors.proofs.runner.encoding import (
    Reader,
    Refused,
    UnknownKind,
    merkle_root,
    need,
    packed,
    point,
    tagged,
    word,
)
from tests.vectors.proofs.runner.transcript import Transcript

PARTS = ("header", "certificate", "validators", "statement", "custody")
STANDALONE = ("certificate", "roots", "statement", "rules")


def read(data: bytes) -> dict[str, Any]:
    """Check `encoding`."""
    limits = tables.limits()
    need(len(data) <= limits["bytes of a package"], "OVERSIZE", "package")
    fields = tables.fields("EpochPackage")
    sizes = item_sizes(data)
    need(len(sizes) == len(fields), "MALFORMED", "items")
    for field, size in zip(fields, sizes, strict=True):
        if field.name in PARTS:
            need(size <= limits[f"bytes of the part `{field.name}`"], "OVERSIZE", field.name)
    try:
        package: dict[str, Any] = Reader(data).whole("`EpochPackage`")
    except UnknownKind as unknown:
        raise Refused("UNKNOWN_KIND", *unknown.args) from None
    need(packed(package) == data, "NON_CANONICAL", "package")
    return package


def item_sizes(data: bytes) -> list[int]:
    """The bytes of each item of an array; items are skipped and not built."""
    reader = Reader(data)
    count, sizes = reader.array(), []
    need(count <= len(data), "MALFORMED", "items")
    for _ in range(count):
        before = reader.at
        _skip(reader)
        sizes.append(reader.at - before)
    need(reader.at == len(data), "MALFORMED", "bytes after the package")
    return sizes


def _skip(reader: Reader) -> None:
    left = 1
    while left:
        left -= 1
        need(reader.at < len(reader.data), "MALFORMED", "cut short")
        first = reader.data[reader.at]
        if first in range(0x90, 0xA0) or first in (0xDC, 0xDD):
            left += reader.array()
        elif first in (0xC4, 0xC5, 0xC6):
            reader.blob()
        elif first in range(0xA0, 0xC0) or first in (0xD9, 0xDA, 0xDB):
            reader.word()
        elif first in (0xC2, 0xC3):
            reader.take(1)
        else:
            reader.integer()


def commitments_root(statement: dict[str, Any], n: int, commitments: further.Commitments) -> bytes:
    leaves = [word(account) + c_w for account, c_w in commitments]
    digest = tagged("crossclear/risk-snapshot/v1", packed(statement))
    return tagged("crossclear/commitments-root/v1", digest, word(n), merkle_root(leaves))


class Package:
    """One package and what the caller trusts."""

    def __init__(self, data: bytes, network: bytes | None = None, validators_hash: bytes | None = None) -> None:
        self.parts = read(data)
        self.header, self.stated = self.parts["header"], self.parts["statement"]
        self.commitments: list[tuple[int, bytes]] = [(account, c_w) for account, c_w in self.parts["commitments"]]
        self.n: int = self.parts["domain"]
        self.network, self.validators_hash = network, validators_hash
        self.after = Transcript("")

    def checks(self) -> list[tuple[str, Callable[[], str | None]]]:
        return [
            ("certificate", self.certificate),
            ("roots", self.roots),
            ("statement", self.statement),
            ("ranges_and_rows", self.ranges_and_rows),
            ("matched_book", self.matched_book),
            ("reserves", lambda: custody.check_reserves(self.stated)),
            ("custody", lambda: custody.check(self.stated, self.parts["custody"])),
            ("cover", lambda: further.check_cover(*self._proof("cover"))),
            ("house", lambda: further.check_house(*self._proof("house"))),
            ("rules", lambda: rules.check(self.stated, self.header["time_ms"])),
        ]

    def certificate(self) -> None:
        validators = self.parts["validators"]["validators"]
        certificates.check_set(validators)
        trusted = self.validators_hash
        need(trusted is None or certificates.set_hash(validators) == trusted, "WRONG_NETWORK", "validator set")
        network = self.header["network"] if self.network is None else self.network
        certificates.check_final(self.header, self.parts["certificate"], validators, network)

    @property
    def root(self) -> bytes:
        """The commitments root."""
        return commitments_root(self.stated, self.n, self.commitments)

    def roots(self) -> None:
        stated, header = self.stated, self.header
        need(self.root == header["commitments_root"], "WRONG_ROOT", "commitments")
        fits = stated["height"] == header["commitments_height"] and stated["height"] < header["height"]
        need(fits, "WRONG_ROOT", "height")
        need(stated["network"] == header["network"], "WRONG_NETWORK", "statement")
        need(stated["epoch"] == header["epoch"], "EPOCH_DIFFERS", "statement")
        points = [c_w for _, c_w in self.commitments]
        need(len(set(points)) == len(points), "COMMITMENTS_EQUAL", "commitments")

    def statement(self) -> None:
        statement.check(self.stated, self.parts["srs"])
        self.layout = statement.layout_of(self.stated, self.n)
        listed = dict(map(tuple, self.stated["shortfalls"]))
        need(set(listed) <= {account for account, _ in self.commitments}, "BAD_STATEMENT", "shortfall")
        accounts = [(account, listed.get(account, 0), c_w) for account, c_w in self.commitments]
        self.linear = linear.Statement(self.layout, self.root, accounts)
        self.linear.transcript()

    def ranges_and_rows(self) -> None:
        for _, c_w in self.commitments:
            point(c_w)
        self.after = linear.verify(self.linear, self.parts["proof"])

    def matched_book(self) -> None:
        further.check_book(*self._proof("book"))

    def _proof(self, name: str) -> tuple[dict[str, Any], further.Commitments, int, bytes, Transcript]:
        return self.stated, self.commitments, self.n, self.parts[name], self.after


def failed_check(data: bytes, network: bytes | None = None, validators_hash: bytes | None = None) -> tuple[str, str]:
    """(name, code) of the first check of a package that fails; two empty texts when it is accepted."""
    name = "encoding"
    try:
        for name, check in Package(data, network, validators_hash).checks():  # noqa: B007 - the name is the answer
            check()
    except Refused as refused:
        return name, refused.args[0]
    return "", ""


def failed_standalone(data: bytes, of_package: bytes) -> tuple[str, str]:
    """The same of a standalone proof and its package."""
    name = "encoding"
    try:
        package = Package(of_package)
        need(data[:4] == b"ccs\x01", "MALFORMED", "standalone proof")
        need(len(data) in [4 + 48 + 128 * c + 320 for c in range(1, 17)], "MALFORMED", "standalone proof")
        checks = dict(package.checks())
        for name in STANDALONE:
            checks[name]()
        name, found = "listed", [each for each in package.linear.accounts if each[2] == data[4:52]]
        need(bool(found), "NOT_INCLUDED", "certified list")
        need(len(found) == 1, "BLINDERS_REUSED", "certified list")
        name = "solvency"
        context = tagged("crossclear/standalone/v1", package.root)
        linear.verify(linear.Statement(package.layout, context, found), data[52:])
    except Refused as refused:
        return name, refused.args[0]
    return "", ""
