"""The benchmark of liquidations liquidates what it says, in every way that it measures."""

from benchmarks.liquidation import measured


def test_one_in_a_hundred_is_liquidated_in_every_way() -> None:
    names = [figure.name for figure in measured(200, rounds=1)]
    assert names == [
        "2 of 200 accounts taken over by the house",
        "2 of 200 accounts so, all judged for early calls",
        "2 of 200 accounts taken over by the backstop",
        "2 of 200 accounts put up for sale",
        "2 of 200 accounts sold to bidders",
    ]
