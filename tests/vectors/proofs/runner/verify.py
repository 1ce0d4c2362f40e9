"""Page "Verification": all checks in order.

python -m tests.vectors.proofs.runner PACKAGE.ccp [ACCOUNT.ccs]
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.vectors.proofs.runner import (
    certificates,
    custody,
    further,
    genesis,
    inclusion,
    lengths,
    linear,
    rules,
    statement,
    tables,
    times,
)
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
from tests.vectors.proofs.runner.trace import note
from tests.vectors.proofs.runner.transcript import Transcript

PARTS = ("header", "certificate", "validators", "statement", "custody")
STANDALONE = ("certificate", "roots", "freshness", "statement", "rules")
OF_AN_ANSWER = ("certificate", "roots", "freshness", "statement")


@dataclass(frozen=True)
class Trusted:
    """What a caller knows, and never the file. `genesis`: its compared parts by name. `wanted`: section "Freshness"."""

    network: bytes | None = None
    validators_hash: bytes | None = None
    genesis: dict[str, Any] | None = None
    wanted: times.Wanted | None = None
    own: inclusion.Own | None = None
    strict: bool = False
    allowed: tuple[str, ...] = ()


NOTHING = Trusted()


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
    tree = merkle_root(leaves)
    root = tagged("crossclear/commitments-root/v1", digest, word(n), tree)
    note("commitments", statement=digest, leaves=leaves, tree=tree, root=root)
    return root


class Package:
    """One package and what the caller trusts."""

    def __init__(self, data: bytes, trusted: Trusted = NOTHING) -> None:
        self.parts = read(data)
        self.header, self.stated = self.parts["header"], self.parts["statement"]
        self.commitments: list[tuple[int, bytes]] = [(account, c_w) for account, c_w in self.parts["commitments"]]
        self.n: int = self.parts["domain"]
        self.trusted = trusted
        self.after = Transcript("")

    def checks(self) -> list[tuple[str, Callable[[], str | None]]]:
        found: list[tuple[str, Callable[[], str | None]]] = [
            ("certificate", self.certificate),
            ("sizes", lambda: lengths.check(self.parts)),
            ("roots", self.roots),
            ("freshness", self.freshness),
            ("statement", self.statement),
            ("ranges_and_rows", self.ranges_and_rows),
            ("matched_book", self.matched_book),
            ("reserves", lambda: custody.check_reserves(self.stated)),
            ("custody", self.custody),
            ("cover", lambda: further.check_cover(*self._proof("cover"))),
            ("house", lambda: further.check_house(*self._proof("house"))),
            ("rules", self.rules),
            ("inclusion", self.inclusion),
        ]
        left_out = (self.trusted.wanted is None, "freshness"), (self.trusted.own is None, "inclusion")
        return [(name, check) for name, check in found if (True, name) not in left_out]

    def certificate(self) -> str:
        validators = self.parts["validators"]["validators"]
        certificates.check_set(validators)
        trusted, named = self.trusted.validators_hash, self.trusted.network
        need(trusted is None or certificates.set_hash(validators) == trusted, "WRONG_NETWORK", "validator set")
        network = self.header["network"] if named is None else named
        certificates.check_final(self.header, self.parts["certificate"], validators, network)
        return "incomplete" if trusted is None or named is None else ""

    @cached_property
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
        need(1 <= stated["epoch"] <= stated["height"], "EPOCH_IMPOSSIBLE", "statement")
        points = [c_w for _, c_w in self.commitments]
        need(len(set(points)) == len(points), "COMMITMENTS_EQUAL", "commitments")

    def freshness(self) -> None:
        if self.trusted.wanted is not None:
            times.check(self.header, self.stated, self.trusted.wanted)

    def statement(self) -> None:
        statement.check(self.stated, self.parts["srs"])
        self.layout = statement.layout_of(self.stated, self.n)
        listed = dict(map(tuple, self.stated["shortfalls"]))
        need(set(listed) <= {account for account, _ in self.commitments}, "BAD_STATEMENT", "shortfall")
        accounts = [(account, listed.get(account, 0), c_w) for account, c_w in self.commitments]
        self.linear = linear.Statement(self.layout, self.root, accounts)
        self.linear.transcript()

    def ranges_and_rows(self) -> None:
        need(len(self.parts["proof"]) == self.linear.proof_bytes, "BAD_LENGTH", "joint proof")
        for _, c_w in self.commitments:
            point(c_w)
        self.after = linear.verify(self.linear, self.parts["proof"])

    def matched_book(self) -> None:
        further.check_book(*self._proof("book"))

    def custody(self) -> str:
        found = custody.check(self.stated, self.parts["custody"])
        if self.trusted.genesis is not None:
            genesis.check_custody(self.stated, self.trusted.genesis)
        dated = [custody.time_ms(each) for each in self.parts["custody"]]
        return found if times.is_within(dated, self.trusted.wanted) else "incomplete"

    def rules(self) -> str:
        if self.trusted.genesis is None:
            book = rules.check(self.stated, self.header["time_ms"])
        else:
            network = self.trusted.network
            need(network is not None, "WRONG_NETWORK", "a genesis without the network's id")
            book = genesis.check_rules(self.stated, self.trusted.genesis, self.header["time_ms"], network or b"")
        return "incomplete" if rules.settled_instruments(book) else ""

    def inclusion(self) -> None:
        if self.trusted.own is not None:
            inclusion.check(self.stated, self.commitments, self.n, self.trusted.own)

    def _proof(self, name: str) -> tuple[dict[str, Any], further.Commitments, int, bytes, Transcript]:
        return self.stated, self.commitments, self.n, self.parts[name], self.after


def failed_check(data: bytes, trusted: Trusted = NOTHING) -> tuple[str, str]:
    """(name, code) of the first check of a package that fails; two empty texts when it is accepted."""
    name, still_open = "encoding", list[str]()
    try:
        for name, check in Package(data, trusted).checks():
            note("check", name=name)
            if check() == "incomplete":
                still_open.append(name)
    except Refused as refused:
        return name, refused.args[0]
    refused_open = [each for each in still_open if each not in trusted.allowed] if trusted.strict else []
    return (refused_open[0], "CHECK_OPEN") if refused_open else ("", "")


def failed_standalone(data: bytes, of_package: bytes, trusted: Trusted = NOTHING) -> tuple[str, str]:
    """The same of a standalone proof and its package."""
    name = "encoding"
    try:
        package = Package(of_package, trusted)
        need(len(data) <= 4 + 48 + 128 * 16 + 320, "OVERSIZE", "standalone proof")
        need(data[:4] == b"ccs\x01", "MALFORMED", "standalone proof")
        need(len(data) in [4 + 48 + 128 * c + 320 for c in range(1, 17)], "MALFORMED", "standalone proof")
        checks = dict(package.checks())
        for name in STANDALONE:
            if name in checks:
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


def failed_answer(data: bytes, of_package: bytes, trusted: Trusted = NOTHING) -> tuple[str, str, str]:
    """(name, code, contradiction) of a node's signed answer and a package: a check that refuses one of them, or how
    they contradict each other. Three empty texts: they agree."""
    name = "encoding"
    try:
        answer = inclusion.read_answer(data)
        name = "answer"
        inclusion.check_signature(answer)
        name = "encoding"
        package = Package(of_package, trusted)
        checks = dict(package.checks())
        for name in OF_AN_ANSWER:
            if name in checks:
                checks[name]()
        name = "answer"
        return "", "", inclusion.contradiction(answer, package.stated, package.commitments, package.n)
    except Refused as refused:
        return name, refused.args[0], ""
