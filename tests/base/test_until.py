"""Rules of waiting in tests."""

import pytest

from tests.kit import until
from tests.kit.until import patiently, until_now


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was waited for in vain by the tests below, apart from all others."""
    in_vain: list[str] = []
    monkeypatch.setattr(until, "_in_vain", in_vain)
    monkeypatch.setattr(until, "LATER_PATIENCE_SECONDS", 0.0)
    return in_vain


def test_what_comes_is_waited_for(waits: list[str]) -> None:
    answers = iter([False, False, True])
    until_now(lambda: next(answers), poll_seconds=0)
    assert waits == []


async def test_after_one_wait_in_vain_the_next_are_short(monkeypatch: pytest.MonkeyPatch, waits: list[str]) -> None:
    monkeypatch.setattr(until, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(AssertionError, match="the first"):
        await until.until(lambda: False, "the first")
    monkeypatch.setattr(until, "PATIENCE_SECONDS", 1e9)
    with pytest.raises(AssertionError, match="the second"):
        until_now(lambda: False, "the second")
    with pytest.raises(AssertionError, match="the third"):
        for _ in patiently("the third"):
            pass
    assert waits == ["the first", "the second", "the third"]
