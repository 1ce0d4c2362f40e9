"""On a live surface, and with options on an average, both verifiers hold a package to its genesis alike."""

import json
import random
from collections.abc import Callable

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.clearing.genesis import ALICE, BOB, EXPIRY_MS, RISK, make_genesis
from tests.kit.clearing.surfaced import BTC_CALL, NEAR_MS, QUOTES, ExpiryQuote, SurfacedWorld
from tests.kit.clearing.world import World
from tests.kit.proofs import live_market, small_market
from tests.kit.proofs.both_verifiers import PROOF, second_answer
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.package_mutants import of_prices
from tests.kit.proofs.second_verifier import SecondVerifier

BOOKS = {"live-surface": live_market.SURFACED, "averaged-option": live_market.AVERAGING}
VALIDATORS = small_market.validator_set()
GENESES = {
    name: msgspec.structs.replace(live_market.genesis(book), validators=VALIDATORS) for name, book in BOOKS.items()
}
KNOWN = {"network": small_market.NETWORK, "validators_hash": VALIDATORS.hash}
STATED = {name: value.hex() for name, value in KNOWN.items()}
INTERVAL_MS = 3_600_000
"""Of ranges that move."""


@pytest.mark.parametrize("name", BOOKS)
def test_a_package_is_held_to_the_terms_of_its_genesis_in_the_same_words(second: SecondVerifier, name: str) -> None:
    data, genesis = (GOOD / f"{name}.ccp").read_bytes(), GENESES[name]
    known = verify_package(data, genesis=genesis, **KNOWN)
    verdict = second.ask(file=data, genesis=genesis_to_json(genesis), **STATED)
    assert known.ok
    assert verdict["ok"]
    assert verdict["complete"]
    assert [check["detail"] for check in verdict["checks"]] == [check.detail for check in known.checks]
    assert list(verdict["attested"].items()) == [(label, str(value)) for label, value in known.attested]
    assert any(label.startswith("forward_ppb:BTC:") for label, _ in known.attested)
    assert ("average_covered_ms:ETH-AVERAGE" in verdict["attested"]) == (name == "averaged-option")


def surfaced(until_ms: int, *quotes: ExpiryQuote) -> SurfacedWorld:
    """A network on a live surface, as of a time."""
    world = SurfacedWorld()
    world.quote()
    world.endow(100_000)
    world.quote(QUOTES, world.trade(ALICE, BOB, BTC_CALL, 100, world.state.marks[BTC_CALL].ticks))
    if quotes:
        world.quote(quotes, after_ms=until_ms - world.state.now.time_ms)
    world.block(facts=world.custody_facts(400), prices=tuple(world.ticks.items()))
    return world


def averaging() -> World:
    """A network whose call is half an hour into a window of an hour."""
    plain = make_genesis({"report_age_ms_max": 600_000}, msgspec.structs.replace(RISK, averaged_options=True))
    listed = tuple(
        msgspec.structs.replace(each, averaging_ms=3_600_000) if each.id == BTC_CALL else each
        for each in plain.instruments
    )
    world = World(msgspec.structs.replace(plain, instruments=listed), fresh=True)
    world.block()
    world.endow(1_000_000)
    world.block(world.trade(ALICE, BOB, BTC_CALL, 100, world.state.marks[BTC_CALL].ticks))
    while (left_ms := EXPIRY_MS - 1_800_000 - world.time_ms) > 0:
        world.block(after_ms=min(300_000, left_ms))
    world.block(facts=world.custody_facts(400))
    assert world.state.settlement_averages[BTC_CALL].covered_ms > 1_700_000
    return world


STATES: dict[str, Callable[[], World]] = {
    "live": lambda: surfaced(0),
    "half an hour before an expiry": lambda: surfaced(NEAR_MS - 1_800_000, *QUOTES),
    "past an expiry": lambda: surfaced(NEAR_MS + 1_000, *QUOTES[1:]),
    "in an averaging window": averaging,
}


@pytest.mark.parametrize("moment", STATES)
def test_what_a_network_proves_at_a_moment_has_one_verdict(second: SecondVerifier, moment: str) -> None:
    data = small_market.package_of_state(STATES[moment]().state).data
    known, verdict = verify_package(data), second.ask(file=data)
    assert known.ok, known.checks[-1]
    assert verdict["ok"]
    assert [check["detail"] for check in verdict["checks"]] == [check.detail for check in known.checks]
    assert list(verdict["attested"].items()) == [(label, str(value)) for label, value in known.attested]
    kinds = {label.split(":")[0] for label in verdict["attested"]}
    assert ("average_covered_ms" if moment == "in an averaging window" else "forward_ppb") in kinds


@pytest.mark.parametrize("moving", [False, True])
def test_mutants_of_surfaces_are_judged_alike_with_a_genesis(second: SecondVerifier, moving: bool) -> None:
    """With ranges that stay as they are, and with ranges that move."""
    found: dict[tuple[str, str], int] = {}
    for case in range(40):
        mutant = of_prices(random.Random(f"genesis/{case}"))
        name = next(name for name in BOOKS if name in mutant.what)
        genesis = GENESES[name]
        if moving:
            ranges = msgspec.structs.replace(genesis.ranges, interval_ms=INTERVAL_MS)
            genesis = msgspec.structs.replace(genesis, ranges=ranges)
        verdict = verify_standalone(PROOF, mutant.data, genesis=genesis, **KNOWN)
        last = verdict.checks[-1]
        first = ("", "") if verdict.ok else (last.name, f"R{last.code:04}")
        asked = {"standalone": PROOF, "brief": True, "signed": mutant.signed, "genesis": genesis_to_json(genesis)}
        answer = second_answer(second.ask(file=mutant.data, **asked, **STATED))[:2]
        assert answer == first, mutant.what
        found[answer] = found.get(answer, 0) + 1
    assert {("listed", "R0712"), ("rules", "R0717")} <= set(found), found


def test_a_genesis_that_leaves_out_its_terms_of_a_surface_has_the_default_ones(second: SecondVerifier) -> None:
    data, genesis = (GOOD / "live-surface.ccp").read_bytes(), GENESES["live-surface"]
    tree = json.loads(genesis_to_json(genesis))
    tree["surfaces"] = [{"group": 1}]
    assert second.ask(file=data, genesis=json.dumps(tree).encode(), **STATED)["ok"]
    tree["surfaces"] = [{"group": 1, "rate_max_ppm": 119_999}]
    refusal = second.ask(file=data, genesis=json.dumps(tree).encode(), **STATED)["refusal"]
    assert (refusal["check"], refusal["code"][:5]) == ("rules", "R0717")
