"""Rules of times as a member reads them."""

import pytest

from member.client.vault_exits import ExitAtVault
from member.notation.times import SECONDS_MAX, time_text, time_text_of_seconds
from member.printing.exits import exit_text


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (1_584_000_059, "2020-03-12 08:00:59 UTC"),
        (SECONDS_MAX - 1, "6325-04-08 15:04:31 UTC"),
    ],
)
def test_a_time_is_written_in_utc_to_the_second_below(second: int, text: str) -> None:
    assert time_text_of_seconds(second) == time_text(second * 1000) == time_text(second * 1000 + 999) == text


@pytest.mark.parametrize("second", [-1, SECONDS_MAX, 2**64 - 1])
def test_a_time_that_is_no_date_is_its_number_with_its_unit(second: int) -> None:
    assert time_text_of_seconds(second) == f"{second} s"
    assert time_text(second * 1000) == f"{second * 1000} ms"


def test_a_vault_that_answers_any_number_as_a_time_is_printed() -> None:
    found = ExitAtVault(
        chain_id=1,
        vault="0x" + "11" * 20,
        stage="return",
        now=0,
        silent_from=1_584_000_059,
        escape_from=2**64 - 1,
        payments_from=0,
        is_newest=True,
        leaves=(),
    )
    assert "  silent from 2020-03-12 08:00:59 UTC\n  escape from 18446744073709551615 s" in exit_text((found,))
