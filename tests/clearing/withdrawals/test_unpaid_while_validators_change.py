"""Words on a withdrawal that was not paid move with the keys of who said them, and who left counts no more."""

import msgspec

from clearing.schema.terms.genesis import MarketParameters
from tests.kit.clearing.chamber import chamber_genesis, chamber_world
from tests.kit.clearing.gated import gated_genesis, not_executed
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1
from tests.kit.clearing.heard import SEVEN, say, until_heard
from tests.kit.clearing.signer import validator
from tests.kit.clearing.world import World

MARKET = MarketParameters(move_cap_ppm=900_000, epoch_blocks=5, withdrawal_valid_ms=2_000)


def overdue() -> World:
    """Alice has 5 dollars of which 3 were withdrawn and never paid."""
    base = chamber_genesis(SEVEN, MARKET)
    chamber = chamber_world(genesis=gated_genesis(base=base, give_back_expired=True))
    say(chamber, dict.fromkeys(SEVEN, (chamber.deposit_fact(ALICE, USDC_1, 5 * DOLLAR),)))
    chamber.hear({}, chamber.withdrawal(ALICE, USDC_1, 3 * DOLLAR))
    chamber.hear({}, after_ms=10_000)
    assert chamber.cash(ALICE) == 2 * DOLLAR
    return chamber


def test_a_quorum_that_only_lacked_who_left_gives_back_without_another_word() -> None:
    chamber = overdue()
    say(chamber, dict.fromkeys((1, 2, 3, 4), (not_executed(chamber, 0),)))
    chamber.hear({}, chamber.signed(chamber.unsigned([6, 7])))
    assert chamber.cash(ALICE) == 2 * DOLLAR, "four of seven"
    until_heard(chamber)
    assert chamber.cash(ALICE) == 5 * DOLLAR, "four of five"
    assert not list(chamber.state.fact_attestations.ordered())


def test_who_left_does_not_count() -> None:
    chamber = overdue()
    fact = not_executed(chamber, 0)
    say(chamber, dict.fromkeys((1, 2, 3, 4), (fact,)))
    chamber.hear({}, chamber.signed(chamber.unsigned([1, 2], [validator(9), validator(10)])))
    until_heard(chamber)
    say(chamber, dict.fromkeys((5, 6), (fact,)))
    assert chamber.cash(ALICE) == 2 * DOLLAR, "four of seven, for two of those who said it left"
    say(chamber, {9: (fact,)})
    assert chamber.cash(ALICE) == 5 * DOLLAR


def test_a_word_that_changes_its_mind_is_one_word() -> None:
    chamber = overdue()
    fact = not_executed(chamber, 0)
    other = msgspec.structs.replace(fact, block_number=fact.block_number + 1)
    for _ in range(3):
        say(chamber, dict.fromkeys((1, 2, 3, 4), (fact,)))
        say(chamber, dict.fromkeys((1, 2, 3, 4), (other,)))
    (claim,) = [claim for _, claim in chamber.state.fact_attestations.ordered()]
    assert len(claim.attestations) == 4
    assert chamber.cash(ALICE) == 2 * DOLLAR
