"""Packages of unusual books, rulebooks and domains: both verifiers give the same verdict in the same words."""

from collections.abc import Callable

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation
from proofs.epoch.package import attach_custody, read_package
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import reopened_feed, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.proven_custody import proven as proven_custody
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.proofs.write_vectors import BOOK, EVERY_RULE, MEMBERS

NO_HOUSE = ((1, (5_000, 10, 0, 3)), (2, (9_000, 40, -2, 0)), (5, (2_000, 700, 2, -3)))


def under(**changes: object) -> bytes:
    """The book of every rule, under these changed parameters."""
    parameters = msgspec.structs.replace(EVERY_RULE, **changes)
    return proven(
        stressed.snapshot_of(BOOK, MEMBERS, msgspec.structs.replace(stressed.RULEBOOK, parameters=parameters))
    )


def proven(shot, size: int = 256) -> bytes:
    return market.honest(shot, stressed.seeds_of([each.account for each in shot.accounts]), size=size)


def levered(fund: int) -> bytes:
    """Members who lack more than the fund has, with a listed deficit, or a fund of nothing without a backing."""
    parameters = msgspec.structs.replace(stressed.PARAMETERS, default_fund_micros=fund)
    rulebook = msgspec.structs.replace(stressed.RULEBOOK, parameters=parameters)
    return proven(stressed.snapshot_of(stressed.LEVERED, stressed.MEMBERS, rulebook, fund=fund))


def with_feed(number: int, **changes: object) -> bytes:
    """A feed of the stressed market is another one; marks of its instruments are taken away."""
    feeds = tuple(
        msgspec.structs.replace(feed, **changes) if feed.feed == number else feed for feed in stressed.RULEBOOK.feeds
    )
    rulebook = msgspec.structs.replace(stressed.RULEBOOK, feeds=feeds, marks=())
    return proven(stressed.snapshot_of(BOOK, MEMBERS, rulebook))


MANY_SHORT = (
    ((0, (5_000, 10, 0, 0)), *((account, (-200, 0, 0, 0)) for account in range(1, 13))),
    tuple((account, 100_000 + account) for account in range(1, 13)),
)


def with_custody(index: int, lacks: int) -> bytes:
    """A custody term whose balance lacks a hundredth, or whose balances have no known place but are storage-proven."""
    shot = stressed.snapshot_of(BOOK, MEMBERS)
    terms, evidence = list(shot.statement.custody), ()
    if lacks:
        accounted = int.from_bytes(terms[index].deposited) - int.from_bytes(terms[index].withdrawn)
        terms[index] = msgspec.structs.replace(terms[index], balance=u256(accounted * 99 // 100))
        stated = msgspec.structs.replace(shot.statement, custody=tuple(terms))
    else:
        terms = [msgspec.structs.replace(term, balances=BalanceLocation()) for term in terms]
        stated, evidence = proven_custody(msgspec.structs.replace(shot.statement, custody=tuple(terms)))
    return attach_custody(proven(msgspec.structs.replace(shot, statement=stated)), evidence)


def without_house_proof() -> bytes:
    package = read_package(market.honest(market.snapshot()))
    return msgspec.msgpack.encode(msgspec.structs.replace(package, house=b""))


PACKAGES: dict[str, Callable[[], bytes]] = {
    "no account of the house": lambda: market.honest(market.snapshot(NO_HOUSE)),
    "no proof of the house": without_house_proof,
    "a listed shortfall": lambda: market.honest(market.snapshot(market.BROKE, ((1, market.SHORT),))),
    "twelve listed shortfalls": lambda: market.honest(market.snapshot(*MANY_SHORT)),
    "a token of which the vault lacks a part": lambda: with_custody(1, lacks=1),
    "an unknown place of balances": lambda: with_custody(1, lacks=0),
    "two accounts": lambda: proven(stressed.snapshot_of({1: BOOK[1]}, {1: 1})),
    "one member": lambda: proven(stressed.snapshot_of(BOOK, dict.fromkeys(BOOK, 7))),
    "a deficit": lambda: levered(10**6),
    "a fund of nothing": lambda: levered(0),
    "a name that steers a terminal": lambda: with_feed(1, name="\u202eBTC\n\x1b[31m\U000e0001\u00a0😀 \x00"),
    "a settled feed": lambda: with_feed(2, used=False),
    "a settled perpetual whose feed is open again": reopened_feed.package,
    "the domain of a network": lambda: proven(stressed.snapshot_of(BOOK, MEMBERS), 2048),
    "a middle domain": lambda: proven(stressed.snapshot_of(BOOK, MEMBERS), 512),
    "no joint scenarios": lambda: under(joint=msgspec.structs.replace(EVERY_RULE.joint, scenarios=())),
    "no stress": lambda: under(stress=(), default_fund_micros=0),
    "no charges": lambda: under(charges=(), concentration=()),
    "no keeping of the largest": lambda: under(joint=msgspec.structs.replace(EVERY_RULE.joint, keep_largest=False)),
    "another weight": lambda: under(joint=msgspec.structs.replace(EVERY_RULE.joint, weight_ppm=1)),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_an_unusual_package_has_one_verdict(second: SecondVerifier, name: str) -> None:
    data = PACKAGES[name]()
    package = read_package(data)
    trusted = {"network": package.header.network, "validators_hash": package.validators.hash}
    first = verify_package(data, **trusted)
    verdict = second.ask(file=data, **{what: value.hex() for what, value in trusted.items()})
    ours = [(check.name, check.ok, check.complete) for check in first.checks]
    assert [(check["name"], check["ok"], check["complete"]) for check in verdict["checks"]] == ours
    assert first.ok, first.checks[-1]
    assert [check["detail"] for check in verdict["checks"]] == [check.detail for check in first.checks]
    assert verdict["claim"] == first.claim
    assert verdict["attested"] == {name: str(value) for name, value in first.attested}
    wanted = [line for line in first.not_proven if not line[0].isdigit() and "--" not in line]
    assert [line for line in wanted if line not in verdict["notProven"]] == []
