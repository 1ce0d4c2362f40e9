"""The benchmark of defaults declares and ends what it says."""

from benchmarks.defaults import measured


def test_one_in_a_hundred_defaults_and_all_end() -> None:
    names = [figure.name for figure in measured(600)]
    assert names == ["6 of 600 members declared in default", "6 defaults ended in 3 blocks, the worst"]
