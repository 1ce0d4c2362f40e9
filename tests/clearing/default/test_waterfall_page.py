"""The worked examples of docs/explanation/waterfall.md, each carried out in blocks."""

import pytest

from clearing.schema.receipts.default import WaterfallLayer
from tests.kit.clearing.default_examples import carry_out, examples


@pytest.mark.parametrize("title", examples())
def test_the_page_tells_what_the_state_machine_does(title: str) -> None:
    told, expected = carry_out(examples()[title])
    assert told == expected


def test_there_is_an_example_for_every_layer() -> None:
    shown = {words[0] for lines in examples().values() for words in lines}
    assert {layer.name for layer in WaterfallLayer} - shown == {WaterfallLayer.TEAR_UP.name}
    assert {"TORN_UP", "DELEVERAGED"} <= shown
    assert len(examples()) == 8
