"""The benchmark of the risk model's terms proves packages in which every term stands."""

from benchmarks.proof_rows import proven, rulebooks


def test_each_rulebook_has_more_rows_or_slots_than_the_one_before() -> None:
    sizes = []
    for name, genesis in rulebooks(2):
        found = {figure.name.removeprefix(f"{name}: "): figure.value for figure in proven(name, genesis, 2)}
        assert found["prove, CPU an account"] > 0
        assert found["crossclear verify, CPU"] > 0
        sizes.append((found["slots"], found["rows"], found["package"]))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == len(sizes) == 7
