"""Several packages together: the verifier in TypeScript finds in them what `crossclear proof history` finds."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from clearing.base import bls
from clearing.base.codec import u256
from clearing.base.header import DepositCursor
from member.verifying.movements import movement_lines, movement_report
from proofs.epoch.package import read_package, write_package
from proofs.history.package_history import LIMITS, PackageHistory
from proofs.verify.freshness import Freshness
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import counted_scalars
from tests.kit.proofs.epochs import package_of, proven, shot_of
from tests.kit.proofs.second_verifier import SecondVerifier

OTHER = bytes([9]) * 32
EPOCHS = {epoch: package_of(epoch) for epoch in (4, 5, 6)}


def broken(data: bytes) -> bytes:
    package = read_package(data)
    return write_package(msgspec.structs.replace(package, book=package.book[:-1] + bytes([package.book[-1] ^ 1])))


def with_terms(epoch: int, **changes: object) -> bytes:
    """A package whose custody terms have other fields."""
    custody = tuple(msgspec.structs.replace(term, **changes) for term in shot_of(epoch).statement.custody)
    return package_of(epoch, statement={"custody": custody})


def with_block(epoch: int, number: int) -> bytes:
    """A package whose last custody term is of another block than the others of its chain."""
    *others, last = shot_of(epoch).statement.custody
    other = msgspec.structs.replace(last, block_number=number, block_hash=number.to_bytes(32, "big"))
    return package_of(epoch, statement={"custody": (*others, other)})


def with_cursor(epoch: int, *nonces: int) -> bytes:
    return package_of(epoch, deposit_cursors=tuple(DepositCursor(1, b"\xaa" * 20, nonce) for nonce in nonces))


def other_set(epoch: int) -> bytes:
    """A package that another set signed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(market, "SECRETS", tuple(bls.secret_from_seed(bytes([i + 77]) * 32) for i in range(2)))
        return package_of(epoch)


HISTORIES: dict[str, Callable[[], list[bytes]]] = {
    "in a row": lambda: list(EPOCHS.values()),
    "backwards": lambda: list(EPOCHS.values())[::-1],
    "a gap": lambda: [EPOCHS[4], EPOCHS[6]],
    "a wide gap": lambda: [EPOCHS[4], package_of(9)],
    "a refused one, and junk": lambda: [EPOCHS[4], broken(EPOCHS[5]), EPOCHS[6], b"junk"],
    "two proofs of one epoch": lambda: [*EPOCHS.values(), package_of(5)],
    "one twice": lambda: [EPOCHS[4], EPOCHS[4]],
    "two headers of one height": lambda: [*EPOCHS.values(), package_of(5, payload_root=OTHER)],
    "two books of one epoch": lambda: [EPOCHS[4], package_of(4, height=44, statement={"state_root": OTHER})],
    "an unlinked set": lambda: [package_of(4, next_validators_hash=OTHER), EPOCHS[5]],
    "a set that follows": lambda: [
        package_of(4, next_validators_hash=read_package(other_set(5)).validators.hash),
        other_set(5),
    ],
    "a stranger's set": lambda: [EPOCHS[4], other_set(5)],
    "another network": lambda: [EPOCHS[4], package_of(5, network=OTHER, statement={"network": OTHER})],
    "a clock that stands still": lambda: [EPOCHS[4], package_of(5, time_ms=read_package(EPOCHS[4]).header.time_ms)],
    "a clock that goes back": lambda: [EPOCHS[4], package_of(5, time_ms=1)],
    "withdrawals that fall": lambda: [EPOCHS[4], package_of(5, withdrawals_count=0)],
    "a cursor that falls": lambda: [with_cursor(4, 7), with_cursor(5, 6)],
    "a cursor that falls beside one that does not": lambda: [with_cursor(4, 7), with_cursor(5, 6, 7)],
    "a cursor that is missing": lambda: [with_cursor(4, 7), with_cursor(5)],
    "a block with two hashes": lambda: [EPOCHS[4], with_terms(5, block_number=401, block_hash=OTHER)],
    "a token's block that falls beside one that does not": lambda: [with_block(4, 401), with_block(5, 400)],
    "a counter that falls": lambda: [EPOCHS[6], with_terms(7, deposited=u256(2**70), withdrawn=u256(0))],
    "one draw of randomness": lambda: [
        proven(shot_of(4), scalars=counted_scalars()),
        proven(shot_of(5), scalars=counted_scalars()),
    ],
    "nothing": list,
}


FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2" / "histories"
FROZEN = json.loads((FOLDER / "vectors.json").read_text())["vectors"]
WORDED = {*range(730, 735), *range(776, 780)}
FLAWLESS = {"a set that follows", "in a row", "backwards", "two proofs of one epoch", "one twice", "nothing"}


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("anchored", [True, False])
def test_both_find_the_same_in_a_history(second: SecondVerifier, name: str, anchored: bool) -> None:
    """Anchored, packages are looked at first, so a stranger's is checked no further than its certificate."""
    packages = HISTORIES[name]()
    own = market.validator_set().hash
    trusted = {"network": market.NETWORK, "validators_hash": own} if anchored else {}
    history = PackageHistory(**trusted)
    for data in packages if anchored else ():
        history.survey(data)
    for number, data in enumerate(packages):
        history.add(f"{number}.ccp", data)
    first = history.finish()
    verdict = second.ask(history=packages, surveyed=anchored, **{what: value.hex() for what, value in trusted.items()})
    assert verdict["ok"] == first.ok
    assert verdict["epochs"] == [str(epoch) for epoch in first.epochs]
    ours = [(f"R{f.code:04} {f.code.name.lower()}", list(f.files)) for f in first.findings]
    assert [(finding["code"], finding["files"]) for finding in verdict["findings"]] == ours
    assert (ours == []) == (name in FLAWLESS)
    words = {finding.detail for finding in first.findings if finding.code in WORDED}
    assert words == {finding["detail"] for finding in verdict["findings"] if int(finding["code"][1:5]) in WORDED}
    assert [(f["ok"], f["failed"], f["linked"]) for f in verdict["files"]] == [
        (f.ok, f.failed or "", f.linked) for f in first.packages
    ]
    words = [{what: str(value) for what, value in package.attested} for package in first.packages]
    assert [file["attested"] for file in verdict["files"]] == words
    assert all(bool(word) == package.ok for word, package in zip(words, first.packages, strict=True))
    assert ("anchor" in verdict["open"]) == (not anchored)
    said = set(verdict["notProven"])
    assert {line for line in first.not_proven if line not in LIMITS} <= said
    assert LIMITS[1] in said


@pytest.mark.parametrize(("late", "known"), [(0, True), (1, True), (1, False)])
def test_a_set_that_was_in_force_too_long_ago_is_a_finding(second: SecondVerifier, late: int, known: bool) -> None:
    own, since = market.validator_set().hash, 1_584_000_000_000
    now = since + 14 * 86_400_000 + late
    history = PackageHistory(validators_hash=own, freshness=Freshness(now, set_known_ms=since if known else None))
    history.add("0.ccp", EPOCHS[4])
    first = history.finish()
    stated = {"set_known_ms": str(since)} if known else {}
    verdict = second.ask(history=[EPOCHS[4]], validators_hash=own.hex(), now_ms=str(now), **stated)
    assert verdict["ok"] == first.ok == (not (late and known))
    assert [finding["code"] for finding in verdict["findings"]] == ["R0758 set_expired"] * (not first.ok)
    assert {line for line in first.not_proven if line not in LIMITS} <= set(verdict["notProven"])


@pytest.mark.parametrize("vector", FROZEN, ids=lambda vector: vector["name"])
def test_a_frozen_history_moves_as_it_says(second: SecondVerifier, vector: dict) -> None:
    packages = [(FOLDER / f"{name}.ccp").read_bytes() for name in vector["packages"]]
    verdict = second.ask(history=packages)
    # The packages share their blinders, so that they can be frozen.
    found = {finding["code"][6:].upper() for finding in verdict["findings"] if finding["code"] >= "R0776"}
    assert sorted(found) == sorted(vector["codes"])
    moved = [[str(value).removeprefix("0x") for value in movement.values()] for movement in verdict["movements"]]
    assert moved == vector["movements"]


def test_movements_are_told_in_the_words_of_the_command(second: SecondVerifier) -> None:
    history = PackageHistory()
    for epoch, data in EPOCHS.items():
        history.add(f"{epoch}.ccp", data)
    first = tuple(map(movement_report, history.finish().movements))
    assert first
    verdict = second.ask(history=list(EPOCHS.values()))
    assert verdict["movements"] == [{k: str(v) for k, v in msgspec.to_builtins(each).items()} for each in first]
    assert verdict["movement_lines"] == [line.strip() for line in movement_lines(first)[2:]]


@pytest.mark.parametrize("named", ["network", "validators_hash"])
def test_half_an_anchor_is_none(second: SecondVerifier, named: str) -> None:
    """One set may serve two networks: its packages of one are no history of the other."""
    value = market.NETWORK if named == "network" else market.validator_set().hash
    assert second.ask(history=[EPOCHS[4]], **{named: value.hex()})["open"][0] == "anchor"


def test_another_trusted_set_links_nothing(second: SecondVerifier) -> None:
    verdict = second.ask(history=[EPOCHS[4]], validators_hash=OTHER.hex())
    assert [finding["code"] for finding in verdict["findings"]] == ["R0731 set_not_linked"]
    assert not verdict["ok"]
