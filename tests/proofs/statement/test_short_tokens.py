"""A token of which its vault lacks a share: stated, shown by the verifier, and counted for no more than the rest."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.margin.statement.snapshot import RiskStatement
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.custody import check_reserves, custody_assurances, custody_limits
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.genesis import DOLLAR, USDC_1, WETH_1, make_genesis
from tests.kit.clearing.short_vaults import short_epoch

replace = msgspec.structs.replace
MISSING = 250 * 10**12


@pytest.fixture(scope="module")
def short() -> RiskStatement:
    return take_snapshot(short_epoch(MISSING).state).statement


def with_haircut(statement: RiskStatement, haircut_ppm: int) -> RiskStatement:
    """The statement of a quorum that gives the token another haircut, rows and all."""
    book = read_rulebook(statement.rules, len(statement.slots))
    tokens = tuple(replace(each, haircut_ppm=haircut_ppm) if each.id == WETH_1 else each for each in book.tokens)
    lie = replace(book, tokens=tokens)
    slots, rows = lie.slots_and_rows()
    return replace(statement, rules=write_rulebook(lie), slots=slots, rows=rows)


def test_what_a_vault_lacks_is_named_in_result_and_limits(short: RiskStatement) -> None:
    result = check_reserves(short)
    lacking = f"lacks {MISSING} of {4 * MISSING} base units"
    assert lacking in result
    assert f"{len(short.custody) - 1} custody balances cover" in result
    limits = custody_limits(short, custody_assurances(short, ()), listed=True)
    assert lacking in limits[0]
    assert "not settled" in limits[0]


def test_a_statement_with_a_short_token_passes_under_its_genesis(short: RiskStatement) -> None:
    check_rulebook(short, make_genesis())


@pytest.mark.parametrize("haircut_ppm", [0, 249_999])
def test_a_short_token_that_counts_for_more_than_backs_it_is_refused(short: RiskStatement, haircut_ppm: int) -> None:
    with pytest.raises(VerificationFailed, match="haircut of") as refused:
        check_rulebook(with_haircut(short, haircut_ppm))
    assert refused.value.code is ProofCode.RULES_DIFFER


@pytest.mark.parametrize("off", [-1, 1])
def test_under_a_genesis_a_short_token_counts_for_exactly_the_share_that_is_there(
    short: RiskStatement, off: int
) -> None:
    exact = next(token.haircut_ppm for token in read_rulebook(short.rules, len(short.slots)).tokens)
    check_rulebook(with_haircut(short, exact), make_genesis())
    with pytest.raises(VerificationFailed, match="haircut of"):
        check_rulebook(with_haircut(short, exact + off), make_genesis())


def test_a_haircut_without_a_shortage_is_refused(short: RiskStatement) -> None:
    covered = tuple(replace(term, balance=u256(term.accounted)) for term in short.custody)
    with pytest.raises(VerificationFailed, match="haircut of"):
        check_rulebook(replace(short, custody=covered), make_genesis())


def test_cash_that_a_vault_lacks_is_refused() -> None:
    """Cash counts in full, so the statement would say that accounts are solvent that are not."""
    with pytest.raises(VerificationFailed) as refused:
        check_reserves(take_snapshot(short_epoch(DOLLAR, USDC_1).state).statement)
    assert refused.value.code is ProofCode.RESERVES_SHORT
