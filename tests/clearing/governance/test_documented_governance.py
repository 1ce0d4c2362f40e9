"""Every example of docs/explanation/governance.md does what it says there."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from clearing.governance import bounds
from clearing.schema.codes import ClearingCode

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "governance.md").read_text()


def test_every_example_prints_what_stands_under_it() -> None:
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == PAGE.count("```python") == 2
    names: dict[str, object] = {}
    for code, expected in examples:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)  # noqa: S102 - our own page
        assert [line.rstrip() for line in printed.getvalue().splitlines()] == expected.splitlines()


def test_the_codes_and_bounds_that_it_names_are_those() -> None:
    named = {int(code) for code in re.findall(r"R(\d{4})", PAGE)}
    assert named - {131, 403} == {int(code) for code in ClearingCode if 469 <= code <= 480} - {472, 474, 477, 478}
    assert (bounds.RANGE_PPM_MIN, bounds.HAIRCUT_PPM_MIN) == (10_000, 5_000)
    assert (bounds.TRADE_FEE_PPM_MAX, bounds.PENALTY_PPM_MAX) == (10_000, 100_000)
    assert (bounds.MAINTENANCE_PPM_MIN, bounds.JOINT_WEIGHT_PPM_MAX) == (500_000, 900_000)
    assert bounds.CRISIS_BLOCKS_MAX == 100_000
