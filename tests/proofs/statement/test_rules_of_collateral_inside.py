"""Tokens that move in the scenarios: their coefficients are recomputed, and no other row, haircut or group passes."""

import msgspec
import pytest

from clearing.base.errors import CrossclearError
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.schema.terms.collateral import ScenarioTerms
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.arithmetization import check_statement
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.genesis import ALICE, BOB, ETH_PERP, WETH_1
from tests.kit.clearing.inside import endowed, inside_genesis
from tests.kit.clearing.rows import complete_values
from tests.kit.proofs.inside_market import OP, RULEBOOK, WETH, snapshot_inside

replace = msgspec.structs.replace
SHOT = snapshot_inside()
STATED = SHOT.statement


def refused(statement, code=ProofCode.RULES_DIFFER, genesis=None, match=None):
    with pytest.raises(VerificationFailed, match=match) as caught:
        check_rulebook(statement, genesis)
    assert caught.value.code is code


def with_tokens(*tokens):
    """The statement of the same accounts under a rulebook with other tokens."""
    book = replace(RULEBOOK, tokens=(*tokens, *RULEBOOK.tokens[len(tokens) :]))
    slots, rows = book.slots_and_rows()
    return replace(STATED, slots=slots, rows=rows, rules=write_rulebook(book))


def test_rows_with_tokens_are_recomputed_and_every_account_meets_them():
    check_statement(STATED)
    assert "under the stated parameters" in check_rulebook(STATED)
    assert len(complete_values(SHOT)) == 4


def test_a_token_that_is_left_out_of_a_scenario_is_a_difference():
    tokens = {at for at, slot in enumerate(STATED.slots) if slot.name.startswith("token:")}
    moved = 0
    for number, row in enumerate(STATED.rows):
        if not row.name.startswith(("loss:", "beyond:")) or not tokens & dict(row.coefficients).keys():
            continue
        without = tuple(pair for pair in row.coefficients if pair[0] not in tokens)
        refused(
            replace(
                STATED, rows=(*STATED.rows[:number], replace(row, coefficients=without), *STATED.rows[number + 1 :])
            )
        )
        moved += 1
    assert moved == 3 + 5, "each scenario of ETH, and each joint one that moves it"


def test_a_coefficient_that_is_one_micro_off_is_a_difference():
    number, row = next((n, row) for n, row in enumerate(STATED.rows) if row.name == "loss:ETH:1")
    (slot, value), *rest = row.coefficients
    bent = replace(row, coefficients=((slot, value + 1), *rest))
    refused(replace(STATED, rows=(*STATED.rows[:number], bent, *STATED.rows[number + 1 :])))


def test_terms_that_are_off_are_not_written():
    plain = tuple(replace(token, scenarios=ScenarioTerms()) for token in RULEBOOK.tokens)
    data = write_rulebook(replace(RULEBOOK, tokens=plain))
    assert read_rulebook(data, 100).tokens == plain
    assert read_rulebook(write_rulebook(RULEBOOK), 100) == RULEBOOK
    assert [len(token) for token in msgspec.msgpack.decode(data)[4]] == [18, 18, 18]
    assert [len(token) for token in msgspec.msgpack.decode(write_rulebook(RULEBOOK))[4]] == [19, 19, 19]


@pytest.mark.parametrize(
    "terms",
    [ScenarioTerms(3, 30_000), ScenarioTerms(0, 30_000), ScenarioTerms(2, 1_000_001), ScenarioTerms(2, 0, 3_000_001)],
)
def test_a_rulebook_with_terms_out_of_range_is_not_read(terms):
    book = replace(RULEBOOK, tokens=(replace(WETH, scenarios=terms), *RULEBOOK.tokens[1:]))
    with pytest.raises(CrossclearError, match="scenarios"):
        read_rulebook(write_rulebook(book), 100)
    refused(replace(STATED, rules=write_rulebook(book)), ProofCode.BAD_STATEMENT)


@pytest.mark.parametrize(
    "tokens",
    [
        (replace(WETH, scenarios=ScenarioTerms()),),
        (WETH, replace(OP, scenarios=ScenarioTerms(2, 100_000, fall_share_ppm=1_100_000))),
    ],
)
def test_other_terms_make_other_rows(tokens):
    assert "under the stated" in check_rulebook(with_tokens(*tokens))
    refused(replace(STATED, rules=with_tokens(*tokens).rules))


@pytest.fixture(scope="module")
def world():
    made = endowed(inside_genesis())
    made.block(made.trade(BOB, ALICE, ETH_PERP, 1_000, made.state.marks[ETH_PERP].ticks))
    made.block(facts=made.custody_facts(400))
    return made


def test_a_networks_statement_with_its_token_inside_is_the_genesis(world):
    shot = take_snapshot(world.state)
    assert "under the genesis' parameters" in check_rulebook(shot.statement, world.genesis)
    assert len(complete_values(shot)) >= 3


@pytest.mark.parametrize("haircut_ppm", [29_999, 30_001, 100_000])
def test_the_haircut_of_a_token_inside_is_that_of_its_scenario_terms(world, haircut_ppm):
    stated = take_snapshot(world.state).statement
    book = read_rulebook(stated.rules, 10**6)
    (token,) = book.tokens
    assert (token.id, token.haircut_ppm) == (WETH_1, 30_000)
    bent = replace(book, tokens=(replace(token, haircut_ppm=haircut_ppm),))
    slots, rows = bent.slots_and_rows()
    refused(
        replace(stated, slots=slots, rows=rows, rules=write_rulebook(bent)),
        genesis=world.genesis,
        match="haircut of WETH-1",
    )
