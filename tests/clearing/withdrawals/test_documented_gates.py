"""The examples of docs/explanation/withdrawal-controls.md do what they say there."""

import json
import re
from collections.abc import Callable
from itertools import groupby, takewhile
from pathlib import Path

from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import Fact
from clearing.schema.receipts.withdrawals import (
    WithdrawalConfirmed,
    WithdrawalDelayed,
    WithdrawalExpired,
    WithdrawalRefunded,
    WithdrawalReleased,
)
from clearing.schema.terms.genesis import Genesis
from clearing.withdrawals.deficit_reserve import deficit_share, total_owed
from tests.kit.clearing.gated import MARKET, may_withdraw, not_executed
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, HOUSE, USDC_1, make_genesis
from tests.kit.clearing.world import World, executed, funded

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "withdrawal-controls.md").read_text(encoding="utf-8")
WHO = {"alice": ALICE, "bob": BOB, "house": HOUSE}


def table(heading: str) -> list[list[str]]:
    """Rows of the page's table whose heading begins so."""
    lines = PAGE.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def documented_genesis() -> Genesis:
    terms = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    whole = json.loads(genesis_to_json(make_genesis(MARKET)))
    whole["crisis"]["gates"] = terms
    return genesis_from_json(json.dumps(whole).encode())


def request_of(world: World, who: str, does: str) -> Transaction:
    verb, number = does.split()
    if verb == "withdraws":
        return world.withdrawal(WHO[who], USDC_1, int(number) * DOLLAR)
    assert verb == "cancels"
    return world.withdrawal_cancellation(WHO[who], int(number))


def outcomes(result: BlockResult) -> list[str]:
    words: dict[type, Callable[..., str]] = {
        WithdrawalReleased: lambda each: f"released as {each.nonce}",
        WithdrawalDelayed: lambda each: f"waits as {each.number} until {each.due_height}",
        Refused: lambda each: f"refused {each.code}",
        WithdrawalRefunded: lambda each: f"given back {each.units // DOLLAR}",
        WithdrawalConfirmed: lambda each: f"confirmed {each.nonce}",
        WithdrawalExpired: lambda each: f"not paid {each.nonce}",
    }
    return [words[type(each)](each) for each in result.receipts if type(each) in words]


def act(world: World, rows: list[list[str]]) -> BlockResult:
    """One block out of the rows of one height."""
    requests: list[Transaction] = []
    facts: list[Fact] = []
    after_ms, attesting = 1_000, 4
    for _, who, does, _ in rows:
        seen = re.fullmatch(r"saw (\d+) (not )?paid", does)
        if who in WHO:
            requests.append(request_of(world, who, does))
        elif seen:
            nonce = int(seen[1])
            facts.append(not_executed(world, nonce) if seen[2] else executed(1, nonce))
            attesting = 2 if who == "two validators" else 4
        elif does == "two minutes pass":
            after_ms = 120_000
        else:
            assert does == "nothing"
    return world.block(*requests, facts=facts, after_ms=after_ms, attesting=attesting)


def test_the_table_of_withdrawals() -> None:
    world = funded(genesis=documented_genesis())
    rows = table("height")
    assert len(rows) == 14
    for height, group in groupby(rows, key=lambda row: int(row[0])):
        same = list(group)
        while world.state.now.height + 1 < height:
            assert outcomes(world.block()) == []
        wanted = [word for row in same for word in row[3].split(", ") if word != "nothing"]
        # Releases come at the end of a block, whatever else it holds.
        assert sorted(outcomes(act(world, same))) == sorted(wanted), f"height {height}"
    assert world.cash(ALICE) == 98_000 * DOLLAR + 800 * DOLLAR
    assert world.cash(BOB) == 100_000 * DOLLAR


def test_the_table_of_deficits(with_deficit: Callable[..., World]) -> None:
    for name, worth, part, leaves in table("account"):
        world = with_deficit(40_000 * DOLLAR)
        account = WHO[name]
        assert total_owed(world.state) == 400_000 * DOLLAR
        assert world.cash(account) == int(worth) * DOLLAR
        if account != HOUSE:
            assert deficit_share(40_000, int(worth), 400_000) == int(part)
        assert int(leaves) == int(worth) - int(part)
        may_withdraw(world, account, int(leaves) * DOLLAR, [ClearingCode.DEFICIT_RESERVE])


def test_every_code_that_the_page_names_exists() -> None:
    named = {int(code) for code in re.findall(r"R0(\d{3})", PAGE)}
    assert named
    assert named <= {int(code) for code in ClearingCode}
