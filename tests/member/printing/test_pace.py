"""How long the rest of a piece of work takes, at the pace so far."""

from member.printing.pace import TOLD_EVERY_SECONDS, Pace, bar


def test_the_rest_takes_as_long_for_each_as_what_was_done() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert pace.seconds_left(50, 200) is None, "what was there before tells nothing"
    now[0] = 110.0
    assert pace.seconds_left(100, 200) == 20
    now[0] = 110.5
    assert pace.seconds_left(103, 200) == 20, "rounded up"
    assert pace.seconds_left(200, 200) == 0
    assert pace.seconds_left(10, 200) is None, "another piece of work"


def test_it_is_told_now_and_then() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    due = []
    for _ in range(9):
        now[0] += TOLD_EVERY_SECONDS / 2
        due.append(pace.is_due())
    assert due == [False, True] * 4 + [False]


def test_a_bar_shows_the_share_that_is_done_and_is_full_at_the_end_only() -> None:
    assert bar(5, 20, 90) == "[######------------------]  25 %, about 90 s left"
    assert bar(0, 20, None) == "[------------------------]   0 %"
    assert bar(9_999, 10_000, 1) == "[#######################-]  99 %, about 1 s left"
    assert bar(10_000, 10_000, 0) == bar(10_001, 10_000, 0) == "[########################] 100 %, about 0 s left"
