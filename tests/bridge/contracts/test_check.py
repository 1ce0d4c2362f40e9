"""Findings of the static analysis are mended or explained, and explanations without a finding are refused."""

import re

from bridge.contracts import FOLDER
from bridge.contracts.check import AcceptedFinding, SlitherFinding, complaints, read_accepted


def test_every_accepted_finding_has_a_reason_and_stands_once() -> None:
    accepted = read_accepted()
    assert all(len(entry.why) > 20 for entry in accepted)
    assert len({(entry.check, entry.at) for entry in accepted}) == len(accepted)


def test_an_unexplained_finding_and_an_idle_reason_are_complaints() -> None:
    accepted = (
        AcceptedFinding("timestamp", "", "hours"),
        AcceptedFinding("calls-loop", "withdrawBatch", "fails alone"),
    )
    assert complaints([SlitherFinding("timestamp", "a"), SlitherFinding("calls-loop", "withdrawBatch")], accepted) == []
    assert complaints([SlitherFinding("timestamp", "a"), SlitherFinding("calls-loop", "other")], accepted) == [
        "slither: calls-loop at other is neither mended nor explained",
        "slither.toml: calls-loop at withdrawBatch is found no more",
    ]


def test_each_counter_of_money_is_written_by_one_statement() -> None:
    """The symbolic checks are about these two; `Counters.t.sol` shows that they keep what the vault owes within its
    balance."""
    written = re.compile(
        r"\b(deposited|withdrawn|depositNonce)(?:\[\w+\])?(?:, \w+\))? [-+*/|&^]?= |delete (?:deposited|withdrawn)"
    )
    lines = [
        line.strip()
        for path in sorted((FOLDER / "src").glob("*.sol"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if written.search(line)
    ]
    assert sorted(lines) == [
        "(depositNonce, depositsHash) = (nonce, rolled);",
        "deposited[token] += credited;",
        "withdrawn[token] = paid + amount;",
    ]
