"""Whatever words a node or a file has, no command prints what a terminal would obey."""

from collections.abc import Callable

import pytest

from cli.output import harmless, say, show
from member.api.chain import OffenceView, ValidatorsView
from member.api.withdrawals import WaitingView, WithdrawalsView
from member.printing.validators import validators_text
from member.printing.withdrawals import withdrawal_lines

HOSTILE = "\x1b[2J\x9b31m\u202e\x07\r\x00"


def withdrawals() -> str:
    waits = WaitingView(number=1, asset=1, amount_units="5", to=HOSTILE, nonce=1, accepted_height=1, due_height=9)
    return withdrawal_lines(WithdrawalsView(account=1, height=1, waiting=(waits,)))


def validators() -> str:
    proven = OffenceView(envelope_key="0x" + "11" * 32, kind=HOSTILE, count=1, height=1, power=1, noted_at=1)
    zero = "0x" + "00" * 32
    view = ValidatorsView(
        network=zero,
        height=1,
        number=0,
        hash=zero,
        total_power=0,
        validators=(),
        agreeing_hash=zero,
        offences=(proven,),
    )
    return validators_text(view)


@pytest.mark.parametrize("words", [withdrawals, validators], ids=lambda each: each.__name__)
def test_words_of_a_node_cannot_steer_a_terminal(words: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    text = words()
    assert HOSTILE in text
    show({}, text, "text")
    say(text)
    for printed in capsys.readouterr():
        assert "\\u001b[2J" in printed
        assert not set(HOSTILE) & set(printed) - set("[2J31m")


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "account 7\n\t12 -> 13 … ok"
    assert harmless(text) == text
